"""Nothing leaves this machine: no connection, no look-up, and no file where none is expected."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from system_calls import Traced, needs_strace, run_traced

from vidseek.demo.clips import Scene, make_clip

pytestmark = needs_strace

ROOT = Path(__file__).resolve().parents[2]
OPEN_FOR_SECONDS = 12
"""ONNX Runtime 1.32 looks up its collector 8 to 9 s after it was loaded."""

KEEP_OPEN = f"""
import time, sys, vidseek
with vidseek.open() as library:
    assert library.check(sys.argv[1]).kind == "exact"
    assert library.search("a cat", k=1)
    time.sleep({OPEN_FOR_SECONDS})
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def trace(tmp_path: Path, home: Path):
    """Run a Python command under strace, with a new home and nothing else in the environment.

    CI is not in it either: ONNX Runtime and OpenVINO report nothing where they find that variable.
    """
    temporary = tmp_path / "temporary"
    work = tmp_path / "work"
    temporary.mkdir()
    work.mkdir()
    environment = {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }

    numbers = count()

    def run(*arguments: str | Path) -> Traced:
        log = tmp_path / f"{next(numbers)}.strace"
        return run_traced([sys.executable, *arguments], log=log, cwd=work, env=environment)

    yield run
    assert list(temporary.iterdir()) == []
    assert list(work.iterdir()) == []


def stays_here(traced: Traced, *folders: Path) -> None:
    assert traced.returncode in (0, 10), traced.stderr
    assert traced.sockets == ()
    assert traced.lookups == ()
    assert traced.written_outside(*folders) == set()


def test_the_trace_sees_sockets_lookups_and_files(trace, home: Path) -> None:
    script = (
        "import socket, pathlib; pathlib.Path.home().joinpath('new').write_text('x')\n"
        "try: socket.getaddrinfo('host.invalid', 80)\n"
        "except OSError: pass\n"
    )
    traced = trace("-c", script)
    assert traced.sockets
    assert traced.lookups
    assert traced.written_outside() == {home / "new"}
    assert traced.written_outside(home) == set()


def test_no_command_and_no_open_library_reaches_out(trace, home: Path, tmp_path: Path) -> None:
    cat, footage = tmp_path / "footage" / "cat.mp4", tmp_path / "footage"
    footage.mkdir()
    make_clip(cat, [Scene("chelsea.png", 2)])
    temporary = tmp_path / "temporary"
    ours = home / ".local" / "share" / "vidseek"
    stays_here(trace("-m", "vidseek.cli", "index", footage), ours, temporary, *ours.parents[:2])
    commands = [("search", "a cat"), ("check", cat), ("doctor",)]
    with ThreadPoolExecutor(2) as pool:
        kept_open = pool.submit(trace, "-c", KEEP_OPEN, cat)
        for command in commands:
            stays_here(trace("-m", "vidseek.cli", *command), ours, temporary)
        stays_here(kept_open.result(), ours, temporary)
    assert {path.relative_to(home) for path in home.rglob("*") if path.is_file()} == {
        path.relative_to(home) for path in ours.rglob("*") if path.is_file()
    }
