"""Run the command as a user does: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]


def run_vidseek(
    arguments: Sequence[str | Path], *, library: Path | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own, with its output."""
    environment = {**os.environ, **options.pop("environment", {})}
    environment.pop("VIDSEEK_LIBRARY", None)
    if library is not None:
        environment["VIDSEEK_LIBRARY"] = str(library)
    return subprocess.run(
        [sys.executable, "-m", "vidseek.cli", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        **options,
    )
