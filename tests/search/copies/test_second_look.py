"""Second looks at library videos: which seconds are decoded again, and what is seen there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from frame_sequences import SyntheticVideo
from library_pairs import video
from videos import make_video, picture

from vidseek.core.types import TimeSpan, Video
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.second_look import (
    MAX_LOOK_SECONDS,
    MAX_LOOKS,
    Look,
    cropped,
    plan_looks,
    read_looks,
)

LANDSCAPE, PORTRAIT = 16 / 9, 9 / 16


def sparse(film: SyntheticVideo) -> FrameSequence:
    """What a library keeps of a film of few keyframes."""
    return film.frames(rate=1 / 8)


def excerpt(film: SyntheticVideo, start: float, end: float) -> FrameSequence:
    frames = film.frames(start=start, end=end)
    return FrameSequence(frames.vectors, frames.seconds - start)


def test_a_video_with_few_frames_is_read_where_it_resembles_the_upload() -> None:
    film = SyntheticVideo(1, 400)
    (look,) = plan_looks(excerpt(film, 79, 82), LANDSCAPE, [(video(1, 400), sparse(film))])
    assert look.aspect is None
    assert any(span.overlap(TimeSpan(79, 82)) == 3 for span in look.spans)
    assert sum(span.duration_seconds for span in look.spans) < 70


def test_a_video_of_another_shape_is_cropped() -> None:
    film = SyntheticVideo(1, 20)
    query = excerpt(film, 5, 15)
    looks = plan_looks(query, PORTRAIT, [(video(1, 20), film.frames(rate=1.0))])
    assert [look.aspect for look in looks] == [PORTRAIT]
    # One of its own shape, densely sampled, has nothing more to show.
    assert plan_looks(query, LANDSCAPE, [(video(1, 20), film.frames(rate=1.0))]) == []


def test_a_few_videos_are_read_and_a_limited_part_of_each() -> None:
    film = SyntheticVideo(1, 4000)
    query = film.frames()
    looks = plan_looks(query, LANDSCAPE, [(video(n, 4000), sparse(film)) for n in range(1, 9)])
    assert len(looks) == MAX_LOOKS
    for look in looks:
        assert sum(span.duration_seconds for span in look.spans) <= MAX_LOOK_SECONDS + 10


def test_nothing_that_resembles_it_is_not_read() -> None:
    film, other = SyntheticVideo(1, 60), SyntheticVideo(2, 60)
    assert plan_looks(film.frames(), LANDSCAPE, [(video(1, 60), sparse(other))]) == []
    nothing = FrameSequence(np.zeros((0, 128), np.float32), np.zeros(0))
    assert plan_looks(nothing, LANDSCAPE, [(video(1, 60), sparse(film))]) == []


@pytest.fixture
def stored(tmp_path: Path) -> Video:
    path = make_video(tmp_path / "film.mp4", [picture(1), picture(2), picture(3)])
    status = path.stat()
    return replace(
        video(1, 6),
        path=path,
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        width=160,
        height=96,
    )


def test_the_chosen_seconds_are_described_densely_in_order(stored: Video) -> None:
    descriptor = CopyDescriptor()
    whole = Look(stored, (TimeSpan(0, 2), TimeSpan(3.5, 6)), None)
    ((look, frames),) = read_looks([whole], excerpt(SyntheticVideo(1, 4), 0, 4), descriptor)
    assert look is whole
    assert (np.diff(frames.seconds) > 0).all()
    assert len(frames) >= 8
    # The place of a crop is that of the upload.
    wanted = descriptor.describe(cropped(np.stack([picture(2)]), 0.6, 1.0))
    query = FrameSequence(wanted, np.zeros(1))
    ((_, at_right),) = read_looks([Look(stored, (TimeSpan(2, 4),), 0.6)], query, descriptor)
    assert (at_right.vectors @ wanted[0]).max() > 0.8


def test_a_file_that_is_gone_changed_or_broken_is_left_out(stored: Video) -> None:
    descriptor, query = CopyDescriptor(), excerpt(SyntheticVideo(1, 4), 0, 4)
    spans = (TimeSpan(0, 2),)
    changed = replace(stored, size_bytes=1)
    gone = replace(stored, path=stored.path.with_name("gone.mp4"))
    assert list(read_looks([Look(changed, spans, None)], query, descriptor)) == []
    assert list(read_looks([Look(gone, spans, None)], query, descriptor)) == []
    noise = stored.path.with_name("noise.mp4")
    noise.write_bytes(bytes(1000))
    status = noise.stat()
    broken = replace(stored, path=noise, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)
    looks = [Look(broken, spans, None), Look(stored, spans, None)]
    assert [look.video.path for look, _ in read_looks(looks, query, descriptor)] == [stored.path]
