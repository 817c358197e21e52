"""Few-shot classification: a logistic classifier of clip vectors for each label.

classifier = train_label("goal", positives, negatives)

Logistic regression on the vectors of a frozen encoder is the usual probe of such vectors (Radford
et al., 2021). The classes are weighted, since a label has few examples and many counterexamples;
the regularisation is chosen and the probability is calibrated by cross-validation over videos, so
that clips of one video are never on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import Hint, MissingExtraError
from vidseek.encoders.platt_scaling import fit_confidence
from vidseek.storage.catalog.labels import LabelClassifier

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Inverse regularisation strengths that are tried."""
USUAL_STRENGTH = 10.0
"""Without enough videos to try several."""
MAX_FOLDS = 5
MAX_STEPS = 1_000
"""Of the solver; a few hundred suffice."""


@dataclass(frozen=True)
class Examples:
    """Clips that show a label, or clips that do not."""

    vectors: NDArray[np.float32]
    """(N, D) L2-normalised."""
    videos: NDArray[np.int64]
    """(N,) ids of their videos."""

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True)
class _Validated:
    """What cross-validation says about a strength."""

    strength: float
    logits: NDArray[np.float64]
    """(N,) of clips, each by a classifier that has not seen its video."""
    loss: float


def train_label(label: str, positives: Examples, negatives: Examples) -> LabelClassifier:
    """Train the classifier of a label.

    Args:
        label: its name.
        positives: clips that show it, at least one.
        negatives: clips that do not, at least one.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    model, selection = _import_sklearn()
    inputs = np.concatenate([positives.vectors, negatives.vectors]).astype(np.float64)
    is_positive = np.repeat([True, False], [len(positives), len(negatives)])
    videos = np.concatenate([positives.videos, negatives.videos])
    folds = _folds(selection, is_positive, videos)
    tried = [_validate(model, inputs, is_positive, folds, strength) for strength in STRENGTHS]
    best = min(tried, key=lambda each: each.loss) if folds else None
    strength = USUAL_STRENGTH if best is None else best.strength
    fitted = _fit(model, inputs, is_positive, strength)
    weights, bias = fitted.coef_[0], float(fitted.intercept_[0])
    accuracy = None
    if best is not None:
        scale, shift = fit_confidence(best.logits[is_positive], best.logits[~is_positive])
        accuracy = _balanced_accuracy(best.logits, is_positive)
        # A slope of 0 or less: the examples tell nothing about videos that were left out.
        if scale > 0:
            weights, bias = scale * weights, scale * bias + shift
    return LabelClassifier(label, weights.astype(np.float32), bias, len(positives), accuracy)


def _import_sklearn() -> tuple[Any, Any]:
    try:
        from sklearn import linear_model, model_selection
    except ImportError as error:
        raise MissingExtraError(
            "learning labels needs scikit-learn, which is not installed",
            hint=Hint("install_extra", {"extra": "labels"}),
        ) from error
    return linear_model, model_selection


def _fit(
    model: Any, inputs: NDArray[np.float64], is_positive: NDArray[np.bool_], strength: float
) -> Any:
    classifier = model.LogisticRegression(C=strength, class_weight="balanced", max_iter=MAX_STEPS)
    return classifier.fit(inputs, is_positive)


def _folds(
    selection: Any, is_positive: NDArray[np.bool_], videos: NDArray[np.int64]
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows to train on and rows to judge by, with both classes in each; empty if impossible."""
    count = min(
        MAX_FOLDS, len(np.unique(videos[is_positive])), len(np.unique(videos[~is_positive]))
    )
    if count < 2:
        return []
    splitter = selection.StratifiedGroupKFold(count, shuffle=True, random_state=0)
    return [
        (train, test)
        for train, test in splitter.split(is_positive, is_positive, videos)
        if len(np.unique(is_positive[train])) == 2
    ]


def _validate(
    model: Any,
    inputs: NDArray[np.float64],
    is_positive: NDArray[np.bool_],
    folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
    strength: float,
) -> _Validated:
    logits = np.zeros(len(inputs))
    for train, test in folds:
        fitted = _fit(model, inputs[train], is_positive[train], strength)
        logits[test] = fitted.decision_function(inputs[test])
    losses = np.logaddexp(0.0, np.where(is_positive, -logits, logits))
    loss = (losses[is_positive].mean() + losses[~is_positive].mean()) / 2
    return _Validated(strength, logits, float(loss))


def _balanced_accuracy(logits: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float:
    found, rejected = (logits[is_positive] > 0).mean(), (logits[~is_positive] <= 0).mean()
    return float(found + rejected) / 2
