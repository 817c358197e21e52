"""Side tasks of temporal attention: the order of frames, the movement of the camera."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.full
def test_frames_are_in_order_reversed_or_shuffled():
    from vidseek.training.lab.encoded_items import ItemBank
    from vidseek.training.lab.temporal import shuffled_frames

    frames = np.tile(np.arange(4, dtype=np.float32)[:, None], (1, 384))
    bank = ItemBank(["msrvtt"] * 60, [frames] * 59 + [frames[:2]], [], [])
    vectors, orders = shuffled_frames(bank, np.random.default_rng(0), 1000)
    assert len(vectors) == 59, "two frames cannot be shuffled"
    assert set(orders) == {0, 1, 2}
    for some, order in zip(vectors[:, :, 0].tolist(), orders, strict=True):
        assert (some == [0, 1, 2, 3]) == (order == 0)
        assert (some == [3, 2, 1, 0]) == (order == 1)


@pytest.mark.full
def test_pans_run_both_ways_along_each_path():
    from vidseek.training.lab.pan_augmentation import KINDS, draw_pans

    clips = np.random.default_rng(1).normal(size=(40, 3, 5, 384)).astype(np.float32)
    clips /= np.linalg.norm(clips, axis=-1, keepdims=True)
    vectors, kinds = draw_pans(clips, np.arange(40), np.random.default_rng(0))
    assert set(kinds) == set(range(len(KINDS)))
    for place, kind in enumerate(kinds):
        if KINDS[kind] == "pans right":
            np.testing.assert_allclose(vectors[place], clips[place, 0], atol=1e-5)
        if KINDS[kind] == "tilts up":
            np.testing.assert_allclose(vectors[place], clips[place, 1, ::-1], atol=1e-5)
        if KINDS[kind] == "stands still":
            assert (vectors[place] @ clips[place, 0, 2]).min() > 0.95
