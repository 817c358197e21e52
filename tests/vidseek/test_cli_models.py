"""``vidseek models``, and the question before a download."""

from __future__ import annotations

import json
import sys

import pytest
import typer
from typer.testing import CliRunner

from vidseek.cli.app import app
from vidseek.cli.exit_codes import EXIT_NOT_FOUND
from vidseek.cli.questions import download_question
from vidseek.encoders.hub.catalogue import CATALOGUE


class Terminal:
    """A stdin that is a terminal with a user."""

    def isatty(self) -> bool:
        return True


def test_models_are_listed_for_programs():
    answer = CliRunner().invoke(app, ["models", "--json"])
    assert answer.exit_code == 0
    listed = json.loads(answer.stdout)
    assert [one["name"] for one in listed] == [model.name for model in CATALOGUE]
    assert {"repository", "download_bytes", "dimension", "licence", "good_for"} <= set(listed[0])
    assert all(one["frames_per_second"] > 0 for one in listed)
    columns = CliRunner().invoke(app, ["models"]).stdout.splitlines()
    assert [line.split("\t")[0] for line in columns] == [model.name for model in CATALOGUE]


def test_models_are_laid_out_for_a_person(monkeypatch):
    monkeypatch.setattr("vidseek.cli.output.is_for_person", lambda: True)
    text = CliRunner().invoke(app, ["models"]).stdout
    assert "builtin" in text
    for model in CATALOGUE:
        assert f"hf:{model.repository}" in text
        assert f"{model.frames_per_second:g} frames/s on two cores" in " ".join(text.split())
    assert "--model NAME" in text


def test_without_a_terminal_a_download_is_refused_unless_yes(monkeypatch):
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    assert download_question(yes=True)("a/b", 1234567)
    with pytest.raises(typer.BadParameter, match=r"a/b, 1,234,567 bytes.*--yes"):
        download_question(yes=False)("a/b", 1234567)


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_a_download_is_asked_for(monkeypatch, answer):
    asked = []
    monkeypatch.setattr(sys, "stdin", Terminal())

    def confirm(question, *, err):
        asked.append((question, err))
        return answer

    monkeypatch.setattr(typer, "confirm", confirm)
    assert download_question(yes=False)("a/b", 1234567) is answer
    assert asked == [("Download the model a/b, 1,234,567 bytes?", True)]


def test_a_wrong_model_ends_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "films").mkdir()
    arguments = ["--library", str(tmp_path / "library"), "index", str(tmp_path / "films")]
    for name in ("hf:clip", str(tmp_path / "nothing"), "clipp"):
        answer = CliRunner().invoke(app, [*arguments, "--model", name])
        assert answer.exit_code == EXIT_NOT_FOUND
        (line,) = answer.stderr.splitlines()
        assert name in line
