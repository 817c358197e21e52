"""Calibration without labels, from the scores of queries of all kinds.

Nothing tells which queries the library can answer, so the scores of right hits are unknown. The
scores of wrong hits can be estimated: the runner-up, the best clip that looks unlike a query's best
hit, is usually not an answer, whether or not the best hit is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import CalibrationError, Hint
from vidseek.core.job import Job
from vidseek.encoders.platt_scaling import sigmoid
from vidseek.search.moments.calibration.queries import bundled_queries, read_queries
from vidseek.search.moments.calibration.report import (
    FOLDS,
    CalibrationReport,
    ConfidenceQuality,
    Fit,
    make_report,
    query_progress,
    searchable_clips,
    shown_share,
)
from vidseek.search.moments.context import SearchContext
from vidseek.search.moments.engine import FIRST_FETCH, SearchEngine
from vidseek.search.moments.library_hubness import library_hubness
from vidseek.search.moments.query import clean_text
from vidseek.storage.store import LibraryStore

MIN_QUERIES = 50
LIKE_DEVIATIONS = 2.0
"""Two clips look alike if their cosine is this many standard deviations above the library's
mean."""
LIKE_SAMPLE = 1_000
HALF_SURE_QUANTILE = 0.99
"""Quantile of runner-ups, assumed normal, at which a hit is as likely right as wrong. Where
captions are known, the score at that point was within 0.07 of the point fitted to them: below it
where few of the queries are shown, above it where all are (`python -m benchmarks.confidence`)."""
RUNNER_UP_CONFIDENCE = 0.1
"""Confidence of a hit that scores as the average runner-up."""
MIN_LEAD = 1e-3
"""Minimum lead of the best clip over its runner-up: scores are stored to about half of this."""


def fit_queries(
    engine: SearchEngine,
    queries: Sequence[str] | None = None,
    *,
    hubness: bool = False,
    job: Job | None = None,
) -> CalibrationReport:
    """Fit a confidence without labels.

    Scores of runner-ups stand for scores of wrong answers. A hit that scores as their average has a
    confidence of ``RUNNER_UP_CONFIDENCE``; a hit that only a hundredth of them reaches has 0.5.

    Args:
        engine: the engine of the library.
        queries: the queries; None for the bundled queries.
        hubness: also correct hubs, with the queries as the bank. Each query is scored without its
            own entry in the bank, as later queries will not be in it.
        job: reports progress and cancels.

    Raises:
        CalibrationError: too few clips or queries, or scores that do not discriminate.
        EncoderError: the library was indexed with another encoder.
        JobCancelledError: the job was cancelled.
    """
    job = job or Job()
    store = engine.store
    asked = bundled_queries() if queries is None else read_queries("\n".join(queries))
    if len(asked) < MIN_QUERIES:
        raise CalibrationError(f"{len(asked)} distinct queries; at least {MIN_QUERIES} are needed")
    context = searchable_clips(engine)
    with store.snapshot():
        alike_cosine = _likeness(context)
        correction = library_hubness(context, asked) if hubness else None
        best, runners_up = [], []
        for done, text in enumerate(asked, 1):
            if correction is not None:
                context = replace(context, hubness=correction.without(done - 1))
            first, second = _best_and_runner_up(
                engine, context, clean_text(text).text, alike_cosine
            )
            best.append(first)
            if second is not None:
                runners_up.append((first, second))
            job.report(query_progress(done, len(asked)))
            job.check()
        current = engine.current_confidence()
    pairs = np.array(runners_up, np.float64).reshape(-1, 2)
    scale, bias = _fit_runners_up(pairs, store)
    after = _held_out_quality(pairs, store)
    before = None
    if current.scale is not None and current.bias is not None:
        before = _quality(sigmoid(current.scale * pairs + current.bias))
    if not after.separates:
        raise CalibrationError(
            f"{store.folder}: the best hits of the queries score no better than other clips: of "
            f"held-out queries {after.shown:.0%} of the best hits and {after.wrong_shown:.0%} of "
            "the runners-up would be shown; nothing was stored",
            hint=Hint("give_other_queries"),
        )
    fit = Fit(scale, bias, "queries", np.array(best), correction, before=before, after=after)
    return make_report(context, fit)


def _held_out_quality(pairs: NDArray[np.float64], store: LibraryStore) -> ConfidenceQuality:
    """Shares of best hits and runners-up that would be shown, with a fit to the other queries."""
    folds = np.arange(len(pairs)) % FOLDS
    confidences = np.zeros(pairs.shape)
    for fold in range(FOLDS):
        scale, bias = _fit_runners_up(pairs[folds != fold], store)
        confidences[folds == fold] = sigmoid(scale * pairs[folds == fold] + bias)
    return _quality(confidences)


def _quality(confidences: NDArray[np.float64]) -> ConfidenceQuality:
    """Quality of (Q, 2) confidences of best hits and runners-up."""
    return ConfidenceQuality(shown_share(confidences[:, 0]), shown_share(confidences[:, 1]))


def _likeness(context: SearchContext) -> float:
    """The cosine of two clips above which they count as looking alike in this library."""
    ids = context.clip_ids()
    if len(ids) > LIKE_SAMPLE:
        ids = np.random.default_rng(0).choice(ids, LIKE_SAMPLE, replace=False)
    vectors = context.vectors(ids.tolist())
    pairs = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    return float(pairs.mean() + LIKE_DEVIATIONS * pairs.std())


def _best_and_runner_up(
    engine: SearchEngine, context: SearchContext, text: str, alike_cosine: float
) -> tuple[float, float | None]:
    """Scores of the best clip and of the best clip unlike it; None if all are like it."""
    n = min(FIRST_FETCH, context.size)
    while True:
        ranked = engine.best_clips(context, text, n)
        if not ranked:
            raise CalibrationError(
                f"{engine.store.folder}: no clip answers a query; all that were found are blank",
                hint=Hint("give_other_queries"),
            )
        vectors = context.vectors([scored.clip.id for scored in ranked])
        unlike = np.flatnonzero(vectors @ vectors[0] <= alike_cosine)
        # The best clip is not its own runner-up, whatever its rounded length.
        unlike = unlike[unlike > 0]
        if len(unlike):
            return ranked[0].score, ranked[unlike[0]].score
        if n >= context.size:
            return ranked[0].score, None
        n = min(4 * n, context.size)


def _fit_runners_up(pairs: NDArray[np.float64], store: LibraryStore) -> tuple[float, float]:
    """Scale and bias of (Q, 2) scores of best clips and their runner-ups."""
    if (
        len(pairs) < MIN_QUERIES * (FOLDS - 1) // FOLDS
        or (pairs[:, 0] - pairs[:, 1]).mean() < MIN_LEAD
    ):
        raise CalibrationError(
            f"{store.folder}: all clips score alike for every query, so scores say nothing about "
            "matches; nothing was stored",
            hint=Hint("index_more"),
        )
    mean, spread = float(pairs[:, 1].mean()), float(pairs[:, 1].std())
    half_sure = spread * NormalDist().inv_cdf(HALF_SURE_QUANTILE)
    if half_sure < MIN_LEAD:
        raise CalibrationError(
            f"{store.folder}: every query scores the same, so scores say nothing about matches; "
            "nothing was stored",
            hint=Hint("give_other_queries"),
        )
    scale = math.log(1 / RUNNER_UP_CONFIDENCE - 1) / half_sure
    return scale, -scale * (mean + half_sure)
