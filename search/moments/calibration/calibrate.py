"""Fitting the confidence of hits to one library, and storing it.

report = calibrate(SearchEngine(store, encoder), CalibrationOptions(captions=file))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vidseek.core import arguments
from vidseek.core.captions import read_captions
from vidseek.core.errors import CalibrationError, Hint
from vidseek.core.job import Job
from vidseek.core.types import Calibration
from vidseek.search.moments.calibration.captioned import fit_captions
from vidseek.search.moments.calibration.report import CalibrationReport
from vidseek.search.moments.calibration.unlabelled import fit_queries
from vidseek.search.moments.confidence import is_usable
from vidseek.search.moments.engine import SearchEngine


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions:
    """What to calibrate with."""

    captions: Path | None = None
    """A file of captions of videos in the library; None to calibrate without labels."""
    queries: Sequence[str] | None = None
    """What to ask without labels; None for the bundled queries."""
    override: bool = False
    """Calibrate without labels although the encoder has its own calibration."""
    hubness: bool | None = None
    """Whether to correct hubs, and fit to corrected scores; None for what the library does now."""

    def __post_init__(self) -> None:
        if self.queries is not None:
            arguments.texts(self.queries, "queries")
        arguments.flag(self.override, "override")
        if self.hubness is not None:
            arguments.flag(self.hubness, "hubness")


def calibrate(
    engine: SearchEngine, options: CalibrationOptions, *, job: Job | None = None
) -> CalibrationReport:
    """Fit a confidence to a library and its encoder, and store it if it is better.

    Better is a smaller loss on the captions of held-out videos. Without captions nothing tells, and
    the new confidence is stored.

    Args:
        engine: of the library.
        options: what to calibrate with.
        job: reports progress and cancels; a cancelled calibration stores nothing.

    Raises:
        CalibrationError: the options contradict each other or the encoder, there are too few clips,
            captions or queries, or scores tell nothing; nothing was stored.
        PathNotFoundError: the captions file does not exist.
        TrainingError: the captions file is not text.
        EncoderError: the library was indexed with another encoder.
        LibraryLockedError: another process is writing to the library.
        JobCancelledError: the job was cancelled.
    """
    store, spec = engine.store, engine.encoder.spec
    _check_options(engine, options)
    hubness = options.hubness
    if hubness is None:
        stored = store.encoders.calibration(spec.fingerprint)
        hubness = stored is not None and stored.hubness is not None
    store.check_writable()  # refused now rather than after the work
    if options.captions is None:
        report = fit_queries(engine, options.queries, hubness=hubness, job=job)
    else:
        captions = read_captions(options.captions)
        report = fit_captions(engine, captions, hubness=hubness, job=job)
    if not report.is_better and report.calibration != _usable(engine):
        return report
    store.encoders.set_calibration(spec.fingerprint, report.calibration)
    return replace(report, stored=True)


def _check_options(engine: SearchEngine, options: CalibrationOptions) -> None:
    spec = engine.encoder.spec
    if options.captions is not None and options.queries is not None:
        raise CalibrationError("give captions or queries, not both: captions are the queries")
    stored = _usable(engine)
    if (
        options.captions is None
        and stored is not None
        and stored.method == "captions"
        and not options.override
    ):
        raise CalibrationError(
            f"{engine.store.folder} was calibrated with captions, which is better than a "
            "calibration without labels",
            hint=Hint("give_captions_or_override"),
        )
    if options.captions is None and spec.confidence_scale is not None and not options.override:
        raise CalibrationError(
            f"the encoder {spec.source} comes with a calibration fitted with labels, which is "
            "better than a calibration without labels",
            hint=Hint("give_captions_or_override"),
        )
    if options.hubness and engine.encoder.hubness is not None:
        raise CalibrationError(
            f"the encoder {spec.source} already corrects hub clips, with its own bank",
            hint=Hint("calibrate_without_hubness"),
        )


def _usable(engine: SearchEngine) -> Calibration | None:
    """The library's calibration, if it was fitted to the scores of this encoder."""
    spec = engine.encoder.spec
    stored = engine.store.encoders.calibration(spec.fingerprint)
    return stored if stored is not None and is_usable(spec, stored) else None
