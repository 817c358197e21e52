"""Progress and report of a training run; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vidseek.core.captions import CaptionProblem
from vidseek.core.job import Progress


@dataclass(frozen=True, kw_only=True)
class TrainingProgress(Progress):
    """How far a run has come: clips read, then steps trained, then models exported."""

    eta_seconds: float | None = None
    """Time left of this stage; None until it can be estimated."""
    loss: float | None = None
    """Contrastive loss of the latest step."""
    figures: dict[str, float] | None = None
    """Held-out figures, if they were just measured."""


def exporting(done: int) -> TrainingProgress:
    """Progress of writing the one model of a run."""
    return TrainingProgress(stage="exporting", done=done, total=1, unit="models")


@dataclass(frozen=True)
class TrainingReport:
    """Result of a run. Figures are in per cent, over held-out videos."""

    folder: Path
    """The model's folder, if a model was written."""
    improved: bool
    """True if a model was written: it is better than the starting model on held-out videos."""
    interrupted: bool
    """True if the run was cancelled; the same call continues it."""
    videos: int
    """Videos trained on."""
    held_out_videos: int
    clips: int
    """Clips trained on."""
    problems: tuple[CaptionProblem, ...]
    """Lines of the captions file that were left out, and why."""
    before: dict[str, float]
    """``recall_at_1``, ``recall_at_5``, ``recall_at_10``, ``mean_reciprocal_rank`` of the starting
    model; empty if the run was cancelled before they were measured."""
    after: dict[str, float]
    """The same figures of the run's best model, as written."""
    steps: int
    best_step: int
    seconds: float
    fingerprint: str | None = None
    """Fingerprint of the new model's vectors; None if no model was written."""
    base: str | None = None
    """The third-party model that a head was trained for; None after fine-tuning. With a base,
    ``before`` has the figures of the mean of its frame vectors, and ``fingerprint`` is the base's:
    a head changes no vector."""
    pooled: dict[str, float] = field(default_factory=dict)
    """Figures of the base with frames weighted by the words, untrained; empty without a base."""
