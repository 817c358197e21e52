"""What this machine and a library have, what they lack, and the next step for each.

report = examine(examine_library(store))
for finding in report.findings:
    print(finding.problem, "->", finding.next_step)
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
import platform
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from vidseek.core.errors import LibraryError, LibraryLockedError, LibraryReadOnlyError
from vidseek.core.processors import processor_count
from vidseek.core.types import LibraryStatistics
from vidseek.encoders.registry import name_of
from vidseek.storage.store import LibraryStore

logger = logging.getLogger(__name__)

PACKAGES = (
    "numpy",
    "sqlalchemy",
    "alembic",
    "av",
    "decord2",
    "onnxruntime",
    "tokenizers",
    "pillow",
    "openvino",
    "faiss-cpu",
    "faiss-gpu",
    "torch",
    "transformers",
    "open_clip_torch",
)
"""What is reported by version; the last six are optional."""
CPU_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Instructions that make encoding several times faster where they are, as Linux names them."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be."""

    problem: str
    """One line."""
    next_step: str
    """What to do about it; empty where it was repaired already."""


@dataclass(frozen=True)
class Decoder:
    """A reader of videos."""

    package: str
    version: str | None
    """None where it is not installed or does not load."""
    ffmpeg: str | None
    """Version of the FFmpeg that it brings, where it says so."""


@dataclass(frozen=True)
class LibraryHealth:
    """The state of one library."""

    folder: Path
    encoder: str | None
    """Name and revision of the encoder that its vectors are from; None before the first video."""
    statistics: LibraryStatistics
    findings: tuple[Finding, ...]
    orphans_removed: int
    """Thumbnails and other files that nothing referred to."""


@dataclass(frozen=True)
class DoctorReport:
    """All that the doctor saw."""

    vidseek: str
    """Version of vidseek."""
    python: str
    system: str
    packages: dict[str, str | None]
    """Version by package; None where it is not installed."""
    sqlite: str
    decoders: tuple[Decoder, ...]
    processor: str
    processors: int
    """How many this process may use."""
    cpu_features: dict[str, bool]
    """Which of ``CPU_FEATURES`` there are; empty where the system does not say."""
    gpus: tuple[str, ...]
    """Names of NVIDIA GPUs, whether or not anything installed can use them."""
    faiss: str | None
    """Version, kind (cpu or gpu) and instruction set of FAISS."""
    library: LibraryHealth | None
    """None where no library was examined."""
    findings: tuple[Finding, ...]
    """Everything that is wrong, the library's included."""

    @property
    def is_healthy(self) -> bool:
        """True if nothing is left to do."""
        return not any(finding.next_step for finding in self.findings)


def examine(library: LibraryHealth | None = None) -> DoctorReport:
    """Look at this machine and what is installed.

    Args:
        library: what ``examine_library`` found, to be part of the report.
    """
    packages = {package: _version(package) for package in PACKAGES}
    decoders = (_pyav(), _decord())
    faiss = _faiss()
    gpus = _gpus()
    findings = [
        *(
            Finding(
                f"{package} is not installed",
                f"pip install {package}  (or reinstall vidseek, which needs it)",
            )
            for package, version in packages.items()
            if version is None and package not in PACKAGES[-6:]
        ),
        *(
            Finding(
                f"{decoder.package} is installed and does not load",
                f"pip install --force-reinstall {decoder.package}",
            )
            for decoder in decoders
            if decoder.version is None and packages[decoder.package] is not None
        ),
        *_faiss_findings(faiss, packages, gpus),
        *(library.findings if library else ()),
    ]
    import vidseek

    return DoctorReport(
        vidseek=vidseek.__version__,
        python=platform.python_version(),
        system=platform.platform(),
        packages=packages,
        sqlite=sqlite3.sqlite_version,
        decoders=decoders,
        processor=_cpu_line("model name") or platform.processor() or platform.machine(),
        processors=processor_count(),
        cpu_features=_cpu_features(),
        gpus=gpus,
        faiss=faiss,
        library=library,
        findings=tuple(findings),
    )


