"""Asking systems: each query once despite interruptions, and the three systems themselves."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from made_up import copy, held, match, negative, write_benchmark
from small_sources import FORM, write_videos

from benchmarks.copies.generate import generate
from benchmarks.copies.judging import judge
from benchmarks.copies.manifest import Entry, read_manifest, write_manifest
from benchmarks.copies.planning import Settings
from benchmarks.copies.results import Answer, read_answers, results_file
from benchmarks.copies.run import run
from benchmarks.copies.sources import choose_sources, find_sources
from benchmarks.copies.systems.frame_hashes import compare, hashes_of, near
from benchmarks.copies.systems.ours import OurSystem
from benchmarks.copies.systems.semantic import SemanticFrames, SemanticSystem
from benchmarks.copies.systems.system import Found
from vidseek.core.errors import UnreadableVideoError
from vidseek.training.lab.copies.splits import share_of


class ScriptedSystem:
    """Returns scripted matches and records its queries."""

    def __init__(self, name: str = "scripted", *, stops_before: str | None = None) -> None:
        self.name = name
        self.version = "1"
        self.asked: list[str] = []
        self.indexed: list[str] = []
        self._stops_before = stops_before

    def index(self, entries: Sequence[Entry]) -> None:
        self.indexed += [entry.work for entry in entries]

    def ask(self, path: Path) -> list[Found]:
        if path.stem == self._stops_before:
            raise KeyboardInterrupt
        self.asked.append(path.stem)
        if path.stem == "broken":
            raise UnreadableVideoError("no video", path=path)
        return [match("b", 0.2), match("a", 0.7)]


ORDER = sorted(["q0", "q1", "q2", "q3", "broken"], key=lambda query: share_of("ask", query))
"""In which they are asked."""


# -- asking ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    entries = [*held("a", "b"), *(copy(f"q{n}", "a", "crop") for n in range(4))]
    write_benchmark(tmp_path / "made", [*entries, negative("broken", "x")])
    return tmp_path / "made"


def test_every_query_is_asked_and_its_matches_are_ranked(folder: Path) -> None:
    system = ScriptedSystem()
    seen: list[tuple[int, int, str]] = []
    run(
        folder,
        [system],
        "dense",
        on_answer=lambda place, queries, answer: seen.append((place, queries, answer.query)),
    )
    answers = read_answers(results_file(folder, "scripted", "dense"))
    assert system.indexed == ["original-a", "original-b"]
    assert list(answers) == ORDER
    assert seen == [(n, 5, query) for n, query in enumerate(answers)]
    assert [match.source for match in answers["q0"].matches] == ["a", "b"]
    assert answers["q0"].seconds >= 0
    assert answers["broken"].matches == ()
    assert "no video" in str(answers["broken"].failure)


def test_a_stopped_run_goes_on_with_the_next_query(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(folder, [ScriptedSystem(stops_before=ORDER[2])], "fast")
    path = results_file(folder, "scripted", "fast")
    with path.open("a") as file:  # a crash while it wrote
        file.write(f'{{"query": "{ORDER[2]}", "sec')
    before = path.read_text().splitlines()[:2]
    system = ScriptedSystem()
    run(folder, [system], "fast")
    assert system.asked == ORDER[2:]
    lines = path.read_text().splitlines()
    assert lines[:2] == before
    assert len(lines) == 5
    again = ScriptedSystem()
    run(folder, [again], "fast")
    assert (again.asked, again.indexed) == ([], []), "nothing is left, nothing is read"


def test_systems_take_turns_and_each_goes_on_by_itself(folder: Path) -> None:
    run(folder, [ScriptedSystem("one")], "dense")
    order: list[str] = []
    systems = [ScriptedSystem("one"), ScriptedSystem("two"), ScriptedSystem("three")]
    for system in systems:
        system.asked = order
    run(folder, systems, "dense")
    assert order == [query for query in ORDER for _ in range(2)]


def test_answers_of_another_benchmark_are_refused(folder: Path) -> None:
    path = results_file(folder, "scripted", "fast")
    path.write_text(Answer("stranger", 1.0, ()).to_json() + "\n")
    with pytest.raises(ValueError, match="stranger"):
        run(folder, [ScriptedSystem()], "fast")
    path.write_text(Answer("q0", 1.0, (), "0").to_json() + "\n")
    with pytest.raises(ValueError, match="another version"):
        run(folder, [ScriptedSystem()], "fast")
    path.write_text("nothing\n" + Answer("q0", 1.0, ()).to_json() + "\n")
    with pytest.raises(ValueError, match="line 1"):
        run(folder, [ScriptedSystem()], "fast")


# -- vPDQ's rule -----------------------------------------------------------------------------------


def hashed(*frames: int, quality: int = 100) -> list[tuple[str, int, float]]:
    """One frame per second; frames with the same number are equal, others are far apart."""
    return [
        (np.random.default_rng(number).bytes(32).hex(), quality, float(second))
        for second, number in enumerate(frames)
    ]


def flipped(digits: str, bits: int) -> str:
    return f"{int(digits, 16) ^ ((1 << bits) - 1):064x}"


def test_frames_are_near_up_to_31_bits() -> None:
    (digits, *_), *_ = hashed(1)
    some = hashes_of([(digits, 100, 0.0)])
    others = hashes_of([(flipped(digits, bits), 100, 0.0) for bits in (0, 31, 32)])
    assert near(some.hashes, others.hashes).tolist() == [[True, True, False]]


def test_the_score_is_the_larger_matched_share() -> None:
    library = {
        "whole": hashes_of(hashed(*range(10))),
        "part": hashes_of(hashed(2, 3)),
        "other": hashes_of(hashed(90, 91)),
        "dull": hashes_of(hashed(1, 2, quality=49)),
    }
    query = hashes_of(hashed(50, 2, 3, 51))
    found = {one.source: one for one in compare(query, library)}
    assert found.keys() == {"whole", "part"}
    assert found["whole"].score == 0.5, "two of the query's four frames, two of its ten"
    assert found["part"].score == 1.0, "all of it is in the query"
    assert found["whole"] == match("whole", 0.5, 1.0, 3.0, 2.0, 4.0)


def test_a_frame_that_is_repeated_counts_once() -> None:
    library = {"a": hashes_of(hashed(1, 2, 3, 4))}
    (one,) = compare(hashes_of(hashed(1, 1, 1, 50)), library)
    assert one.score == 0.5


def test_videos_without_a_frame_of_quality_have_nothing_in_common() -> None:
    dull, good = hashes_of(hashed(1, 2, quality=10)), hashes_of(hashed(1, 2))
    assert compare(dull, {"a": good}) == []
    assert compare(good, {"a": dull}) == []
    assert compare(good, {}) == []


# -- the real thing --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two copies, a negative, and a library video's own file as a third copy; a small library."""
    folder = tmp_path_factory.mktemp("benchmark")
    write_videos(folder / "videos", 25)
    sources = find_sources([folder / "videos"])
    seed = next(s for s in range(50) if len(choose_sources(sources, split="test", seed=s)) >= 7)
    settings = Settings(seed=seed, limit=7, edits_per_source=1, chains_per_source=0, form=FORM)
    made = folder / "copies"
    generate(made, sources, settings)
    manifest = read_manifest(made)
    library = [entry for entry in manifest.entries if entry.role == "library"]
    queries = [entry for entry in manifest.entries if entry.role == "query"]
    asked = [
        *[entry for entry in queries if entry.negative is None][:2],
        *[entry for entry in queries if entry.negative == "edited"][:1],
    ]
    shown = {source for query in asked for source in query.sources}
    library = [entry for entry in library if entry.sources[0] in shown]
    same = copy("same", library[0].sources[0])
    shutil.copy(library[0].file(made), same.file(made))
    write_manifest(
        made,
        manifest.settings,
        [
            *library,
            *asked,
            same,
        ],
    )
    return made


