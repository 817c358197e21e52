"""Platt scaling, the calibration error, and galleries of scores for both."""

from __future__ import annotations

import numpy as np
import pytest

from vidseek.encoders.platt_scaling import (
    balanced_weights,
    calibration_error,
    chance_error,
    fit_confidence,
    gallery_scores,
    sigmoid,
)


def test_confidence_is_half_between_matched_and_mismatched() -> None:
    random = np.random.default_rng(0)
    matched = random.normal(0.5, 0.1, 4000).astype(np.float32)
    mismatched = random.normal(0.1, 0.1, 1000).astype(np.float32)
    scale, bias = fit_confidence(matched, mismatched)
    # Two normal distributions of one spread: the log odds are linear in the score.
    assert scale == pytest.approx((0.5 - 0.1) / 0.1**2, rel=0.1)
    assert -bias / scale == pytest.approx(0.3, abs=0.01)


def test_the_fit_gives_back_the_probabilities_that_drew_the_labels() -> None:
    random = np.random.default_rng(1)
    scores = random.uniform(0, 1, 20_000)
    is_match = random.random(20_000) < sigmoid(12 * scores - 6)
    scale, bias = fit_confidence(scores[is_match], scores[~is_match])
    assert scale == pytest.approx(12, rel=0.05)
    assert -bias / scale == pytest.approx(0.5, abs=0.01)


def test_few_scores_that_lie_apart_make_a_slope_and_no_step() -> None:
    scale, bias = fit_confidence(np.array([0.6, 0.7, 0.8]), np.array([0.1, 0.2, 0.3]))
    assert 0 < scale < 20
    assert sigmoid(np.array(scale * 0.45 + bias)) == pytest.approx(0.5, abs=0.01)


def test_scores_that_are_better_where_wrong_give_a_scale_below_zero() -> None:
    scale, _ = fit_confidence(np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.3, 0.4]))
    assert scale < 0


def test_equal_scores_tell_nothing() -> None:
    scale, bias = fit_confidence(np.full(30, 0.2), np.full(70, 0.2))
    assert scale == 0
    assert sigmoid(np.array(bias)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("matched", [np.empty(0), np.array([0.1, np.nan])])
def test_what_cannot_be_fitted_is_refused(matched: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"matched|finite"):
        fit_confidence(matched, np.array([0.1, 0.2]))


def test_the_calibration_error_of_a_known_case() -> None:
    said = np.array([0.2] * 50 + [0.8] * 50)
    so = np.array([True] * 10 + [False] * 40 + [True] * 40 + [False] * 10)
    assert calibration_error(said, so) == pytest.approx(0)
    assert calibration_error(said, ~so) == pytest.approx(0.6)
    # As if each of the first fifty were there three times: 150 x 0.1 and 50 x 0 off, of 200.
    weights = np.array([3.0] * 50 + [1.0] * 50)
    shifted = np.where(said < 0.5, 0.3, said)
    assert calibration_error(shifted, so, weights=weights) == pytest.approx(0.075)


def test_bins_hold_equal_mass_and_never_part_equal_values() -> None:
    random = np.random.default_rng(2)
    # Nine tenths below 0.01: in bins of equal width they would be one.
    said = np.concatenate([random.uniform(0, 0.01, 900), random.uniform(0.9, 1, 100)])
    so = np.concatenate([np.arange(900) < 450, np.ones(100, bool)])
    assert calibration_error(said, so) > 0.4
    assert calibration_error(np.full(40, 0.5), np.arange(40) < 20) == pytest.approx(0)


def test_a_perfect_calibration_shows_the_error_of_chance() -> None:
    random = np.random.default_rng(3)
    said = random.uniform(0, 1, 500)
    shown = [calibration_error(said, random.random(500) < said) for _ in range(50)]
    assert chance_error(said) == pytest.approx(np.mean(shown), rel=0.15)
    assert chance_error(said[:50]) > 1.5 * chance_error(said)


def test_both_kinds_weigh_the_same() -> None:
    weights = balanced_weights(np.array([True, False, False, False]))
    assert weights.tolist() == pytest.approx([0.5, 1 / 6, 1 / 6, 1 / 6])


def test_galleries_hold_the_best_wrong_item_and_the_right_one_where_it_comes_first() -> None:
    # Three items in one gallery; of the three queries the second finds a wrong one first.
    scores = np.array([[0.9, 0.1, 0.3], [0.8, 0.5, 0.2], [0.1, 0.2, 0.7]], np.float32)
    matched, wrong = gallery_scores(
        scores, np.arange(3), size=3, depth=2, random=np.random.default_rng(0)
    )
    assert sorted(matched.tolist()) == pytest.approx([0.7, 0.9])
    assert sorted(wrong.tolist()) == pytest.approx([0.2, 0.3, 0.8])


def test_a_head_scores_the_right_item_beside_the_best_wrong_ones() -> None:
    scores = np.array([[0.9, 0.1, 0.3, 0.2]], np.float32)
    seen = []

    def rescore(chosen: np.ndarray, first: np.ndarray) -> np.ndarray:
        seen.append((chosen.tolist(), first.tolist()))
        return first + np.float32(1)

    matched, wrong = gallery_scores(
        scores, np.array([0]), size=4, depth=2, random=np.random.default_rng(0), rescore=rescore
    )
    assert seen[0][0] == [[0, 2, 3]]
    assert matched.tolist() == pytest.approx([1.9])
    assert wrong.tolist() == pytest.approx([1.3])


def test_every_query_meets_every_gallery() -> None:
    random = np.random.default_rng(4)
    scores = random.normal(size=(10, 40)).astype(np.float32)
    matched, wrong = gallery_scores(scores, np.arange(10), size=10, depth=5, random=random)
    assert len(wrong) == 40
    assert len(matched) <= 40
