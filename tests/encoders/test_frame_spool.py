"""Pictures that wait in a temporary file."""

from __future__ import annotations

import numpy as np
import pytest

from vidseek.core.errors import EncoderError
from vidseek.encoders.frame_spool import FrameSpool, spread_evenly


def test_pictures_come_back_in_any_order_and_more_than_once():
    pictures = np.random.default_rng(0).integers(0, 256, (7, 4, 6, 3), np.uint8)
    with FrameSpool() as kept:
        kept.add(pictures[:3])
        np.testing.assert_array_equal(kept.take(np.array([2, 0])), pictures[[2, 0]])
        kept.add(pictures[3:, ::1])
        assert len(kept) == 7
        rows = np.array([6, 1, 1, 3])
        np.testing.assert_array_equal(kept.take(rows), pictures[rows])
        with pytest.raises(IndexError):
            kept.take(np.array([7]))
        with pytest.raises(ValueError, match="got some of"):
            kept.add(pictures[:, :2])


def test_a_full_disk_says_where_and_what_to_do(monkeypatch):
    with FrameSpool() as kept:

        class Full:
            def seek(self, *_):
                pass

            def write(self, _):
                raise OSError(28, "No space left on device")

            def close(self):
                pass

        kept._file.close()
        monkeypatch.setattr(kept, "_file", Full())
        with pytest.raises(EncoderError, match=r"No space left on device.*TMPDIR"):
            kept.add(np.zeros((1, 2, 2, 3), np.uint8))


@pytest.mark.parametrize(
    ("count", "wanted", "rows"),
    [
        (1, 4, [0, 0, 0, 0]),
        (2, 4, [0, 0, 1, 1]),
        (3, 4, [0, 1, 1, 2]),
        (4, 4, [0, 1, 2, 3]),
        (8, 4, [1, 3, 5, 7]),
        (9, 3, [1, 4, 7]),
    ],
)
def test_rows_are_spread_or_repeated_evenly(count, wanted, rows):
    assert (spread_evenly(np.arange(count) + 10, wanted) - 10).tolist() == rows
