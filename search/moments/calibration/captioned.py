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
from vidseek.search.moments.known_copies import KnownCopies
from vidseek.search.moments.library_hubness import library_hubness
from vidseek.search.moments.query import clean_text
from vidseek.storage.store import LibraryStore

MIN_MATCHED = 20
"""Minimum captions whose own clip comes first; with fewer, a curve fits anything."""


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
    with store.snapshot():
        correction = library_hubness(context, bundled_queries()) if hubness else None
        if correction is not None:
            context = replace(context, hubness=correction)
        asked, unusable = _places(store, captions)
        current = engine.current_confidence()
        # A confidence before holds for scores with the hubness correction that it was fitted to.
        earlier = (current.hubness is None) != (context.hubness is None)
        steps = len(asked) * (2 if earlier else 1)
        answers = _ask(engine, context, asked, job, steps)
        answers_before = answers
        if earlier:
            old = replace(context, hubness=current.hubness)
            answers_before = _ask(engine, old, asked, job, steps, done=len(asked))
    problems = tuple(sorted((*captions.problems, *unusable), key=lambda problem: problem.line))
    best, wrong, is_right, videos = answers.best, answers.wrong, answers.is_right, answers.videos
    if is_right.sum() < MIN_MATCHED or len(set(videos.tolist())) < 2 * FOLDS:
        raise CalibrationError(
            f"{captions.file}: {len(best)} captions of {len(set(videos.tolist()))} videos of "
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
    after, by_chance = _held_out_quality(answers, seed=seed)
    before = None
    if current.scale is not None and current.bias is not None:
        before, _ = _quality(
            answers_before, sigmoid(current.scale * answers_before.scores + current.bias)
        )
    if not after.separates:
        raise CalibrationError(
            f"{store.folder}: scores do not separate right clips from wrong ones: on held-out "
            f"videos {after.shown:.0%} of the right answers and {after.wrong_shown:.0%} of the "
            "wrong ones would be shown; nothing was stored",
            hint=Hint("check_captions"),
        )
    fit = Fit(
        scale,
        bias,
        "captions",
        np.maximum(best, wrong),
        correction,
        error=after.error,
        error_by_chance=by_chance,
        problems=problems,
        before=before,
        after=after,
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
    """Ids of other clips that it may describe: of the same videos and their copies, or with the
    same caption."""


def _places(
    store: LibraryStore, captions: Captions
) -> tuple[list[_Place], tuple[CaptionProblem, ...]]:
    indexed = store.videos.select(states=[VideoState.INDEXED])
    # The captions file names videos by their resolved paths.
    known = {video.path.resolve(): video.id for video in indexed}
    described: list[tuple[CaptionedClip, int, frozenset[int], frozenset[int]]] = []
    problems = []
    copied = KnownCopies(store)
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
        copied.read([video_id])
        shown = {clip.id for clip in clips}
        # A copy of the clip is no wrong answer.
        for partner in copied.partners(video_id):
            shown.update(clip.id for clip in store.videos.clips(partner))
        described.append((captioned, video_id, right, frozenset(shown)))
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


@dataclass(frozen=True)
class _Answers:
    """Scores of the answers to Q captions."""

    best: NDArray[np.float64]
    """(Q,) of the best clip, -inf if it is wrong."""
    wrong: NDArray[np.float64]
    """(Q,) of the best wrong clip."""
    videos: NDArray[np.int64]
    """(Q,) the video of each caption."""

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """(Q,) whether the best clip is right. If not, its score already counts as wrong."""
        right: NDArray[np.bool_] = self.best > self.wrong
        return right

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores of the right best clips, then of the best wrong ones."""
        return np.concatenate([self.best[self.is_right], self.wrong])

    @property
    def is_match(self) -> NDArray[np.bool_]:
        """Which of ``scores`` are right."""
        right = int(self.is_right.sum())
        is_match: NDArray[np.bool_] = np.arange(right + len(self.wrong)) < right
        return is_match


def _ask(
    engine: SearchEngine,
    context: SearchContext,
    asked: Sequence[_Place],
    job: Job,
    steps: int,
    *,
    done: int = 0,
) -> _Answers:
    """Ask each caption; ``done`` of ``steps`` captions were asked before."""
    pairs: list[tuple[float, float]] = []
    videos: list[int] = []
    for place in asked:
        pair = _pair(engine, context, place)
        if pair is not None:
            pairs.append(pair)
            videos.append(place.video_id)
        done += 1
        job.report(query_progress(done, steps))
        job.check()
    best, wrong = np.array(pairs, np.float64).reshape(-1, 2).T
    return _Answers(best, wrong, np.array(videos, np.int64))


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


def _held_out_quality(answers: _Answers, *, seed: int) -> tuple[ConfidenceQuality, float]:
    """Quality on held-out videos, and the calibration error of a perfect calibration."""
    _, places = np.unique(answers.videos, return_inverse=True)
    count = int(places.max()) + 1
    folds = (np.random.default_rng(seed).permutation(count) % FOLDS)[places]
    right_folds = np.concatenate([folds[answers.is_right], folds])
    probabilities = np.full(len(right_folds), 0.5)
    for fold in range(FOLDS):
        fitted = folds != fold
        if not (fitted & answers.is_right).any():
            continue
        scale, bias = fit_confidence(answers.best[fitted & answers.is_right], answers.wrong[fitted])
        held_out = right_folds == fold
        probabilities[held_out] = sigmoid(scale * answers.scores[held_out] + bias)
    return _quality(answers, probabilities)


def _quality(
    answers: _Answers, probabilities: NDArray[np.float64]
) -> tuple[ConfidenceQuality, float]:
    """Quality of the confidences of ``answers.scores``, and a perfect calibration's error."""
    is_match = answers.is_match
    weights = balanced_weights(is_match)
    said = np.clip(np.where(is_match, probabilities, 1 - probabilities), 1e-9, 1.0)
    quality = ConfidenceQuality(
        shown=shown_share(probabilities[is_match]),
        wrong_shown=shown_share(probabilities[~is_match]),
        loss=float(-(weights * np.log(said)).sum() / weights.sum()),
        error=calibration_error(probabilities, is_match, weights=weights),
    )
    return quality, chance_error(probabilities, weights=weights)
