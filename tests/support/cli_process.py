"""Run commands in tests: in a process of their own, as users do, or faster, in this one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from vidseek.cli.app import app


@dataclass(frozen=True)
class Answer:
    """What a command wrote and how it ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Answer]


def run_vidseek(
    arguments: Sequence[str | Path], *, library: Path | None = None, **options: Any
) -> Answer:
    """The real command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "vidseek.cli", *map(str, arguments)],
        env=environment(library),
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        **options,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def invoke_vidseek(
    arguments: Sequence[str | Path],
    *,
    library: Path | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
) -> Answer:
    """The same in this process: no start to wait for."""
    with contextlib.chdir(cwd or Path.cwd()):
        result = CliRunner().invoke(
            app, [str(each) for each in arguments], env=environment(library), input=stdin
        )
    return Answer(result.exit_code, result.stdout, result.stderr)


def environment(library: Path | None) -> dict[str, str]:
    """Ours, with this library and no other."""
    named = {} if library is None else {"VIDSEEK_LIBRARY": str(library)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VIDSEEK_")}
    return {**kept, **named}
