"""Vectors that leave a library, with the videos and times that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

VectorLevel = Literal["clips", "frames"]
"""A row for each clip, or for each sampled frame."""


@dataclass(frozen=True)
class VectorBatch:
    """N vectors of clips or frames. Rows are in the order of clip ids, frames in order of time."""

    vectors: NDArray[np.float32]
    """(N, D) float32, L2-normalised."""
    clip_ids: NDArray[np.int64]
    """(N,) int64."""
    video_ids: NDArray[np.int64]
    """(N,) int64, as ``Video.id``."""
    paths: tuple[Path, ...]
    """N paths of the videos."""
    start_seconds: NDArray[np.float64]
    """(N,) float64: start of the clip, or of the clip that the frame belongs to."""
    end_seconds: NDArray[np.float64]
    """(N,) float64: end of that clip."""
    frame_seconds: NDArray[np.float64] | None = None
    """(N,) float64: time of each frame; None for clips."""

    def __len__(self) -> int:
        return len(self.vectors)
