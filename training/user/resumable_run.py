"""What every training run on a user's captions shares: its folder, its loop, its report.

claim_folder(folder, checkpoint, facts, made="manifest.json")
ended = train_to_end(trainer, checkpoint, device=device, on_progress=tell, should_stop=asked)
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch

from vidseek.core.captions import CaptionedClip, CaptionProblem, Captions
from vidseek.core.errors import TrainingError
from vidseek.training.curves import draw_curves
from vidseek.training.optimisation import save_checkpoint
from vidseek.training.user.report import OnProgress, TrainingProgress, TrainingReport

logger = logging.getLogger(__name__)

WORK_FOLDER = "training"
EVALUATIONS = 10
CHECKPOINT_SECONDS = 120.0


class Trainer(Protocol):
    """What is trained step by step, and measured now and then."""

    step: int
    losses: list[dict[str, float]]
    history: list[dict[str, float]]
    steps: int

    def train_step(self) -> dict[str, float]:
        """One step; the losses by name."""

    def measure(self) -> dict[str, float]:
        """Measure on held-out clips, and keep the weights if they are the best so far."""

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()`` of another run."""


def claim_folder(folder: Path, checkpoint: Path, facts: Mapping[str, object], *, made: str) -> None:
    """Make the folder of a model to be, or make sure that what is in it is this run.

    Args:
        folder: of the model.
        checkpoint: in the work folder below it.
        facts: what the run is: the same facts go on from its checkpoint.
        made: name of the file that tells that a model is there.

    Raises:
        TrainingError: it is something else.
    """
    work = checkpoint.parent
    if (folder / made).exists():
        raise TrainingError(f"{folder} already holds a model: give another --out folder")
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{folder} is a file: give another --out folder")
    if folder.exists() and not work.exists() and any(folder.iterdir()):
        raise TrainingError(f"{folder} holds other files: give an empty --out folder")
    work.mkdir(parents=True, exist_ok=True)
    note = work / "run.json"
    if checkpoint.exists() and json.loads(note.read_text()) != facts:
        raise TrainingError(
            f"{folder} holds an unfinished run of other captions, settings or starting "
            f"model: start that one again, or delete {work}"
        )
    note.write_text(json.dumps(facts))


def readable_captions(
    captions: Captions, readable: Sequence[int], failures: Mapping[int, str]
) -> Captions:
    """What is left of captions when their clips were decoded.

    Args:
        captions: all.
        readable: places of clips that could be read, ascending.
        failures: why the others could not, by place.
    """
    clips = captions.clips
    problems = list(captions.problems)
    for place, reason in failures.items():
        said = f"{clips[place].path}: {reason}"
        problems += [CaptionProblem(line, said) for line in clips[place].lines]
    problems.sort(key=lambda problem: problem.line)
    return Captions(captions.file, tuple(clips[place] for place in readable), tuple(problems))


def count_videos(clips: Sequence[CaptionedClip], places: Sequence[int]) -> int:
    """How many videos some of the clips are of."""
    return len({clips[place].path for place in places})


def train_to_end(
    trainer: Trainer,
    checkpoint: Path,
    *,
    device: torch.device,
    on_progress: OnProgress,
    should_stop: Callable[[], bool],
) -> bool:
    """Train from the checkpoint, or the beginning, to the end.

    Returns:
        False if it was stopped, and kept as far as it got.
    """
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        trainer.restore(state)
        logger.info("going on at step %d of %d", trainer.step, trainer.steps)
    every = max(1, trainer.steps // EVALUATIONS)
    saved, begun, first = time.monotonic(), time.monotonic(), trainer.step
    while True:
        last = trainer.history[-1]["step"] if trainer.history else -1
        is_due = trainer.step % every == 0 or trainer.step == trainer.steps
        if is_due and last != trainer.step:
            figures = trainer.measure()
            draw_curves(trainer.losses, trainer.history, checkpoint.parent / "curves.png")
            on_progress(_progress(trainer, begun, first, figures))
        if trainer.step >= trainer.steps:
            save_checkpoint(trainer.state(), checkpoint)
            return True
        stopped = should_stop()
        if stopped or time.monotonic() - saved >= CHECKPOINT_SECONDS:
            saved = time.monotonic()
            save_checkpoint(trainer.state(), checkpoint)
        if stopped:
            return False
        trainer.train_step()
        on_progress(_progress(trainer, begun, first, None))


def _progress(
    trainer: Trainer, begun: float, first: int, figures: dict[str, float] | None
) -> TrainingProgress:
    done = trainer.step - first
    rate = (time.monotonic() - begun) / done if done else None
    return TrainingProgress(
        "training",
        trainer.step,
        trainer.steps,
        None if rate is None else rate * (trainer.steps - trainer.step),
        trainer.losses[-1]["contrast"] if trainer.losses else None,
        figures,
    )


def write_report(report: TrainingReport, work: Path) -> None:
    """Leave the report in the work folder."""
    facts: dict[str, Any] = asdict(report)
    facts["folder"] = str(report.folder)
    (work / "report.json").write_text(json.dumps(facts, indent=2) + "\n")