def check_answers(folder: Path, answers: dict[str, Answer]) -> None:
    manifest = read_manifest(folder)
    library = {entry.sources[0] for entry in manifest.entries if entry.role == "library"}
    asked = judge(manifest, answers)
    assert len(asked) == 4
    for query in asked:
        assert query.answer.failure is None
        assert query.answer.seconds > 0
        assert query.scores.keys() <= library
        for stretch in query.answer.matches:
            assert 0 <= stretch.query_start_seconds <= stretch.query_end_seconds
            assert 0 <= stretch.library_start_seconds <= stretch.library_end_seconds


def test_vidseek_is_asked_by_its_public_parts(small_benchmark: Path) -> None:
    run(small_benchmark, [OurSystem(small_benchmark, "fast")], "fast")
    answers = read_answers(results_file(small_benchmark, "ours", "fast"))
    check_answers(small_benchmark, answers)
    (exact,) = answers["same"].matches
    source = read_manifest(small_benchmark).entries[0].sources[0]
    assert (exact.source, exact.score, exact.query_start_seconds) == (source, 1.0, 0.0)
    assert exact.query_end_seconds == exact.library_end_seconds == pytest.approx(4.0, abs=0.3)


def test_the_semantic_model_is_asked_at_every_similarity(small_benchmark: Path) -> None:
    frames = SemanticFrames(small_benchmark)
    systems = [SemanticSystem(frames, least) for least in (0.5, 0.8)]
    run(small_benchmark, systems, "dense")
    loose, tight = (
        read_answers(results_file(small_benchmark, system.name, "dense")) for system in systems
    )
    check_answers(small_benchmark, loose)
    check_answers(small_benchmark, tight)
    source = read_manifest(small_benchmark).entries[0].sources[0]
    assert source in {match.source for match in tight["same"].matches}
    assert all(len(tight[query].matches) <= len(loose[query].matches) for query in loose)
    # What is kept of the library is not encoded again.
    kept = list(small_benchmark.glob("library-semantic-*/*.npz"))
    assert len(kept) == sum(one.role == "library" for one in read_manifest(small_benchmark).entries)
    again = SemanticFrames(small_benchmark)
    entry = read_manifest(small_benchmark).entries[0]
    once, twice = frames.of_library(entry).frames, again.of_library(entry).frames
    assert np.array_equal(once.vectors, twice.vectors)
