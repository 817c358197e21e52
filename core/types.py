"""Value types that every room shares: frozen, validated at construction, free of heavy imports.

>>> TimeSpan(2.0, 6.0).iou(TimeSpan(4.0, 8.0))
0.3333333333333333
"""

from __future__ import annotations

import enum
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, order=True)
class TimeSpan:
    """A stretch of a video, in seconds of presentation time from the start of its stream."""

    start_seconds: float
    end_seconds: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_seconds) and math.isfinite(self.end_seconds)):
            raise ValueError(f"TimeSpan needs finite seconds, got {self}")
        if self.end_seconds < self.start_seconds:
            raise ValueError(f"TimeSpan ends before it starts: {self}")

    @property
    def duration_seconds(self) -> float:
        """Length in seconds, never negative."""
        return self.end_seconds - self.start_seconds

    def overlap(self, other: TimeSpan) -> float:
        """Seconds that both spans cover."""
        return max(
            0.0,
            min(self.end_seconds, other.end_seconds) - max(self.start_seconds, other.start_seconds),
        )

    def union(self, other: TimeSpan) -> TimeSpan:
        """The smallest span that covers both."""
        return TimeSpan(
            min(self.start_seconds, other.start_seconds), max(self.end_seconds, other.end_seconds)
        )

    def iou(self, other: TimeSpan) -> float:
        """Intersection over union, 0 to 1; 0 for two empty spans."""
        overlap = self.overlap(other)
        covered = self.duration_seconds + other.duration_seconds - overlap
        return overlap / covered if covered > 0 else 0.0


class VideoState(enum.StrEnum):
    """What the library knows of a file."""

    INDEXED = "indexed"
    """Encoded and searchable."""
    MISSING = "missing"
    """Encoded, but the file was gone when last looked for. Not searched."""
    FAILED = "failed"
    """Could not be read; ``Video.failure`` says why."""


@dataclass(frozen=True)
class Video:
    """A file of the library."""

    id: int
    """0 before it is stored."""
    path: Path
    """Absolute path."""
    content_hash: str
    """SHA-256 of the file's bytes, hexadecimal."""
    size_bytes: int
    modified_ns: int
    """Modification time of the file when it was read, nanoseconds since the epoch."""
    duration_seconds: float
    frame_rate: float
    """Average frames a second; 0 where it is unknown."""
    width: int
    """Display width in pixels, after rotation and pixel aspect."""
    height: int
    codec: str
    state: VideoState = VideoState.INDEXED
    damaged: bool = False
    """True if parts of the file could not be decoded."""
    failure: str | None = None
    """One line: why the file could not be read (state FAILED)."""


@dataclass(frozen=True)
class Clip:
    """A shot or a piece of one: the unit that is searched."""

    id: int
    video_id: int
    span: TimeSpan
    frame_seconds: tuple[float, ...]
    """Presentation times of the sampled frames, ascending."""


@dataclass(frozen=True)
class FrameBatch:
    """Decoded frames of one video, in order of time."""

    data: NDArray[np.uint8]
    """(N, H, W, 3) uint8 RGB, upright, square pixels."""
    pts_seconds: NDArray[np.float64]
    """(N,) float64 presentation times from the stream's start."""

    def __post_init__(self) -> None:
        if self.data.ndim != 4 or self.data.shape[3] != 3 or self.data.dtype != np.uint8:
            raise ValueError(
                f"FrameBatch needs (N, H, W, 3) uint8, got {self.data.shape} {self.data.dtype}"
            )
        if self.pts_seconds.shape != self.data.shape[:1]:
            raise ValueError(
                f"FrameBatch has {len(self.data)} frames and {self.pts_seconds.shape} times"
            )

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True)
class FrameFeatures:
    """What an encoder makes of N frames: everything that is kept of them."""

    vectors: NDArray[np.float32]
    """(N, D) float32, L2-normalised: one vector a frame in the shared space of text and video."""
    tokens: NDArray[np.float32]
    """(N, M, T) float32: M tokens a frame for the cross-modal head to attend over; M may be 0."""

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.tokens.ndim != 3:
            raise ValueError(
                f"FrameFeatures needs (N, D) and (N, M, T), got {self.vectors.shape} and "
                f"{self.tokens.shape}"
            )
        if len(self.vectors) != len(self.tokens):
            raise ValueError(f"{len(self.vectors)} frame vectors but {len(self.tokens)} token rows")

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: slice | NDArray[np.intp]) -> FrameFeatures:
        return FrameFeatures(self.vectors[index], self.tokens[index])


