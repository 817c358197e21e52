"""Ask systems every query of a benchmark, resuming an interrupted run.

run(Path("copies"), [OurSystem(Path("copies"), "fast")], "fast")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.copies.manifest import Entry, read_manifest
from benchmarks.copies.results import (
    Answer,
    append_answer,
    read_answers,
    results_file,
    write_answers,
)
from benchmarks.copies.systems.system import Plan, System
from vidseek.core.errors import VideoError
from vidseek.training.lab.copies.splits import share_of

MAX_MATCHES = 100
"""Maximum matches stored per answer."""


def run(
    folder: Path,
    systems: Sequence[System],
    plan: Plan,
    *,
    on_answer: Callable[[int, int, Answer], None] = lambda place, queries, answer: None,
) -> None:
    """Ask the queries without answers.

    Args:
        folder: of a benchmark that is complete.
        systems: each is asked a query before the next query comes; their libraries are brought up
            to date first.
        plan: of the library's frames; part of the names of the files with the answers.
        on_answer: called after each with the query's place, how many queries there are, and it.

    Raises:
        ValueError: a file of answers is of another benchmark, or of another version of the system.
    """
    entries = read_manifest(folder).entries
    # In an order of chance: a run that was stopped has asked a fair sample.
    queries = sorted(
        (entry for entry in entries if entry.role == "query"),
        key=lambda entry: share_of("ask", entry.work),
    )
    library = [entry for entry in entries if entry.role == "library"]
    todo = []
    for system in systems:
        path = results_file(folder, system.name, plan)
        asked = _asked(path, queries, system.version)
        if len(asked) < len(queries):
            system.index(library)
            todo.append((system, path, asked))
    for place, query in enumerate(queries):
        for system, path, asked in todo:
            if query.work not in asked:
                answer = _ask(system, query.work, query.file(folder))
                append_answer(path, answer)
                on_answer(place, len(queries), answer)


def _asked(path: Path, queries: Sequence[Entry], version: str) -> set[str]:
    """Names of the answered queries. Removes an incomplete last line left by a crash."""
    answers = read_answers(path)
    strangers = answers.keys() - {entry.work for entry in queries}
    if strangers:
        raise ValueError(
            f"{path} answers {min(strangers)}, which is not in the manifest: delete it"
        )
    if any(answer.version != version for answer in answers.values()):
        raise ValueError(f"{path} is of another version of the system than {version}: delete it")
    write_answers(path, list(answers.values()))
    return set(answers)


def _ask(system: System, query: str, path: Path) -> Answer:
    start = time.perf_counter()
    answer = Answer(query, 0.0, (), system.version)
    try:
        found = system.ask(path)
    except VideoError as error:
        answer = replace(answer, failure=str(error))
    else:
        ranked = sorted(
            found, key=lambda match: (-match.score, match.source, match.query_start_seconds)
        )
        answer = replace(answer, matches=tuple(ranked[:MAX_MATCHES]))
    return replace(answer, seconds=round(time.perf_counter() - start, 3))
