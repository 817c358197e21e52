"""The machine that a benchmark runs on, and the data folder beside the checkout."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

from vidseek.core.processors import processor_count

UNITS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Instructions for small numbers, as Linux names them."""

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""The folder of real pictures and videos beside the checkout."""
VIDEOS = DATA / "videos"
"""Its videos: clips/, captions.json, long/ and long/scenes.json."""


def require_folder(parser: argparse.ArgumentParser, folder: Path) -> None:
    """End the program with exit code 2 if the data folder is missing."""
    if not folder.is_dir():
        parser.error(f"{folder} is missing: give the data folder as an argument (see --help)")


def processor_name() -> str:
    """The processor's name, the cores that may be used, and its units for small numbers."""
    count = f"{processor_count()} cores"
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.processor() or platform.machine()}, {count}"
    fields = {row.split(":")[0].strip(): row.split(":")[1].strip() for row in rows if ":" in row}
    flags = fields.get("flags", "").split()
    units = [unit for unit in UNITS if unit in flags]
    return f"{fields.get('model name', '?')}, {count}, {' '.join(units)}"


def peak_mib(process_id: int | str = "self") -> float:
    """Peak resident memory of a process so far, MiB; 0 if the process has ended.

    ``ru_maxrss`` also counts the process from which it was forked, so ``/proc`` is read instead.
    """
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0
