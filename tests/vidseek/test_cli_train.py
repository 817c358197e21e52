"""``vidseek train``: usage, messages, exit codes; test_fine_tune.py tests the training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_process import invoke_vidseek

from vidseek.cli.exit_codes import EXIT_NOT_FOUND
from vidseek.core.captions import CaptionProblem
from vidseek.core.job import Job
from vidseek.training.user.report import TrainingProgress, TrainingReport

FIGURES = {
    "recall_at_1": 50.0,
    "recall_at_5": 100.0,
    "recall_at_10": 100.0,
    "mean_reciprocal_rank": 75.0,
}


def report(folder: Path, **changes: object) -> TrainingReport:
    facts: dict[str, object] = {
        "folder": folder,
        "improved": True,
        "interrupted": False,
        "videos": 10,
        "held_out_videos": 2,
        "clips": 12,
        "problems": (CaptionProblem(3, "no video at /gone.mp4"),),
        "before": FIGURES,
        "after": FIGURES | {"recall_at_1": 100.0, "mean_reciprocal_rank": 100.0},
        "steps": 20,
        "best_step": 12,
        "seconds": 61.2345,
        "fingerprint": "0123456789abcdef",
    }
    return TrainingReport(**facts | changes)  # type: ignore[arg-type]


@pytest.fixture
def answer_with(monkeypatch: pytest.MonkeyPatch):
    """Let training end with a report at once."""

    def prepare(made: TrainingReport) -> None:
        def train(*_: object, job: Job, **__: object) -> TrainingReport:
            progress = TrainingProgress(
                stage="training",
                done=4,
                total=20,
                unit="steps",
                eta_seconds=93.0,
                loss=0.5,
                figures=FIGURES,
            )
            job.report(progress)
            return made

        monkeypatch.setattr("vidseek.training.user.train.train_on_captions", train)

    return prepare


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["train", "captions.jsonl"],
        ["train", "captions.jsonl", "--out", "model", "--epochs", "0"],
        ["train", "captions.jsonl", "--out", "model", "--seed", "-1"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    answer = invoke_vidseek(arguments)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr


def test_missing_packages_are_named_with_what_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidseek.training.user.train.find_spec", lambda name: None)
    answer = invoke_vidseek(["train", tmp_path / "c.jsonl", "--out", tmp_path / "model"])
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert 'pip install ".[train]"' in answer.stderr
    assert "torch" in answer.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.full
def test_captions_that_are_missing_or_too_few_make_no_folder(tmp_path: Path) -> None:
    missing = invoke_vidseek(["train", tmp_path / "c.jsonl", "--out", tmp_path / "model"])
    assert missing.returncode == EXIT_NOT_FOUND
    assert f"{tmp_path}/c.jsonl does not exist" in missing.stderr
    (tmp_path / "c.jsonl").write_text('{"path": "gone.mp4", "caption": "x"}\n')
    few = invoke_vidseek(["train", tmp_path / "c.jsonl", "--out", tmp_path / "model"])
    assert few.returncode == 1
    assert "line 1: no video at" in few.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.full
@pytest.mark.parametrize("start", ["gone/model", "nobody"])
def test_a_model_to_start_from_that_is_not_there_is_said(tmp_path: Path, start: str) -> None:
    (tmp_path / "c.jsonl").write_text("")
    answer = invoke_vidseek(
        ["train", tmp_path / "c.jsonl", "--out", tmp_path / "model", "--from", start]
    )
    assert answer.returncode == EXIT_NOT_FOUND
    assert start in answer.stderr


def test_a_gain_is_shown_with_what_was_left_out_and_the_next_step(tmp_path, answer_with) -> None:
    answer_with(report(tmp_path / "my model"))
    answer = invoke_vidseek(["train", "c.jsonl", "--out", tmp_path / "my model"], cwd=tmp_path)
    assert answer.returncode == 0
    assert "line 3: no video at /gone.mp4" in answer.stdout
    assert "12 clips of 10 videos; held out: 2 videos" in answer.stdout
    assert "mean reciprocal rank   75.0 % -> 100.0 %" in answer.stdout
    assert "vidseek index --model 'my model' --library NEW PATH" in answer.stdout
    assert "training, 4/20 steps, 1:33 left, loss 0.500, held out: recall at 1 50.0 %" in (
        answer.stderr
    )


def test_no_gain_is_exit_code_1_and_says_so(tmp_path, answer_with) -> None:
    answer_with(report(tmp_path, improved=False, after=FIGURES, fingerprint=None))
    answer = invoke_vidseek(["train", "c.jsonl", "--out", tmp_path, "--json"])
    assert answer.returncode == 1
    assert "no model was written" in answer.stderr
    told = json.loads(answer.stdout)
    assert told["improved"] is False
    assert told["fingerprint"] is None
    assert told["before"] == told["after"] == FIGURES
    assert told["problems"] == [{"line": 3, "reason": "no video at /gone.mp4"}]
    assert told["seconds"] == 61.234


def test_a_head_is_shown_beside_what_needs_no_training(tmp_path, answer_with) -> None:
    pooled = FIGURES | {"mean_reciprocal_rank": 80.0}
    made = report(tmp_path / "head", base="/models/clip", pooled=pooled)
    answer_with(made)
    answer = invoke_vidseek(["train", "c.jsonl", "--out", tmp_path / "head"], cwd=tmp_path)
    assert answer.returncode == 0
    rows = {line[:20].strip(): line[21:].split() for line in answer.stdout.splitlines()}
    assert rows[""] == ["mean", "by", "words", "head"]
    assert rows["mean reciprocal rank"] == ["75.0", "%", "->", "80.0", "%", "->", "100.0", "%"]
    assert "/models/clip" in answer.stdout
    assert "vidseek model add head" in answer.stdout
    told = json.loads(
        invoke_vidseek(["train", "c.jsonl", "--out", tmp_path / "head", "--json"]).stdout
    )
    assert (told["base"], told["pooled"]) == ("/models/clip", pooled)
    answer_with(report(tmp_path, improved=False, base="/models/clip", pooled=pooled))
    answer = invoke_vidseek(["train", "c.jsonl", "--out", tmp_path])
    assert answer.returncode == 1
    assert "no head was written" in answer.stderr


def test_a_stopped_run_says_how_to_go_on(tmp_path, answer_with) -> None:
    answer_with(report(tmp_path, improved=False, interrupted=True, before={}, after={}))
    answer = invoke_vidseek(["train", "c.jsonl", "--out", tmp_path])
    assert answer.returncode == 130
    assert "again to continue" in answer.stderr


def test_a_model_folder_that_is_none_is_said_when_indexing(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("dear diary")
    arguments = ["index", tmp_path / "a.mp4", "--library", tmp_path / "library", "--model"]
    empty = invoke_vidseek([*arguments, tmp_path])
    assert empty.returncode == EXIT_NOT_FOUND
    assert str(tmp_path) in empty.stderr
    gone = invoke_vidseek([*arguments, tmp_path / "gone"])
    assert gone.returncode == EXIT_NOT_FOUND
    assert str(tmp_path / "gone") in gone.stderr
    assert "vidseek model add" in gone.stderr
