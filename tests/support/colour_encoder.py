"""A small encoder for tests that encodes colours and their places. Exact and fast."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidseek.core.types import EncoderSpec, FrameFeatures

CELLS = 4
DIMENSION = CELLS * CELLS * 3


def colour_spec(name: str = "colours") -> EncoderSpec:
    return EncoderSpec(
        source=name,
        revision="1",
        dimension=DIMENSION,
        image_size=256,  # as large as real ones, so that frames weigh what they do for them
        tokens_per_frame=1,
        token_dimension=DIMENSION,
        vision_hash=hashlib.sha256(name.encode()).hexdigest(),
        preprocessing="mean colours of a 4 x 4 grid",
    )


class ColourEncoder:
    """Vectors are mean colours; each sentence maps to fixed colours."""

    reranks = True
    hubness = None

    def __init__(self, name: str = "colours") -> None:
        self._spec = colour_spec(name)
        self.frames_encoded = 0

    @property
    def spec(self) -> EncoderSpec:
        return self._spec

    def load(self) -> None:
        pass

    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        self.frames_encoded += len(frames)
        rows = np.empty((len(frames), DIMENSION), np.float32)
        for row, frame in zip(rows, frames, strict=True):
            picture = Image.fromarray(frame).resize((CELLS, CELLS), Image.Resampling.BOX)
            row[:] = np.asarray(picture, np.float32).ravel() - 127.0
        vectors = _normalised(rows)
        return FrameFeatures(vectors, vectors[:, None, :].copy())

    def encode_clips(
        self,
        frames: FrameFeatures,
        pts_seconds: NDArray[np.float64],
        clips: Sequence[slice],
    ) -> NDArray[np.float32]:
        if not clips:
            return np.empty((0, DIMENSION), np.float32)
        return _normalised(np.stack([frames.vectors[clip].mean(axis=0) for clip in clips]))

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) for text in texts]
        rows = [np.random.default_rng(seed).normal(size=DIMENSION) for seed in seeds]
        return _normalised(np.asarray(rows, np.float32).reshape(len(texts), DIMENSION))

    def rerank(
        self,
        text: str,
        clips: Sequence[FrameFeatures],
        first_stage_scores: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        return first_stage_scores


def _normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(lengths, 1e-6)).astype(np.float32)
