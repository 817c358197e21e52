"""Sources: discovery, splits, and hard negatives."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_sources import FORM, patterned, write_video

from benchmarks.copies.negatives import make_pair
from benchmarks.copies.sources import (
    PanSource,
    Picture,
    VideoSource,
    choose_sources,
    find_sources,
    look_different,
)
from vidseek.core.errors import PathNotFoundError, VideoError
from vidseek.training.lab.copies.splits import SPLITS, split_of


def pan_source(folder: Path, seeds: list[int], name: str = "set/group") -> PanSource:
    pictures = []
    for seed in seeds:
        file = folder / f"{seed}.png"
        patterned(seed, size=(160, 120)).save(file)
        pictures.append(Picture(file))
    return PanSource(name, tuple(pictures))


def test_the_split_depends_on_the_name_alone() -> None:
    names = [f"video{number}" for number in range(2000)]
    splits = [split_of(name, 3) for name in names]
    assert splits == [split_of(name, 3) for name in names]
    assert splits != [split_of(name, 4) for name in names]
    shares = {split: count / 2000 for split, count in Counter(splits).items()}
    assert shares == {
        "train": pytest.approx(0.5, abs=0.04),
        "background": pytest.approx(0.05, abs=0.02),
        "calibration": pytest.approx(0.05, abs=0.02),
        "test": pytest.approx(0.4, abs=0.04),
    }


def test_splits_share_no_source_and_a_limit_takes_the_first() -> None:
    sources = [VideoSource(f"{n}.mp4", Path(f"/{n}.mp4")) for n in range(60)]
    sources += [PanSource(f"set/{n}", ()) for n in range(60)]
    chosen = {split: choose_sources(sources, split=split, seed=1) for split in SPLITS}
    assert sorted(one.name for some in chosen.values() for one in some) == sorted(
        source.name for source in sources
    )
    first = choose_sources(sources[::-1], split="test", seed=1, limit=6)
    assert first == chosen["test"][:6]
    assert [one.is_synthetic for one in first] == [False, True] * 3


def test_videos_are_distinguished_from_other_files(tmp_path: Path) -> None:
    write_video(tmp_path / "below" / "one.mp4", 1)
    (tmp_path / "notes.txt").write_text("no video")
    (found,) = find_sources([tmp_path])
    assert (found.name, found.is_synthetic) == ("below/one.mp4", False)
    assert found.path == tmp_path / "below" / "one.mp4"
    with pytest.raises(PathNotFoundError, match="does not exist"):
        find_sources([tmp_path / "missing"])
    with pytest.raises(ValueError, match=r"two sources are named below/one\.mp4"):
        find_sources([tmp_path, tmp_path])


def test_a_video_is_read_with_what_it_shows(tmp_path: Path) -> None:
    source = VideoSource("one", write_video(tmp_path / "one.mp4", 1))
    footage = source.read(FORM)
    assert footage.duration_seconds == 4.0
    (segment,) = footage.segments
    assert (segment.library_start_seconds, segment.library_end_seconds) == (0.0, 4.0)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(200))
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        VideoSource("broken", broken).read(FORM)


def test_a_pan_moves_and_shows_each_picture(tmp_path: Path) -> None:
    source = pan_source(tmp_path, [1, 2, 3])
    footage = source.read(FORM)
    assert source.is_synthetic
    assert 9 <= footage.duration_seconds <= 18
    assert footage.size == (64, 48)
    assert np.array_equal(footage.pictures, source.read(FORM).pictures)
    steps = np.abs(np.diff(footage.pictures.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert (steps > 0).all()
    assert (steps > 20).sum() == 2  # the cuts


def test_takes_are_of_different_pictures_or_none(tmp_path: Path) -> None:
    takes = pan_source(tmp_path, [1, 2]).takes(FORM)
    assert takes is not None
    one, two = (Image.fromarray(take.pictures[0]) for take in takes)
    assert look_different(one, two)
    assert pan_source(tmp_path, [1, 1]).takes(FORM) is None
    assert pan_source(tmp_path, [1]).takes(FORM) is None


def test_the_same_picture_brighter_or_plain_is_not_another_view() -> None:
    picture = patterned(1)
    assert not look_different(picture, picture.point(lambda value: value // 2 + 60))
    assert not look_different(Image.new("RGB", (64, 48), "grey"), picture)
    assert look_different(picture, patterned(2))


@pytest.mark.parametrize(
    "kind", ["same_intro", "same_outro", "black_opening", "pillarbox", "near_static"]
)
def test_a_hard_negative_is_alike_where_it_says_and_different_elsewhere(
    kind: str, tmp_path: Path
) -> None:
    planted = VideoSource("planted", write_video(tmp_path / "planted.mp4", 1))
    other = VideoSource("other", write_video(tmp_path / "other.mp4", 5))
    pair = make_pair(kind, planted, other, FORM, np.random.default_rng(2))
    assert pair is not None
    assert pair.library.segments == pair.query.segments == ()
    library, query = pair.library.pictures.astype(int), pair.query.pictures.astype(int)
    if kind in ("same_intro", "same_outro"):
        (shared,) = pair.shared
        here = slice(
            *(round(5 * s) for s in (shared.query_start_seconds, shared.query_end_seconds))
        )
        there = slice(
            *(round(5 * s) for s in (shared.library_start_seconds, shared.library_end_seconds))
        )
        assert np.array_equal(query[here], library[there])
        elsewhere = np.delete(np.arange(len(query)), np.arange(len(query))[here])
        assert np.abs(query[elsewhere] - library[elsewhere]).mean() > 20
    else:
        assert pair.shared == ()
        last = min(len(library), len(query)) - 1
        assert np.abs(query[last] - library[last]).mean() > 10
    if kind == "black_opening":
        assert library[:10].max() == query[:10].max() == 0
        assert library[-1].max() > 100
    if kind == "pillarbox":
        assert np.array_equal(query[:, :, :10], library[:, :, :10])
        assert np.array_equal(query[:, :, -10:], library[:, :, -10:])
    if kind == "near_static":
        assert 0 < np.abs(np.diff(query, axis=0)).mean() < 8


@pytest.mark.full
def test_groups_of_pictures_are_read_from_parquet(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    def encoded(seed: int) -> bytes:
        buffer = io.BytesIO()
        patterned(seed).save(buffer, "WEBP")
        return buffer.getvalue()

    for number, groups in enumerate((["a", "a", "b"], ["b", None, None])):
        images = [encoded(10 * number + row) for row in range(3)]
        table = pyarrow.table({"image": images, "group": groups})
        pyarrow.parquet.write_table(table, tmp_path / f"views-{number}.parquet")
    sources = find_sources([tmp_path])
    assert {source.name: len(source.pictures) for source in sources} == {
        "views/a": 2,
        "views/b": 2,  # of both files
        "views-1/rows-0": 2,
    }
    assert sources[0].read(FORM).size == (64, 48)
    assert look_different(sources[0].pictures[0].open(), patterned(99))
    assert not look_different(sources[0].pictures[1].open(), patterned(1))
