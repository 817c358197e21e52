"""Examine this machine: installed packages, processor features, and what is missing.

Each rule in ``RULES`` looks at the facts and yields what is wrong.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vidseek.core.errors import Hint
from vidseek.doctor.report import Decoder, Finding

REQUIRED_PACKAGES = (
    "numpy",
    "sqlalchemy",
    "alembic",
    "av",
    "onnxruntime",
    "tokenizers",
    "pillow",
)
OPTIONAL_PACKAGES = (
    "openvino",
    "decord2",
    "faiss-cpu",
    "faiss-gpu",
    "torch",
    "transformers",
    "open_clip_torch",
)
CPU_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Instructions that make encoding several times faster, as Linux names them."""


@dataclass(frozen=True)
class Machine:
    """The installed packages and devices that the rules examine."""

    packages: dict[str, str | None]
    """Version by package; None if it is not installed."""
    decoders: tuple[Decoder, ...]
    faiss: str | None
    """Version, kind (cpu or gpu) and instruction set of FAISS; None if it does not load."""
    gpus: tuple[str, ...]


def examine_machine() -> Machine:
    """Collect the installed packages and devices."""
    return Machine(
        packages={package: _version(package) for package in REQUIRED_PACKAGES + OPTIONAL_PACKAGES},
        decoders=(_pyav(), _decord()),
        faiss=_faiss(),
        gpus=_gpus(),
    )


def required_packages_are_installed(machine: Machine) -> Iterator[Finding]:
    """Every package that the base install brings is there."""
    for package in REQUIRED_PACKAGES:
        if machine.packages[package] is None:
            yield Finding(
                f"{package} is not installed", Hint("install_package", {"package": package})
            )


def decoders_load(machine: Machine) -> Iterator[Finding]:
    """Every installed decoder can be imported."""
    for decoder in machine.decoders:
        if decoder.version is None and machine.packages[decoder.package] is not None:
            yield Finding(
                f"{decoder.package} is installed and does not load",
                Hint("reinstall_package", {"package": decoder.package}),
            )


def faiss_is_installed_once(machine: Machine) -> Iterator[Finding]:
    """One of the two FAISS packages is installed: both install the same module."""
    if machine.packages["faiss-cpu"] and machine.packages["faiss-gpu"]:
        yield Finding(
            "faiss-cpu and faiss-gpu are both installed and overwrite each other",
            Hint("uninstall_one_faiss"),
        )
    elif machine.faiss is None:
        installed = [name for name in ("faiss-cpu", "faiss-gpu") if machine.packages[name]]
        if installed:
            yield Finding(
                f"{installed[0]} is installed and does not load",
                Hint("reinstall_package", {"package": installed[0]}),
            )
            return
        extra = "gpu" if machine.gpus else "cpu"
        yield Finding("FAISS is not installed", Hint("install_extra", {"extra": extra}))


RULES: tuple[Callable[[Machine], Iterator[Finding]], ...] = (
    required_packages_are_installed,
    decoders_load,
    faiss_is_installed_once,
)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pyav() -> Decoder:
    ffmpeg = _output("import av; print(getattr(av, 'ffmpeg_version_info', ''))")
    return Decoder("av", None if ffmpeg is None else _version("av"), ffmpeg or None)


def _decord() -> Decoder:
    loads = _output("import decord") is not None
    return Decoder("decord2", _version("decord2") if loads else None, None)


def _faiss() -> str | None:
    return _output(
        "import faiss; kind = 'gpu' if hasattr(faiss, 'StandardGpuResources') else 'cpu'; "
        "print(f'{faiss.__version__} ({kind}; {faiss.get_compile_options().strip()})')"
    )


def _output(code: str) -> str | None:
    """Last line that some Python code prints; None if it fails.

    In a separate process: a package built for another processor ends its process with a signal.
    """
    start = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    path = json.dumps([str(Path(entry).absolute()) for entry in sys.path])
    done = subprocess.run(
        [sys.executable, "-P", "-c", start + code, path], capture_output=True, text=True
    )
    if done.returncode != 0:
        return None
    return (done.stdout.strip().splitlines() or [""])[-1]


def _gpus() -> tuple[str, ...]:
    names = []
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in information.read_text().splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return tuple(names)


def cpu_line(key: str) -> str | None:
    """The value of a line of /proc/cpuinfo; None if there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def cpu_features() -> dict[str, bool]:
    """Which of ``CPU_FEATURES`` the processor has; empty if the system does not say."""
    flags = cpu_line("flags")
    if flags is None:
        return {}
    present = set(flags.split())
    return {feature: feature in present for feature in CPU_FEATURES}
