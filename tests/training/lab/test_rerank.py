"""Confidence intervals of re-ranking gains."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.full
def test_the_interval_of_a_gain_excludes_zero_only_if_it_is_real():
    from vidseek.training.lab.rerank import paired_interval

    random = np.random.default_rng(0)
    low, high = paired_interval(random.normal(0.0, 1.0, 400))
    assert low < 0 < high
    low, high = paired_interval(random.normal(0.5, 1.0, 400))
    assert 0 < low < 0.5 < high
