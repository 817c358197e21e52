"""docs/how-to: the Python examples of these pages run in order, as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from colour_videos import write_colours

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run_examples(page: Path, folder: Path) -> dict[str, object]:
    """Run a page's examples in a folder with three videos; gives the names that they define."""
    for name, colours in {
        "a.mp4": ["red", "green"],
        "b.mp4": ["blue", "white"],
        "c.mp4": ["yellow"],
    }.items():
        write_colours(folder / "Movies" / name, colours)
    text = page.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "example"}
    for match in EXAMPLE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        # Padded, so that a traceback names the line of the page.
        exec(compile("\n" * line + match[1], str(page), "exec"), namespace)
    return namespace


def test_an_encoder_of_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    run_examples(FOLDER / "use-your-own-encoder.md", tmp_path)
    printed = capsys.readouterr().out.splitlines()
    name, start, score = printed[0].split()
    assert (name, float(start)) == ("b.mp4", 0.0)
    assert float(score) > 0.95
    assert printed[2] == "b.mp4"


def test_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    run_examples(FOLDER / "label-videos.md", tmp_path)
    printed = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in printed[:3]} == {"a.mp4", "b.mp4", "c.mp4"}
    assert printed[3] == "1"
    assert "warm" in printed[4]
