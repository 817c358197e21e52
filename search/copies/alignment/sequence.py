"""Input and output of alignment: the frames of a video, and a stretch that two videos share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import TimeSpan


@dataclass(frozen=True)
class FrameSequence:
    """Frames of one video in order of time, not necessarily evenly spaced."""

    vectors: NDArray[np.float32]
    """(N, D) float32, L2-normalised; N may be 0."""
    seconds: NDArray[np.float64]
    """(N,) float64, ascending presentation times."""
    bias: NDArray[np.float32] | None = None
    """(N,) score-normalisation bias subtracted from a frame's cosines; None for no bias."""

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.seconds.shape != self.vectors.shape[:1]:
            raise ValueError(
                f"FrameSequence needs (N, D) vectors and (N,) seconds, got {self.vectors.shape} "
                f"and {self.seconds.shape}"
            )
        if self.bias is not None and self.bias.shape != self.seconds.shape:
            raise ValueError(
                f"FrameSequence has {len(self)} frames but bias of shape {self.bias.shape}"
            )
        if (np.diff(self.seconds) < 0).any():
            raise ValueError("FrameSequence needs its frames in order of time")

    def __len__(self) -> int:
        return len(self.vectors)

    def bias_of(self, rows: slice | NDArray[np.intp]) -> NDArray[np.float32] | float:
        """The bias of some frames."""
        return 0.0 if self.bias is None else self.bias[rows]

    @cached_property
    def spacing_seconds(self) -> float:
        """Median time between frames; infinite for a single frame."""
        return float(np.median(np.diff(self.seconds))) if len(self) > 1 else float("inf")


@dataclass(frozen=True)
class Alignment:
    """A segment of the query matched to the segment of the reference that it shows."""

    query: TimeSpan
    reference: TimeSpan
    speed: float
    """Reference seconds per query second; negative where the query plays backwards."""
    score: float
    """0 to 1: similarity, weighted by the number of distinct frames."""
    similarity: float
    """Mean cosine, less bias, of the frames along it, gaps included."""
    distinct_frames: float
    """Number of different pictures that agree; 1 for a static scene of any length."""
    is_still: bool = False
    """True if either video shows a single unmoving picture here."""
    is_speed_known: bool = True
    """False if the frames fit other speeds, or the other direction, as well."""

    def reference_seconds(self, query_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) reference times shown at (N,) query times."""
        start = self.reference.start_seconds if self.speed > 0 else self.reference.end_seconds
        return start + self.speed * (query_seconds - self.query.start_seconds)


def time_limits(sequence: FrameSequence) -> tuple[float, float]:
    """The first and the last second that the frames of a sequence represent."""
    half = sequence.spacing_seconds / 2 if len(sequence) > 1 else 0.0
    return max(0.0, sequence.seconds[0] - half), sequence.seconds[-1] + half
