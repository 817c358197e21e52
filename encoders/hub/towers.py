"""The two towers of a dual encoder in torch: loading, devices, precision, batches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import EncoderError, Hint, UnsupportedModelError, WeightsError
from vidseek.encoders.hub.cells import has_patches, patch_vectors
from vidseek.encoders.hub.checkpoint import Checkpoint, reason_of
from vidseek.encoders.hub.video_towers import video_tower

logger = logging.getLogger(__name__)

PROCESSOR_BATCH = 8
"""Pictures at once on a processor: more take memory and save no time."""
LARGEST_BATCH = 128
BYTES_A_PIXEL = 600
"""Memory that a batch takes, for each pixel of its pictures: ViT-L in half precision."""


class Towers:
    """A model on its device. Safe to use from several threads, one at a time."""

    def __init__(self, checkpoint: Checkpoint, *, image_size: int) -> None:
        """Load the weights.

        Raises:
            WeightsError: they cannot be loaded.
            UnsupportedModelError: they lack one of the towers.
        """
        import torch

        self._family = checkpoint.family
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.dtype = best_dtype(self.device)
        self._model = _load_any(checkpoint, self.dtype).to(self.device).eval()
        self._video = video_tower(checkpoint.family, self._model)
        self._lock = threading.Lock()
        self.batch = _first_batch(self.device, image_size)

    def pictures(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """(N, D) float32, L2-normalised, from arrays of N rows that the visual tower takes."""
        tower = self._model.get_image_features if self._video is None else self._video.frames
        return self._in_batches(tower, inputs)

    def patches(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32] | None:
        """(N, P, D) float32, L2-normalised vectors of patches; None if the model gives none."""
        family = self._family
        if not has_patches(family, self._model):
            return None

        def tower(**part: Any) -> Any:
            return patch_vectors(family, self._model, part)

        return self._in_batches(tower, inputs)

    def clips(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) float32, L2-normalised, from (N, T, 3, h, w): each row a clip of T pictures."""
        assert self._video is not None
        return self._in_batches(
            self._video.clips, {"pixel_values": pixels}, pictures_each=pixels.shape[1]
        )

    def texts(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """(N, D) float32, L2-normalised, from arrays of N rows that the text tower takes."""
        return self._in_batches(self._model.get_text_features, inputs)

    def _in_batches(
        self,
        tower: Callable[..., Any],
        inputs: Mapping[str, NDArray[Any]],
        *,
        pictures_each: int = 1,
    ) -> NDArray[np.float32]:
        import torch

        count = len(next(iter(inputs.values())))
        results: list[NDArray[np.float32]] = []
        start = 0
        with self._lock, torch.inference_mode():
            while start < count:
                end = start + max(1, self.batch // pictures_each)
                part = {name: self._tensor(values[start:end]) for name, values in inputs.items()}
                try:
                    results.append(_normalised(tower(**part)))
                except torch.OutOfMemoryError as error:
                    self._halve(error)
                    continue
                start = end
        return np.concatenate(results)

    def _tensor(self, values: NDArray[Any]) -> Any:
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(values)).to(self.device)
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def _halve(self, error: Exception) -> None:
        import torch

        if self.batch == 1:
            raise EncoderError(
                "a single picture (or clip) does not fit into the memory of the device: close "
                "other programs that use it, or use a smaller model",
                hint=Hint("list_known_models"),
            ) from error
        self.batch //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        logger.warning("out of memory: continuing with batches of %d", self.batch)


def _load_any(checkpoint: Checkpoint, dtype: Any) -> Any:
    if checkpoint.open_clip is None:
        return _load(checkpoint, dtype)
    from vidseek.encoders.hub.open_clip_model import load_model

    return load_model(checkpoint, dtype)


def _load(checkpoint: Checkpoint, dtype: Any) -> Any:
    import transformers

    model_class = getattr(transformers, checkpoint.family.model_class, None)
    if model_class is None:
        raise UnsupportedModelError(
            f"transformers {transformers.__version__} has no {checkpoint.family.model_class}: "
            "a newer version may",
            hint=Hint("upgrade_package", {"package": "transformers"}),
        )
    try:
        with quiet_transformers():
            model, report = model_class.from_pretrained(
                checkpoint.folder,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:  # torch, safetensors and transformers have no common base
        unfit = "ignore_mismatched_sizes" in str(error)  # an option of transformers, not of vidseek
        reason = (
            "its weights are not of the sizes that config.json says" if unfit else reason_of(error)
        )
        raise WeightsError(
            f"{checkpoint.folder}: cannot be loaded: {reason}; fetch the model again"
        ) from error
    # Transformers would fill missing tensors with random numbers and only warn.
    missing = sorted(name for name in report["missing_keys"] if "position_ids" not in name)
    if missing:
        raise UnsupportedModelError(
            f"{checkpoint.folder}: its weights lack {len(missing)} tensors ({missing[0]}, ...), "
            "so it is not a complete dual encoder: both towers are needed",
            hint=Hint("list_known_models"),
        )
    return model


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from printing; errors carry the relevant facts."""
    from transformers.utils import logging as output

    level = output.get_verbosity()
    output.set_verbosity_error()
    output.disable_progress_bar()
    try:
        yield
    finally:
        output.set_verbosity(level)


def best_dtype(device: str) -> Any:
    """Half precision where the hardware computes it faster, which is more exact than needed."""
    import torch

    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    # Emulated bfloat16 is slower than float32 by far.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return torch.bfloat16 if supported else torch.float32


def _first_batch(device: str, image_size: int) -> int:
    import torch

    if device == "cpu":
        return PROCESSOR_BATCH
    free, _ = torch.cuda.mem_get_info()
    return max(1, min(LARGEST_BATCH, int(free * 0.5) // (BYTES_A_PIXEL * image_size**2)))


def _normalised(output: Any) -> NDArray[np.float32]:
    """Transformers 5 returns an object with the vectors as a field, transformers 4 the vectors."""
    import torch

    vectors = getattr(output, "pooler_output", output).float()
    normalised: NDArray[np.float32] = torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()
    return normalised
