"""A small benchmark and answers to it, written by hand, so that every figure is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.copies.edits import Step
from benchmarks.copies.judging import Judged
from benchmarks.copies.manifest import Entry, write_manifest
from benchmarks.copies.results import Answer, results_file, write_answers
from benchmarks.copies.systems.system import Found, Plan
from benchmarks.copies.truth import Segment


def copy(work: str, source: str, *edits: str, start: float = 0.0, seconds: float = 10.0) -> Entry:
    """A copy that shows all of a video of ten seconds."""
    return Entry(
        "query",
        work,
        f"queries/{work}.mp4",
        (source,),
        edits=tuple(Step(name) for name in edits),
        duration_seconds=start + seconds,
        segments=(Segment(source, start, start + seconds, 0.0, seconds),),
    )


def negative(work: str, source: str, kind: str = "edited", *, shares: str | None = None) -> Entry:
    """A query that is not a copy; it may have two seconds in common with a library video."""
    shared = () if shares is None else (Segment(shares, 0.0, 2.0, 0.0, 2.0),)
    return Entry(
        "query",
        work,
        f"queries/{work}.mp4",
        (source,),
        negative=kind,
        duration_seconds=10.0,
        shared=shared,
    )


def held(*sources: str) -> list[Entry]:
    """Library videos."""
    return [
        Entry("library", f"original-{source}", f"library/{source}.mp4", (source,))
        for source in sources
    ]


def match(source: str, score: float, *ends: float) -> Found:
    """A match; from 0 to 10 s of both videos by default."""
    return Found(source, score, *(ends or (0.0, 10.0, 0.0, 10.0)))


def judged(entry: Entry, *matches: Found, seconds: float = 1.0) -> Judged:
    """A query with its answer."""
    return Judged(entry, Answer(entry.work, seconds, matches))


def write_benchmark(folder: Path, entries: Sequence[Entry]) -> None:
    """A folder with a manifest and no videos."""
    folder.mkdir(exist_ok=True)
    write_manifest(folder, {"seed": 0}, entries)


def write_results(
    folder: Path, system: str, plan: Plan, answers: dict[str, Sequence[Found]]
) -> None:
    """Answers of a system, each of which took a second."""
    made = [Answer(query, 1.0, tuple(matches)) for query, matches in answers.items()]
    write_answers(results_file(folder, system, plan), made)
