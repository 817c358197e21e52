"""Rows of the tables: means with bootstrap intervals, and the processor they were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UNITS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
SAMPLES = 1000


def interval(values: NDArray[np.float64]) -> str:
    """Mean of per-query values in per cent, with its bootstrap interval (95 %)."""
    random = np.random.default_rng(0)
    means = values[random.integers(0, len(values), (SAMPLES, len(values)))].mean(1) * 100
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean() * 100:.1f} ({low:.1f} to {high:.1f})"


def ratio_interval(above: NDArray[np.float64], below: NDArray[np.float64]) -> str:
    """Ratio of the means of paired values in per cent, with its bootstrap interval."""
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(above), (SAMPLES, len(above)))
    ratios = above[drawn].mean(1) / np.maximum(below[drawn].mean(1), 1e-9) * 100
    low, high = np.percentile(ratios, [2.5, 97.5])
    return f"{above.mean() / max(below.mean(), 1e-9) * 100:.1f} ({low:.1f} to {high:.1f})"


def recall_row(title: str, rank: NDArray[np.intp]) -> None:
    """Print one row of a table of recall at 1, 5 and 10."""
    cells = " | ".join(interval((rank < k).astype(np.float64)) for k in (1, 5, 10))
    print(f"| {title} | {cells} |", flush=True)


def recall_head(what: str = "recall, per cent (95 % interval)") -> None:
    """Print the head of a table of recall."""
    print(f"\n| {what} | R@1 | R@5 | R@10 |\n| --- | --- | --- | --- |", flush=True)


def processor() -> str:
    """The processor's name, how many of its cores may be used, and its units for small numbers."""
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    fields = {row.split(":")[0].strip(): row.split(":")[1].strip() for row in rows if ":" in row}
    flags = fields.get("flags", "").split()
    units = [unit for unit in UNITS if unit in flags]
    return f"{fields.get('model name', '?')}, {os.cpu_count()} cores, {' '.join(units)}"
