"""Options, progress and reports of index and model runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vidseek.core import arguments
from vidseek.core.errors import Hint, InternalVideoError, VideoError
from vidseek.core.job import Progress
from vidseek.core.types import LibraryModel
from vidseek.video import SamplingPlan


@dataclass(frozen=True)
class IndexOptions:
    """Options of an index run. The defaults suit a disk of footage."""

    exclude: tuple[str, ...] = ()
    """Shell patterns against names, absolute paths and paths relative to the given folder."""
    follow_symlinks: bool = False
    plan: SamplingPlan = field(default_factory=SamplingPlan)
    """Which frames to sample. Unchanged videos keep the clips from an earlier plan."""
    workers: int | None = None
    """Decoding processes; None chooses by the number of processors."""
    prune: bool = False
    """Remove videos whose files are gone instead of marking them missing."""
    retry_failed: bool = False
    """Retry files that failed before, even if they have not changed since."""
    wait_seconds: float = 0.0
    """How long to wait for the run of another process to end."""

    def __post_init__(self) -> None:
        arguments.texts(self.exclude, "exclude")
        for name in ("follow_symlinks", "prune", "retry_failed"):
            arguments.flag(getattr(self, name), name)
        arguments.instance(self.plan, SamplingPlan, "plan")
        arguments.duration(self.wait_seconds, "wait_seconds")
        if self.workers is not None and arguments.whole_number(self.workers, "workers") < 1:
            raise ValueError(f"IndexOptions.workers must be at least 1, got {self.workers}")


@dataclass(frozen=True)
class FailedFile:
    """A file that could not be indexed, and why."""

    path: Path
    reason: str
    """One line, without the path."""
    hint: Hint | None = None
    """The next step, if there is one to suggest."""
    is_internal: bool = False
    """True if vidseek or a package that it uses failed (``InternalVideoError``); the file may be
    sound, and every run tries it again."""

    @classmethod
    def of(cls, path: Path, error: VideoError) -> FailedFile:
        """The failure that an error describes."""
        return cls(path, error.reason, error.hint, isinstance(error, InternalVideoError))


@dataclass(frozen=True)
class FileNote:
    """Something to know about a file that was indexed."""

    path: Path
    note: str
    """One line, without the path."""


@dataclass(frozen=True)
class IndexReport:
    """The result of an index run.

    Every video it found is indexed, unchanged, moved or failed; the other files are skipped.
    """

    indexed: int
    """New and changed files that were encoded, and new copies of stored content."""
    unchanged: int
    """Files with the same content as before, even if their modification time is new."""
    moved: int
    """Stored videos found again under another path; nothing was decoded."""
    missing: int
    """Stored videos below the given paths whose files are gone (removed, with ``prune``)."""
    failed: tuple[FailedFile, ...]
    """Every file that is not searchable, including those that failed in an earlier run."""
    video_seconds: float
    """Length of the videos that were encoded in this run."""
    seconds: float
    """Wall time of the run."""
    interrupted: bool
    """True if the job was cancelled before the end; the next run continues from there."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Files that are no videos, counted by suffix (lower case, "" for none), most frequent first.
    Files with sound only are among them."""
    sound_only: int = 0
    """How many of the skipped files have sound and no pictures."""
    hidden: int = 0
    """Hidden files and folders that were ignored."""
    links: int = 0
    """Links that were not followed."""
    notes: tuple[FileNote, ...] = ()
    """Videos indexed in this run of which a part is not searchable, such as a second film."""

    @property
    def internal_failure(self) -> str | None:
        """The most frequent reason, if no file could be indexed because the installation fails.

        None if this run indexed a file, or none failed with an ``InternalVideoError``.
        """
        reasons = Counter(file.reason for file in self.failed if file.is_internal)
        if self.indexed or not reasons:
            return None
        return reasons.most_common(1)[0][0]


@dataclass(frozen=True)
class ModelReport:
    """The result of adding a model."""

    model: LibraryModel
    """The model's coverage at the end of the run."""
    encoded: int
    """Videos that were encoded in this run."""
    failed: tuple[FailedFile, ...]
    """Videos that could not be encoded; searches with the library's other models find them."""
    switched: bool
    """True if this run made it the active model."""
    video_seconds: float
    """Length of the videos that were encoded in this run."""
    seconds: float
    """Wall time of the run."""
    interrupted: bool
    """True if the job was cancelled before the end; the next run continues from there."""


@dataclass(frozen=True, kw_only=True)
class IndexProgress(Progress):
    """Progress of a run. ``done`` counts files, including unchanged files."""

    total: int
    """Files in all."""
    failed: int
    """Files done that could not be read."""
    current: Path | None
    """The file being encoded, or None between files."""
    video_seconds: float
    """Length of video encoded so far, including part of the current file."""
    bytes_done: int
    """Bytes done, of the files that had to be read."""
    bytes_total: int
    elapsed_seconds: float
    eta_seconds: float | None
    """Estimated time to the end, or None while there is too little to estimate from."""

    @property
    def realtime_factor(self) -> float:
        """Seconds of video encoded per second of wall time."""
        return self.video_seconds / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0
