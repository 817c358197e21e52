"""What a calibration is of, and how good it is."""

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
"""With fewer, the best of them says little about what another query would find."""


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
        CalibrationError: they are too few to calibrate with.
        EncoderError: the library was indexed with another encoder.
    """
    context = engine.everything()
    size = 0 if context is None else context.size
    if context is None or size < MIN_CLIPS:
        raise CalibrationError(
            f"{engine.store.folder} has {size} clips that can be searched; {MIN_CLIPS} are the "
            "least to calibrate with",
            hint=Hint("index_more"),
        )
    return context


def query_progress(done: int, total: int) -> Progress:
    """How many queries were asked."""
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
