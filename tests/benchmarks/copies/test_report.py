"""Figures of a made-up benchmark whose answers are known, from judging to the printed tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import copy, held, judged, match, negative, write_benchmark, write_results

from benchmarks.copies.__main__ import main
from benchmarks.copies.bootstrap import Ranking, interval, mean_share, samples
from benchmarks.copies.judging import Judged, judge
from benchmarks.copies.manifest import Manifest, read_manifest
from benchmarks.copies.measured import Measured, read_systems
from benchmarks.copies.metrics import micro_average_precision
from benchmarks.copies.report import (
    Gate,
    edited_by,
    gate_table,
    is_copy,
    markdown,
    mirror_table,
    negative_table,
    ranking_table,
    segment_table,
    threshold_table,
    time_table,
)
from benchmarks.copies.results import read_answers, results_file
from benchmarks.copies.tables import percent
from benchmarks.copies.thresholds import calibrate
from vidseek.search.copies.scoring import THRESHOLDS


def rows(markdown_table: str) -> dict[str, list[str]]:
    """Rows of a table by their first cell."""
    lines = [line.strip("| ").split(" | ") for line in markdown_table.splitlines()]
    return {line[0]: line[1:] for line in lines}


# -- judging ---------------------------------------------------------------------------------------


def test_a_copy_is_caught_if_the_best_scored_video_is_the_one_it_shows() -> None:
    query = copy("q", "a", "crop")
    right = judged(query, match("b", 0.4), match("a", 0.2), match("a", 0.6))
    wrong = judged(query, match("b", 0.7), match("a", 0.6))
    tied = judged(query, match("b", 0.6), match("a", 0.6))
    nothing = judged(query)
    assert right.scores == {"a": 0.6, "b": 0.4}
    assert [one.is_caught(0.5) for one in (right, wrong, tied, nothing)] == [
        True,
        False,
        True,
        False,
    ]
    assert [one.is_accused(0.5) for one in (right, wrong, nothing)] == [True, True, False]
    assert not right.is_caught(0.6), "the threshold must be exceeded"
    assert nothing.score == 0.0


def test_a_mashup_is_caught_by_any_of_its_parts() -> None:
    first, second = copy("q", "a"), copy("q", "b", start=10.0)
    query = replace(first, segments=first.segments + second.segments)
    both = judged(query, match("b", 0.9))
    assert both.is_caught(0.5)
    assert both.edit is None


def test_queries_that_were_not_run_are_reported() -> None:
    manifest = Manifest({}, (copy("q", "a", "crop"), copy("r", "a", "blur")))
    with pytest.raises(ValueError, match="2 of 2 queries were not asked"):
        judge(manifest, {})
    assert judge(manifest, {}, only=()) == []


# -- thresholds ------------------------------------------------------------------------------------


def test_thresholds_are_those_that_none_one_percent_and_five_percent_exceed() -> None:
    asked = [
        judged(negative(f"n{number}", f"source {number // 2}"), match("a", number / 1000))
        for number in range(200)
    ]
    asked.append(judged(copy("q", "a", "crop"), match("a", 0.99)))
    asked.append(judged(negative("intro", "other", "same_intro"), match("a", 0.9)))
    found = calibrate(asked, without=["same_intro"])
    assert {name: one.score for name, one in found.items()} == {
        "strict": 0.199,
        "normal": 0.197,
        "loose": 0.189,
    }
    assert [one.accused.successes for one in found.values()] == [0, 2, 10]
    assert found["normal"].accused.trials == 200
    assert found["normal"].sources == 100
    assert calibrate(asked)["strict"].score == 0.9


# -- intervals -------------------------------------------------------------------------------------


def test_the_ranking_of_all_sources_once_is_the_plain_metric() -> None:
    random = np.random.default_rng(3)
    asked = []
    for number in range(60):
        query = copy(f"q{number}", f"s{number % 7}", "crop")
        if number % 3 == 0:
            query = negative(f"q{number}", f"s{number % 7}")
        found = [match(f"s{n}", round(float(random.uniform()), 1)) for n in random.permutation(7)]
        asked.append(judged(query, *found[: number % 5]))
    ranking = Ranking.of(asked)
    pairs = [
        (score, source in one.true_sources) for one in asked for source, score in one.scores.items()
    ]
    expected = micro_average_precision(*zip(*pairs, strict=True), positives=40)
    assert ranking.micro_average_precision() == pytest.approx(expected)
    # A source that is drawn twice counts as two sources with the same queries.
    twice = [
        replace(one, entry=replace(one.entry, sources=("again",)))
        for one in asked
        if one.entry.sources == ("s2",)
    ]
    counts = np.ones(7, np.int64)
    counts[2] = 2
    assert ranking.micro_average_precision(counts) == pytest.approx(
        Ranking.of([*asked, *twice]).micro_average_precision()
    )


def test_pairs_that_share_an_intro_are_neither_right_nor_wrong() -> None:
    asked = [
        judged(copy("q", "a", "crop"), match("a", 0.5)),
        judged(negative("n", "x", "same_intro", shares="b"), match("b", 0.9)),
    ]
    assert Ranking.of(asked).micro_average_precision() == 1.0
    asked.append(judged(negative("m", "y"), match("b", 0.9)))
    assert Ranking.of(asked).micro_average_precision() == 0.5


def test_nothing_found_ranks_nothing() -> None:
    assert Ranking.of([judged(copy("q", "a", "crop"))]).micro_average_precision() == 0.0


def test_the_interval_comes_from_resampled_sources() -> None:
    # Ten sources of a hundred queries each, of which five are all caught: it is as wide as for ten.
    places = np.repeat(np.arange(10), 100)
    figure = mean_share(["crop"] * 1000, (places < 5).tolist(), places)
    assert figure(np.ones(10, np.int64)) == 0.5
    low, high = interval(samples(figure, 10))
    assert low == pytest.approx(0.2, abs=0.05)
    assert high == pytest.approx(0.8, abs=0.05)
    assert (samples(figure, 10) == samples(figure, 10)).all()


def test_the_mean_is_over_edits_not_queries() -> None:
    figure = mean_share(
        ["crop", "blur", "blur", "blur"], [True, False, False, False], np.array([0, 0, 1, 2])
    )
    assert figure(np.ones(3, np.int64)) == 0.5
    assert figure(np.array([0, 1, 1])) == 0.0, "an edit that was not drawn is left out"


# -- tables ----------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Calibration: a hundred negatives, one of them at 0.5. Test: four copies, three negatives."""
    test, other = tmp_path / "test", tmp_path / "calibration"
    negatives = [negative(f"n{number}", f"s{number}") for number in range(100)]
    write_benchmark(other, [*held("a"), copy("q", "a", "crop"), *negatives])
    for system, plan in (("ours", "fast"), ("vpdq", "dense"), ("semantic-0.50", "dense")):
        scores = {entry.work: [match("a", 0.1)] for entry in negatives}
        scores["n0"], scores["n1"] = [match("a", 0.5)], [match("a", 0.3)]
        right = [match("a", 0.9 if system != "semantic-0.50" else 0.4)]
        write_results(other, system, plan, {**scores, "q": right})
    # A better similarity of the semantic model: it ranks the copy above all others.
    write_results(other, "semantic-0.80", "dense", {**scores, "q": [match("a", 0.95)]})

    entries = [
        *held("a", "b"),
        copy("crop-a", "a", "crop"),
        copy("crop-b", "b", "crop"),
        copy("insert-a", "a", "insert_into", start=5.0),
        copy("m", "a"),
        negative("edited-0", "x"),
        negative("edited-1", "y"),
        negative("intro", "z", "same_intro", shares="a"),
    ]
    write_benchmark(test, entries)
    ours = {
        "crop-a": [match("a", 0.8)],
        "crop-b": [match("b", 0.2), match("a", 0.1)],
        # The first part starts a second late on both sides; the second part is a false match.
        "insert-a": [match("a", 0.7, 6.0, 15.0, 1.0, 10.0), match("b", 0.2, 0.0, 5.0, 0.0, 5.0)],
        "m": [match("a", 0.9)],
        "edited-0": [match("b", 0.31)],
        "edited-1": [],
        "intro": [match("a", 0.6, 0.0, 2.0, 0.0, 2.0)],
    }
    write_results(test, "ours", "fast", ours)
    vpdq = {query: [] for query in ours} | {"crop-b": [match("b", 0.8)], "m": [match("a", 0.79)]}
    write_results(test, "vpdq", "dense", vpdq)
    write_results(test, "semantic-0.80", "dense", {query: [] for query in ours})
    return test, other


