"""The confidence of a revision: absent things gain none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vidseek.encoders.hubness import HubnessCorrection
from vidseek.training.lab.absent_names import (
    best_scores,
    confident_share,
    label_names,
    without_gain,
)

SCALE, BIAS = 12.0, -4.0


@pytest.mark.parametrize("share", [0.0, 0.18, 0.5])
def test_no_more_absent_names_are_answered_than_before(share):
    scores = np.random.default_rng(0).normal(0.35, 0.05, 500).astype(np.float32)
    bias = without_gain(SCALE, BIAS, scores, share=share)
    assert confident_share(scores, SCALE, bias) <= share
    one_more = (np.floor(share * len(scores)) + 1) / len(scores)
    assert confident_share(scores, SCALE, bias + 1e-3) >= min(share, one_more) - 1e-9
    assert bias <= BIAS


def test_a_confidence_that_hides_enough_is_kept():
    scores = np.full(10, 0.1, np.float32)
    assert without_gain(SCALE, BIAS, scores, share=0.2) == BIAS
    assert without_gain(SCALE, BIAS, scores + 1, share=1.0) == BIAS


def test_equal_scores_are_hidden_together():
    scores = np.full(10, 0.5, np.float32)
    bias = without_gain(SCALE, BIAS, scores, share=0.5)
    assert confident_share(scores, SCALE, bias) == 0.0


def test_every_set_has_as_many_galleries_and_hubs_are_corrected():
    random = np.random.default_rng(1)
    clips = random.normal(size=(700, 8)).astype(np.float32)
    clips /= np.linalg.norm(clips, axis=1, keepdims=True)
    kinds = ["pictures"] * 500 + ["videos"] * 200
    queries = clips[[0, 600]]
    found = best_scores(queries, clips, kinds, None)
    assert len(found) == 2 * len(queries)
    assert found.max() == pytest.approx(1.0, abs=1e-5)
    hubness = HubnessCorrection(clips[:3], neighbours=1, weight=0.5, usual=0.0)
    corrected = best_scores(queries, clips, kinds, hubness)
    assert corrected.max() < found.max() - 0.1


def test_names_are_read_from_the_label_files(tmp_path: Path):
    (tmp_path / "labels").mkdir()
    for name in ("kinetics700", "places365"):
        (tmp_path / "labels" / f"{name}.txt").write_text(f"{name} first\nsecond\n")
    assert label_names(tmp_path) == ["kinetics700 first", "second", "places365 first", "second"]
