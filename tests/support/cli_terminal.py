"""Runs the commands on a pseudo-terminal of 80 columns, as a person would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from cli_process import environment

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WIDTH = 80


def on_terminal(
    arguments: Sequence[str | Path], library: Path, *, stdin: str = "", **variables: str
) -> tuple[int, str]:
    """Exit code and everything that was written to the terminal."""
    pty = pytest.importorskip("pty", reason="needs a POSIX terminal")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vidseek.cli", *map(str, arguments)],
        env={
            **environment(library),
            "TERM": "xterm-256color",
            "COLUMNS": str(WIDTH),
            "LINES": "40",
            **variables,
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written: list[bytes] = []

    def read() -> None:
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                return
            if not data:
                return
            written.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    if stdin:
        os.write(ours, stdin.encode())
    code = process.wait(timeout=120)
    reader.join(timeout=10)
    os.close(ours)
    return code, b"".join(written).decode().replace("\r\n", "\n")
