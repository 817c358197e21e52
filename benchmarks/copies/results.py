"""The systems' answers: one file per system in the benchmark's folder, one JSON object per line.

answers = read_answers(results_file(folder, "ours", "fast"))
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.copies.systems.system import Found, Plan


@dataclass(frozen=True)
class Answer:
    """What a system found for one query."""

    query: str
    """Name of the query's work."""
    seconds: float
    """Wall-clock seconds."""
    matches: tuple[Found, ...]
    """Best score first."""
    version: str = ""
    """Version of the system."""
    failure: str | None = None
    """Why there is no answer; the query counts as having no match."""

    def to_json(self) -> str:
        """One line."""
        record = asdict(self)
        if self.failure is None:
            del record["failure"]
        return json.dumps(record, ensure_ascii=False)

    @staticmethod
    def from_record(record: dict[str, Any]) -> Answer:
        """The answer of a parsed line."""
        matches = tuple(Found(**match) for match in record["matches"])
        return Answer(**{**record, "matches": matches})


def results_file(folder: Path, system: str, plan: Plan) -> Path:
    """Path of a system's answers."""
    return folder / f"results-{system}-{plan}.jsonl"


def read_answers(path: Path) -> dict[str, Answer]:
    """Answers by query; a last line that was cut off by a crash is left out. None yet: empty.

    Raises:
        ValueError: the file holds something else.
    """
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    answers = {}
    for number, line in enumerate(lines):
        try:
            answer = Answer.from_record(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines) - 1:
                break
            raise ValueError(f"{path}, line {number + 1}: no answer; delete the file") from error
        answers[answer.query] = answer
    return answers


def write_answers(path: Path, answers: Sequence[Answer]) -> None:
    """Replace a file of answers atomically."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text("".join(f"{answer.to_json()}\n" for answer in answers), encoding="utf-8")
    temporary.replace(path)


def append_answer(path: Path, answer: Answer) -> None:
    """Add an answer."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{answer.to_json()}\n")
