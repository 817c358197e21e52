"""A confidence of the library's own: from its mismatches, or from captions."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from palette_encoder import PALETTE, HeadlessEncoder, PaletteEncoder

import vidseek
from vidseek.core.captions import read_captions
from vidseek.core.errors import CalibrationError, Hint, JobCancelledError
from vidseek.core.job import Job
from vidseek.core.types import Calibration
from vidseek.search.moments.calibration.calibrate import CalibrationOptions, calibrate
from vidseek.search.moments.calibration.captioned import fit_captions
from vidseek.search.moments.calibration.queries import bundled_queries, read_query_file
from vidseek.search.moments.calibration.unlabelled import MIN_QUERIES, fit_queries
from vidseek.search.moments.confidence import calibrated_spec, confidence_of

SHOWN = ("red", "green", "yellow", "white", "black", "grey")
"""Pink and blue are in no video."""
QUERIES = [
    " and ".join(some) for count in (1, 2, 3) for some in itertools.combinations(PALETTE, count)
]


def combinations(most: int) -> Iterable[tuple[str, ...]]:
    for count in range(1, most + 1):
        yield from itertools.combinations(SHOWN, count)


@pytest.fixture
def various(make_shelf):
    """21 videos of one clip: a colour, or two."""
    shelf = make_shelf(HeadlessEncoder())
    for colours in combinations(2):
        shelf.add(f"{'-'.join(colours)}.mp4", [tuple(colours)])
    return shelf


def fitted(shelf, **options):
    return fit_queries(shelf.engine, **options)


def store(shelf, calibration: Calibration | None) -> bool:
    return shelf.store.encoders.set_calibration(shelf.encoder.spec.fingerprint, calibration)


def test_what_is_shown_is_surer_than_what_is_not(various) -> None:
    report = fitted(various, queries=QUERIES)
    calibration = report.calibration
    assert (calibration.method, calibration.clips, report.queries) == ("queries", 21, len(QUERIES))
    assert calibration.scale > 0
    assert report.error is None
    store(various, calibration)
    (shown,) = various.search("red and green", k=1)
    (absent,) = various.search("pink and blue", k=1)
    assert shown.confidence > 0.5 > absent.confidence
    assert various.search("red", k=1)[0].confidence > 0.5


def test_the_report_says_what_every_later_search_says(various) -> None:
    report = fitted(various, queries=QUERIES)
    store(various, report.calibration)
    answered = [bool(vidseek.filter_confident(various.search(q, k=1))) for q in QUERIES]
    assert report.answered == pytest.approx(np.mean(answered))
    for hit in various.search("white", k=5):
        expected = (hit.score - report.half_sure_score) * report.calibration.scale
        assert hit.confidence == pytest.approx(1 / (1 + np.exp(-expected)))


def test_nothing_but_the_confidence_changes(various) -> None:
    before = various.search("green", k=10)
    assert {hit.confidence for hit in before} == {None}
    store(various, fitted(various, queries=QUERIES).calibration)
    after = various.search("green", k=10)
    assert [replace(hit, confidence=None) for hit in after] == before
    assert store(various, None)
    assert various.search("green", k=10) == before
    assert not store(various, None)


def test_clips_of_the_queries_colour_are_no_runners_up(make_shelf) -> None:
    """A library that shows everything several times: the second best clip is right too."""
    shelf = make_shelf(HeadlessEncoder())
    for colour in PALETTE:
        for number in range(3):
            shelf.add(f"{colour}-{number}.mp4", [colour])
    report = fitted(shelf, queries=[f"{colour} {n}" for colour in PALETTE for n in range(7)])
    assert report.answered == 1
    # Colours that merely resemble each other, like pink and white, must not count as alike.
    assert report.half_sure_score < 0.95


def test_progress_is_reported(various) -> None:
    seen = []
    fitted(various, queries=QUERIES, job=Job(on_progress=seen.append))
    expected = [(done, len(QUERIES)) for done in range(1, len(QUERIES) + 1)]
    assert [(progress.done, progress.total) for progress in seen] == expected


def test_a_cancelled_calibration_stores_nothing(various) -> None:
    store(various, None)
    job = Job(on_progress=lambda progress: job.cancel() if progress.done == 3 else None)
    with pytest.raises(JobCancelledError):
        calibrate(various.engine, CalibrationOptions(queries=QUERIES), job=job)
    assert various.store.encoders.calibration(various.encoder.spec.fingerprint) is None


def test_too_few_clips_are_refused(shelf) -> None:
    with pytest.raises(CalibrationError, match="it has 0"):
        fitted(shelf, queries=QUERIES)
    for number in range(19):
        shelf.add(f"{number}.mp4", [SHOWN[number % 6]])
    with pytest.raises(CalibrationError, match="it has 19"):
        fitted(shelf, queries=QUERIES)
    shelf.add("19.mp4", ["red"])
    fitted(shelf, queries=QUERIES)


def test_clips_that_are_all_alike_are_refused(shelf) -> None:
    for number in range(25):
        shelf.add(f"{number}.mp4", ["red"])
    with pytest.raises(CalibrationError, match="score alike for every query"):
        fitted(shelf, queries=QUERIES)


def test_queries_that_all_score_the_same_are_refused(various) -> None:
    meaningless = [f"word {number}" for number in range(60)]
    with pytest.raises(CalibrationError, match="every query scores the same"):
        fitted(various, queries=meaningless)


def test_too_few_queries_are_refused_and_each_counts_once(various) -> None:
    with pytest.raises(CalibrationError, match=f"2 distinct queries; at least {MIN_QUERIES}"):
        fitted(various, queries=["red", "green", "  red "] * 40)


def test_the_bundled_queries_are_some_hundred_different_ones() -> None:
    queries = bundled_queries()
    assert 300 <= len(queries) <= 500
    assert len({query.casefold() for query in queries}) == len(queries)
    assert not any(query.startswith("#") for query in queries)
    lengths = [len(query.split()) for query in queries]
    assert min(lengths) == 1
    assert max(lengths) >= 8


def test_queries_of_ones_own_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_bytes("\ufeff# mine\n ein  roter Ball \n\nein roter Ball\n红色\n".encode())
    assert read_query_file(file) == ["ein roter Ball", "红色"]
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CalibrationError, match="UTF-8"):
        read_query_file(file)
    with pytest.raises(CalibrationError, match=r"gone\.txt cannot be read"):
        read_query_file(tmp_path / "gone.txt")


# Whose calibration counts

OWN = {"scale": 20.0, "bias": -14.0}


def test_the_librarys_calibration_comes_before_the_encoders_own(make_shelf) -> None:
    shelf = make_shelf(PaletteEncoder(**OWN))
    shelf.add("red.mp4", ["red"])
    (hit,) = shelf.search("red")
    assert hit.confidence == confidence_of(hit.score, shelf.encoder.spec)
    store(shelf, Calibration(1.0, 0.0, "captions", 1, shelf.encoder.spec.revision))
    (hit,) = shelf.search("red")
    assert hit.confidence == pytest.approx(1 / (1 + np.exp(-hit.score)))


def test_a_calibration_of_another_revision_is_not_used(make_shelf) -> None:
    shelf = make_shelf(PaletteEncoder(**OWN))
    shelf.add("red.mp4", ["red"])
    store(shelf, Calibration(1.0, 0.0, "queries", 1, "an older one"))
    result = shelf.engine.search("red")
    assert result[0].confidence == confidence_of(result[0].score, shelf.encoder.spec)
    assert [(warning.code, warning.hint) for warning in result.warnings] == [
        ("calibration_outdated", Hint("calibrate_again"))
    ]
    # A third-party model is the same wherever it lies: its fingerprint covers its text part.
    hub = replace(shelf.encoder.spec, source="/models/clip", kind="third-party", family="clip")
    moved = Calibration(1.0, 0.0, "queries", 1, "/elsewhere/clip")
    assert calibrated_spec(hub, moved).confidence_scale == 1.0


@pytest.mark.parametrize("scale", [0.0, -3.0, float("nan"), float("inf")])
def test_a_confidence_never_falls_with_the_score(scale: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Calibration(scale, 0.0, "queries", 20, "1")


def test_it_is_kept_per_encoder_and_over_opening_again(various) -> None:
    folder = various.folder / "library"
    with vidseek.open(folder, encoder=various.encoder) as library:
        assert library.calibration is None
        report = library.calibrate(queries=QUERIES)
        assert library.calibration == report.calibration
        (surely,) = library.search("red", k=1)
    with vidseek.open(folder, encoder=HeadlessEncoder()) as library:
        assert library.calibration == report.calibration
        assert library.search("red", k=1)[0].confidence == surely.confidence
        other = PaletteEncoder("other")
        library._store.encoders.register(other.spec)
        assert library._store.encoders.calibration(other.spec.fingerprint) is None
        assert library.forget_calibration()
        assert not library.forget_calibration()
        assert library.search("red", k=1)[0].confidence is None


def test_without_labels_it_does_not_displace_the_encoders_own_unasked(make_shelf) -> None:
    shelf = make_shelf(PaletteEncoder(**OWN))
    for colours in combinations(2):
        shelf.add(f"{'-'.join(colours)}.mp4", [tuple(colours)])
    with vidseek.open(shelf.folder / "library", encoder=shelf.encoder) as library:
        with pytest.raises(CalibrationError) as caught:
            library.calibrate(queries=QUERIES)
        assert caught.value.hint == Hint("give_captions_or_override")
        assert library.calibration is None
        library.calibrate(queries=QUERIES, override=True)
        assert library.calibration is not None
        with pytest.raises(CalibrationError, match="not both"):
            library.calibrate("captions.jsonl", queries=QUERIES)


def test_a_refusal_leaves_an_earlier_calibration(various) -> None:
    with vidseek.open(various.folder / "library", encoder=various.encoder) as library:
        earlier = library.calibrate(queries=QUERIES).calibration
        with pytest.raises(CalibrationError):
            library.calibrate(queries=["red"])
        assert library.calibration == earlier


# With captions


def write_captions(folder: Path, rows: Iterable[tuple[str, str]], **more: object) -> Path:
    file = folder / "captions.jsonl"
    lines = [json.dumps({"path": path, "caption": caption, **more}) for path, caption in rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def on_captions(shelf, file: Path):
    return fit_captions(shelf.engine, read_captions(file))


@pytest.fixture
def captioned(make_shelf):
    """41 videos of up to three colours, and a caption that names them."""
    shelf = make_shelf(HeadlessEncoder())
    rows = []
    for colours in combinations(3):
        name = f"{'-'.join(colours)}.mp4"
        shelf.add(name, [tuple(colours)])
        rows.append((name, " and ".join(colours)))
    return shelf, rows


def test_captions_give_a_calibration_and_its_error_on_held_out_videos(captioned) -> None:
    shelf, rows = captioned
    report = on_captions(shelf, write_captions(shelf.folder, rows))
    assert report.calibration.method == "captions"
    assert report.queries == len(rows)
    assert report.problems == ()
    assert report.error is not None
    assert report.error_by_chance is not None
    assert 0 <= report.error < 0.3
    store(shelf, report.calibration)
    (right,) = shelf.search("red and green and white", k=1)
    (wrong,) = shelf.search("pink and blue", k=1)
    assert right.confidence > 0.5 > wrong.confidence


def test_captions_of_no_video_of_the_library_are_reported(captioned) -> None:
    shelf, rows = captioned
    (shelf.folder / "elsewhere.mp4").write_bytes(b"video")
    report = on_captions(
        shelf, write_captions(shelf.folder, [("elsewhere.mp4", "a dog"), *rows, ("gone.mp4", "x")])
    )
    assert [(problem.line, problem.reason.split()[-1]) for problem in report.problems] == [
        (1, "library"),
        (len(rows) + 2, str(shelf.folder / "gone.mp4")),
    ]


def test_what_is_said_of_several_videos_is_right_for_each(captioned) -> None:
    """Counted as mismatches of each other, equal clips would make a confidence of one half."""
    shelf, rows = captioned
    for name, _ in rows:
        shelf.add(f"again-{name}", [tuple(name.removesuffix(".mp4").split("-"))])
    twice = [*rows, *((f"again-{name}", caption) for name, caption in rows)]
    report = on_captions(shelf, write_captions(shelf.folder, twice))
    assert report.queries == len(rows)
    once = [confidence_for(shelf, report, caption) for _, caption in rows]
    assert np.mean(once) > 0.7


def confidence_for(shelf, report, text: str) -> float:
    store(shelf, report.calibration)
    return shelf.search(text, k=1)[0].confidence


def test_a_caption_of_a_part_is_right_for_that_part_only(shelf) -> None:
    rows = []
    for number, (one, other) in enumerate(itertools.permutations(SHOWN, 2)):
        shelf.add(f"{number}.mp4", [one, other])
        for span, colour in ((0, one), (4, other)):
            rows.append(
                {
                    "path": f"{number}.mp4",
                    "caption": f"{colour} {number}",
                    "start_seconds": span,
                    "end_seconds": span + 4,
                }
            )
    file = shelf.folder / "captions.jsonl"
    beyond = {**rows[0], "caption": "late", "start_seconds": 90, "end_seconds": 95}
    file.write_text("\n".join(map(json.dumps, [*rows, beyond])), encoding="utf-8")
    # Every colour is in ten videos, and only one of them is called right: those with the lowest id.
    with pytest.raises(
        CalibrationError, match=r"60 captions of 30 videos.*find their own clip"
    ) as e:
        on_captions(shelf, file)
    assert "line 61" in str(e.value)
    assert "not in what was indexed of it" in str(e.value)


def test_too_few_captions_are_refused(captioned) -> None:
    shelf, rows = captioned
    with pytest.raises(CalibrationError, match=r"12 captions of 12 videos.*at least 20"):
        on_captions(shelf, write_captions(shelf.folder, rows[:12]))


def test_captions_that_score_better_where_wrong_are_refused(shelf) -> None:
    """Right clips score low and most captions are wrong: confidence would fall with the score."""
    for number in range(10):
        shelf.add(f"dull{number}.mp4", [("pink", "grey", "grey", "grey")])
        shelf.add(f"black{number}.mp4", ["black"])
    shelf.add("red.mp4", ["red"])
    rows = [(f"dull{n}.mp4", f"pink {word}") for n in range(10) for word in range(20)]
    rows += [
        (f"black{number}.mp4", f"red {number} {word}") for number in range(10) for word in "abcd"
    ]
    with pytest.raises(CalibrationError, match="score no better than others"):
        on_captions(shelf, write_captions(shelf.folder, rows))


def test_before_and_after_are_measured_on_held_out_videos(captioned) -> None:
    shelf, rows = captioned
    file = write_captions(shelf.folder, rows)
    first = calibrate(shelf.engine, CalibrationOptions(captions=file))
    assert first.stored
    assert first.before is None
    assert first.after.shown - first.after.wrong_shown >= 0.1
    assert first.after.error == first.error
    again = calibrate(shelf.engine, CalibrationOptions(captions=file))
    assert again.before is not None
    assert again.calibration == first.calibration
    assert again.stored, "the same calibration is no failure"


def test_a_flat_fit_is_refused_and_leaves_the_confidence(make_shelf) -> None:
    """Right and wrong answers score alike, so every query would have a confident hit."""
    shelf = make_shelf(HeadlessEncoder())
    rows = []
    for number, (one, other) in enumerate(itertools.permutations(SHOWN, 2)):
        # Each caption is right for two clips that score the same, and is said of one of them.
        shelf.add(f"{number}.mp4", [(one, other)])
        rows.append((f"{number}.mp4", f"{one} and {other} {number}"))
    earlier = Calibration(9.0, -5.0, "queries", 60, shelf.encoder.spec.revision)
    store(shelf, earlier)
    with pytest.raises(CalibrationError):
        calibrate(shelf.engine, CalibrationOptions(captions=write_captions(shelf.folder, rows)))
    assert shelf.store.encoders.calibration(shelf.encoder.spec.fingerprint) == earlier


def test_labels_are_not_replaced_by_a_fit_without_labels(captioned) -> None:
    shelf, rows = captioned
    file = write_captions(shelf.folder, rows)
    labelled = calibrate(shelf.engine, CalibrationOptions(captions=file)).calibration
    with pytest.raises(CalibrationError) as caught:
        calibrate(shelf.engine, CalibrationOptions(queries=QUERIES))
    assert caught.value.hint == Hint("give_captions_or_override")
    fingerprint = shelf.encoder.spec.fingerprint
    assert shelf.store.encoders.calibration(fingerprint) == labelled
    report = calibrate(shelf.engine, CalibrationOptions(queries=QUERIES, override=True))
    assert report.stored
    assert report.after.shown - report.after.wrong_shown >= 0.1


def test_a_copy_of_a_captioned_clip_is_no_wrong_answer(captioned) -> None:
    """Half of the right answers would come second to their copy."""
    shelf, rows = captioned
    file = write_captions(shelf.folder, rows)
    alone = on_captions(shelf, file)
    for name, _ in rows:
        (video,) = shelf.store.videos.select(under=shelf.folder / name)
        colours = tuple(name.removesuffix(".mp4").split("-"))
        shelf.add(f"0-{name}", [colours], content_hash=video.content_hash)
    copied = on_captions(shelf, file)
    assert copied.calibration.scale == pytest.approx(alone.calibration.scale, rel=1e-3)
    assert copied.calibration.bias == pytest.approx(alone.calibration.bias, rel=1e-3)
