"""What a fine-tuning run tells while it works and at its end; free of torch."""

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
    """What a run did. Figures are in per cent, over held-out videos."""

    folder: Path
    """Where the model lies, if one was written."""
    improved: bool
    """True if a model was written: on the held-out videos it is better than the starting one."""
    interrupted: bool
    """True if the run was stopped; the same call goes on from there."""
    videos: int
    """Videos that were trained on."""
    held_out_videos: int
    clips: int
    """Clips that were trained on."""
    problems: tuple[CaptionProblem, ...]
    """Lines that were left out."""
    before: dict[str, float]
    """``recall_at_1``, ``recall_at_5``, ``recall_at_10``, ``mean_reciprocal_rank`` of the starting
    model; empty where the run was stopped before they were known."""
    after: dict[str, float]
    """The same of the best model of the run, as written."""
    steps: int
    best_step: int
    seconds: float
    fingerprint: str | None = None
    """Of the new model's vectors; None where none was written."""
    base: str | None = None
    """The model of others that a head was trained for; None for a model of its own. ``before`` is
    then what its frames' mean finds, and the fingerprint is its own: the head changes no vector."""
    pooled: dict[str, float] = field(default_factory=dict)
    """Of the base's frames weighted by the words, without training; empty without a base."""
