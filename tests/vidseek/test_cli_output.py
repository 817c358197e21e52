from __future__ import annotations

from pathlib import Path

import pytest

from vidseek.cli import output
from vidseek.cli.jobs import ProgressLine, describe_indexing, describe_progress
from vidseek.core.job import Progress
from vidseek.indexer import IndexProgress


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (60, "1:00"), (3723.9, "1:02:03")]
)
def test_clock(seconds: float, text: str) -> None:
    assert output.clock(seconds) == text


def test_a_span_never_looks_empty() -> None:
    assert output.span_clock(0.2, 0.9) == "0:00-0:01"
    assert output.span_clock(12.0, 18.0) == "0:12-0:18"


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.21, "3.2 s"), (270, "4.5 min"), (7560, "2.1 h"), (99.94, "99.9 s")]
)
def test_amounts_of_time_have_the_unit_that_fits(seconds: float, text: str) -> None:
    assert output.amount_of_time(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (512, "512 B"), (3_400_000, "3.4 MB"), (2.5e12, "2.5 TB")]
)
def test_amounts_of_bytes_have_the_unit_that_fits(size: float, text: str) -> None:
    assert output.amount_of_bytes(size) == text


def test_file_names_cannot_steer_the_terminal() -> None:
    assert output.printable("a\x1b[31mb\n\tc") == "a\\x1b[31mb\\n\\tc"
    assert output.printable("猫 ünï") == "猫 ünï"
    assert output.printable("bad\udcff") == "bad\\udcff"


def test_long_names_lose_their_middle() -> None:
    short = output.shorten("a" * 50 + "/the-end.mp4", 30)
    assert len(short) == 30
    assert short.startswith("aaa")
    assert short.endswith("/the-end.mp4")
    assert output.shorten("short.mp4", 30) == "short.mp4"


def test_paths_are_written_from_here_or_from_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert output.short_path(tmp_path / "here" / "a" / "b.mp4") == "a/b.mp4"
    assert output.short_path(tmp_path / "there" / "b.mp4") == "~/there/b.mp4"
    assert output.short_path(Path("/elsewhere/b.mp4")) == "/elsewhere/b.mp4"


def test_progress_says_files_amount_speed_and_time_left() -> None:
    progress = IndexProgress(
        stage="indexing",
        done=3,
        total=1200,
        unit="files",
        failed=1,
        current=Path("a.mp4"),
        video_seconds=1800,
        bytes_done=10,
        bytes_total=100,
        elapsed_seconds=60,
        eta_seconds=540,
    )
    line = describe_indexing(progress)
    assert line.text == "3/1,200 files, 30.0 min of video, 30x realtime, 9:00 left, 1 failed"
    assert (line.share, line.detail) == (0.1, "a.mp4")


def test_any_progress_has_a_stage_and_a_count() -> None:
    progress = Progress(stage="comparing copies", done=3, total=4, unit="videos")
    assert describe_progress(progress) == ProgressLine("comparing copies, 3/4 videos", share=0.75)
    open_ended = Progress(stage="reading the upload", done=1200, unit="frames")
    assert describe_progress(open_ended) == ProgressLine("reading the upload, 1,200 frames")
