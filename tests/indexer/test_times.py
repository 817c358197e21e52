"""The clips of files whose times are odd: none where the file shows nothing, none twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from colour_encoder import ColourEncoder
from PIL import Image
from videos import add_sound, make_video, picture, write_video

from vidseek.core.types import TimeSpan
from vidseek.indexer import Indexer, IndexOptions
from vidseek.storage.store import LibraryStore
from vidseek.video import SamplingPlan


def spans(store: LibraryStore, encoder: ColourEncoder, path: Path) -> list[TimeSpan]:
    """Index a file; the spans of its clips."""
    Indexer(store, encoder, options=IndexOptions(workers=1)).run([path])
    video = store.videos.at(path)
    assert video is not None
    assert not video.failure
    return [clip.span for clip in store.videos.clips(video.id)]


def test_the_first_clip_begins_with_the_first_picture(
    store: LibraryStore, encoder: ColourEncoder, tmp_path: Path
) -> None:
    film = make_video(tmp_path / "film.mp4", [picture(1), picture(2)], seconds_each=3.0)
    late = add_sound(film, tmp_path / "late.mp4", pictures_late_seconds=4.0)
    clips = spans(store, encoder, late)
    assert clips[0].start_seconds == pytest.approx(4.0, abs=0.1)
    assert clips[-1].end_seconds == pytest.approx(10.0, abs=0.1)
    assert spans(store, encoder, film)[0].start_seconds == 0.0


def test_joined_recordings_have_the_clips_of_both(
    store: LibraryStore, encoder: ColourEncoder, tmp_path: Path
) -> None:
    parts = [
        make_video(tmp_path / f"{n}.ts", [picture(n)], seconds_each=4.0, start_seconds=start)
        for n, start in enumerate((3600.0, 0.0, 7200.0))
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    clips = spans(store, encoder, joined)
    assert [clip.start_seconds for clip in clips] == pytest.approx([0.0, 4.0, 8.0], abs=0.6)
    assert clips[-1].end_seconds == pytest.approx(12.0, abs=0.1)


def test_a_damaged_tail_has_no_clips(
    store: LibraryStore, encoder: ColourEncoder, tmp_path: Path
) -> None:
    scenes = [picture(seed) for seed in range(6)]
    film = make_video(tmp_path / "film.mp4", scenes, seconds_each=4.0, gop=25, faststart=True)
    data = film.read_bytes()
    written = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    film.write_bytes(data[:written] + bytes(len(data) - written))
    clips = spans(store, encoder, film)
    video = store.videos.at(film)
    assert video is not None
    assert video.damaged
    assert 8.0 < video.duration_seconds < 16.0
    assert clips[-1].end_seconds == video.duration_seconds


def test_an_hour_of_one_picture_is_one_clip(
    store: LibraryStore, encoder: ColourEncoder, tmp_path: Path
) -> None:
    still = write_video(
        tmp_path / "still.mp4", [picture(1)] * 360, pts=[10.0 * n for n in range(360)], gop=30
    )
    clips = spans(store, encoder, still)
    assert [(clip.start_seconds, clip.end_seconds) for clip in clips] == [
        (0.0, pytest.approx(3600.0, abs=11.0))
    ]
    dense = IndexOptions(workers=1, plan=SamplingPlan("dense", 5.0))
    other = tmp_path / "other.mp4"
    write_video(other, [picture(2)] * 120, pts=[10.0 * n for n in range(120)], gop=30)
    Indexer(store, encoder, options=dense).run([other])
    video = store.videos.at(other)
    assert video is not None
    (clip,) = store.videos.clips(video.id)
    assert len(clip.frame_seconds) <= 60


def test_slides_of_one_template_are_clips_of_their_own(
    store: LibraryStore, encoder: ColourEncoder, tmp_path: Path
) -> None:
    blank = np.full((96, 160, 3), 240, np.uint8)
    slides = []
    for number in range(4):
        slide = blank.copy()
        slide[40 : 44 + 4 * number, 20 : 60 + 20 * number] = 20
        slides += [slide] * 9
    path = write_video(tmp_path / "slides.mp4", slides, pts=[10.0 * n for n in range(36)], gop=3)
    clips = spans(store, encoder, path)
    assert [clip.start_seconds for clip in clips] == [0.0, 90.0, 180.0, 270.0]


def test_a_size_that_changes_midway_stretches_nothing(
    store: LibraryStore, encoder: ColourEncoder, tmp_path: Path
) -> None:
    tall = make_video(tmp_path / "tall.ts", [picture(2, width=96, height=160)], seconds_each=4.0)
    wide = make_video(tmp_path / "wide.ts", [picture(1)], seconds_each=4.0)
    path = tmp_path / "both.ts"
    path.write_bytes(wide.read_bytes() + tall.read_bytes())
    clips = spans(store, encoder, path)
    assert [clip.start_seconds for clip in clips] == pytest.approx([0.0, 4.0], abs=0.6)
    video = store.videos.at(path)
    assert video is not None
    sizes = []
    for clip in store.videos.clips(video.id):
        thumbnail = store.thumbnail_path(video.content_hash, clip.middle_frame_seconds)
        with Image.open(thumbnail) as shown:
            sizes.append(shown.width > shown.height)
    assert sizes == [True, False]


@pytest.mark.parametrize("gop", [82, 500], ids=["keyframes", "no_keyframes"])
def test_clips_of_a_short_video_begin_at_the_cut(
    gop: int, store: LibraryStore, encoder: ColourEncoder, tmp_path: Path
) -> None:
    scenes = [picture(seed) for seed in range(6)]
    path = make_video(
        tmp_path / "film.mp4",
        scenes,
        seconds_each=82 / 25,
        gop=gop,
        moving=False,
        options={"preset": "veryfast"},
    )
    starts = [clip.start_seconds for clip in spans(store, encoder, path)]
    assert starts == pytest.approx([82 / 25 * number for number in range(6)], abs=0.01)
