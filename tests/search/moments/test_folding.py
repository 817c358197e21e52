"""Copies that the library knows of are a single hit."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from linked_videos import add, copies_of, link, places
from PIL import Image

from vidseek.core.types import (
    SearchHit,
    SearchOptions,
    TimeSpan,
    VideoFilter,
    VideoState,
)
from vidseek.search.moments.known_copies import MAX_PLACES, KnownCopies, Place
from vidseek.video.thumbnail import encode_thumbnail


@pytest.fixture
def films(shelf):
    """A film, a larger encode of it, an excerpt, and another film with a similar scene."""
    film = add(shelf, "film.mp4", ["grey", "red", "black", "blue"])
    sharp = add(shelf, "sharp.mp4", ["grey", "red", "black", "blue"], width=1920, height=1080)
    excerpt = add(shelf, "excerpt.mp4", ["red", "black"])
    add(shelf, "other.mp4", ["green", "red", "green"])
    link(shelf, sharp, film, (0, 16), (0, 16))
    link(shelf, excerpt, film, (0, 8), (4, 12))
    link(shelf, excerpt, sharp, (0, 8), (4, 12))
    return shelf


def test_copies_are_one_hit_that_shows_the_best_and_names_the_others(films) -> None:
    hits = films.search("red", k=2)
    assert places(hits) == [("sharp.mp4", 4, 8), ("other.mp4", 4, 8)]
    assert copies_of(hits[0]) == [("film.mp4", 4, 8), ("excerpt.mp4", 0, 4)]
    assert hits[1].copies == ()


def test_a_blurred_copy_is_not_shown_although_it_has_more_pixels(films) -> None:
    rng = np.random.default_rng(1)
    detailed = rng.integers(0, 255, (90, 160, 3), np.uint8)
    blurred = np.asarray(Image.fromarray(detailed).resize((16, 9)).resize((160, 90)))
    for name, picture in (("sharp.mp4", blurred), ("film.mp4", detailed)):
        film = films.store.videos.at(films.folder / name)
        for clip in films.store.videos.clips(film.id):
            jpeg = encode_thumbnail(picture)
            films.store.write_thumbnail(film.content_hash, clip.middle_frame_seconds, jpeg)
    hits = films.search("red", k=1)
    assert places(hits) == [("film.mp4", 4, 8)]
    assert copies_of(hits[0])[0] != ("film.mp4", 4, 8)


def test_a_copy_without_sound_is_not_shown(shelf) -> None:
    sound = add(shelf, "sound.mp4", ["red"], has_sound=True)
    larger = add(shelf, "large.mp4", ["red"], width=1920, height=1080, has_sound=False)
    link(shelf, larger, sound, (0, 4), (0, 4))
    assert places(shelf.search("red")) == [("sound.mp4", 0, 4)]
    shelf.store.videos.set_has_sound(sound.content_hash, has_sound=False)
    assert places(shelf.search("red")) == [("large.mp4", 0, 4)]


def test_copies_can_be_unfolded(films) -> None:
    hits = films.search("red", k=4, copies=True)
    assert {hit.video.path.name for hit in hits} == {
        "film.mp4",
        "sharp.mp4",
        "excerpt.mp4",
        "other.mp4",
    }
    assert all(hit.copies == () for hit in hits)


def test_pages_hold_each_moment_once(films) -> None:
    everything = films.search("red", k=100)
    paged: list[SearchHit] = []
    cursor = None
    while True:
        page = films.engine.search("red", SearchOptions(k=1, cursor=cursor))
        paged += page
        cursor = page.next_cursor
        if cursor is None:
            break
    assert paged == everything
    assert len({(hit.video.id, hit.span) for hit in paged}) == len(paged)
    for k in range(1, len(everything)):
        assert films.search("red", k=k) == everything[:k]


def test_a_cursor_of_folded_hits_is_not_one_of_all(films) -> None:
    from vidseek.core.errors import QueryError

    cursor = films.engine.search("red", SearchOptions(k=1)).next_cursor
    with pytest.raises(QueryError):
        films.engine.search("red", SearchOptions(k=1, copies=True, cursor=cursor))


def test_a_hit_keeps_the_score_and_confidence_of_its_best_copy(shelf) -> None:
    """The larger encode scores lower: alone it would be hidden."""
    small = add(shelf, "small.mp4", ["red"])
    large = add(shelf, "large.mp4", [("red", "red", "red", "black")], width=1920, height=1080)
    link(shelf, large, small, (0, 4), (0, 4))
    alone = {hit.video.path.name: hit.score for hit in shelf.search("red", copies=True)}
    (hit,) = shelf.search("red")
    assert hit.video.path.name == "large.mp4"
    assert hit.score == max(alone.values()) > alone["large.mp4"]


def test_files_with_the_same_bytes_fold_without_a_comparison(shelf) -> None:
    for name in ("b.mp4", "a.mp4", "c.mp4"):
        shelf.add(name, ["grey", "red"], content_hash="5" * 64)
    (red, _grey) = shelf.search("red")
    assert len({red.video.path, *(copy.video.path for copy in red.copies)}) == 3
    assert {place[1:] for place in copies_of(red)} == {(4, 8)}


def test_a_copy_of_a_copy_belongs_to_the_hit(shelf) -> None:
    first, second, third = (add(shelf, f"{name}.mp4", ["red"]) for name in "abc")
    link(shelf, second, first, (0, 4), (0, 4))
    link(shelf, third, second, (0, 4), (0, 4))
    (hit,) = shelf.search("red")
    assert len(hit.copies) == 2


def test_only_the_shared_part_folds(shelf) -> None:
    """Two films that share their intro: what follows is not hidden."""
    one = add(shelf, "one.mp4", ["blue", "red"])
    two = add(shelf, "two.mp4", ["blue", "red"])
    link(shelf, two, one, (0, 4), (0, 4))
    assert len(shelf.search("red", k=2)) == 2
    assert [hit.copies for hit in shelf.search("red", k=2)] == [(), ()]
    blue, *_ = shelf.search("blue")
    assert len(blue.copies) == 1


def test_copies_outside_the_filter_are_neither_shown_nor_named(films) -> None:
    where = VideoFilter(max_duration_seconds=10)
    (hit,) = [hit for hit in films.search("red", where=where) if hit.score > 0.9]
    assert hit.video.path.name == "excerpt.mp4"
    assert hit.copies == ()


def test_missing_copies_are_not_named(films) -> None:
    (sharp,) = films.store.videos.select(under=films.folder / "sharp.mp4")
    films.store.videos.set_state([sharp.id], VideoState.MISSING)
    hit = films.search("red")[0]
    assert hit.video.path.name == "film.mp4"
    assert copies_of(hit) == [("excerpt.mp4", 0, 4)]


def test_the_limit_per_video_counts_what_is_shown(films) -> None:
    hits = films.search("red", k=10, per_video=1)
    names = [hit.video.path.name for hit in hits]
    assert len(names) == len(set(names))


def test_refined_spans_fold_too(films) -> None:
    hits = films.search("red", k=2, refine_spans=True)
    assert [hit.video.path.name for hit in hits] == ["sharp.mp4", "other.mp4"]


def test_similar_shows_the_file_itself_and_names_its_copies(films) -> None:
    hits = films.similar(films.folder / "film.mp4", span=TimeSpan(4, 8))
    assert hits[0].video.path.name == "film.mp4"
    assert {place[0] for place in copies_of(hits[0])} == {"sharp.mp4", "excerpt.mp4"}
    others = films.similar(films.folder / "film.mp4", span=TimeSpan(4, 8), exclude_itself=True)
    assert others[0].video.path.name == "sharp.mp4"
    assert copies_of(others[0]) == [("excerpt.mp4", 0, 4)]


@pytest.mark.parametrize(
    ("speed", "other_span", "expected"),
    [(1.0, (10, 20), (12, 14)), (2.0, (10, 30), (14, 18)), (-1.0, (10, 20), (16, 18))],
)
def test_places_follow_the_speed_and_direction_of_a_match(
    shelf, speed, other_span, expected
) -> None:
    one = add(shelf, "one.mp4", ["red"] * 3)
    two = add(shelf, "two.mp4", ["red"] * 8)
    link(shelf, one, two, (0, 10), other_span, speed=speed)
    known = KnownCopies(shelf.store)
    span = TimeSpan(2, 4)
    _, other = known.places(Place(one.id, span, span))
    assert (other.span.start_seconds, other.span.end_seconds) == pytest.approx(expected)
    back = known.places(Place(two.id, other.span, other.span))[1]
    assert (back.span.start_seconds, back.span.end_seconds) == pytest.approx((2, 4))


def test_hits_do_not_overlap_where_a_copy_is_cut_into_other_clips(shelf) -> None:
    small = add(shelf, "small.mp4", ["red", ("red", "red", "red", "black"), "grey"])
    large = add(shelf, "large.mp4", ["grey"] * 4, width=1920, height=1080)
    link(shelf, large, small, (2, 14), (0, 12))
    hits = shelf.search("red", k=20)
    spans = sorted(
        (hit.span.start_seconds, hit.span.end_seconds)
        for hit in hits
        if hit.video.path.name == "large.mp4"
    )
    assert len(spans) > 1
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_an_ident_in_many_films_is_one_hit(shelf) -> None:
    films = [add(shelf, f"{number:02}.mp4", ["red", "grey"]) for number in range(12)]
    for later, earlier in itertools.combinations(reversed(films), 2):
        link(shelf, later, earlier, (0, 4), (0, 4))
    hits = [hit for hit in shelf.search("red", k=20) if hit.score > 0.9]
    assert len(hits) == 1
    assert len(hits[0].copies) == 11


def test_a_file_in_hundreds_of_places_is_listed_up_to_a_limit(shelf) -> None:
    film = add(shelf, "film.mp4", ["red"])
    (clip,) = shelf.store.videos.clips(film.id)
    ids = [film.id]
    for number in range(MAX_PLACES + 5):
        twin = replace(film, id=0, path=film.path.with_name(f"twin-{number:03}.mp4"))
        stored = shelf.store.videos.add_copy(film.id, twin)
        assert stored is not None
        ids.append(stored.id)
    found = KnownCopies(shelf.store).places(Place(film.id, clip.span, clip.span))
    assert [place.video_id for place in found] == ids[:MAX_PLACES]