def test_the_tables_tell_what_was_found(folders: tuple[Path, Path]) -> None:
    systems = read_systems(*folders, plan="fast")
    ours = systems[0]
    assert [system.name for system in systems] == ["vidseek", "vPDQ", "semantic"]
    assert ours.thresholds["normal"].score == 0.3
    assert ours.thresholds["strict"].score == 0.5

    thresholds = rows(threshold_table([ours]))
    assert thresholds["vidseek"][0] == "loose"  # the last of three rows
    gate = rows(gate_table(systems))
    head = gate["copies"]
    assert head == [
        "n",
        "vidseek, as shipped",
        "vidseek, at 1 %",
        "vPDQ, as shipped",
        "vPDQ, at 1 %",
        "semantic, at 1 %",
    ]
    # crop: one of two; insert_into: one of one; so the mean over edits is 75 %, not 67 %.
    assert gate["mean over single edits"][0] == "3"
    assert gate["mean over single edits"][2].startswith("75.0 (")
    assert gate["mean over single edits"][4].startswith("25.0 (")
    assert gate["mashups"][2].startswith("100 (")
    assert gate["mashups"][3].startswith("0.0 ("), "79 % is less than its 80 %"
    assert gate["mashups"][4].startswith("100 (")
    assert gate["insert_into, insert_part"][2].startswith("100 (")
    assert gate["mirror"] == ["0", "–", "–", "–", "–", "–"]
    assert gate["negatives accused"][0] == "3"
    assert gate["negatives accused"][2].startswith("66.7 (")

    false = rows(negative_table(systems))
    place = false["negatives"].index("vidseek, normal")
    assert false["edited"][0] == "2"
    assert false["edited"][place].startswith("50.0 (")
    assert false["same_intro"][place].startswith("100 (")
    assert false["edited"][false["negatives"].index("vidseek, strict")].startswith("0.0 (")

    ranking = rows(ranking_table(systems))
    # Right at ranks 1, 2, 3 (crop-a, insert-a, m); 0.31 of a negative; then 0.2, right and wrong.
    expected = (1 + 1 + 1 + 4 / 6) / 4
    assert ranking["vidseek"][0].startswith(f"{percent(expected)} (")
    assert ranking["semantic"][0] == "0.0 (0.0 to 0.0)"
    assert ranking["vidseek minus semantic"][0].startswith(f"{percent(expected)} (")
    assert ranking["vPDQ"][0].startswith("50.0 (")

    times = rows(time_table(systems))
    assert times["vidseek"] == ["7", "1.00", "1.00", "0"]


