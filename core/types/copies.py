"""Copy descriptors, copy matches and groups of duplicates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types.time import TimeSpan
from vidseek.core.types.video import Video


@dataclass(frozen=True)
class CopyFrames:
    """The copy descriptors of a video's frames, as they are stored."""

    video_id: int
    """0 before it is stored."""
    seconds: NDArray[np.float64]
    """(N,) float64 presentation times, ascending. N is 0 if every frame is flat."""
    vectors: NDArray[np.int8]
    """(N, D) int8: what ``packed`` of ``encoders.copy_descriptor`` makes of unit vectors."""

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.vectors.dtype != np.int8:
            raise ValueError(
                f"CopyFrames needs (N, D) int8, got {self.vectors.shape} {self.vectors.dtype}"
            )
        if self.seconds.shape != self.vectors.shape[:1] or self.seconds.dtype != np.float64:
            raise ValueError(
                f"CopyFrames has {len(self.vectors)} vectors and needs as many float64 times, got "
                f"{self.seconds.shape} {self.seconds.dtype}"
            )
        ascend = (
            self.seconds[1:] >= self.seconds[:-1]
        ).all()  # np.diff would take as long as reading the vectors
        if not (ascend and np.isfinite(self.seconds).all()):
            raise ValueError("CopyFrames needs finite times that ascend")

    def __len__(self) -> int:
        return len(self.seconds)


@dataclass(frozen=True)
class CopyBlock:
    """The copy descriptors of several videos, video by video."""

    video_ids: NDArray[np.int64]
    """(N,) the video of each frame."""
    seconds: NDArray[np.float32]
    """(N,), ascending within a video."""
    vectors: NDArray[np.int8]
    """(N, D), as in ``CopyFrames``."""

    def __len__(self) -> int:
        return len(self.seconds)

    @classmethod
    def of(cls, frames: Sequence[CopyFrames]) -> CopyBlock:
        """Join the descriptors of videos, at least one."""
        return cls(
            np.repeat([one.video_id for one in frames], [len(one) for one in frames]),
            np.concatenate([one.seconds for one in frames]).astype(np.float32),
            np.concatenate([one.vectors for one in frames]),
        )


@dataclass(frozen=True)
class CopyMatch:
    """A stretch of a library video that another library video also shows, edited or not."""

    video_id: int
    other_id: int
    span: TimeSpan
    """The stretch of the first video."""
    other_span: TimeSpan
    """The stretch of the other video."""
    speed: float
    """Seconds of the other video per second of the first; negative if one plays backwards."""
    score: float
    mirrored: bool
    """True if the videos are mirror images of each other."""

    def __post_init__(self) -> None:
        if self.video_id == self.other_id:
            raise ValueError(f"CopyMatch is between two videos, got {self.video_id} twice")
        if not (math.isfinite(self.speed) and self.speed != 0 and math.isfinite(self.score)):
            raise ValueError(
                f"CopyMatch needs a finite speed other than 0 and a finite score, got {self.speed} "
                f"and {self.score}"
            )


MatchKind = Literal["exact", "duplicate", "contains", "contained", "partial", "new"]
"""The kind of a match, by the share of each video that is matched."""


@dataclass(frozen=True)
class Match:
    """A stretch of an upload that shows a stretch of a library video."""

    video: Video
    kind: MatchKind
    """Kind of the pair of videos, from all of their matches."""
    query_span: TimeSpan
    library_span: TimeSpan
    speed: float | None
    """Library seconds per second of the upload; negative if it plays backwards. None if too little
    moves to tell."""
    mirrored: bool
    score: float
    """0 to 1."""


@dataclass(frozen=True)
class CopyVerdict:
    """The result of checking an upload for copies."""

    kind: MatchKind
    """The strongest kind of all matched videos; ``new`` if no match reaches the threshold."""
    matches: tuple[Match, ...]
    """Strongest kind first, then best score; matches below the threshold come last."""
    query_seconds: float
    """Length of the upload."""
    compared_frames: int
    """Frames of the upload that could be compared: those with more than one colour. A verdict on
    few frames is weak. 0 if the file is byte-identical to a library video."""


@dataclass(frozen=True)
class DuplicateMember:
    """A video in a group of duplicates."""

    video: Video
    keep: bool
    """True for the video to keep."""
    coverage: float
    """Share of this video, without intros, that the video to keep also shows; 1 for that video."""


@dataclass(frozen=True)
class DuplicateGroup:
    """Library videos that are copies of each other."""

    kind: Literal["exact", "duplicate", "contains"]
    """``contains``: the video to keep contains the others, and more."""
    members: tuple[DuplicateMember, ...]
    """The video to keep first."""
    why: str
    """Why to keep that video: ``sharper``, ``longest``, ``highest resolution``, ..."""
