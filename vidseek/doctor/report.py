"""The doctor's report: facts about the machine and a library, and their problems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vidseek.core.errors import Hint
from vidseek.core.types import LibraryStatistics


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be."""

    problem: str
    """One line."""
    hint: Hint | None = None
    """What to do about it; None if it was repaired."""


@dataclass(frozen=True)
class Trial:
    """A step that was tried on a small video."""

    step: str
    """For example "decode a video"."""
    failure: str | None
    """Why it failed, in one line; None if it works."""


@dataclass(frozen=True)
class Decoder:
    """A package that reads videos."""

    package: str
    version: str | None
    """None if it is not installed or does not load."""
    ffmpeg: str | None
    """Version of the FFmpeg bundled with it, if it says so."""


@dataclass(frozen=True)
class LibraryHealth:
    """The state of one library."""

    folder: Path
    encoder: str | None
    """Name and revision of the active encoder; None before the first video."""
    network_share: str | None
    """Kind of the network file system that contains the library, such as ``nfs4``; None on a
    disk."""
    statistics: LibraryStatistics
    findings: tuple[Finding, ...]
    orphans_removed: int
    """Thumbnails and other files that nothing referred to."""


@dataclass(frozen=True)
class DoctorReport:
    """Everything that the doctor examined."""

    vidseek: str
    """Version of vidseek."""
    python: str
    system: str
    packages: dict[str, str | None]
    """Version by package; None if it is not installed."""
    sqlite: str
    decoders: tuple[Decoder, ...]
    processor: str
    processors: int
    """How many this process may use."""
    cpu_features: dict[str, bool]
    """Which of ``CPU_FEATURES`` the processor has; empty if the system does not say."""
    gpus: tuple[str, ...]
    """Names of NVIDIA GPUs, whether or not anything installed can use them."""
    faiss: str | None
    """Version, kind (cpu or gpu) and instruction set of FAISS."""
    trials: tuple[Trial, ...]
    """Steps of indexing and searching, tried on a small video."""
    library: LibraryHealth | None
    """None if no library was examined."""
    findings: tuple[Finding, ...]
    """Everything that is wrong, including with the library."""

    @property
    def works(self) -> bool:
        """True if videos can be indexed and searched with this installation."""
        return all(trial.failure is None for trial in self.trials)

    @property
    def is_healthy(self) -> bool:
        """True if nothing is left to do."""
        return all(finding.hint is None for finding in self.findings)
