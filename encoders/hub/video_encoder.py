"""An encoder made from a Hugging Face video model: X-CLIP, VideoPrism."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.encoders.hub.checkpoint import Checkpoint
from vidseek.encoders.hub.encoder import HubEncoder, Origin
from vidseek.encoders.hub.video_towers import pictures_a_clip

MAX_PICTURES_AT_ONCE = 64
"""Of clips that are prepared together."""


class HubVideoEncoder(HubEncoder):
    """A third-party video model: a ``VideoEncoder``. Safe to use from several threads.

    ``encode_clips`` has no pictures and returns the mean of the frame vectors, which is good enough
    only for a part of a stored clip.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, origin: Origin, threads: int | None = None
    ) -> None:
        """See ``HubEncoder``."""
        super().__init__(checkpoint, origin=origin, threads=threads)
        self.pictures_per_clip = pictures_a_clip(self._config)
        self.spec = replace(
            self.spec,
            preprocessing=f"{self.spec.preprocessing}, {self.pictures_per_clip} pictures a clip",
        )

    def fit(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pictures (N, h, w, 3) that the tower sees of frames (N, H, W, 3); of these, the same.

        ``encode_frames`` takes either.
        """
        return np.ascontiguousarray(self._rules.fit(frames))

    def encode_pictures(self, clips: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Encode clips from their pictures, with attention over time.

        Args:
            clips: (``pictures_per_clip``, h, w, 3) each, in order of time, as ``fit`` gives them;
                taken a few at a time.

        Returns:
            (number of clips, D) float32, L2-normalised.
        """
        results = [np.empty((0, self.spec.dimension), np.float32)]
        for some in _parts(clips, max(1, MAX_PICTURES_AT_ONCE // self.pictures_per_clip)):
            pictures = np.stack(some)
            pixels = self._rules.pixels(pictures.reshape(-1, *pictures.shape[2:]))
            shape = (*pictures.shape[:2], *pixels.shape[1:])
            results.append(self._loaded().clips(pixels.reshape(shape)))
        return np.concatenate(results)


def _parts(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while part := list(itertools.islice(iterator, size)):
        yield part
