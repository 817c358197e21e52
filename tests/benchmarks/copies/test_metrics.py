"""Metrics of copy detection against cases computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.copies.metrics import (
    BoundaryError,
    Boxes,
    GroupScore,
    Proportion,
    accused,
    boundary_error,
    boxes,
    gate_threshold,
    group_score,
    micro_average_precision,
    pair_score,
    segment_score,
)
from benchmarks.copies.truth import Segment

NONE = boxes([])


def box(*rows: tuple[float, float, float, float]) -> Boxes:
    return np.array(rows, np.float64)


def test_micro_average_precision_by_hand() -> None:
    # Hits at ranks 1, 3 and 4 of 4 to be found: (1/1 + 2/3 + 3/4) / 4.
    scores = [0.2, 0.9, 0.5, 0.4]
    correct = [True, True, False, True]
    expected = (1 + 2 / 3 + 3 / 4) / 4
    assert micro_average_precision(scores, correct, positives=4) == pytest.approx(expected)
    assert micro_average_precision([3, 2, 1], [True, True, True], positives=3) == 1.0
    assert micro_average_precision([], [], positives=3) == 0.0
    assert micro_average_precision([1.0], [False], positives=3) == 0.0


def test_equal_scores_are_one_step_in_any_order() -> None:
    # All four at once: precision 2/4, recall 2/2.
    for correct in ([True, True, False, False], [False, False, True, True]):
        assert micro_average_precision([1, 1, 1, 1], correct, positives=2) == 0.5


def test_more_hits_than_there_are_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="2 correct pairs of 1"):
        micro_average_precision([1, 2], [True, True], positives=1)
    with pytest.raises(ValueError, match="judgements"):
        micro_average_precision([1, 2], [True], positives=1)


def test_wilson_intervals_of_textbooks() -> None:
    # Newcombe 1998, table I: 81 of 263 and 15 of 148; 0 of 20; and its mirror image.
    assert Proportion(81, 263).interval() == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert Proportion(15, 148).interval() == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert Proportion(0, 20).interval() == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert Proportion(20, 20).interval() == pytest.approx((0.8389, 1.0), abs=5e-5)
    assert Proportion(0, 0).interval() == (0.0, 1.0)
    assert math.isnan(Proportion(0, 0).value)
    with pytest.raises(ValueError, match="3 of 2"):
        Proportion(3, 2)


def test_no_more_negatives_are_accused_than_the_rate_allows() -> None:
    negatives = np.arange(200) / 200
    threshold = gate_threshold(negatives, false_positive_rate=0.01)
    assert accused(negatives, threshold) == Proportion(2, 200)
    copies = [0.2, 0.985, 0.99, 0.991, 1.5]
    assert accused(copies, threshold) == Proportion(3, 5)


def test_few_negatives_allow_none_and_ties_are_not_accused() -> None:
    negatives = [0.1] * 40 + [0.7] * 10
    threshold = gate_threshold(negatives, false_positive_rate=0.01)
    assert threshold == 0.7
    assert accused(negatives, threshold).successes == 0
    # Of 50 negatives one in ten may be: five, but ten have the same score.
    assert accused(negatives, gate_threshold(negatives, false_positive_rate=0.1)).successes == 0
    assert gate_threshold(negatives, false_positive_rate=1.0) == -math.inf
    with pytest.raises(ValueError, match="not copies"):
        gate_threshold([])


def test_segment_precision_and_recall_by_hand() -> None:
    # True: query 0-10 shows library 20-30. Predicted: query 5-15 shows library 25-35.
    score = pair_score(box((5, 15, 25, 35)), box((0, 10, 20, 30)))
    assert score.precision == pytest.approx(0.5 * 0.5)
    assert score.recall == pytest.approx(0.5 * 0.5)
    assert pair_score(box((0, 10, 20, 30)), box((0, 10, 20, 30))).precision == 1.0


def test_a_prediction_counts_only_where_both_videos_agree() -> None:
    # The right seconds of the query, the wrong ones of the library.
    score = pair_score(box((0, 10, 50, 60)), box((0, 10, 20, 30)))
    assert (score.precision, score.recall) == (0.0, 0.0)


def test_a_second_counts_once_in_a_box_that_two_others_cover() -> None:
    # Two overlapping predictions of one segment: recall 8/10 on either axis; each prediction lies
    # inside the truth, so precision is 1.
    score = pair_score(box((0, 6, 0, 6), (4, 8, 4, 8)), box((0, 10, 0, 10)))
    assert score.recall == pytest.approx(0.8 * 0.8)
    assert score.precision == 1.0
    # One prediction over two segments with a gap between them: 8 of its 10 seconds.
    score = pair_score(box((0, 10, 0, 10)), box((0, 4, 0, 4), (6, 10, 6, 10)))
    assert score.precision == pytest.approx(0.8 * 0.8)
    assert score.recall == 1.0


def test_empty_sides_follow_the_convention() -> None:
    one = box((0, 1, 0, 1))
    assert (pair_score(NONE, one).precision, pair_score(NONE, one).recall) == (1.0, 0.0)
    assert (pair_score(one, NONE).precision, pair_score(one, NONE).recall) == (0.0, 1.0)
    assert (pair_score(NONE, NONE).precision, pair_score(NONE, NONE).recall) == (1.0, 1.0)


def test_the_mean_over_pairs_leaves_out_what_says_nothing() -> None:
    whole = box((0, 10, 0, 10))
    pairs = [
        (whole, whole),  # P 1, R 1
        (box((0, 5, 0, 5)), whole),  # P 1, R 0.25
        (NONE, whole),  # a miss: R 0, nothing for P
        (whole, NONE),  # a false alarm: P 0, nothing for R
        (NONE, NONE),
    ]
    score = segment_score(pairs)
    assert score.precision == pytest.approx((1 + 1 + 0) / 3)
    assert score.recall == pytest.approx((1 + 0.25 + 0) / 3)
    precision, recall = 2 / 3, 1.25 / 3
    assert score.f1 == pytest.approx(2 * precision * recall / (precision + recall))
    assert score.misses == Proportion(1, 3)
    assert score.false_alarms == Proportion(1, 2)
    assert segment_score([]).f1 == 0.0


def test_boundary_error_by_hand() -> None:
    true = box((0, 10, 20, 30), (40, 50, 60, 70))
    predicted = box((9, 12, 29, 32), (0.5, 9, 20, 31))  # the second fits the first segment better
    error = boundary_error([(predicted, true), (NONE, box((0, 1, 0, 1)))])
    # Distances 0.5, 1, 0, 1.
    assert error == BoundaryError(pytest.approx(0.75), pytest.approx(1.0), Proportion(1, 3))
    assert math.isnan(boundary_error([(NONE, true)]).median_seconds)


def test_group_pairs_by_hand() -> None:
    # True pairs: ab ac bc de. Predicted: ab, cd ce de. Together: ab and de.
    score = group_score([["a", "b"], ["c", "d", "e"]], [["a", "b", "c"], ["d", "e"], ["f"]])
    assert score == GroupScore(together=2, predicted=4, true=4)
    assert (score.precision, score.recall, score.f1) == (0.5, 0.5, 0.5)
    assert group_score([], []).f1 == 1.0
    assert group_score([["a", "b"]], []).f1 == 0.0
    with pytest.raises(ValueError, match="a is in two groups"):
        group_score([["a", "b"], ["a", "c"]], [])


def test_boxes_of_segments() -> None:
    segment = Segment("cat.mp4", 1, 2, 3, 5, speed=2)
    assert boxes([segment]).tolist() == [[1, 2, 3, 5]]
    assert NONE.shape == (0, 4)
