"""Why a moment matches a text: where the words look, and which frames weigh how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types.search import SearchWarning
from vidseek.core.types.time import TimeSpan
from vidseek.core.types.video import Video

Area = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, as shares of its width and height."""


@dataclass(frozen=True)
class CellFeatures:
    """Vectors of the cells of N frames, in the space of texts."""

    vectors: NDArray[np.float32]
    """(N, rows, columns, D) float32, L2-normalised."""
    area: Area
    """The part of the frames that the cells cover."""


@dataclass(frozen=True)
class TimeAttention:
    """How a clip's vector was made from its F frames."""

    heads: NDArray[np.float32]
    """(heads, F) weights of the frames in each head; the clip's own token has the rest."""
    length: float
    """Length of the clip's vector before it was normalised."""


@dataclass(frozen=True)
class WordMap:
    """Where a word, or the whole text, looks in a frame."""

    word: str
    score: float
    """Cosine of the word and the frame."""
    cells: NDArray[np.float32]
    """(rows, columns) cosines of the word and each cell of the frame."""
    peak: tuple[float, float]
    """Place of the map's maximum: share of the frame's width and height."""


@dataclass(frozen=True)
class FrameWeight:
    """How much a frame of a clip contributes to its vector and score."""

    seconds: float
    score: float
    """Cosine of the text and the frame."""
    additive: float
    """What the frame adds to the clip's score."""
    dot_product: float
    """Attention of the text to the frame; the clip's frames sum to 1."""
    heads: tuple[float, ...]
    """Attention of each head of the model's attention over time; empty if it has none."""


@dataclass(frozen=True)
class Explanation:
    """Why a frame, and the clip around it, match a text."""

    video: Video
    text: str
    seconds: float
    """Time of the frame."""
    score: float
    """Cosine of the text and the frame."""
    clip: TimeSpan
    """The clip that contains the frame."""
    clip_score: float
    """Cosine of the text and the clip."""
    rest: float
    """``clip_score`` less what the frames add: what attention over time adds."""
    picture: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB, the frame."""
    area: Area
    """The part of the frame that the cells cover."""
    maps: tuple[WordMap, ...]
    """The whole text first, then its words; empty if the model has no cells."""
    frames: tuple[FrameWeight, ...]
    """The clip's frames, in order of time."""
    curve: tuple[tuple[TimeSpan, float], ...]
    """The video's clips and their scores, in order of time."""
    warnings: tuple[SearchWarning, ...] = ()