def test_mirroring_is_read_from_the_best_match_of_a_caught_copy() -> None:
    def asked(is_mirrored: bool, *answers: tuple[float, bool]) -> Judged:
        query = copy("q", "a", "crop")
        segments = (replace(query.segments[0], mirrored=is_mirrored),)
        found = [replace(match("a", score), mirrored=said) for score, said in answers]
        return judged(replace(query, segments=segments), *found)

    queries = [
        asked(True, (0.9, True)),
        asked(True, (0.5, True), (0.9, False)),
        asked(False, (0.9, True)),
        asked(False, (0.9, False)),
        asked(False, (0.9, False), (0.5, True)),
        asked(False, (0.1, True)),
        judged(negative("n", "b"), match("a", 0.9)),
    ]
    table = rows(mirror_table([Measured("vidseek", queries, {}, 0.4)]))
    assert table["unmirrored"] == ["2", "1"]
    assert table["mirrored"] == ["1", "1"]


def test_seconds_are_those_of_what_exceeds_the_threshold(folders: tuple[Path, Path]) -> None:
    (ours, *_) = read_systems(*folders, plan="fast")
    (line,) = [one for one in segment_table([ours]).splitlines() if one.startswith("| insert_into")]
    cells = line.strip("| ").split(" | ")
    assert cells[1:3] == ["vidseek", "1"]
    # Nine of ten seconds in both videos; all that is predicted is right.
    assert cells[4:6] == ["100", "81.0"]
    assert cells[3] == percent(2 * 0.81 / 1.81)
    # Off by 1 s at both starts, by 0 s at both ends.
    assert cells[6:8] == ["0.50", "1.00"]


