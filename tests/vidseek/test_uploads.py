"""`check_and_add`, exceptions and time limits of checks, and waiting for another run."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from palette_encoder import PaletteEncoder
from videos import write_video

import vidseek
from vidseek import uploads
from vidseek.core.types import CopyVerdict
from vidseek.demo.clips import FRAMES_PER_SECOND, Scene, film_scene


def film(path: Path, name: str, *, quality: int = 20) -> Path:
    """A camera that passes over a photograph for four seconds."""
    scene = Scene(name, 4, (0.1, 0.2, 0.7), (0.9, 0.7, 0.8))
    frames = (np.asarray(picture) for picture in film_scene(scene))
    options = {"preset": "ultrafast", "crf": str(quality)}
    return write_video(path, frames, frame_rate=FRAMES_PER_SECOND, options=options)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    film(folder / "cat.mp4", "chelsea.png")
    film(folder / "worse-cat.mp4", "chelsea.png", quality=32)
    shutil.copy(folder / "cat.mp4", folder / "same-cat.mp4")
    film(folder / "rocket.mp4", "rocket.jpg")
    return folder


Open = Callable[[], vidseek.Library]


@pytest.fixture
def open_library(tmp_path: Path) -> Iterator[Open]:
    """Open the same new library, each time as another process would."""
    opened: list[vidseek.Library] = []

    def open_again() -> vidseek.Library:
        opened.append(vidseek.open(tmp_path / "library", encoder=PaletteEncoder()))
        return opened[-1]

    yield open_again
    for library in opened:
        library.close()


def paths(library: vidseek.Library) -> list[str]:
    return [video.path.name for video in library.videos()]


def test_a_new_upload_is_added_and_a_copy_is_not(open_library: Open, films: Path) -> None:
    library = open_library()
    assert library.check_and_add(films / "cat.mp4").kind == "new"
    assert paths(library) == ["cat.mp4"]
    assert library.check_and_add(films / "cat.mp4").kind == "exact"
    assert library.check_and_add(films / "worse-cat.mp4").kind == "duplicate"
    assert library.check_and_add(films / "rocket.mp4").kind == "new"
    assert paths(library) == ["cat.mp4", "rocket.mp4"]
    assert library.search("red", k=1)
    assert library.statistics().copy_videos == 2


@pytest.mark.parametrize(
    ("other", "kind"), [("same-cat.mp4", "exact"), ("worse-cat.mp4", "duplicate")]
)
def test_of_two_copies_checked_at_once_one_is_new(
    open_library: Open, films: Path, other: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)
    compare = uploads._Checks.compare
    compared = []

    def compare_and_wait(self: uploads._Checks) -> CopyVerdict:
        verdict = compare(self)
        if self not in compared:
            compared.append(self)
            assert verdict.kind == "new"
            both.wait(timeout=120)  # neither is added before both have been found new
        return verdict

    monkeypatch.setattr(uploads._Checks, "compare", compare_and_wait)
    libraries = [open_library(), open_library()]
    with ThreadPoolExecutor(2) as threads:
        verdicts = list(
            threads.map(
                lambda library, name: library.check_and_add(films / name),
                libraries,
                ["cat.mp4", other],
            )
        )
    assert sorted(verdict.kind for verdict in verdicts) == sorted([kind, "new"])
    (added,) = libraries[0].videos()
    (copy,) = [verdict for verdict in verdicts if verdict.kind == kind]
    assert {match.video.path for match in copy.matches} == {added.path}


def test_excepted_videos_are_left_out_of_the_comparison(
    open_library: Open, films: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = open_library()
    library.index([films / "cat.mp4", films / "rocket.mp4"])
    worse = films / "worse-cat.mp4"
    assert library.check(worse).kind == "duplicate"
    assert library.check(worse, except_paths=films / "cat.mp4").kind == "new"
    assert library.check(worse, except_paths=[films / "rocket.mp4"]).kind == "duplicate"
    assert library.check(films / "same-cat.mp4", except_paths=[str(films)]).kind == "new"
    assert not caplog.records
    assert library.check(films / "same-cat.mp4", except_paths=["/nowhere"]).kind == "exact"
    assert any("/nowhere" in record.getMessage() for record in caplog.records)


def test_a_check_that_takes_too_long_is_given_up(open_library: Open, films: Path) -> None:
    library = open_library()
    with pytest.raises(vidseek.DecodeLimitError) as raised:
        library.check(films / "cat.mp4", timeout_seconds=1e-6)
    assert raised.value.path == films / "cat.mp4"
    with pytest.raises(vidseek.DecodeLimitError):
        library.check_and_add(films / "cat.mp4", timeout_seconds=1e-6)
    assert library.check(films / "cat.mp4", timeout_seconds=600).kind == "new"
    assert paths(library) == []


def test_a_check_may_be_cancelled_while_it_waits_to_add(open_library: Open, films: Path) -> None:
    holder, library = open_library(), open_library()

    def cancel(progress: vidseek.Progress) -> None:
        if progress.unit == "seconds":
            job.cancel()

    job = vidseek.Job(on_progress=cancel)
    with holder._store.lease():
        with pytest.raises(vidseek.LibraryLockedError):
            library.check_and_add(films / "cat.mp4", wait_seconds=0.1)
        with pytest.raises(vidseek.JobCancelledError):
            library.check_and_add(films / "cat.mp4", job=job)
    assert paths(library) == []


def test_index_waits_for_another_run(open_library: Open, films: Path) -> None:
    holder, library = open_library(), open_library()
    waiting = threading.Event()

    def note(progress: vidseek.Progress) -> None:
        if progress.unit == "seconds":
            waiting.set()

    with ThreadPoolExecutor(1) as threads:
        with holder._store.lease():
            job = vidseek.Job(on_progress=note)
            run = threads.submit(library.index, films / "cat.mp4", wait_seconds=math.inf, job=job)
            assert waiting.wait(timeout=120)
            assert not run.done()
        assert run.result(timeout=120).indexed == 1


def test_index_may_be_cancelled_while_it_waits(open_library: Open, films: Path) -> None:
    holder, library = open_library(), open_library()
    job = vidseek.Job(on_progress=lambda _: job.cancel())
    with holder._store.lease():
        report = library.index(films / "cat.mp4", wait_seconds=math.inf, job=job)
    assert report.interrupted
    assert report.indexed == 0
