"""`vidseek calibrate` as a user runs it, with the built-in model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_process import Run, invoke_vidseek

from vidseek.cli.exit_codes import EXIT_NOT_FOUND
from vidseek.core.types import EncodedClip, FrameFeatures, TimeSpan, Video
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.storage.store import LibraryStore

COLOURS = ("red", "green", "blue", "yellow", "white", "black")
THINGS = ("cars", "dogs", "boats", "flowers", "houses", "shoes", "birds", "hats", "apples")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of 30 clips of the built-in model, made without decoding a video."""
    folder = tmp_path_factory.mktemp("made")
    encoder = BuiltinEncoder()
    spec = encoder.spec
    # Clips lie where sentences lie, so that some answer and some do not.
    texts = [f"{colour} {thing}" for colour in COLOURS[:5] for thing in THINGS[:6]]
    vectors = encoder.encode_text(texts)
    tokens = np.zeros((1, spec.tokens_per_frame, spec.token_dimension), np.float32)
    with LibraryStore.open(folder / "library", create=True) as store, store.lease():
        store.encoders.register(spec)
        for text, vector in zip(texts, vectors, strict=True):
            path = folder / f"{text}.mp4"
            path.write_bytes(b"video")
            video = Video(0, path, f"{len(text):064x}", 5, 1, 1.0, 1.0, 640, 360, "h264")
            features = FrameFeatures(vector[None], tokens)
            clip = EncodedClip(TimeSpan(0.0, 1.0), (0.5,), vector, features)
            store.videos.add(video, [clip], fingerprint=spec.fingerprint)
    return folder


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    file = tmp_path / "queries.txt"
    file.write_text("\n".join(f"{colour} {thing}" for colour in COLOURS for thing in THINGS))
    return file


def run(made: Path, *arguments: object):
    return invoke_vidseek([str(each) for each in arguments], library=made / "library")


def confidence(made: Path, text: str) -> float:
    return json.loads(run(made, "search", text, "-k", "1", "--json").stdout)[0]["confidence"]


def test_without_labels_then_search_then_forget(made: Path, queries: Path) -> None:
    own = confidence(made, "red cars")
    refused = run(made, "calibrate", "--queries", queries)
    assert refused.returncode == 1
    assert "--captions" in refused.stderr
    assert "--override" in refused.stderr
    answer = run(made, "calibrate", "--queries", queries, "--override", "--json")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert report["encoder"] == "builtin"
    assert report["queries"] == len(COLOURS) * len(THINGS)
    assert report["calibration"]["method"] == "queries"
    assert report["calibration"]["clips"] == 30
    assert report["error"] is None
    calibrated = confidence(made, "red cars")
    assert calibrated != own
    assert calibrated > 0.5
    forgotten = run(made, "calibrate", "--forget")
    assert (forgotten.returncode, bool(forgotten.stdout)) == (0, True)
    assert confidence(made, "red cars") == own
    again = run(made, "calibrate", "--forget", "--json")
    assert json.loads(again.stdout) == {"forgotten": False}


def test_with_captions_the_error_is_said(made: Path) -> None:
    file = made / "captions.jsonl"
    rows = [{"path": path.name, "caption": path.stem} for path in sorted(made.glob("*.mp4"))]
    rows.append({"path": "gone.mp4", "caption": "a dog"})
    file.write_text("\n".join(map(json.dumps, rows)))
    answer = run(made, "calibrate", "--captions", file)
    assert answer.returncode == 0, answer.stderr
    assert "line 31: no video at" in answer.stdout
    assert "calibrated builtin on 30 clips with 30 captions" in answer.stdout
    assert "calibration error" in answer.stdout
    again = json.loads(run(made, "calibrate", "--captions", file, "--json").stdout)
    assert again["stored"]
    assert again["after"]["error"] == again["error"] < 0.3
    assert again["before"]["loss"] < 0.69
    run(made, "calibrate", "--forget")


def test_a_confidence_that_is_not_better_is_not_stored(made: Path) -> None:
    file = made / "captions.jsonl"
    names = sorted(path.name for path in made.glob("*.mp4"))
    rows = [{"path": name, "caption": Path(name).stem} for name in names]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert run(made, "calibrate", "--captions", file).returncode == 0
    fingerprint = BuiltinEncoder().spec.fingerprint
    with LibraryStore.open(made / "library") as store:
        stored = store.encoders.calibration(fingerprint)
        assert stored is not None
        surer = replace(stored, scale=20 * stored.scale, bias=20 * stored.bias)
        store.encoders.set_calibration(fingerprint, surer)
    answer = run(made, "calibrate", "--captions", file, "--json")
    assert answer.returncode == 1
    report = json.loads(answer.stdout)
    assert not report["stored"]
    assert report["before"]["loss"] < report["after"]["loss"]
    with LibraryStore.open(made / "library") as store:
        assert store.encoders.calibration(fingerprint) == surer
    run(made, "calibrate", "--forget")


def test_a_library_that_is_too_small_is_refused(vidseek: Run) -> None:
    answer = vidseek("calibrate", "--override")
    assert answer.returncode == 1
    assert "20" in answer.stderr


def test_options_that_exclude_each_other_are_wrong_usage(vidseek: Run, queries: Path) -> None:
    answer = vidseek("calibrate", "--queries", queries, "--forget")
    assert answer.returncode == 2
    assert "--queries" in answer.stderr


def test_a_missing_file_of_captions_is_named(vidseek: Run, tmp_path: Path) -> None:
    answer = vidseek("calibrate", "--captions", tmp_path / "gone.jsonl")
    assert answer.returncode == EXIT_NOT_FOUND
    assert "gone.jsonl" in answer.stderr


def test_a_model_with_a_bank_of_its_own_takes_no_other(made: Path, queries: Path) -> None:
    answer = run(made, "calibrate", "--queries", queries, "--override", "--hubness")
    assert answer.returncode == 1
    assert "hub" in answer.stderr
    answer = run(made, "calibrate", "--forget", "--hubness")
    assert answer.returncode == 2
