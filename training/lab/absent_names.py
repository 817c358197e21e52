"""Keep a revision from being surer of things that no video shows than the revision before it.

    scores = best_scores(encode_text(label_names(data)), clips, kinds, hubness)
    bias = without_gain(scale, bias, scores, share=confident_share(before, old_scale, old_bias))

The confidence is fitted on captions, which are sentences. Queries are often names, and a model that
knows more names is nearer to all of them, the absent ones included. So names of actions and places
are asked for in small galleries, of which hardly any shows them, and the bias is lowered until no
larger share of them has a confident answer than before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.platt_scaling import ABSENT_GALLERY, sigmoid
from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE

LABELS = ("kinetics700", "places365")
"""Actions and places; names of ImageNet's classes are part of the vectors."""
MARGIN = 1e-6
"""Keeps the score at the limit below it, whatever the rounding."""


def label_names(data: Path) -> list[str]:
    """The names in the data folder's ``labels``."""
    names: list[str] = []
    for name in LABELS:
        file = data / "labels" / f"{name}.txt"
        names += [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return names


def best_scores(
    queries: NDArray[np.float32],
    clips: NDArray[np.float32],
    kinds: Sequence[str],
    hubness: HubnessCorrection | None,
) -> NDArray[np.float32]:
    """Scores of the best clip for every query in every gallery.

    Args:
        queries: (Q, D).
        clips: (N, D).
        kinds: the set of each clip. A gallery has about ``ABSENT_GALLERY`` clips of one set.
        hubness: corrects the scores, as in a search.

    Returns:
        (Q x galleries,), with as many galleries of one set as of another.
    """
    random = np.random.default_rng(0)
    scores = queries @ clips.T
    if hubness is not None:
        scores = scores + hubness.corrections(clips)
    sets = [np.flatnonzero(np.array(kinds) == kind) for kind in sorted(set(kinds))]
    count = max(1, min(len(places) for places in sets) // ABSENT_GALLERY)
    best = []
    for places in sets:
        galleries = np.array_split(
            random.permutation(places), max(1, len(places) // ABSENT_GALLERY)
        )
        best += [scores[:, gallery].max(1) for gallery in galleries[:count]]
    return np.concatenate(best)


def confident_share(scores: NDArray[np.float32], scale: float, bias: float) -> float:
    """Share of scores with a confidence that is shown."""
    sure = sigmoid(scale * scores.astype(np.float64) + bias)
    return float((sure >= DEFAULT_MIN_CONFIDENCE).mean())


def without_gain(scale: float, bias: float, scores: NDArray[np.float32], *, share: float) -> float:
    """The bias, lowered if more than a share of the scores had a confidence that is shown.

    Args:
        scale: of the confidence, above 0.
        bias: as fitted.
        scores: (S,) best scores of absent names.
        share: 0 to 1, of the revision before.
    """
    allowed = math.floor(share * len(scores))
    if allowed >= len(scores):
        return bias
    highest = float(np.sort(scores)[::-1][allowed])
    limit = math.log(DEFAULT_MIN_CONFIDENCE / (1.0 - DEFAULT_MIN_CONFIDENCE))
    return min(bias, limit - scale * highest - MARGIN)
