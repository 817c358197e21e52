"""Cached feature maps: resumed after an interruption, with augmented views of training rows."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.mark.full
def test_an_interrupted_cache_is_completed(data, cache, tmp_path):
    import shutil

    from vidseek.training.lab.stem_map_cache import cache_pictures, open_maps

    shutil.copy(cache / "stem.onnx", tmp_path / "stem.onnx")
    whole = open_maps(cache, "flickr8k")
    assert whole.fine.shape == (14, 17, 17, 120)
    assert whole.fine.std() > 1
    with pytest.raises(FileNotFoundError, match="cache --sets flickr8k"):
        open_maps(tmp_path, "flickr8k")
    cache_pictures(data, "flickr8k", tmp_path)
    file = tmp_path / "flickr8k.json"
    progress = json.loads(file.read_text())
    file.write_text(json.dumps(progress | {"done": 5}))
    maps = np.load(tmp_path / "flickr8k.fine.npy", mmap_mode="r+")
    maps[5:] = 0
    maps.flush()
    with pytest.raises(FileNotFoundError):
        open_maps(tmp_path, "flickr8k")
    cache_pictures(data, "flickr8k", tmp_path)
    again = open_maps(tmp_path, "flickr8k")
    # Another batch may round another way, by one step at most.
    assert np.abs(again.fine.astype(int) - whole.fine).max() <= 1
    np.testing.assert_allclose(again.pooled, whole.pooled, atol=0.02)


@pytest.mark.full
def test_augmented_views_exist_for_training_rows_only(cache, data):
    from vidseek.training.lab.pictures import read_rows
    from vidseek.training.lab.stem_map_cache import open_maps

    maps = open_maps(cache, "flickr8k", views=1)
    rows = read_rows(data, "flickr8k")
    for row in rows:
        changed = np.abs(maps.views[0][row.index].astype(int) - maps.fine[row.index]).max()
        assert changed > 0
        assert bool(maps.views[0][row.index].any()) == (row.split == "train")
    with pytest.raises(FileNotFoundError, match=r"view2.*cache --sets flickr8k"):
        open_maps(cache, "flickr8k", views=2)
