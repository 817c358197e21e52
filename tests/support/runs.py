"""Start a script of this folder as a process of its own, and kill it at a chosen moment."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

MARK = "VIDSEEK_TEST_RUN"


def start(script: str, *arguments: Path | str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(script)), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, MARK: str(arguments[0])},
    )


def kill_at(process: subprocess.Popen[str], questions: int, seconds_after: float) -> bool:
    """Kill a run some moments after its n-th question; False if it had already ended."""
    assert process.stdout is not None
    for line in process.stdout:
        questions -= 1
        if questions <= 0 or line.startswith("done"):
            break
    time.sleep(seconds_after)
    was_running = process.poll() is None
    process.kill()
    process.communicate()
    return was_running


def wait_for_end_of_decoders(library: Path) -> None:
    """Wait until the decoders of killed runs have noticed and ended; they carry a mark."""
    mark = f"{MARK}={library}\0".encode()
    left: list[str] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in environment.read_bytes():
                    left.append(environment.parent.name)
        if not left:
            return
        time.sleep(0.02)
    raise AssertionError(f"decoders outlived the runs they worked for: {left}")
