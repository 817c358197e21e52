"""Text queries together with pictures: what moments should resemble, and what not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from palette_encoder import HeadlessEncoder, solid
from PIL import Image

from vidseek.core.errors import PathNotFoundError, QueryError, VideoError
from vidseek.core.types import QueryTerms, TimeSpan


def picture(folder: Path, colour: str) -> Path:
    """A picture of one colour, in lighter and darker squares."""
    shade = (np.indices((64, 64)).sum(0) // 8 % 2 * 8 - 4)[..., None]
    pixels = np.clip(np.broadcast_to(solid(colour)[0, 0, 0], (64, 64, 3)) + shade, 0, 255)
    path = folder / f"{colour}.png"
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def mixed(make_shelf):
    shelf = make_shelf(HeadlessEncoder(scale=10, bias=-5))
    shelf.add("sea.mp4", [("red", "red", "blue", "blue")])
    shelf.add("wood.mp4", [("red", "red", "green", "green")])
    shelf.add("plain.mp4", ["blue"])
    return shelf


def names(hits) -> list[str]:
    return [hit.video.path.name for hit in hits]


def test_a_picture_decides_between_hits_of_a_text(mixed, tmp_path: Path) -> None:
    like = QueryTerms(like=picture(tmp_path, "green"))
    assert names(mixed.search("red", terms=like))[0] == "wood.mp4"
    like = QueryTerms(like=picture(tmp_path, "blue"))
    assert names(mixed.search("red", terms=like))[0] == "sea.mp4"
    heavy = QueryTerms(like=picture(tmp_path, "blue"), like_weight=20)
    assert names(mixed.search("red", terms=heavy))[0] == "plain.mp4"


def test_a_picture_can_be_avoided(mixed, tmp_path: Path) -> None:
    for colour, best in (("green", "sea.mp4"), ("blue", "wood.mp4")):
        terms = QueryTerms(not_like=picture(tmp_path, colour))
        assert names(mixed.search("red", terms=terms))[0] == best


def test_a_part_of_a_video_can_be_avoided(mixed) -> None:
    path = mixed.add("both.mp4", ["green", "blue"], seconds=4).path
    for start, best in ((0, "sea.mp4"), (4, "wood.mp4")):
        span = TimeSpan(start, start + 4)
        terms = QueryTerms(not_like=path, not_like_span=span)
        assert names(mixed.search("red", terms=terms))[0] == best


def test_an_impossible_part_is_refused(mixed) -> None:
    path = mixed.add("both.mp4", ["green", "blue"]).path
    for terms in (
        QueryTerms(not_like_span=TimeSpan(0, 1)),
        QueryTerms(not_like=path, not_like_span=TimeSpan(1000, 1001)),
        QueryTerms(not_like=path, not_like_span=TimeSpan(1, 1)),
    ):
        with pytest.raises(QueryError):
            mixed.search("red", terms=terms)


def test_hits_with_a_picture_have_no_confidence(mixed, tmp_path: Path) -> None:
    hits = mixed.search("red", terms=QueryTerms(like=picture(tmp_path, "green")))
    assert hits
    assert all(hit.confidence is None for hit in hits)
    assert all(hit.confidence is not None for hit in mixed.search("red"))


def test_pictures_apply_to_every_step(mixed, tmp_path: Path) -> None:
    mixed.add("one.mp4", [("red", "red", "blue", "blue"), ("white", "white", "blue", "blue")])
    mixed.add("two.mp4", [("red", "red", "green", "green"), ("white", "white", "green", "green")])
    terms = QueryTerms(then=("white",), like=picture(tmp_path, "green"))
    assert names(mixed.search("red", terms=terms))[0] == "two.mp4"
    terms = QueryTerms(then=("white",), not_like=picture(tmp_path, "green"))
    assert names(mixed.search("red", terms=terms))[0] == "one.mp4"


def test_a_stored_video_is_not_decoded(mixed) -> None:
    terms = QueryTerms(like=mixed.folder / "plain.mp4")  # decoding it would fail
    assert names(mixed.search("red", terms=terms))[0] == "sea.mp4"


def test_files_that_cannot_be_read_are_named(mixed, tmp_path: Path) -> None:
    with pytest.raises(PathNotFoundError):
        mixed.search("red", terms=QueryTerms(like=tmp_path / "nowhere.jpg"))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(VideoError) as caught:
        mixed.search("red", terms=QueryTerms(not_like=broken))
    assert caught.value.path == broken
