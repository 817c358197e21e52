"""Ctrl-C on a real index run: signals reach the whole process group, as from a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_process import environment, invoke_vidseek
from videos import make_video, picture

import vidseek

VIDEOS = 24


@pytest.fixture(scope="module")
def many_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number in range(VIDEOS):
        make_video(folder / f"{number:02d}.mp4", [picture(number)], seconds_each=3.0)
    return folder


def start_indexing(folder: Path, library: Path) -> subprocess.Popen[str]:
    """Start, and return when two videos are in the library."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vidseek.cli", "index", folder, "--json"],
        env=environment(library),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(600):
        assert process.poll() is None, process.communicate()
        with (
            contextlib.suppress(vidseek.LibraryError),
            vidseek.open(library, create=False) as opened,
        ):
            if opened.statistics().indexed >= 2:
                return process
        time.sleep(0.02)
    raise AssertionError("nothing was indexed")


def group_is_gone(group: int) -> bool:
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_cleanly_and_the_next_run_goes_on(
    many_videos: Path, tmp_path: Path, signal_number: signal.Signals
) -> None:
    library = tmp_path / "library"
    process = start_indexing(many_videos, library)
    os.killpg(process.pid, signal_number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal_number
    assert "stopping" in stderr
    assert "again to continue" in stderr
    assert "Traceback" not in stderr
    report = json.loads(stdout)
    assert 2 <= report["indexed"] < VIDEOS
    assert report["failed"] == []
    assert report["missing"] == 0
    assert group_is_gone(process.pid)

    again = invoke_vidseek(["index", many_videos, "--json"], library=library)
    assert again.returncode == 0
    rest = json.loads(again.stdout)
    assert rest["unchanged"] == report["indexed"]
    assert rest["indexed"] == VIDEOS - report["indexed"]


def test_a_second_signal_ends_it_at_once(many_videos: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    process = start_indexing(many_videos, library)
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert group_is_gone(process.pid)
    with vidseek.open(library, create=False) as opened:
        assert 2 <= opened.statistics().indexed < VIDEOS
        assert opened.doctor().is_healthy
