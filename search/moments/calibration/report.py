"""The report on a calibration, and the clips that it is of."""

from __future__ import annotations

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
    )