def examine_library(store: LibraryStore, *, repair: bool = True) -> LibraryHealth:
    """Check a library from end to end, and mend what is only derived.

    Args:
        repair: rebuild damaged indexes and delete orphans; needs to be the only writer, and is
            left out where another process is writing.
    """
    findings = [
        Finding(problem, "restore library.db from a backup, or index into a new library")
        for problem in store.find_problems()
    ]
    orphans = 0
    if repair:
        try:
            with store.writing():
                findings += _examine_indexes(store, repair=True)
                orphans = store.remove_orphans()
        except (LibraryLockedError, LibraryReadOnlyError) as error:
            logger.info("not repairing: %s", error)
            repair = False
    if not repair:
        findings += _examine_indexes(store, repair=False)
    findings += _examine_models(store)
    statistics = store.statistics()
    if statistics.failed:
        findings.append(
            Finding(
                f"{statistics.failed} of the library's files could not be read",
                "vidseek failed  (says why; --retry tries again)",
            )
        )
    if statistics.missing:
        findings.append(
            Finding(
                f"{statistics.missing} of the library's files are missing",
                "mount their disk and run `vidseek index` again, tell where they are now with "
                "`vidseek relocate OLD NEW`, or forget them with `vidseek index --prune`",
            )
        )
    for model in store.encoders.models():
        if model.is_active and not model.is_complete:
            behind = model.videos - model.encoded_videos
            findings.append(
                Finding(
                    f"{behind} of the library's videos are not encoded with the active model",
                    f"vidseek model add {name_of(model.spec)}",
                )
            )
    active = store.encoders.active()
    return LibraryHealth(
        folder=store.folder,
        encoder=None if active is None else f"{active.name} {active.revision}",
        statistics=statistics,
        findings=tuple(findings),
        orphans_removed=orphans,
    )


def _examine_models(store: LibraryStore) -> list[Finding]:
    """Models of folders that are gone; weights that were changed are told where they are used."""
    findings = []
    for spec in store.encoders.specs():
        folder = Path(name_of(spec))
        if folder.is_absolute() and not folder.is_dir():
            findings.append(
                Finding(
                    f"the model {folder} is not there any more, and nothing that needs it works",
                    "put its folder back, name its new place with `vidseek model add FOLDER`, or "
                    "take another model of `vidseek model list` with `vidseek model switch`",
                )
            )
    return findings


def _examine_indexes(store: LibraryStore, *, repair: bool) -> list[Finding]:
    next_step = "" if repair else "vidseek doctor  (when no other process is writing)"
    findings = []
    for spec in store.encoders.specs():
        try:
            problems = store.vector_index(spec).verify(repair=repair)
        except LibraryError as error:
            findings.append(Finding(str(error), "run vidseek doctor again after that"))
            continue
        findings += [
            Finding(f"{problem} (repaired)" if repair else problem, next_step)
            for problem in problems
        ]
    return findings


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pyav() -> Decoder:
    try:
        av = importlib.import_module("av")
    except ImportError:
        return Decoder("av", None, None)
    return Decoder("av", _version("av"), getattr(av, "ffmpeg_version_info", None))


def _decord() -> Decoder:
    # In a process of its own: a decoder that does not fit this processor dies of a signal.
    loads = subprocess.run([sys.executable, "-c", "import decord"], capture_output=True)
    return Decoder("decord2", _version("decord2") if loads.returncode == 0 else None, None)


def _faiss() -> str | None:
    try:
        faiss = importlib.import_module("faiss")
    except ImportError:
        return None
    kind = "gpu" if hasattr(faiss, "StandardGpuResources") else "cpu"
    return f"{faiss.__version__} ({kind}; {faiss.get_compile_options().strip()})"


def _faiss_findings(
    faiss: str | None, packages: dict[str, str | None], gpus: tuple[str, ...]
) -> list[Finding]:
    if packages["faiss-cpu"] and packages["faiss-gpu"]:
        return [
            Finding(
                "faiss-cpu and faiss-gpu are both installed and overwrite each other",
                "pip uninstall faiss-cpu faiss-gpu, then install one of them",
            )
        ]
    if faiss is None:
        extra = "gpu" if gpus else "cpu"
        return [Finding("FAISS is not installed", f'pip install "vidseek[{extra}]"')]
    return []


def _gpus() -> tuple[str, ...]:
    names = []
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in information.read_text().splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return tuple(names)


def _cpu_line(key: str) -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def _cpu_features() -> dict[str, bool]:
    flags = _cpu_line("flags")
    if flags is None:
        return {}
    present = set(flags.split())
    return {feature: feature in present for feature in CPU_FEATURES}
