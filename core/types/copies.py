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
    """What is kept of a video for finding copies: the copy descriptor's vector of each frame."""

    video_id: int
    """0 before it is stored."""
    seconds: NDArray[np.float64]
    """(N,) float64 presentation times, ascending. N is 0 where no frame shows anything."""
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
        ascend = (self.seconds[1:] >= self.seconds[:-1]).all()  # np.diff takes as long as reading
        if not (ascend and np.isfinite(self.seconds).all()):
            raise ValueError("CopyFrames needs finite times that ascend")

    def __len__(self) -> int:
        return len(self.seconds)


@dataclass(frozen=True)
class CopyBlock:
    """The copy frames of several videos, one video after the other."""

    video_ids: NDArray[np.int64]
    """(N,): which video each frame is of."""
    seconds: NDArray[np.float32]
    """(N,), ascending within a video."""
    vectors: NDArray[np.int8]
    """(N, D), as in ``CopyFrames``."""

    def __len__(self) -> int:
        return len(self.seconds)

    @classmethod
    def of(cls, frames: Sequence[CopyFrames]) -> CopyBlock:
        """Of one video at least."""
        return cls(
            np.repeat([one.video_id for one in frames], [len(one) for one in frames]),
            np.concatenate([one.seconds for one in frames]).astype(np.float32),
            np.concatenate([one.vectors for one in frames]),
        )


@dataclass(frozen=True)
class CopyMatch:
    """A part of one video that was found again, edited or not, in another."""

    video_id: int
    other_id: int
    span: TimeSpan
    """In the first video."""
    other_span: TimeSpan
    """In the other one."""
    speed: float
    """Seconds of the other video that pass in a second of the first; negative if it runs back."""
    score: float
    mirrored: bool
    """True if one is the mirror image of the other."""

    def __post_init__(self) -> None:
        if self.video_id == self.other_id:
            raise ValueError(f"CopyMatch is between two videos, got {self.video_id} twice")
        if not (math.isfinite(self.speed) and self.speed != 0 and math.isfinite(self.score)):
            raise ValueError(
                f"CopyMatch needs a finite speed other than 0 and a finite score, got {self.speed} "
                f"and {self.score}"
            )


MatchKind = Literal["exact", "duplicate", "contains", "contained", "partial", "new"]


"""What an upload is to a video of the library, by how much of each is matched."""


@dataclass(frozen=True)
class Match:
    """A stretch of an upload that shows a stretch of a library's video."""

    video: Video
    kind: MatchKind
    """Of the pair of videos: all their matches together."""
    query_span: TimeSpan
    library_span: TimeSpan
    speed: float
    """Library seconds a second of the upload; negative where it plays backwards."""
    mirrored: bool
    score: float
    """0 to 1."""


@dataclass(frozen=True)
class CopyVerdict:
    """Whether an upload is a copy of something."""

    kind: MatchKind
    """Of the pair that is most of a copy; ``new`` where no match is sure."""
    matches: tuple[Match, ...]
    """Most of a copy first, best score first; behind them what was listed and is not sure."""
    query_seconds: float
    """Length of the upload."""
    compared_frames: int
    """Of the upload: those that show more than one colour. Few are little to go by; 0 where the
    bytes alone told."""


@dataclass(frozen=True)
class DuplicateMember:
    """A video of a group."""

    video: Video
    keep: bool
    """True for the one to keep."""
    coverage: float
    """Of this video, how much the one to keep shows as well, intros aside; 1 for that one."""


@dataclass(frozen=True)
class DuplicateGroup:
    """Videos of the library that are copies of each other."""

    kind: Literal["exact", "duplicate", "contains"]
    """``contains``: the one to keep holds the others whole, and more."""
    members: tuple[DuplicateMember, ...]
    """The one to keep first."""
    why: str
    """Why that one: ``longest``, ``highest resolution``, ..."""
