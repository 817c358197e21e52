"""The report on a calibration, and the clips that it is of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.captions import CaptionProblem
from vidseek.core.errors import CalibrationError, Hint
from vidseek.core.job import Progress
from vidseek.core.types import Calibration, CalibrationMethod
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.platt_scaling import sigmoid
from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE
from vidseek.search.moments.context import SearchContext
from vidseek.search.moments.engine import SearchEngine

MIN_CLIPS = 20
"""With fewer clips, the best of them says little about what another query would find."""
MIN_SEPARATION = 0.1
"""Right answers must be shown this much more often than wrong ones: a curve that is nearly flat
shows them alike."""
MIN_LEAD_SHARE = 0.05
"""The same for best hits and runners-up. It is less, as a library may answer few of the queries."""
FOLDS = 5
"""Parts of the queries; each is held out once."""


@dataclass(frozen=True)
class ConfidenceQuality:
    """Quality of a confidence on answers that it was not fitted to."""

    shown: float
    """Share of right answers with a confidence that is shown, 0 to 1; without captions, of best
    hits, right or not."""
    wrong_shown: float
    """The same share of wrong answers; without captions, of runners-up."""
    loss: float | None = None
    """Mean cross-entropy in nats, right and wrong weighted equally: 0 is perfect, 0.69 says
    nothing. None without captions."""
    error: float | None = None
    """Expected calibration error, 0 to 1; None without captions."""

    @property
    def separates(self) -> bool:
        """Whether right answers are shown clearly more often than wrong ones."""
        if self.loss is None:
            return self.shown - self.wrong_shown >= MIN_LEAD_SHARE
        return self.loss < math.log(2) and self.shown - self.wrong_shown >= MIN_SEPARATION


@dataclass(frozen=True)
class CalibrationReport:
    """The data of a calibration, and its estimated quality."""

    encoder: str
    """Name of the encoder."""
    fingerprint: str
    calibration: Calibration
    queries: int
    """Number of queries: bundled queries or captions."""
    answered: float
    """Share of the queries with a confident answer now, 0 to 1."""
    error: float | None
    """Expected calibration error on captions of held-out videos, 0 to 1; None without captions, as
    it cannot be known."""
    error_by_chance: float | None
    """Error that a perfect calibration would show on as few captions."""
    problems: tuple[CaptionProblem, ...] = ()
    """Caption lines that were not used."""
    before: ConfidenceQuality | None = None
    """Of the confidence that the library had, on the held-out queries; None if it had none."""
    after: ConfidenceQuality | None = None
    """Of the new confidence, on queries that it was not fitted to."""
    stored: bool = False
    """False if the library keeps the confidence that it had, as the new one is not better."""

    @property
    def is_better(self) -> bool:
        """Whether the new confidence is better on held-out queries, if labels can show it."""
        if self.before is None or self.after is None:
            return True
        if self.before.loss is None or self.after.loss is None:
            return True
        return self.after.loss < self.before.loss

    @property
    def half_sure_score(self) -> float:
        """The score at which the confidence is 0.5."""
        return -self.calibration.bias / self.calibration.scale


@dataclass(frozen=True)
class Fit:
    """The curve from scores to confidences that was fitted to a library."""

    scale: float
    bias: float
    method: CalibrationMethod
    best: NDArray[np.float64]
    """(Q,) score of each query's best hit."""
    hubness: HubnessCorrection | None
    """The correction that the scores include; None for none."""
    error: float | None = None
    """See ``CalibrationReport``."""
    error_by_chance: float | None = None
    """See ``CalibrationReport``."""
    problems: Sequence[CaptionProblem] = ()
    """See ``CalibrationReport``."""
    before: ConfidenceQuality | None = None
    """See ``CalibrationReport``."""
    after: ConfidenceQuality | None = None
    """See ``CalibrationReport``."""


def searchable_clips(engine: SearchEngine) -> SearchContext:
    """All clips that can be searched.

    Raises:
        CalibrationError: there are too few clips.
        EncoderError: the library was indexed with another encoder.
    """
    context = engine.everything()
    size = 0 if context is None else context.size
    if context is None or size < MIN_CLIPS:
        raise CalibrationError(
            f"{engine.store.folder} needs at least {MIN_CLIPS} searchable clips for a "
            f"calibration; it has {size}",
            hint=Hint("index_more"),
        )
    return context


def query_progress(done: int, total: int) -> Progress:
    """Progress of a calibration."""
    return Progress(stage="calibrating", done=done, total=total, unit="queries")


def make_report(context: SearchContext, fit: Fit) -> CalibrationReport:
    """The report on a fit to the clips of a library."""
    spec = context.encoder.spec
    confidences = sigmoid(fit.scale * fit.best + fit.bias)
    return CalibrationReport(
        encoder=spec.source,
        fingerprint=spec.fingerprint,
        calibration=Calibration(
            scale=fit.scale,
            bias=fit.bias,
            method=fit.method,
            clips=context.size,
            encoder_revision=spec.revision,
            head_hash=spec.head_hash,
            hubness=None if fit.hubness is None else fit.hubness.to_bytes(),
        ),
        queries=len(fit.best),
        answered=float((confidences >= DEFAULT_MIN_CONFIDENCE).mean()),
        error=fit.error,
        error_by_chance=fit.error_by_chance,
        problems=tuple(fit.problems),
        before=fit.before,
        after=fit.after,
    )


def shown_share(confidences: NDArray[np.float64]) -> float:
    """Share of confidences that are shown to a person; 0 of none."""
    return float((confidences >= DEFAULT_MIN_CONFIDENCE).mean()) if len(confidences) else 0.0
