"""Calibration from captions of library clips: the confidence fit of one library.

The maths, Platt scaling, is in ``vidseek.encoders.platt_scaling``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidseek.core.captions import CaptionedClip, CaptionProblem, Captions
from vidseek.core.errors import CalibrationError, Hint
from vidseek.core.job import Job
from vidseek.core.types import VideoState
from vidseek.encoders.platt_scaling import (
    balanced_weights,
    calibration_error,
    chance_error,
    fit_confidence,
    sigmoid,
)
from vidseek.search.moments.calibration.queries import bundled_queries
from vidseek.search.moments.calibration.report import (
    CalibrationReport,
    Fit,
    make_report,
    query_progress,
    searchable_clips,
)
from vidseek.search.moments.context import SearchContext
from vidseek.search.moments.engine import FIRST_FETCH, SearchEngine
from vidseek.search.moments.library_hubness import library_hubness
from vidseek.search.moments.query import clean_text
from vidseek.storage.store import LibraryStore

MIN_MATCHED = 20
"""Minimum captions whose own clip comes first; with fewer, a curve fits anything."""
FOLDS = 5


def fit_captions(
    engine: SearchEngine,
    captions: Captions,
    *,
    hubness: bool = False,
    seed: int = 1,
    job: Job | None = None,
) -> CalibrationReport:
    """Fit a confidence on captions of clips of the library.

    Matched scores are those of captions for which a described clip comes first. Mismatched scores
    are, for each caption, that of the best clip of other videos, as if its own were absent. Both
    kinds have equal weight. The error is measured on each fifth of the videos with a fit on the
    other four fifths; the stored calibration is fitted on all videos.

    Args:
        engine: the engine of the library.
        captions: captions of library videos or of parts of them.
        hubness: also correct hubs, with the bundled queries as the bank.
        seed: random seed of the fifths.
        job: reports progress and cancels.

    Raises:
        CalibrationError: too few clips, too few captions of them that find their clip, or right
            answers that score no better than wrong ones.
        EncoderError: the library was indexed with another encoder.
        JobCancelledError: the job was cancelled.
    """
    job = job or Job()
    store = engine.store
    context = searchable_clips(engine)
    pairs: list[tuple[float, float]] = []
    videos: list[int] = []
    with store.snapshot():
        correction = library_hubness(context, bundled_queries()) if hubness else None
        if correction is not None:
            context = replace(context, hubness=correction)
        asked, unusable = _places(store, captions)
        for done, place in enumerate(asked, 1):
            pair = _pair(engine, context, place)
            if pair is not None:
                pairs.append(pair)
                videos.append(place.video_id)
            job.report(query_progress(done, len(asked)))
            job.check()
    problems = tuple(sorted((*captions.problems, *unusable), key=lambda problem: problem.line))
    best, wrong = np.array(pairs, np.float64).reshape(-1, 2).T
    # A wrong best hit is not a matched score; it already counts as a mismatched score.
    is_right = best > wrong
    if is_right.sum() < MIN_MATCHED or len(set(videos)) < 2 * FOLDS:
        raise CalibrationError(
            f"{captions.file}: {len(pairs)} captions of {len(set(videos))} videos of "
            f"{store.folder}, of which {is_right.sum()} find their own clip first; calibration "
            f"needs at least {MIN_MATCHED} of these, and captions of {2 * FOLDS} videos"
            f"{_first_reasons(problems)}",
            hint=Hint("caption_more_to_calibrate"),
        )
    scale, bias = fit_confidence(best[is_right], wrong)
    if scale <= 0:
        raise CalibrationError(
            f"{store.folder}: captioned clips score no better than others, so scores say nothing "
            "about matches; nothing was stored",
            hint=Hint("check_captions"),
        )
    error, by_chance = _held_out_error(best, wrong, is_right, np.array(videos), seed=seed)
    fit = Fit(
        scale,
        bias,
        "captions",
        np.maximum(best, wrong),
        correction,
        error=error,
        error_by_chance=by_chance,
        problems=problems,
    )
    return make_report(context, fit)


@dataclass(frozen=True)
class _Place:
    """A caption, and the library clips that it describes."""

    text: str
    video_id: int
    right: frozenset[int]
    """Ids of clips that it describes."""
    undecided: frozenset[int]
    """Ids of other clips that it may describe: of the same videos, or with the same caption."""


def _places(
    store: LibraryStore, captions: Captions
) -> tuple[list[_Place], tuple[CaptionProblem, ...]]:
    indexed = store.videos.select(states=[VideoState.INDEXED])
    # The captions file names videos by their resolved paths.
    known = {video.path.resolve(): video.id for video in indexed}
    described: list[tuple[CaptionedClip, int, frozenset[int], frozenset[int]]] = []
    problems = []
    for captioned in captions.clips:
        video_id = known.get(captioned.path)
        clips = [] if video_id is None else store.videos.clips(video_id)
        right = frozenset(
            clip.id
            for clip in clips
            if captioned.span is None or clip.span.overlap(captioned.span) > 0
        )
        if video_id is None or not right:
            where = "the library" if video_id is None else "what was indexed of it"
            reason = f"{captioned.path} is not in {where}"
            problems += [CaptionProblem(line, reason) for line in captioned.lines]
            continue
        described.append((captioned, video_id, right, frozenset(clip.id for clip in clips)))
    right_of: dict[str, frozenset[int]] = {}
    whole_of: dict[str, frozenset[int]] = {}
    for captioned, _, right, whole in described:
        for text in captioned.captions:
            key = text.casefold()
            right_of[key] = right_of.get(key, frozenset()) | right
            whole_of[key] = whole_of.get(key, frozenset()) | whole
    places: dict[str, _Place] = {}
    for captioned, video_id, _, _ in described:
        for text in captioned.captions:
            key = text.casefold()
            # A caption of several clips is a single query.
            right = right_of[key]
            places.setdefault(
                key, _Place(clean_text(text).text, video_id, right, whole_of[key] - right)
            )
    return list(places.values()), tuple(problems)


def _pair(
    engine: SearchEngine, context: SearchContext, place: _Place
) -> tuple[float, float] | None:
    """Scores of the best clip, -inf if it is wrong, and of the best wrong clip.

    None if the library has no other clips to compare with.
    """
    n = min(FIRST_FETCH, context.size)
    while True:
        ranked = [
            scored
            for scored in engine.best_clips(context, place.text, n)
            if scored.clip.id not in place.undecided
        ]
        wrong = next((scored.score for scored in ranked if scored.clip.id not in place.right), None)
        if wrong is not None:
            is_right = ranked[0].clip.id in place.right
            return ranked[0].score if is_right else -math.inf, wrong
        if n >= context.size:
            return None
        n = min(4 * n, context.size)


def _first_reasons(problems: Sequence[CaptionProblem]) -> str:
    if not problems:
        return ""
    first = "; ".join(f"line {one.line}: {one.reason}" for one in problems[:3])
    return f" ({len(problems)} lines were left out: {first})"


def _held_out_error(
    best: NDArray[np.float64],
    wrong: NDArray[np.float64],
    is_right: NDArray[np.bool_],
    videos: NDArray[np.intp],
    *,
    seed: int,
) -> tuple[float, float]:
    """Calibration error on held-out videos, and that of a perfect calibration."""
    _, places = np.unique(videos, return_inverse=True)
    count = int(places.max()) + 1
    folds = (np.random.default_rng(seed).permutation(count) % FOLDS)[places]
    said, so = [], []
    for fold in range(FOLDS):
        fitted, held_out = folds != fold, folds == fold
        if not (fitted & is_right).any():
            continue
        scale, bias = fit_confidence(best[fitted & is_right], wrong[fitted])
        scores = np.concatenate([best[held_out & is_right], wrong[held_out]])
        said.append(sigmoid(scale * scores + bias))
        so.append(np.arange(len(scores)) < (held_out & is_right).sum())
    probabilities, is_match = np.concatenate(said), np.concatenate(so)
    weights = balanced_weights(is_match)
    return (
        calibration_error(probabilities, is_match, weights=weights),
        chance_error(probabilities, weights=weights),
    )
