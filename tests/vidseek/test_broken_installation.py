"""A package that does not fit breaks every file: `index` and `doctor` say so and exit with 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import Answer, environment

from vidseek.demo.clips import Scene, make_clip
from vidseek.doctor.trial import try_installation

OTHER_API = """
import av
def refuse(*arguments, **options):
    raise TypeError("open() got an unexpected keyword argument")
av.open = refuse
"""
NO_DECODER = "import sys; sys.modules['av'] = None"
OTHER_PROCESSOR = """
import importlib.abc, os, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "faiss":
            os.kill(os.getpid(), signal.SIGILL)
sys.meta_path.insert(0, Finder())
"""


def run(*arguments: str | Path, library: Path, broken: Path | None = None) -> Answer:
    path = [str(broken)] * (broken is not None) + sys.path
    done = subprocess.run(
        [sys.executable, "-m", "vidseek.cli", *map(str, arguments)],
        env={**environment(library), "PYTHONPATH": os.pathsep.join(filter(None, path))},
        capture_output=True,
        text=True,
        timeout=200,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def breakage(folder: Path, code: str) -> Path:
    """A folder for PYTHONPATH that breaks a package in every process."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return folder


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    make_clip(folder / "cat.mp4", [Scene("chelsea.png", 1)])
    make_clip(folder / "coffee.mp4", [Scene("coffee.png", 1)])
    (folder / "notes.mp4").write_text("no video")
    return folder


@pytest.mark.parametrize("code", [OTHER_API, NO_DECODER])
def test_index_says_that_the_installation_fails_and_tries_the_files_again(
    code: str, footage: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    broken = breakage(tmp_path / "broken", code)
    answer = run("index", footage, "--json", library=library, broken=broken)
    assert answer.returncode == 1
    report = json.loads(answer.stdout)
    assert (report["indexed"], len(report["failed"])) == (0, 3)
    assert "doctor" in answer.stderr
    mended = run("index", footage, "--json", library=library)
    assert mended.returncode == 0
    report = json.loads(mended.stdout)
    assert report["indexed"] == 2
    assert [Path(file["path"]).name for file in report["failed"]] == ["notes.mp4"]


@pytest.mark.parametrize(
    ("code", "step"),
    [
        (OTHER_API, "decode a video"),
        (NO_DECODER, "decode a video"),
        (OTHER_PROCESSOR, "search an index"),
    ],
)
def test_doctor_names_the_step_that_fails(code: str, step: str, tmp_path: Path) -> None:
    broken = breakage(tmp_path / "broken", code)
    answer = run("doctor", "--json", library=tmp_path / "library", broken=broken)
    assert answer.returncode == 1, answer.stderr
    report = json.loads(answer.stdout)
    assert not report["healthy"]
    assert [trial["step"] for trial in report["trials"] if trial["failure"]] == [step]


def test_every_step_works_here() -> None:
    trials = try_installation()
    assert [trial.failure for trial in trials] == [None] * 5
