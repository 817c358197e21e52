"""What goes into an index run, what it says on the way, and what it says at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vidseek.core.errors import Hint
from vidseek.core.job import Progress
from vidseek.core.types import LibraryModel
from vidseek.video import SamplingPlan


@dataclass(frozen=True)
class IndexOptions:
    """How to index. The defaults suit a disk of footage."""

    exclude: tuple[str, ...] = ()
    """Shell patterns against names, absolute paths and paths relative to the given folder."""
    follow_symlinks: bool = False
    plan: SamplingPlan = field(default_factory=SamplingPlan)
    """Which frames to look at. Videos that are unchanged keep what an earlier plan made of them."""
    workers: int | None = None
    """Decoding processes; None chooses by the number of processors."""
    prune: bool = False
    """Remove videos whose files are gone, where the default only marks them missing."""
    retry_failed: bool = False
    """Try files again that failed before and have not changed since."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"IndexOptions.workers must be at least 1, got {self.workers}")


@dataclass(frozen=True)
class FailedFile:
    """A file that could not be indexed, and why."""

    path: Path
    reason: str
    """One line, without the path."""
    hint: Hint | None = None
    """The next step, if there is one to suggest."""


@dataclass(frozen=True)
class IndexReport:
    """What a run did. The files it found are indexed, unchanged, moved or failed."""

    indexed: int
    """Files read and encoded, new ones and changed ones, and copies of stored content."""
    unchanged: int
    """Files that are as they were; a new modification time over the same bytes is no change."""
    moved: int
    """Stored videos found again under another path; nothing was decoded."""
    missing: int
    """Stored videos below the given paths whose files are gone (removed, with ``prune``)."""
    failed: tuple[FailedFile, ...]
    """Every file that is not searchable, also those that failed in an earlier run."""
    video_seconds: float
    """Length of the videos that were encoded in this run."""
    seconds: float
    """Wall time of the run."""
    interrupted: bool
    """True if it was asked to stop before the end; the next run goes on from there."""


@dataclass(frozen=True)
class ModelReport:
    """What adding a model did."""

    model: LibraryModel
    """As it stands at the end."""
    encoded: int
    """Videos that were encoded in this run."""
    failed: tuple[FailedFile, ...]
    """Videos that could not be encoded; the library's other models go on finding them."""
    switched: bool
    """True if it is the active model now and was not before."""
    video_seconds: float
    """Length of the videos that were encoded in this run."""
    seconds: float
    """Wall time of the run."""
    interrupted: bool
    """True if it was asked to stop before the end; the next run goes on from there."""


@dataclass(frozen=True, kw_only=True)
class IndexProgress(Progress):
    """How far a run has come. ``done`` counts files, unchanged ones among them."""

    total: int
    """Files in all."""
    failed: int
    """How many of the settled could not be read."""
    current: Path | None
    """The file being encoded, or None between files."""
    video_seconds: float
    """Length of video encoded so far, the part of the current file included."""
    bytes_done: int
    """Size of what is settled of the files that had to be looked into."""
    bytes_total: int
    elapsed_seconds: float
    eta_seconds: float | None
    """Estimated time to the end, or None while there is nothing to estimate from."""

    @property
    def realtime_factor(self) -> float:
        """Seconds of video encoded in a second."""
        return self.video_seconds / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0
