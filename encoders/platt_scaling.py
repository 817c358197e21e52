"""Confidence from scores: Platt scaling, and the error of a calibration.

scale, bias = fit_confidence(matched, mismatched)
probabilities = sigmoid(scale * scores + bias)
print(calibration_error(probabilities, is_match))
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

ABSENT_GALLERY = 200
"""Clips in the simulated libraries without a match: as many as a few hours of video have."""
BINS = 10
MAX_STEPS = 100
MAX_LOGIT = 60.0
"""exp overflows beyond 709, and e-30 and e-31 are the same confidence in practice."""


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of log odds, of any shape."""
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -MAX_LOGIT, MAX_LOGIT)))


def fit_confidence(
    matched: NDArray[np.floating], mismatched: NDArray[np.floating]
) -> tuple[float, float]:
    """Platt scaling: (scale, bias) so that sigmoid(scale * score + bias) is P(match).

    Right and wrong answers get the same total weight, however many there are of each.

    Args:
        matched: (M,) scores of right answers.
        mismatched: (W,) scores of wrong pairs.

    Raises:
        ValueError: one of the arrays is empty, or a score is not finite.
    """
    if len(matched) == 0 or len(mismatched) == 0:
        raise ValueError(f"{len(matched)} matched and {len(mismatched)} mismatched scores")
    scores = np.concatenate([matched, mismatched]).astype(np.float64)
    # Platt's targets instead of 1 and 0: a few well-separated scores would fit a step, not a slope.
    targets = np.concatenate(
        [
            np.full(len(matched), (len(matched) + 1) / (len(matched) + 2)),
            np.full(len(mismatched), 1 / (len(mismatched) + 2)),
        ]
    )
    weights = np.concatenate(
        [
            np.full(len(matched), 0.5 / len(matched)),
            np.full(len(mismatched), 0.5 / len(mismatched)),
        ]
    )
    return fit_logistic(scores, targets, weights)


def fit_logistic(
    scores: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """(scale, bias) of the sigmoid nearest to soft labels, by weighted cross-entropy.

    Newton's method with step halving, as in Lin, Lin and Weng, "A note on Platt's probabilistic
    outputs for support vector machines", 2007; scores are standardised for it.

    Args:
        scores: (N,).
        targets: (N,) probabilities, not all 0 and not all 1.
        weights: (N,) above 0.

    Raises:
        ValueError: a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    centre, spread = scores.mean(), scores.std()
    if np.ptp(scores) == 0:
        rate = (weights * targets).sum() / weights.sum()
        return 0.0, float(np.log(rate / (1 - rate)))
    inputs = np.stack([(scores - centre) / spread, np.ones_like(scores)], 1)
    weights = weights / weights.sum()

    def loss(solution: NDArray[np.float64]) -> float:
        logits = inputs @ solution
        return float((weights * (np.logaddexp(0.0, logits) - targets * logits)).sum())

    solution = np.zeros(2)
    least = loss(solution)
    for _ in range(MAX_STEPS):
        probability = sigmoid(inputs @ solution)
        gradient = inputs.T @ (weights * (probability - targets))
        curvature = weights * probability * (1.0 - probability)
        hessian = (inputs * curvature[:, None]).T @ inputs + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-6 and loss(solution - size * step) > least:
            size /= 2
        if size <= 1e-6:
            break
        solution = solution - size * step
        least = loss(solution)
        if np.abs(step).max() < 1e-9:
            break
    scale = float(solution[0] / spread)
    return scale, float(solution[1] - scale * centre)


def calibration_error(
    probabilities: NDArray[np.floating],
    is_match: NDArray[np.bool_],
    *,
    weights: NDArray[np.floating] | None = None,
    bins: int = BINS,
) -> float:
    """Expected calibration error: mean gap between confidence and observed frequency.

    In bins of equal mass, since bins of equal width leave most of them nearly empty (Nixon et al.,
    "Measuring calibration in deep learning", 2019). Equal probabilities stay in one bin.

    Args:
        probabilities: (N,), 0 to 1.
        is_match: (N,).
        weights: (N,) above 0; None for equal weights.
        bins: how many.

    Returns:
        From 0, perfect, to 1.
    """
    given = np.asarray(probabilities, np.float64)
    mass = np.ones(len(given)) if weights is None else np.asarray(weights, np.float64)
    if len(given) == 0:
        raise ValueError("no probabilities to judge")
    places = np.unique(given, return_inverse=True)[1]
    share = np.bincount(places, mass) / mass.sum()
    # Equal values share a bin: that of the middle of their quantile range.
    bin_of = np.minimum(((np.cumsum(share) - share / 2) * bins).astype(int), bins - 1)[places]
    said = np.bincount(bin_of, mass * given, bins)
    so = np.bincount(bin_of, mass * is_match, bins)
    return float(np.abs(said - so).sum() / mass.sum())


def chance_error(
    probabilities: NDArray[np.floating],
    *,
    weights: NDArray[np.floating] | None = None,
    bins: int = BINS,
    draws: int = 200,
) -> float:
    """Mean ``calibration_error`` if every probability is right, because answers are few."""
    random = np.random.default_rng(0)
    drawn = random.random((draws, len(probabilities))) < np.asarray(probabilities)
    return float(
        np.mean(
            [calibration_error(probabilities, one, weights=weights, bins=bins) for one in drawn]
        )
    )


def balanced_weights(is_match: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) weights by which matched and mismatched count the same, as in ``fit_confidence``."""
    counts = np.bincount(is_match.astype(int), minlength=2)
    weights: NDArray[np.float64] = 0.5 / np.maximum(counts, 1)
    of_each: NDArray[np.float64] = weights[is_match.astype(int)]
    return of_each


def gallery_scores(
    scores: NDArray[np.float32],
    right_items: NDArray[np.intp],
    *,
    size: int = ABSENT_GALLERY,
    depth: int,
    random: np.random.Generator,
    rescore: Callable[[NDArray[np.intp], NDArray[np.float32]], NDArray[np.float32]] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores of the best hits in galleries with and without the right item.

    Args:
        scores: (Q, N) of queries against items, by the first stage.
        right_items: (Q,) the item that each query asks for.
        size: approximate items per gallery; items are assigned to galleries at random.
        depth: how many of the best wrong items of a gallery ``rescore`` sees.
        random: assigns the items.
        rescore: from (Q, K) items and their scores to their final scores, where a head re-ranks.

    Returns:
        Scores of right items that rank first among the wrong items of a gallery, and the scores of
        the best wrong item of each gallery.
    """
    items = scores.shape[1]
    matched, mismatched = [], []
    for gallery in np.array_split(random.permutation(items), max(1, items // size)):
        first = scores[:, gallery].copy()
        first[right_items[:, None] == gallery[None]] = -np.inf
        # The right item among the best wrong items, as a search would score them.
        best = np.argsort(-first, axis=1)[:, : min(depth, len(gallery) - 1)]
        chosen = np.concatenate([right_items[:, None], gallery[best]], 1)
        final = np.take_along_axis(scores, chosen, 1)
        if rescore is not None:
            final = rescore(chosen, final)
        right, wrong = final[:, 0], final[:, 1:].max(1)
        matched.append(right[right > wrong])
        mismatched.append(wrong)
    return np.concatenate(matched), np.concatenate(mismatched)
