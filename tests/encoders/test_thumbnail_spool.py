"""Any frame of a video can be read as a JPEG, however many there are, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from vidseek.core.errors import EncoderError
from vidseek.encoders import thumbnail_spool
from vidseek.encoders.thumbnail_spool import ThumbnailSpool
from vidseek.video.thumbnail import encode_thumbnail

FRAMES = np.random.default_rng(0).integers(0, 255, (50, 12, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("max_frame_bytes", [1 << 20, 10 * FRAMES[0].nbytes, 0])
@pytest.mark.parametrize("max_jpeg_bytes", [1 << 20, 1])
def test_frames_are_read_as_they_were_added(monkeypatch, max_frame_bytes, max_jpeg_bytes):
    monkeypatch.setattr(thumbnail_spool, "MAX_FRAME_BYTES", max_frame_bytes)
    monkeypatch.setattr(thumbnail_spool, "MAX_JPEG_BYTES", max_jpeg_bytes)
    with ThumbnailSpool() as spool:
        for start in range(0, len(FRAMES), 7):
            spool.add(FRAMES[start : start + 7])
        for row in (49, 0, 25, 6, 7, 0):
            assert spool.read(row) == encode_thumbnail(FRAMES[row])
        with pytest.raises(IndexError):
            spool.read(50)


def test_only_the_newest_frames_stay_uncompressed(monkeypatch):
    monkeypatch.setattr(thumbnail_spool, "MAX_FRAME_BYTES", 10 * FRAMES[0].nbytes)
    compressed = []

    def counting(frame):
        compressed.append(frame)
        return encode_thumbnail(frame)

    monkeypatch.setattr(thumbnail_spool, "encode_thumbnail", counting)
    with ThumbnailSpool() as spool:
        for frame in FRAMES[:10]:
            spool.add(frame[None])
        assert compressed == []
        for frame in FRAMES[10:]:
            spool.add(frame[None])
        assert len(compressed) == 40


def test_a_full_temporary_folder_is_an_error_of_its_own(monkeypatch):
    class Full:
        def write(self, content: bytes) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...

    monkeypatch.setattr(thumbnail_spool, "MAX_FRAME_BYTES", 0)
    with ThumbnailSpool() as spool:
        spool._file = Full()  # type: ignore[assignment]
        with pytest.raises(EncoderError):
            spool.add(FRAMES[:1])
