"""The whole generator on small videos: plan, files, manifest, resuming."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from small_sources import FORM, write_videos

from benchmarks.copies.__main__ import main
from benchmarks.copies.drawn_pictures import PICTURES
from benchmarks.copies.edits import EDITS, FIELD_EDITS
from benchmarks.copies.footage import read_footage
from benchmarks.copies.generate import generate
from benchmarks.copies.manifest import MANIFEST_NAME, read_manifest
from benchmarks.copies.negatives import FIELD_NEGATIVE_KINDS, NegativeKind, make_pair
from benchmarks.copies.planning import Settings, plan_works
from benchmarks.copies.seeding import random_of
from benchmarks.copies.sources import Source, VideoSource, choose_sources, find_sources


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    folder = tmp_path_factory.mktemp("videos")
    write_videos(folder, 30)
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(200))
    return find_sources([folder])


@pytest.fixture(scope="module")
def settings(sources: list[Source]) -> Settings:
    # A seed under which the broken file is among the library's videos.
    for seed in range(200):
        settings = Settings(seed=seed, limit=7, edits_per_source=2, chains_per_source=1, form=FORM)
        chosen = choose_sources(sources, split="test", seed=seed, limit=7)
        if len(chosen) == 7 and "broken.mp4" in {source.name for source in chosen}:
            works = plan_works(chosen, settings)
            if any(work.kind == "copy" and work.source.name == "broken.mp4" for work in works):
                return settings
    raise AssertionError("no seed puts broken.mp4 into the library")


@pytest.fixture(scope="module")
def made(
    sources: list[Source], settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("copies")
    generate(folder, sources, settings)
    return folder


def test_field_edits_and_negatives_are_made_if_asked_for() -> None:
    sources = [VideoSource(f"{n}.mp4", Path(f"/{n}.mp4")) for n in range(28)]
    settings = Settings(edits=tuple(FIELD_EDITS), negatives=FIELD_NEGATIVE_KINDS)
    works = plan_works(sources, settings)
    edits = {work.steps[0].name for work in works if len(work.steps) == 1}
    assert edits == set(FIELD_EDITS)
    assert {work.negative for work in works if work.negative} == set(FIELD_NEGATIVE_KINDS)
    assert settings.to_record()["negatives"] == list(FIELD_NEGATIVE_KINDS)
    assert "negatives" not in Settings().to_record(), "older manifests stay readable"


@pytest.mark.parametrize("kind", FIELD_NEGATIVE_KINDS)
def test_a_field_negative_is_mostly_a_still(sources: list[Source], kind: NegativeKind) -> None:
    films = [source for source in sources if source.name != "broken.mp4"]
    pair = make_pair(kind, films[0], films[1], FORM, np.random.default_rng(1))
    assert pair is not None
    assert pair.query.segments == ()
    changes = np.abs(np.diff(pair.query.pictures.astype(np.int16), axis=0)).max(axis=(1, 2, 3))
    assert (changes == 0).mean() > 0.75


def test_every_edit_gets_its_turn() -> None:
    sources = [VideoSource(f"{n}.mp4", Path(f"/{n}.mp4")) for n in range(70)]
    works = plan_works(sources, Settings())
    copied = {work.steps[0].name for work in works if work.kind == "copy" and len(work.steps) == 1}
    assert copied == set(EDITS)
    kinds = {work.negative for work in works if work.kind == "pair"}
    assert len(kinds) == 6
    donors = {one.name for work in works if work.kind == "copy" for one in work.others}
    held = {work.source.name for work in works if work.kind == "original"}
    assert donors
    assert not donors & held, "a donor that the library holds would be copied as well"
    assert all(work.source not in work.others for work in works)
    assert len({work.name for work in works}) == len(works)


def test_too_few_sources_are_refused() -> None:
    with pytest.raises(ValueError, match="7 sources are needed"):
        plan_works([VideoSource("one.mp4", Path("/one.mp4"))], Settings())


def test_further_distractors_are_one_query_each_and_change_nothing_else() -> None:
    sources = [VideoSource(f"{n}.mp4", Path(f"/{n}.mp4")) for n in range(90)]
    before = plan_works(sources[:30], Settings(limit=30))
    after = plan_works(sources, Settings(limit=30, distractors=60))
    assert after[: len(before)] == before
    further = after[len(before) :]
    assert [work.source for work in further] == sources[30:]
    assert {work.kind for work in further} == {"edited"}
    assert {work.steps[0].name for work in further} == set(EDITS)
    held = {work.source.name for work in before if work.kind in ("original", "pair")}
    assert not held & {one.name for work in further for one in work.others}
    assert len({work.name for work in after}) == len(after)
    assert "distractors" not in Settings(limit=30).to_record()
    assert Settings(limit=30, distractors=60).to_record()["distractors"] == 60


def test_some_edits_can_be_all_that_take_turns() -> None:
    sources = [VideoSource(f"{n}.mp4", Path(f"/{n}.mp4")) for n in range(30)]
    settings = Settings(edits=("grey", "crop_65"), edits_per_source=1, chains_per_source=0)
    made = [work for work in plan_works(sources, settings) if work.kind in ("copy", "edited")]
    assert [work.steps[0].name for work in made if work.kind == "copy"][:3] == [
        "grey",
        "crop_65",
        "grey",
    ]
    assert {work.steps[0].name for work in made} == {"grey", "crop_65"}
    # The strengths are those that they have among all edits.
    among_all = {work.name: work for work in plan_works(sources, Settings(edits_per_source=99))}
    assert all(among_all[work.name].steps == work.steps for work in made)
    assert "edits" not in Settings().to_record()
    assert settings.to_record()["edits"] == ["grey", "crop_65"]


def test_further_distractors_that_there_are_not_are_refused(
    sources: list[Source], settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="after those of --limit 7"):
        generate(tmp_path, sources, replace(settings, distractors=1000))
    with pytest.raises(ValueError, match="give both"):
        generate(tmp_path, sources, replace(settings, distractors=2, limit=None))


def test_further_distractors_are_made_of_sources_after_the_limit(
    made: Path, sources: list[Source], settings: Settings, tmp_path: Path
) -> None:
    generate(tmp_path, sources, replace(settings, distractors=2))
    before, after = read_manifest(made), read_manifest(tmp_path)
    assert after.settings["distractors"] == 2
    assert after.entries[: len(before.entries)] == before.entries
    further = after.entries[len(before.entries) :]
    assert [source.negative for source in further] == ["edited", "edited"]
    assert not {source.sources for source in further} & {entry.sources for entry in before.entries}
    assert all(source.file(tmp_path).is_file() for source in further)


def test_the_manifest_tells_what_the_files_show(made: Path) -> None:
    manifest = read_manifest(made)
    assert manifest.settings["limit"] == 7
    queries = [entry for entry in manifest.entries if entry.role == "query"]
    library = {entry.sources[0]: entry for entry in manifest.entries if entry.role == "library"}
    assert {entry.negative for entry in queries} >= {None, "edited"}
    for query in queries:
        footage = read_footage(query.file(made), "query", FORM, longest_seconds=1000)
        assert footage.duration_seconds == pytest.approx(query.duration_seconds, abs=0.5)
        if query.negative is not None:
            assert query.segments == ()
            continue
        assert query.segments
        for segment in query.segments:
            assert segment.source in query.sources
            assert segment.query_end_seconds <= query.duration_seconds + 1e-6
            assert segment.library_end_seconds <= library[segment.source].duration_seconds + 1e-6


def test_a_segment_says_where_the_picture_is_from(made: Path) -> None:
    manifest = read_manifest(made)
    library = {entry.sources[0]: entry for entry in manifest.entries if entry.role == "library"}
    plain = [entry for entry in manifest.entries if entry.work.startswith("mashup-")]
    assert plain
    for query in plain:
        shown = read_footage(query.file(made), "query", FORM, longest_seconds=100).pictures
        assert len({segment.source for segment in query.segments}) == 3
        for segment in query.segments:
            middle = (segment.query_start_seconds + segment.query_end_seconds) / 2
            original = read_footage(
                library[segment.source].file(made), "library", FORM, longest_seconds=100
            ).pictures
            got = shown[int(middle * 5)].astype(int)
            at = int(segment.library_seconds(middle) * 5)
            differences = np.abs(original.astype(int) - got).mean(axis=(1, 2, 3))
            assert abs(int(differences.argmin()) - at) <= 1
            assert differences.min() < 15


def test_a_file_that_cannot_be_read_is_skipped_with_its_reason(made: Path) -> None:
    skipped = [entry for entry in read_manifest(made).entries if entry.role == "skipped"]
    assert {one.sources[0] for one in skipped} == {"broken.mp4"}
    assert all(one.reason for one in skipped)


def test_a_stopped_run_goes_on_and_ends_the_same(
    made: Path, sources: list[Source], settings: Settings, tmp_path: Path
) -> None:
    class StopError(Exception):
        pass

    calls = itertools.count()

    def stop(*_: object) -> None:
        if next(calls) == 6:
            raise StopError

    with pytest.raises(StopError):
        generate(tmp_path, sources, settings, on_work=stop)
    half = read_manifest(tmp_path).entries
    assert 0 < len(half) < len(read_manifest(made).entries)
    # A line that a crash cut off, and a file that somebody deleted.
    with (tmp_path / MANIFEST_NAME).open("a") as file:
        file.write('{"role": "que')
    queries = [one for one in half if one.role == "query"]
    queries[0].file(tmp_path).unlink()
    kept = queries[1].file(tmp_path)
    before = kept.stat().st_mtime_ns

    redone = []
    generate(tmp_path, sources, settings, on_work=lambda place, count, work: redone.append(work))
    assert kept.stat().st_mtime_ns == before
    assert queries[0].work in {work.name for work in redone}
    assert queries[1].work not in {work.name for work in redone}
    assert (tmp_path / MANIFEST_NAME).read_text() == (made / MANIFEST_NAME).read_text()
    generate(tmp_path, sources, settings, on_work=lambda *_: pytest.fail("nothing is left to do"))


def test_other_settings_need_another_folder(
    made: Path, sources: list[Source], settings: Settings
) -> None:
    other = Settings(seed=settings.seed, limit=7, edits_per_source=3, form=FORM)
    with pytest.raises(ValueError, match="other settings or sources"):
        generate(made, sources, other)


def test_the_command_makes_a_benchmark(
    sources: list[Source], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = Path(str(sources[1].path)).parent
    options = ["--limit", "7", "--edits", "grey", "--edits-per-source", "1"]
    paths = ["--out", str(tmp_path / "out"), "--sources", str(videos), "--short-side", "48"]
    main(["generate", *paths, *options, "--chains-per-source", "0"])
    assert "| query, copy |" in capsys.readouterr().out
    assert len(read_manifest(tmp_path / "out").entries) > 8
    with pytest.raises(SystemExit, match="7 sources are needed"):
        main(["generate", *paths, "--limit", "2"])


def test_drawn_films_share_a_look_and_no_words(tmp_path: Path) -> None:
    settings = Settings(seed=3, drawn=3, edits_per_source=1, chains_per_source=0, form=FORM)
    entries = generate(tmp_path, [], settings)
    library = [entry for entry in entries if entry.role == "library"]
    copies = [entry for entry in entries if entry.role == "query" and entry.negative is None]
    negatives = [entry for entry in entries if entry.negative is not None]
    assert (len(library), len(copies), len(negatives)) == (2, 1, 3)
    assert {entry.negative for entry in negatives} == {"drawn_slides"}
    assert not any(entry.segments for entry in negatives)
    assert copies[0].segments[0].source == library[0].sources[0]
    assert all(entry.file(tmp_path).is_file() for entry in entries)
    assert generate(tmp_path, [], settings) == entries


def test_every_drawn_kind_draws_other_contents_in_the_same_look() -> None:
    look, *films = (partial(random_of, name) for name in ("look", "one", "two"))
    for kind, draw in PICTURES.items():
        first, second = (np.asarray(draw(look, film, 4), int) for film in films)
        assert np.array_equal(first, draw(look, films[0], 4)), kind
        assert 0.005 < (np.abs(first - second) > 24).any(-1).mean() < 0.7, kind


def test_generate_needs_sources_or_drawn_films(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["generate", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        main(["generate", "--out", str(tmp_path), "--drawn", "3", "--sources", str(tmp_path)])
