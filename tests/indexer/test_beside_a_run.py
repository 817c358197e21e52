"""Removing, relocating, searching and checking beside a run that indexes, all in real processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import runs
from colour_encoder import ColourEncoder

import vidseek
from vidseek.storage.store import LibraryStore


def start(folder: Path, expression: str, *options: str) -> subprocess.Popen[str]:
    return runs.start("library_in_process.py", folder, expression, *options)


def result_of(process: subprocess.Popen[str]) -> Any:
    """What the expression gave."""
    answer, _ = process.communicate("", timeout=120)
    assert process.returncode == 0
    return json.loads(answer.splitlines()[-1])


@pytest.fixture
def archive(tmp_path: Path, make_video) -> Path:
    for number in range(3):
        make_video(tmp_path / "archive" / f"{number}.mp4", seed=number)
    return tmp_path / "archive"


@pytest.fixture
def library(tmp_path: Path, archive: Path) -> Path:
    """The library of the archive."""
    with vidseek.open(tmp_path / "library", encoder=ColourEncoder()) as opened:
        assert opened.index(archive, workers=1).indexed == 3
    return tmp_path / "library"


def test_short_changes_work_beside_a_run_and_a_second_run_does_not(
    tmp_path: Path, library: Path, archive: Path, make_video
) -> None:
    footage = tmp_path / "footage"
    for number in range(3):
        make_video(footage / f"{number}.mp4", seed=10 + number)
    run = start(library, f"library.index({str(footage)!r}, workers=1).indexed", "gated")
    assert run.stdout is not None
    assert run.stdin is not None
    assert run.stdout.readline() == "encoding\n"  # holds the lease, a video in flight
    moved = tmp_path / "moved"
    beside = [
        start(library, f"library.remove({str(archive / '0.mp4')!r})"),
        start(
            library,
            f"library.relocate({str(archive / '1.mp4')!r}, {str(moved)!r}, missing_ok=True)",
        ),
        start(library, "len({hit.video.path for hit in library.search('anything', k=99)}) >= 2"),
        start(library, f"library.check({str(archive / '2.mp4')!r}).kind == 'new'"),
        start(library, "library.forget_calibration()"),
        start(library, f"library.index({str(archive)!r})"),
    ]
    waiting = start(library, f"library.index({str(footage)!r}, wait_seconds=300).unchanged")
    results = [result_of(process) for process in beside]
    assert results[:5] == [1, 1, True, False, False]
    assert results[5]["error"] == "library_locked"
    assert str(run.pid) in results[5]["message"]
    assert run.poll() is None, "the run was not waited for"
    assert waiting.poll() is None
    assert result_of(run) == 3
    assert result_of(waiting) == 3
    with vidseek.open(library, encoder=ColourEncoder()) as opened:
        paths = {video.path for video in opened.videos()}
        expected = {moved, archive / "2.mp4", *(footage / f"{n}.mp4" for n in range(3))}
        assert paths == expected
        assert opened.doctor(repair=False).library is not None
        details = [opened.info(path) for path in sorted(paths)]
        assert all(None not in video.thumbnails for video in details)


def test_videos_removed_and_relocated_while_they_are_encoded_again_end_no_run(
    tmp_path: Path, library: Path, archive: Path
) -> None:
    # As if a version without copy descriptors had indexed them.
    with LibraryStore.open(library) as store, store._transactions.writing() as change:
        change.connection.exec_driver_sql("DELETE FROM copy_frames")
    run = start(library, f"library.index({str(archive)!r}, workers=1).unchanged")
    removed = start(library, f"library.remove({str(archive / '2.mp4')!r})")
    new = tmp_path / "moved"
    moved = start(library, f"library.relocate({str(archive)!r}, {str(new)!r}, missing_ok=True)")
    assert result_of(run) in range(4)
    assert {json.dumps(result_of(removed)), json.dumps(result_of(moved))} & {"1", "2", "3"}
    with LibraryStore.open(library) as store:
        assert store.find_problems() == []


def test_thumbnails_of_shared_content_stay_until_the_last_video_goes(
    tmp_path: Path, library: Path, archive: Path
) -> None:
    copy = archive / "copy.mp4"
    copy.write_bytes((archive / "0.mp4").read_bytes())
    with vidseek.open(library, encoder=ColourEncoder()) as opened:
        assert opened.index(archive, workers=1).indexed == 1
        before = set((library / "thumbnails").rglob("*.jpg"))
        assert opened.remove(archive / "0.mp4") == 1
        assert set((library / "thumbnails").rglob("*.jpg")) == before
        assert None not in opened.info(copy).thumbnails
        assert opened.remove(copy) == 1
        gone = before - set((library / "thumbnails").rglob("*.jpg"))
        assert gone
        assert all(None not in opened.info(archive / f"{n}.mp4").thumbnails for n in (1, 2))
