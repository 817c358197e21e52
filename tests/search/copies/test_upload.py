"""An upload that is decoded before its frames are needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from videos import numbered, write_video

from vidseek.core.errors import VideoError
from vidseek.search.copies.upload import SHORT_SIDE, UploadDecoder


def test_it_gives_two_frames_a_second_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", numbered(100))
    with UploadDecoder(path) as upload:
        batches = list(upload.batches())
        assert sum(len(one) for one in batches) == 8
        assert upload.duration_seconds == pytest.approx(4.0)
        assert all(min(one.data.shape[1:3]) <= SHORT_SIDE for one in batches)
        with pytest.raises(ValueError, match="once"):
            upload.batches()


def test_an_error_of_the_file_is_raised_at_the_first_frame(tmp_path: Path) -> None:
    with (
        UploadDecoder(tmp_path / "missing.mp4") as upload,
        pytest.raises(VideoError, match="missing"),
    ):
        list(upload.batches())
