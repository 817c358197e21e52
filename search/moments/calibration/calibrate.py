"""A confidence for one library: from its own mismatches, or from captions of some of its clips.

engine = SearchEngine(store, encoder)
report = calibrate(engine, store, encoder)
store.encoders.set_calibration(encoder.spec.fingerprint, report.calibration)

Without labels it is not known which queries the library shows, so nothing tells what a right hit
scores. What a wrong one scores can be told: the best clip that looks unlike a query's best hit, its
runner-up, is as a rule no answer, whether or not the best hit is one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vidseek.core.captions import CaptionedClip, CaptionProblem, Captions
from vidseek.core.errors import CalibrationError
from vidseek.core.types import Calibration, CalibrationMethod, VideoState
from vidseek.encoders.base import Encoder
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.platt_scaling import (
    balanced_weights,
    calibration_error,
    chance_error,
    fit_confidence,
    sigmoid,
)
from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE
from vidseek.search.moments.engine import FIRST_FETCH, SearchEngine
from vidseek.search.moments.hubness import library_hubness
from vidseek.search.moments.query import clean_text
from vidseek.search.moments.retrieval import SearchContext
from vidseek.storage.store import LibraryStore

logger = logging.getLogger(__name__)

MIN_CLIPS = 20
"""With fewer, the best of them says little about what another query would find."""
MIN_QUERIES = 50
MIN_MATCHED = 20
"""Captions whose own clip comes first; with fewer a curve fits anything."""
FOLDS = 5
LIKE_DEVIATIONS = 2.0
"""Two clips look alike if their cosine is so many standard deviations above the library's mean."""
LIKE_SAMPLE = 1_000
HALF_SURE_QUANTILE = 0.99
"""Of runner-ups, taken as normally distributed: there a hit is as likely right as wrong. Where
captions are known, the score at that point was at most 0.07 off the one fitted to them: below it
where few of the queries are shown, above it where all are (`python -m benchmarks.confidence`)."""
RUNNER_UP_CONFIDENCE = 0.1
"""Of a hit that scores as the average runner-up."""
MIN_LEAD = 1e-3
"""Scores are kept to about half of this: a smaller lead of the best over its runner-up is none."""

OnProgress = Callable[[int, int], None]
"""Called with how many queries are done, and how many there are."""


@dataclass(frozen=True)
class CalibrationReport:
    """What a calibration was made of, and how good it is as far as that can be known."""

    encoder: str
    """Name of the encoder."""
    fingerprint: str
    calibration: Calibration
    queries: int
    """Queries asked: bundled ones, or captions."""
    answered: float
    """Share of them that get a confident answer now, 0 to 1."""
    error: float | None
    """Expected calibration error on captions of videos that were held out, 0 to 1; None without
    captions: it cannot be known."""
    error_by_chance: float | None
    """What a perfect calibration would have shown on so few."""
    problems: tuple[CaptionProblem, ...] = ()
    """Lines of the captions that were not used."""

    @property
    def half_sure_score(self) -> float:
        """The score at which the confidence is one half."""
        return -self.calibration.bias / self.calibration.scale


def bundled_queries() -> list[str]:
    """The sentences and phrases that come with vidseek."""
    text = (
        files("vidseek.search.moments.calibration")
        .joinpath("queries.txt")
        .read_text(encoding="utf-8")
    )
    return read_queries(text)


