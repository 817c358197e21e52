"""A real, tiny encoder whose ranking one can work out by hand: it sees and reads colours.

A frame's vector says how near its mean colour is to each colour of the palette; a sentence's vector
is the mean over the palette words in it. Its head prefers clips of which *every* frame shows the
colour, by the worst frame's cosine: it can turn the first stage's order around.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import EncoderSpec, FrameFeatures
from vidseek.encoders.hubness import HubnessCorrection

PALETTE = {
    "red": (220, 30, 30),
    "green": (30, 200, 30),
    "blue": (30, 30, 220),
    "yellow": (230, 220, 40),
    "pink": (240, 150, 190),
    "white": (245, 245, 245),
    "grey": (128, 128, 128),
    "black": (10, 10, 10),
}
ANCHORS = np.array(list(PALETTE.values()), np.float32)
REACH = 90.0
"""Distance in RGB at which two colours are still taken for related."""


class PaletteEncoder:
    reranks = True
    hubness: HubnessCorrection | None = None

    def __init__(
        self, name: str = "palette", *, scale: float | None = None, bias: float | None = None
    ) -> None:
        self.spec = EncoderSpec(
            source=name,
            revision="1",
            dimension=len(PALETTE),
            image_size=32,
            tokens_per_frame=1,
            token_dimension=len(PALETTE),
            vision_hash=hashlib.sha256(name.encode()).hexdigest(),
            preprocessing="mean colour",
            confidence_scale=scale,
            confidence_bias=bias,
        )
        self.frames_encoded = 0
        self.texts: list[str] = []

    def load(self) -> None:
        pass

    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        self.frames_encoded += len(frames)
        colours = frames.reshape(len(frames), -1, 3).mean(axis=1, dtype=np.float64)
        vectors = colour_vectors(colours)
        return FrameFeatures(vectors, vectors[:, None, :].copy())

    def encode_clips(
        self, frames: FrameFeatures, pts_seconds: NDArray[np.float64], clips: Sequence[slice]
    ) -> NDArray[np.float32]:
        if not clips:
            return np.empty((0, len(PALETTE)), np.float32)
        return _normalised(np.stack([frames.vectors[clip].mean(axis=0) for clip in clips]))

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        colours = colour_vectors(ANCHORS)
        names = list(PALETTE)
        rows = []
        for text in texts:
            known = [names.index(word) for word in text.lower().split() if word in PALETTE]
            rows.append(colours[known or slice(None)].mean(axis=0))
        return _normalised(np.stack(rows))

    def rerank(
        self,
        text: str,
        clips: Sequence[FrameFeatures],
        first_stage_scores: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        (query,) = self.encode_text([text])
        worst = [float((clip.tokens[:, 0] @ query).min()) for clip in clips]
        return (0.5 * first_stage_scores + 0.5 * np.array(worst)).astype(np.float32)


class HeadlessEncoder(PaletteEncoder):
    """The same without a head: returns the first stage's score."""

    reranks = False

    def rerank(
        self,
        text: str,
        clips: Sequence[FrameFeatures],
        first_stage_scores: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        return first_stage_scores


def colour_vectors(colours: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N, 3) RGB to (N, D)."""
    distances = np.linalg.norm(colours[:, None, :] - ANCHORS[None], axis=2)
    return _normalised(np.exp(-((distances / REACH) ** 2)))


def solid(colour: str | tuple[int, int, int], count: int = 1) -> NDArray[np.uint8]:
    """(count, 8, 8, 3) frames of one colour."""
    rgb = PALETTE[colour] if isinstance(colour, str) else colour
    return np.broadcast_to(np.array(rgb, np.uint8), (count, 8, 8, 3)).copy()


def _normalised(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(lengths, 1e-9)).astype(np.float32)
