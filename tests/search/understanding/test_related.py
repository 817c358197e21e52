"""Recommendations: likeness, several interests, dislikes, copies and reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from palette_encoder import PALETTE

from vidseek.core.errors import PathNotFoundError, QueryError
from vidseek.core.types import CopyFrames, TimeSpan, VideoFilter
from vidseek.search.understanding.related import Example, RelatedOptions, related

assert {"red", "green", "blue", "white", "yellow"} <= set(PALETTE)


def names(found) -> list[str]:
    return [each.video.path.name for each in found]


def ask(shelf, *examples: Example, **options):
    return related(shelf.store, shelf.encoder, examples, RelatedOptions(**options))


def test_likeness_orders_and_the_example_is_left_out(shelf) -> None:
    liked = shelf.add("liked.mp4", ["red", "red"])
    shelf.add("same.mp4", ["red"])
    shelf.add("half.mp4", ["red", "blue"])
    shelf.add("other.mp4", ["blue"])
    found = ask(shelf, Example(liked.path), diversity=0.0)
    assert names(found) == ["same.mp4", "half.mp4", "other.mp4"]
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


def test_a_reason_names_the_part_that_was_liked(shelf) -> None:
    liked = shelf.add("liked.mp4", ["red", "green", "blue"])
    shelf.add("green.mp4", ["white", "green"])
    (found,) = ask(shelf, Example(liked.path))
    assert found.because.path == liked.path
    assert found.because.span == TimeSpan(4.0, 8.0)
    assert found.span == TimeSpan(4.0, 8.0)


def test_interests_are_kept_apart(shelf) -> None:
    red, blue = shelf.add("a.mp4", ["red"] * 5), shelf.add("b.mp4", ["blue"])
    for number in range(3):
        shelf.add(f"red{number}.mp4", ["red"])
    shelf.add("blue.mp4", ["blue"])
    shelf.add("green.mp4", ["green"])
    found = ask(shelf, Example(red.path), Example(blue.path), k=2, diversity=0.4)
    assert sorted(name.rstrip("0123.mp4") for name in names(found)) == ["blue", "red"]


def test_a_dislike_moves_its_like_down(shelf) -> None:
    liked = shelf.add("liked.mp4", ["red", "blue"])
    disliked = shelf.add("disliked.mp4", ["blue"])
    shelf.add("blue.mp4", ["blue"])
    shelf.add("red.mp4", ["red"])
    examples = (Example(liked.path), Example(disliked.path, liked=False))
    found = ask(shelf, *examples, diversity=0.0)
    assert names(found) == ["red.mp4", "blue.mp4"]
    assert found[1].score < found[0].score / 2


def test_same_bytes_are_recommended_once_and_never_as_seen(shelf) -> None:
    liked = shelf.add("liked.mp4", ["red"], content_hash="1" * 64)
    shelf.add("liked copy.mp4", ["red"], content_hash="1" * 64)
    shelf.add("twin 1.mp4", ["red"], content_hash="2" * 64)
    shelf.add("twin 2.mp4", ["red"], content_hash="2" * 64)
    assert names(ask(shelf, Example(liked.path))) == ["twin 1.mp4"]


def test_a_part_is_compared_and_the_filter_kept(shelf) -> None:
    liked = shelf.add("liked.mp4", ["red", "green"])
    shelf.add("in/green.mp4", ["green"])
    shelf.add("in/red.mp4", ["red"])
    shelf.add("out/green.mp4", ["green"])
    where = VideoFilter(path_glob="*/in/*")
    found = ask(shelf, Example(liked.path, TimeSpan(4, 8)), where=where, k=1)
    assert names(found) == ["green.mp4"]
    assert "in" in found[0].video.path.parts


def test_nothing_else_to_recommend(shelf) -> None:
    liked = shelf.add("liked.mp4", ["red"])
    assert ask(shelf, Example(liked.path)) == []


@pytest.mark.parametrize("options", [{"k": 0}, {"diversity": 1.5}, {"diversity": -0.1}])
def test_impossible_options_are_refused(options) -> None:
    with pytest.raises(QueryError):
        RelatedOptions(**options)


def test_a_blank_example_is_refused(shelf) -> None:
    blank = shelf.add("black.mp4", ["black", "black"])
    shelf.add("red.mp4", ["red"])
    none = CopyFrames(blank.id, np.zeros(0), np.zeros((0, 4), np.int8))
    shelf.store.copy_descriptors.add(none, fingerprint="a" * 16)
    with pytest.raises(QueryError):
        ask(shelf, Example(blank.path))


def test_contradicting_examples_are_refused(shelf) -> None:
    liked = shelf.add("liked.mp4", ["red"])
    with pytest.raises(QueryError):
        ask(shelf, Example(liked.path), Example(liked.path, liked=False))
    with pytest.raises(QueryError):
        ask(shelf, Example(liked.path, liked=False))
    with pytest.raises(QueryError):
        ask(shelf, Example(liked.path, TimeSpan(100, 110)))


def test_a_missing_example_is_named(shelf, tmp_path: Path) -> None:
    shelf.add("a.mp4", ["red"])
    with pytest.raises(PathNotFoundError) as caught:
        ask(shelf, Example(tmp_path / "nowhere.mp4"))
    assert caught.value.path == tmp_path / "nowhere.mp4"