def read_queries(text: str) -> list[str]:
    """One query a line; empty lines and such that begin with # are none, and each counts once."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def calibrate(
    engine: SearchEngine,
    store: LibraryStore,
    encoder: Encoder,
    *,
    queries: Sequence[str] | None = None,
    hubness: bool = False,
    on_progress: OnProgress | None = None,
) -> CalibrationReport:
    """Fit a confidence without labels, from what a library scores for queries of all kinds.

    Scores of runner-ups stand for those of wrong answers. A hit that scores as their average has a
    confidence of ``RUNNER_UP_CONFIDENCE``, one that only a hundredth of them reaches 0.5.

    Args:
        engine: of the library.
        store: the library.
        encoder: that it was indexed with.
        queries: what to ask; None for the bundled queries.
        hubness: also correct hubs, with what is asked as the bank. Each query is asked as one that
            is not in the bank: those to come are not.
        on_progress: called after each query.

    Raises:
        CalibrationError: too few clips or queries, or scores that tell nothing apart.
        EncoderError: the library was indexed with another encoder.
    """
    asked = bundled_queries() if queries is None else read_queries("\n".join(queries))
    if len(asked) < MIN_QUERIES:
        raise CalibrationError(f"{len(asked)} different queries; {MIN_QUERIES} are the least")
    scope = _scope(engine, store)
    with store.snapshot():
        alike = _likeness(scope)
        correction = library_hubness(scope, asked) if hubness else None
        best, runners_up = [], []
        for done, text in enumerate(asked, 1):
            if correction is not None:
                scope = replace(scope, hubness=correction.without(done - 1))
            first, second = _best_and_runner_up(engine, scope, clean_text(text), alike)
            best.append(first)
            if second is not None:
                runners_up.append((first, second))
            if on_progress is not None:
                on_progress(done, len(asked))
    scale, bias = _fit_runners_up(np.array(runners_up, np.float64).reshape(-1, 2), store)
    return _report(encoder, scope, scale, bias, "queries", np.array(best), correction=correction)


def calibrate_on_captions(
    engine: SearchEngine,
    store: LibraryStore,
    encoder: Encoder,
    captions: Captions,
    *,
    hubness: bool = False,
    seed: int = 1,
    on_progress: OnProgress | None = None,
) -> CalibrationReport:
    """Fit a confidence on captions of clips of the library.

    Matched are the captions for which a clip that they describe comes first, with its score;
    mismatched is for each caption the best clip of other videos, as if its own were not there. The
    two kinds weigh the same. The error is measured on each fifth of the videos by a fit on the
    others; what is stored is fitted on all.

    Args:
        engine: of the library.
        store: the library.
        encoder: that it was indexed with.
        captions: of videos that are in the library, or of parts of them.
        hubness: also correct hubs, with the bundled queries as the bank.
        seed: of the drawing of the fifths.
        on_progress: called after each caption.

    Raises:
        CalibrationError: too few clips, too few captions of them that find their clip, or right
            answers that score no better than wrong ones.
        EncoderError: the library was indexed with another encoder.
    """
    scope = _scope(engine, store)
    pairs: list[tuple[float, float]] = []
    videos: list[int] = []
    with store.snapshot():
        correction = library_hubness(scope, bundled_queries()) if hubness else None
        if correction is not None:
            scope = replace(scope, hubness=correction)
        asked, unusable = _places(store, captions)
        for done, place in enumerate(asked, 1):
            pair = _pair(engine, scope, place)
            if pair is not None:
                pairs.append(pair)
                videos.append(place.video_id)
            if on_progress is not None:
                on_progress(done, len(asked))
    problems = tuple(sorted((*captions.problems, *unusable), key=lambda problem: problem.line))
    best, wrong = np.array(pairs, np.float64).reshape(-1, 2).T
    # A wrong best hit is no matched score; its score is counted among the wrong ones already.
    is_right = best > wrong
    if is_right.sum() < MIN_MATCHED or len(set(videos)) < 2 * FOLDS:
        raise CalibrationError(
            f"{captions.file}: {len(pairs)} captions of {len(set(videos))} videos of "
            f"{store.folder}, of which {is_right.sum()} find their own clip first; at least "
            f"{MIN_MATCHED} that do, of {2 * FOLDS} videos, are needed"
            f"{_first_reasons(problems)}. Caption more videos, or calibrate without captions"
        )
    scale, bias = fit_confidence(best[is_right], wrong)
    if scale <= 0:
        raise CalibrationError(
            f"{store.folder}: clips that a caption describes score no better than others, so a "
            "score tells nothing; nothing was stored. Check that the captions are of these videos"
        )
    error, by_chance = _held_out_error(best, wrong, is_right, np.array(videos), seed=seed)
    return _report(
        encoder,
        scope,
        scale,
        bias,
        "captions",
        np.maximum(best, wrong),
        correction=correction,
        error=error,
        error_by_chance=by_chance,
        problems=problems,
    )


def _scope(engine: SearchEngine, store: LibraryStore) -> SearchContext:
    scope = engine.everything()
    size = 0 if scope is None else scope.size
    if scope is None or size < MIN_CLIPS:
        raise CalibrationError(
            f"{store.folder} has {size} clips that can be searched; {MIN_CLIPS} are the least to "
            "calibrate with: index more videos"
        )
    return scope


def _report(
    encoder: Encoder,
    scope: SearchContext,
    scale: float,
    bias: float,
    method: CalibrationMethod,
    best: NDArray[np.float64],
    *,
    correction: HubnessCorrection | None,
    error: float | None = None,
    error_by_chance: float | None = None,
    problems: tuple[CaptionProblem, ...] = (),
) -> CalibrationReport:
    spec = encoder.spec
    return CalibrationReport(
        encoder=spec.source,
        fingerprint=spec.fingerprint,
        calibration=Calibration(
            scale=scale,
            bias=bias,
            method=method,
            clips=scope.size,
            encoder_revision=spec.revision,
            head_hash=spec.head_hash,
            hubness=None if correction is None else correction.to_bytes(),
        ),
        queries=len(best),
        answered=float((sigmoid(scale * best + bias) >= DEFAULT_MIN_CONFIDENCE).mean()),
        error=error,
        error_by_chance=error_by_chance,
        problems=problems,
    )


# Without labels


def _likeness(scope: SearchContext) -> float:
    """The cosine of two clips above which they count as looking alike in this library."""
    ids = scope.clip_ids()
    if len(ids) > LIKE_SAMPLE:
        ids = np.random.default_rng(0).choice(ids, LIKE_SAMPLE, replace=False)
    vectors = scope.vectors(ids.tolist())
    pairs = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    return float(pairs.mean() + LIKE_DEVIATIONS * pairs.std())


def _best_and_runner_up(
    engine: SearchEngine, scope: SearchContext, text: str, alike: float
) -> tuple[float, float | None]:
    """Scores of the best clip and of the best one unlike it; None if all are like it."""
    n = min(FIRST_FETCH, scope.size)
    while True:
        ranked = engine.best_clips(scope, text, n)
        vectors = scope.vectors([scored.clip.id for scored in ranked])
        unlike = np.flatnonzero(vectors @ vectors[0] <= alike)
        # The best is itself no runner-up, whatever its rounded length.
        unlike = unlike[unlike > 0]
        if len(unlike):
            return ranked[0].score, ranked[unlike[0]].score
        if n >= scope.size:
            return ranked[0].score, None
        n = min(4 * n, scope.size)


def _fit_runners_up(pairs: NDArray[np.float64], store: LibraryStore) -> tuple[float, float]:
    """Scale and bias of (Q, 2) scores of best clips and their runner-ups."""
    if len(pairs) < MIN_QUERIES or (pairs[:, 0] - pairs[:, 1]).mean() < MIN_LEAD:
        raise CalibrationError(
            f"{store.folder}: its clips score alike whatever is asked, so a score tells nothing; "
            "nothing was stored. A library of different videos can be calibrated"
        )
    mean, spread = float(pairs[:, 1].mean()), float(pairs[:, 1].std())
    half_sure = spread * NormalDist().inv_cdf(HALF_SURE_QUANTILE)
    if half_sure < MIN_LEAD:
        raise CalibrationError(
            f"{store.folder}: every query scores the same, so a score tells nothing; nothing was "
            "stored. Other queries may do better: --queries FILE"
        )
    scale = math.log(1 / RUNNER_UP_CONFIDENCE - 1) / half_sure
    return scale, -scale * (mean + half_sure)


# With captions


@dataclass(frozen=True)
class _Place:
    """A caption, and where in the library what it describes is."""

    text: str
    video_id: int
    right: frozenset[int]
    """Clips that it describes."""
    undecided: frozenset[int]
    """Other clips that it may describe: of the same videos, or said of them in the same words."""


def _places(
    store: LibraryStore, captions: Captions
) -> tuple[list[_Place], tuple[CaptionProblem, ...]]:
    indexed = store.videos.select(states=[VideoState.INDEXED])
    # The file of captions names videos by where they really lie.
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
            # Said of several clips it is one query all the same.
            right = right_of[key]
            places.setdefault(key, _Place(clean_text(text), video_id, right, whole_of[key] - right))
    return list(places.values()), tuple(problems)


def _pair(engine: SearchEngine, scope: SearchContext, place: _Place) -> tuple[float, float] | None:
    """Score of the best clip, -inf if it is a wrong one, and of the best wrong clip.

    None where the library has no other clips to compare with.
    """
    n = min(FIRST_FETCH, scope.size)
    while True:
        ranked = [
            scored
            for scored in engine.best_clips(scope, place.text, n)
            if scored.clip.id not in place.undecided
        ]
        wrong = next((one.score for one in ranked if one.clip.id not in place.right), None)
        if wrong is not None:
            is_right = ranked[0].clip.id in place.right
            return ranked[0].score if is_right else -math.inf, wrong
        if n >= scope.size:
            return None
        n = min(4 * n, scope.size)


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
    """Calibration error of fits on other videos, and that of a perfect one."""
    _, places = np.unique(videos, return_inverse=True)
    count = int(places.max()) + 1
    folds = (np.random.default_rng(seed).permutation(count) % FOLDS)[places]
    said, so = [], []
    for fold in range(FOLDS):
        kept, held = folds != fold, folds == fold
        if not (kept & is_right).any():
            continue
        scale, bias = fit_confidence(best[kept & is_right], wrong[kept])
        scores = np.concatenate([best[held & is_right], wrong[held]])
        said.append(sigmoid(scale * scores + bias))
        so.append(np.arange(len(scores)) < (held & is_right).sum())
    probabilities, is_match = np.concatenate(said), np.concatenate(so)
    weights = balanced_weights(is_match)
    return (
        calibration_error(probabilities, is_match, weights=weights),
        chance_error(probabilities, weights=weights),
    )


def read_query_file(file: Path) -> list[str]:
    """Queries from a file, one a line.

    Raises:
        CalibrationError: it cannot be read, or is no text in UTF-8.
    """
    try:
        return read_queries(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise CalibrationError(f"{file} is no text in UTF-8: write one query a line") from error
    except OSError as error:
        raise CalibrationError(f"{file} cannot be read: {error.strerror}") from error
