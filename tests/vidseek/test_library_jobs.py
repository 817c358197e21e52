"""Every long call of the library reports its progress and can be cancelled from another thread."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from colour_videos import write_colours
from palette_encoder import HeadlessEncoder, PaletteEncoder

import vidseek
from vidseek.core.errors import JobCancelledError
from vidseek.core.job import Job, Progress

COLOURS = ("red", "green", "blue", "yellow", "white", "pink")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for number, colour in enumerate(COLOURS):
        write_colours(folder / "films" / f"{number}.mp4", [colour, "black", colour, "white"])
    with vidseek.open(folder / "library", encoder=PaletteEncoder()) as library:
        assert library.index(folder / "films").indexed == len(COLOURS)
    return folder


@pytest.fixture
def library(made: Path, tmp_path: Path):
    shutil.copytree(made / "library", tmp_path / "library")
    with vidseek.open(tmp_path / "library", create=False, encoder=PaletteEncoder()) as library:
        yield library


def cancelled(call: Callable[[Job], Any]) -> tuple[Any, BaseException | None, list[Progress]]:
    """Run a call in a thread and cancel it from this one at its first report.

    Returns:
        What it returned, what it raised, and what it reported.
    """
    reported, go_on = threading.Event(), threading.Event()
    reports: list[Progress] = []
    outcome: list[Any] = [None, None]

    def on_progress(progress: Progress) -> None:
        reports.append(progress)
        reported.set()
        go_on.wait(30)

    job = Job(on_progress=on_progress)

    def run() -> None:
        try:
            outcome[0] = call(job)
        except BaseException as error:
            outcome[1] = error

    thread = threading.Thread(target=run)
    thread.start()
    assert reported.wait(60), "no progress was reported"
    job.cancel()
    go_on.set()
    thread.join(60)
    assert not thread.is_alive()
    return outcome[0], outcome[1], reports


def test_index_ends_early_and_the_next_run_goes_on(library, tmp_path: Path) -> None:
    for number, colour in enumerate(COLOURS):
        write_colours(tmp_path / "more" / f"{number}.mp4", [colour])
    report, error, _ = cancelled(lambda job: library.index(tmp_path / "more", job=job))
    assert error is None
    assert report.interrupted
    assert report.indexed < len(COLOURS)
    rest = library.index(tmp_path / "more")
    assert report.indexed + rest.indexed == len(COLOURS)


def test_index_ends_early_while_it_compares_copies(library, tmp_path: Path) -> None:
    for number, colour in enumerate(COLOURS[:2]):
        write_colours(tmp_path / "more" / f"{number}.mp4", [colour, "black"])

    def on_progress(progress: Progress) -> None:
        if progress.stage == "comparing copies":
            job.cancel()

    job = Job(on_progress=on_progress)
    report = library.index(tmp_path / "more", job=job)
    assert job.is_cancelled
    assert (report.indexed, report.interrupted) == (2, True)
    again = library.index(tmp_path / "more", job=Job())
    assert (again.unchanged, again.interrupted) == (2, False)


def test_adding_a_model_ends_early_and_the_next_run_goes_on(library) -> None:
    second = HeadlessEncoder("second palette")
    report, error, _ = cancelled(lambda job: library.models.add(second, job=job))
    assert error is None
    assert report.interrupted
    assert not report.switched
    rest = library.models.add(second)
    assert report.encoded + rest.encoded == len(COLOURS)
    assert rest.switched


@pytest.mark.parametrize(
    "call",
    [
        lambda library, upload, job: library.check(upload, job=job),
        lambda library, upload, job: library.similar(upload, job=job),
        lambda library, upload, job: library.doctor(job=job),
        lambda library, upload, job: library.calibrate(
            queries=[f"{colour} {number}" for colour in COLOURS for number in range(20)],
            override=True,
            job=job,
        ),
    ],
    ids=["check", "similar", "doctor", "calibrate"],
)
def test_a_call_without_a_partial_result_raises(library, tmp_path: Path, call) -> None:
    upload = write_colours(tmp_path / "upload.mp4", [*COLOURS, "black", "white"])
    before = library.statistics()
    result, error, reports = cancelled(lambda job: call(library, upload, job))
    assert result is None
    assert isinstance(error, JobCancelledError), error
    assert error.code == "cancelled"
    assert all(report.stage for report in reports)
    assert library.calibration is None
    assert library.statistics() == before
