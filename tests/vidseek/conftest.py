from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import Run, invoke_vidseek, run_vidseek

from vidseek.demo.clips import Scene, make_clip


@pytest.fixture(scope="session")
def footage_master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    (folder / "kitchen").mkdir()
    make_clip(folder / "cat.mp4", [Scene("chelsea.png", 3)])
    make_clip(folder / "errands.mp4", [Scene("motorcycle_left.png", 3), Scene("page.png", 3)])
    make_clip(folder / "kitchen" / "red cup@1-2.mp4", [Scene("coffee.png", 2)])
    (folder / "notes.mp4").write_text("dear diary")
    return folder


@pytest.fixture(scope="session")
def indexed_master(footage_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("libraries") / "library"
    answer = run_vidseek(["index", footage_master, "--json"], library=library)
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert report["indexed"] == 3, answer.stderr
    return library


@pytest.fixture
def library(indexed_master: Path, tmp_path: Path) -> Path:
    """A library of its own, of the videos in ``footage_master``."""
    return Path(shutil.copytree(indexed_master, tmp_path / "library"))


@pytest.fixture
def vidseek(library: Path) -> Run:
    """Run a command on ``library``, in this process."""
    return lambda *arguments, **options: invoke_vidseek(arguments, library=library, **options)


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command run in this process sets up the log of its own."""
    logger = logging.getLogger("vidseek")
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
