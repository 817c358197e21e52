"""Visual towers that see the pictures of a clip together, and their result for a single picture.

Only vectors in the space of the text tower that do not depend on the text: X-CLIP's ``forward``
adapts the text vector to each video, which an index cannot store, so it is not called.
"""

from __future__ import annotations

from typing import Any, Protocol

from vidseek.encoders.hub.families import Family


class VideoTower(Protocol):
    """Tensors in, vectors out."""

    def clips(self, pixel_values: Any) -> Any:
        """From (N, T, 3, h, w) pictures of N clips to (N, D)."""

    def frames(self, pixel_values: Any) -> Any:
        """From (N, 3, h, w) single pictures to (N, D) in the same space."""


def video_tower(family: Family, model: Any) -> VideoTower | None:
    """The video tower of a model of transformers; None where it sees single pictures."""
    if family.name == "xclip":
        return XClipTower(model)
    return VideoPrismTower(model) if family.name == "videoprism" else None


def pictures_a_clip(config: Any) -> int:
    """How many pictures a video model was taught to see together."""
    return int(config.vision_config.num_frames)


class XClipTower:
    """Frames that send each other messages in every layer, then a transformer over time."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def clips(self, pixel_values: Any) -> Any:
        """See ``VideoTower``."""
        return self._model.get_video_features(pixel_values=pixel_values)

    def frames(self, pixel_values: Any) -> Any:
        """See ``VideoTower``: the result of ``clips`` for a repeated picture, T times as fast.

        Equal frames send equal messages, and the mean of equal messages is each of them: one frame
        alone comes out of the layers as it would among its copies. Only the transformer over time,
        which knows the places of frames, needs as many as a clip has.
        """
        layers = self._model.vision_model.encoder.layers
        together = layers[0].num_frames
        try:
            for layer in layers:
                layer.num_frames = 1
            seen = self._model.vision_model(pixel_values=pixel_values).pooler_output
        finally:
            for layer in layers:
                layer.num_frames = together
        copies = self._model.visual_projection(seen)[:, None].expand(-1, together, -1)
        return self._model.mit(copies)


class VideoPrismTower:
    """A spatial encoder for each frame, then a temporal encoder for each place in the picture."""

    def __init__(self, model: Any) -> None:
        import torch

        self._model = model
        self._times = model.video_model.vision_model.temporal_embeddings
        self._all_places = self._times.position_embeddings
        places = self._all_places.detach()
        # Interpolated as transformers does it, which does not work in half precision on a CPU.
        one = torch.nn.functional.interpolate(
            places.float()[:, None], size=(1, places.shape[2]), mode="bilinear", antialias=True
        )[:, 0]
        self._one_place = torch.nn.Parameter(one.to(places.dtype), requires_grad=False)

    def clips(self, pixel_values: Any) -> Any:
        """See ``VideoTower``."""
        # One vector per clip, each in its own row.
        seen = self._model.get_video_features(pixel_values_videos=pixel_values)
        return seen.pooler_output.flatten(1)

    def frames(self, pixel_values: Any) -> Any:
        """See ``VideoTower``: a clip of one frame, its place in time interpolated.

        This is how the model itself handles fewer frames than it was trained on. It costs a
        sixteenth of repeating the still sixteen times.
        """
        self._times.position_embeddings = self._one_place
        try:
            return self.clips(pixel_values[:, None])
        finally:
            self._times.position_embeddings = self._all_places
