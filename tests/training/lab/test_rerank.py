"""Gains of re-ranking, told from chance."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.full
def test_a_paired_gain_is_told_from_chance():
    from vidseek.training.lab.rerank import paired_interval

    random = np.random.default_rng(0)
    low, high = paired_interval(random.normal(0.0, 1.0, 400))
    assert low < 0 < high
    low, high = paired_interval(random.normal(0.5, 1.0, 400))
    assert 0 < low < 0.5 < high
