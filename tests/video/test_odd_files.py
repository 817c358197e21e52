"""Every file of the folder of odd files is read, or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from vidseek.core.errors import VideoError
from vidseek.video import DecodeJob, DecodePool, SamplingPlan


@dataclass(frozen=True)
class Read:
    """Facts of a readable file."""

    seconds: float
    size: tuple[int, int]
    frames: int
    codec: str
    damaged: bool = False


EXPECTED: dict[str, Read | str] = {
    "all_black.mp4": Read(5.0, (320, 180), 5, "h264"),
    "all_keyframes.mp4": Read(4.0, (640, 360), 4, "h264"),
    "animated.gif": Read(4.0, (200, 112), 4, "gif"),
    "audio_only.m4a": "sound only",
    "av1.mkv": Read(3.0, (640, 360), 3, "av1"),
    "damaged_packets.mp4": Read(4.08, (640, 360), 5, "h264", damaged=True),
    "empty.mp4": "empty",
    "five_frames.mp4": Read(0.2, (640, 360), 1, "h264"),
    "hevc.mp4": Read(4.0, (640, 360), 4, "hevc"),
    "mpeg2.ts": Read(4.0, (640, 360), 4, "mpeg2video"),
    "mpeg4.avi": Read(4.0, (640, 360), 4, "mpeg4"),
    'naïve – 视频 "quoted" #1.mp4': Read(0.04, (640, 360), 1, "h264"),
    "one_frame.mp4": Read(0.04, (640, 360), 1, "h264"),
    "one_keyframe.mp4": Read(4.0, (640, 360), 4, "h264"),
    "portrait_tiny.mp4": Read(3.0, (90, 160), 3, "h264"),
    "random_bytes.mp4": "not a supported video format",
    "rotated_90.mp4": Read(3.08, (360, 640), 4, "h264"),
    "text_named.mp4": "a text file",
    "truncated_no_index.mp4": "moov",
    "truncated_with_index.mp4": Read(2.04, (640, 360), 3, "h264", damaged=True),
    "variable_frame_rate.mp4": Read(4.0, (640, 360), 4, "h264"),
    "vp9.webm": Read(4.0, (640, 360), 4, "vp9"),
}


@pytest.mark.shared_data
@pytest.mark.parametrize("reader", ["pyav", pytest.param("decord", marks=pytest.mark.full)])
def test_every_odd_file_is_read_or_refused_with_a_reason(reader: str, shared_data: Path) -> None:
    folder = shared_data / "videos" / "odd"
    paths = sorted(folder.iterdir())
    assert {path.name for path in paths} == set(EXPECTED)
    with DecodePool(workers=2, short_side=180, reader=reader) as pool:  # type: ignore[arg-type]
        for video in pool.read(DecodeJob(path, SamplingPlan()) for path in paths):
            expected = EXPECTED[video.path.name]
            if isinstance(expected, str):
                with pytest.raises(VideoError, match=expected) as caught:
                    _ = video.info
                assert "\n" not in caught.value.reason
                continue
            info = video.info
            batches = list(video.batches())
            pts = np.concatenate([batch.pts_seconds for batch in batches])
            found = Read(
                round(video.duration_seconds, 2),
                (info.width, info.height),
                len(pts),
                info.codec,
                video.damaged,
            )
            assert found == expected, video.path.name
            # One per second from 0 on, regardless of the container's clock.
            np.testing.assert_allclose(pts, np.arange(len(pts)), atol=0.041)
            frame = batches[0].data[0]
            assert frame.shape[1] / frame.shape[0] == pytest.approx(
                info.width / info.height, rel=0.02
            )


@pytest.mark.shared_data
def test_the_turned_film_is_turned_as_its_matrix_says(shared_data: Path) -> None:
    """Both are the same film; one file has a matrix that rotates it counter-clockwise."""
    folder = shared_data / "videos" / "odd"
    paths = [folder / "rotated_90.mp4", folder / "one_keyframe.mp4"]
    with DecodePool(workers=1, short_side=90) as pool:
        turned, straight = (
            next(video.batches()).data[0].astype(int)
            for video in pool.read(DecodeJob(path) for path in paths)
        )
    unturned = np.rot90(turned, -1)
    assert unturned.shape == straight.shape
    assert np.abs(unturned - straight).mean() < np.abs(unturned[::-1, ::-1] - straight).mean()