@dataclass(frozen=True)
class EncodedClip:
    """A clip with all that an encoder made of it, ready to be stored."""

    span: TimeSpan
    frame_seconds: tuple[float, ...]
    vector: NDArray[np.float32]
    """(D,) float32, L2-normalised."""
    frames: FrameFeatures
    """F = len(frame_seconds) rows."""


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


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder made a vector. Vectors of different fingerprints never meet in one index."""

    name: str
    """A registered name, or the absolute path of the folder that holds the model."""
    revision: str
    dimension: int
    """D: length of clip, frame and text vectors."""
    image_size: int
    """Side in pixels of the square picture that the visual encoder sees."""
    tokens_per_frame: int
    """M: tokens a frame kept for the cross-modal head; 0 if there is none."""
    token_dimension: int
    """T: length of such a token."""
    vision_hash: str
    """SHA-256 of the visual weights; what a stored vector depends on."""
    preprocessing: str
    """How a frame becomes the encoder's input, in words that change when it changes."""
    confidence_scale: float | None = None
    confidence_bias: float | None = None
    """confidence = sigmoid(scale * score + bias), Platt-fitted; None where not calibrated."""
    head_hash: str | None = None
    """SHA-256 of a head that was trained on a model of others, and changes scores but no vector."""
    fingerprint: str = field(init=False)
    """16 hexadecimal digits over all that determines stored vectors. The text and cross-modal parts
    are not among it: they may be revised without re-encoding a library."""

    def __post_init__(self) -> None:
        others = ("fingerprint", "revision", "confidence_scale", "confidence_bias", "head_hash")
        determining = {
            one.name: getattr(self, one.name) for one in fields(self) if one.name not in others
        }
        if PurePath(self.name).is_absolute():
            # The same model wherever it lies: a folder that is moved changes no vector.
            determining["name"] = "folder"
        canonical = json.dumps(determining, sort_keys=True).encode()
        object.__setattr__(self, "fingerprint", hashlib.sha256(canonical).hexdigest()[:16])


CalibrationMethod = Literal["queries", "captions"]


@dataclass(frozen=True)
class Calibration:
    """What makes a confidence of a score in one library: sigmoid(scale * score + bias)."""

    scale: float
    """Above 0: a better score is never less sure."""
    bias: float
    method: CalibrationMethod
    """From bundled queries without labels, or from captions."""
    clips: int
    """Clips that could be searched when it was made: of more, the best one scores higher."""
    encoder_revision: str
    """``EncoderSpec.revision``, or its head: the fingerprint tells neither whether the text part is
    the same nor whether the head is."""
    hubness: bytes | None = field(default=None, repr=False)
    """What is taken off the scores of hubs, as ``encoders.hubness.Hubness`` writes it; None where
    nothing is. Scale and bias were fitted to scores with it, so they are stored and forgotten
    together."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.bias)):
            raise ValueError(
                f"Calibration needs a finite bias and a scale above 0, got {self.scale} and "
                f"{self.bias}"
            )


@dataclass(frozen=True)
class LibraryModel:
    """A model that a library's videos are encoded with, all of them or some."""

    spec: EncoderSpec
    is_active: bool
    """It answers where no other is asked for, and new videos are encoded with it."""
    encoded_videos: int
    """Searchable videos that are encoded with it."""
    videos: int
    """Searchable videos that there are."""

    @property
    def is_complete(self) -> bool:
        """True if it knows every searchable video."""
        return self.encoded_videos == self.videos


class FileStamp(NamedTuple):
    """What tells without reading a file whether it changed since it was indexed."""

    id: int
    """The video's id."""
    size_bytes: int
    modified_ns: int
    state: VideoState


@dataclass(frozen=True)
class LibraryStatistics:
    """How much a library holds."""

    indexed: int
    """Videos that can be searched."""
    missing: int
    failed: int
    damaged: int
    """Searchable videos of which parts could not be decoded."""
    clips: int
    """Clips of searchable videos."""
    video_seconds: float
    """Length of the searchable videos together."""
    video_bytes: int
    """Size of the searchable files together."""
    database_bytes: int | None
    """Size of library.db with its log; None on a database server."""
    vectors: dict[str, int]
    """Searchable clip vectors for each encoder's fingerprint."""
    copy_videos: int
    """Searchable videos of which copies can be found: their frames are described."""


@dataclass(frozen=True)
class VideoFilter:
    """Which videos may answer. A field that is None does not restrict."""

    path_glob: str | None = None
    """Shell pattern against the absolute path; ``*`` also matches ``/``. Without a wildcard, a file
    or a folder with everything below it."""
    min_duration_seconds: float | None = None
    max_duration_seconds: float | None = None
    min_height: int | None = None
    """Display height in pixels."""
    after: datetime | None = None
    """Modified at this time or later; naive times are local."""
    before: datetime | None = None
    """Modified before this time."""

    @property
    def is_empty(self) -> bool:
        """True if every video passes."""
        return self == VideoFilter()


@dataclass(frozen=True)
class FrameMatch:
    """A sampled frame of a hit and how well it matched."""

    seconds: float
    score: float


@dataclass(frozen=True)
class SearchHit:
    """A moment that answers a query."""

    video: Video
    span: TimeSpan
    score: float
    """Comparable within one query only."""
    confidence: float | None
    """Probability that the moment matches, 0 to 1; None where the encoder is not calibrated."""
    frames: tuple[FrameMatch, ...] = ()
    thumbnail: Path | None = None
    """JPEG of the best frame, or None where it is gone."""


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