def test_the_gate_counts_single_edits(folders: tuple[Path, Path]) -> None:
    (ours, *_) = read_systems(*folders, plan="fast")
    gate = Gate("", ours.test, 0.3)
    crop = gate.caught(edited_by("crop"))
    assert (crop.successes, crop.trials) == (1, 2)
    assert gate.caught(is_copy).trials == 4
    assert gate.mean_over_edits(edited_by("mirror")) is None


def test_the_similarity_is_chosen_on_the_calibration_folder(folders: tuple[Path, Path]) -> None:
    test, _ = folders
    write_results(test, "semantic-0.50", "dense", {"crop-a": [match("a", 1.0)]})
    semantic = read_systems(*folders, plan="fast")[2]
    assert all(one.score == 0.0 for one in semantic.test), "0.80 was better there"


def test_an_incomplete_run_is_reported_only_when_asked_for(folders: tuple[Path, Path]) -> None:
    test, _ = folders
    write_results(test, "vpdq", "dense", {"crop-a": [match("a", 1.0)], "edited-0": []})
    with pytest.raises(ValueError, match="5 of 7 queries were not asked"):
        read_systems(*folders, plan="fast")
    systems = read_systems(*folders, plan="fast", partial=True)
    assert {len(system.test) for system in systems} == {2}
    assert "vPDQ" in markdown(systems)


def test_systems_that_were_not_run_are_left_out(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    test, _ = folders
    results_file(test, "vpdq", "dense").unlink()
    assert [system.name for system in read_systems(*folders, plan="fast")] == [
        "vidseek",
        "semantic",
    ]
    assert "vPDQ: not run over both folders" in capsys.readouterr().err
    results_file(test, "ours", "fast").unlink()
    with pytest.raises(ValueError, match="run --system ours --plan fast"):
        read_systems(*folders, plan="fast")


def test_the_commands_print_and_write(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test, other = map(str, folders)
    main(["calibrate", "--calibration", other])
    found = rows(capsys.readouterr().out)
    assert found["strict"][:4] == ["0.5000", "0.501", "0", "100"]
    assert found["normal"][:5] == ["0.3000", "0.301", "1", "100", "100"]
    assert found["normal"][5] == "5.4"  # Wilson's upper end of 1 of 100
    assert found["normal, ships"][:3] == [str(THRESHOLDS["normal"]), "1", "100"]
    assert found["strict, ships"][1:3] == ["1", "100"], "at the threshold itself it is accused"
    out = tmp_path / "tables.md"
    main(["report", "--data", test, "--calibration", other, "--out", str(out)])
    titles = [line for line in out.read_text().splitlines() if line.startswith("## ")]
    assert titles == [
        "## Thresholds",
        "## Copies caught",
        "## Ranking",
        "## Seconds found",
        "## Mirroring",
        "## False accusations",
        "## Time",
        "## Every edit",
    ]
    with pytest.raises(SystemExit, match="none"):
        main(["calibrate", "--calibration", str(tmp_path / "none")])


@pytest.mark.full
def test_a_picture_is_drawn(folders: tuple[Path, Path], tmp_path: Path) -> None:
    from benchmarks.copies.plot import draw

    draw(read_systems(*folders, plan="fast"), tmp_path / "bars.png")
    assert (tmp_path / "bars.png").read_bytes()[:4] == b"\x89PNG"


def test_answers_survive_the_file(folders: tuple[Path, Path]) -> None:
    test, _ = folders
    answers = read_answers(results_file(test, "ours", "fast"))
    assert answers.keys() == {
        entry.work for entry in read_manifest(test).entries if entry.role == "query"
    }
    assert answers["insert-a"].matches[0] == match("a", 0.7, 6.0, 15.0, 1.0, 10.0)
