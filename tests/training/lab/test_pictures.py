"""The data folder's pictures, and augmented views of them."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.full
def test_the_real_data_is_read(shared_data):
    from vidseek.training.lab.pictures import read_pictures, read_rows

    rows = read_rows(shared_data, "flickr8k")
    assert len(rows) == 8091
    assert sum(row.split == "test" for row in rows) == 1000
    assert next(read_pictures(shared_data, "flickr8k", start=5000)).shape == (224, 224, 3)


@pytest.mark.parametrize("shape", [(48, 64, 3), (1, 1, 3), (3, 200, 3)])
def test_an_augmented_view_is_reproducible(shape):
    from vidseek.training.lab.augmentation import change_picture

    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for seed in range(12):
        view = change_picture(picture, np.random.default_rng(seed))
        assert view.ndim == 3
        assert view.dtype == np.uint8
        assert min(view.shape) >= 1
        np.testing.assert_array_equal(view, change_picture(picture, np.random.default_rng(seed)))
