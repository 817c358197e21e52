"""Indexing an hour of video takes no more memory than ten minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.looped_video import enlarge_video, loop_video

SUPPORT = Path(__file__).parents[1] / "support"

MAX_MB = 1500


def index_apart(library: Path, video: Path) -> dict[str, float]:
    """Index in a process of its own; gives peak memory, and seconds of video."""
    script = [sys.executable, str(SUPPORT / "index_measured.py"), str(library), str(video)]
    output = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True).stdout
    measured: dict[str, float] = json.loads(output)
    return measured


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="needs getrusage")
def test_an_hour_of_1080p_is_indexed_in_bounded_memory(tmp_path, make_video):
    make_video(tmp_path / "small.mp4", seconds=10.0, scenes=5)
    enlarge_video(tmp_path / "small.mp4", tmp_path / "source.mp4", width=1920, height=1080)
    measured = []
    for minutes in (10, 60):
        video = tmp_path / f"{minutes}.mp4"
        loop_video(tmp_path / "source.mp4", video, seconds=60 * minutes)
        measured.append(index_apart(tmp_path / f"library{minutes}", video))
        video.unlink()  # half a gigabyte that pytest would keep
    short, long = measured
    assert long["video_seconds"] == pytest.approx(3600, abs=12)
    assert long["frames"] > 5 * short["frames"]
    assert long["own_mb"] + long["decoder_mb"] < MAX_MB
    assert long["own_mb"] < short["own_mb"] + 50
    assert long["decoder_mb"] < short["decoder_mb"] + 50
