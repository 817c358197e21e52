"""The parts shared by every training run on a user's captions: folder, loop, report.

run = RunFolder(Path("my-model"))
run.claim(facts, made="manifest.json")
ended = train_to_end(trainer, run.checkpoint, device=device, job=job)
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from vidseek.core.captions import CaptionedClip, CaptionProblem, Captions
from vidseek.core.errors import Hint, TrainingError
from vidseek.core.job import Job
from vidseek.training.curves import draw_curves
from vidseek.training.optimisation import save_checkpoint
from vidseek.training.user.epoch_trainer import EpochTrainer
from vidseek.training.user.report import TrainingProgress, TrainingReport

logger = logging.getLogger(__name__)

WORK_FOLDER = "training"
EVALUATIONS = 10
CHECKPOINT_SECONDS = 120.0


@dataclass(frozen=True)
class RunFolder:
    """The folder of a model to be, and what its run keeps there until it ends."""

    folder: Path

    @property
    def work(self) -> Path:
        """The subfolder for the run's own files."""
        return self.folder / WORK_FOLDER

    @property
    def checkpoint(self) -> Path:
        """The file that a stopped run continues from."""
        return self.work / "checkpoint.pt"

    def claim(self, facts: Mapping[str, object], *, made: str) -> None:
        """Make the folder, or check that its files belong to this run.

        Args:
            facts: identity of the run; a call with the same facts continues from the checkpoint.
            made: name of the file whose presence means that the model is finished.

        Raises:
            TrainingError: the folder is in use.
        """
        folder, elsewhere = self.folder, Hint("choose_training_folder")
        if (folder / made).exists():
            raise TrainingError(f"{folder} already contains a model", hint=elsewhere)
        if folder.exists() and not folder.is_dir():
            raise TrainingError(f"{folder} is a file", hint=elsewhere)
        if folder.exists() and not self.work.exists() and any(folder.iterdir()):
            raise TrainingError(f"{folder} contains other files", hint=elsewhere)
        self.work.mkdir(parents=True, exist_ok=True)
        note = self.work / "run.json"
        if self.checkpoint.exists() and json.loads(note.read_text()) != facts:
            raise TrainingError(
                f"{folder} contains an unfinished run with other captions, settings or starting "
                "model",
                hint=Hint("finish_or_delete_run", {"folder": str(self.work)}),
            )
        note.write_text(json.dumps(facts))

    def finish(self, report: TrainingReport, *, frames: Sequence[str]) -> None:
        """Leave the report and the curves.

        Args:
            report: of the run.
            frames: names of the files computed from the frames, which stay for another attempt
                unless a model was written.
        """
        facts: dict[str, Any] = asdict(report)
        facts["folder"] = str(report.folder)
        (self.work / "report.json").write_text(json.dumps(facts, indent=2) + "\n")
        self.checkpoint.unlink(missing_ok=True)
        if report.improved:
            for name in frames:
                (self.work / name).unlink(missing_ok=True)


def readable_captions(
    captions: Captions, readable: Sequence[int], failures: Mapping[int, str]
) -> Captions:
    """The captions of readable clips; lines of unreadable clips become problems.

    Args:
        captions: all captions.
        readable: positions of the readable clips, ascending.
        failures: the reason for every unreadable clip, by position.
    """
    clips = captions.clips
    problems = list(captions.problems)
    for place, reason in failures.items():
        text = f"{clips[place].path}: {reason}"
        problems += [CaptionProblem(line, text) for line in clips[place].lines]
    problems.sort(key=lambda problem: problem.line)
    return Captions(captions.file, tuple(clips[place] for place in readable), tuple(problems))


def train_to_end(
    trainer: EpochTrainer, checkpoint: Path, *, device: torch.device, job: Job
) -> bool:
    """Train from the checkpoint, or from the beginning, to the end.

    Returns:
        False if the job was cancelled; the checkpoint has everything up to there.
    """
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        trainer.restore(state)
        logger.info("continuing at step %d of %d", trainer.step, trainer.steps)
    interval = max(1, trainer.steps // EVALUATIONS)
    saved, begun, first = time.monotonic(), time.monotonic(), trainer.step
    while True:
        last = trainer.history[-1]["step"] if trainer.history else -1
        is_due = trainer.step % interval == 0 or trainer.step == trainer.steps
        if is_due and last != trainer.step:
            figures = trainer.measure()
            draw_curves(trainer.losses, trainer.history, checkpoint.parent / "curves.png")
            job.report(_progress(trainer, begun, first, figures))
        if trainer.step >= trainer.steps:
            save_checkpoint(trainer.state(), checkpoint)
            return True
        is_cancelled = job.is_cancelled
        if is_cancelled or time.monotonic() - saved >= CHECKPOINT_SECONDS:
            saved = time.monotonic()
            save_checkpoint(trainer.state(), checkpoint)
        if is_cancelled:
            return False
        trainer.train_step()
        job.report(_progress(trainer, begun, first, None))


def _progress(
    trainer: EpochTrainer, begun: float, first: int, figures: dict[str, float] | None
) -> TrainingProgress:
    done = trainer.step - first
    rate = (time.monotonic() - begun) / done if done else None
    return TrainingProgress(
        stage="training",
        done=trainer.step,
        total=trainer.steps,
        unit="steps",
        eta_seconds=None if rate is None else rate * (trainer.steps - trainer.step),
        loss=trainer.losses[-1]["contrast"] if trainer.losses else None,
        figures=figures,
    )


@dataclass(frozen=True)
class Outcome:
    """How a run ended. Figures are those of ``TrainingReport``."""

    before: dict[str, float]
    after: dict[str, float] | None = None
    """Of the model as written; None for the best figures measured while training."""
    fingerprint: str | None = None
    """Of the written model; None if none was written."""
    interrupted: bool = False
    base: str | None = None
    pooled: dict[str, float] = field(default_factory=dict)


def make_report(
    folder: Path,
    outcome: Outcome,
    trainer: EpochTrainer | None,
    problems: tuple[CaptionProblem, ...],
    *,
    started: float,
) -> TrainingReport:
    """The report of a run.

    Args:
        folder: of the model.
        outcome: how the run ended.
        trainer: None if the run was interrupted before training.
        problems: the lines of captions that were left out.
        started: by the monotonic clock.
    """
    history = [] if trainer is None else trainer.history
    figures = [{k: v for k, v in row.items() if k != "step"} for row in history]
    best = max(figures, key=lambda row: row["mean_reciprocal_rank"], default={})
    data = None if trainer is None else trainer.data
    return TrainingReport(
        folder=folder,
        improved=outcome.fingerprint is not None,
        interrupted=outcome.interrupted,
        videos=0 if data is None else _count_videos(data.clips, data.train),
        held_out_videos=0 if data is None else _count_videos(data.clips, data.held_out),
        clips=0 if data is None else len(data.train),
        problems=problems,
        before=outcome.before,
        after=best if outcome.after is None else outcome.after,
        steps=0 if trainer is None else trainer.step,
        best_step=0 if trainer is None else trainer.best_step,
        seconds=time.monotonic() - started,
        fingerprint=outcome.fingerprint,
        base=outcome.base,
        pooled=outcome.pooled,
    )


def _count_videos(clips: Sequence[CaptionedClip], positions: Sequence[int]) -> int:
    return len({clips[position].path for position in positions})
