"""Fine-tune the model on captioned clips of one's own: what `vidseek train` does, from Python.

    report = vidseek.train_on_captions("captions.jsonl", "my-model")
    if report.improved:
        vidseek.open("library", encoder=str(report.folder)).index("footage")

Needs the extra ``train``; nothing else of vidseek does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from vidseek.encoders.training.captions import CaptionProblem
from vidseek.encoders.training.report import OnProgress, TrainingProgress, TrainingReport
from vidseek.storage.errors import TrainingError

__all__ = ["CaptionProblem", "TrainingProgress", "TrainingReport", "train_on_captions"]

AnyPath: TypeAlias = str | os.PathLike[str]

PACKAGES = ("torch", "transformers", "onnx", "matplotlib", "pyarrow", "safetensors")
INSTALL = 'pip install "vidseek[train]"'


def train_on_captions(
    captions: AnyPath,
    out: AnyPath,
    *,
    start: str = "builtin",
    epochs: int = 10,
    seed: int = 1,
    on_progress: OnProgress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainingReport:
    """Fine-tune a model, and write it if it finds held-out videos better than before.

    About 15 % of the videos are held out to measure with. A run that was stopped goes on from there
    when it is called again. Nothing is written over: ``out`` is new, empty, or of the same run.

    Args:
        captions: JSON lines of ``path``, ``caption`` and maybe ``start_seconds``, ``end_seconds``.
        out: folder for the model, to be given as ``encoder`` afterwards.
        start: ``"builtin"``, or the folder of a model that was fine-tuned before.
        epochs: how often every clip is seen.
        seed: the same seed, captions and machine give the same model.
        on_progress: called now and then, from this thread.
        should_stop: asked now and then; True ends the run, kept as far as it got.

    Raises:
        PathNotFoundError: there is no such file of captions.
        TrainingError: packages are missing, too little is left of the captions, ``out`` is in use.
        EncoderError: there is no model to start from, or it is damaged.
    """
    if epochs < 1:
        raise TrainingError(f"at least 1 epoch is needed, got {epochs}")
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise TrainingError(f"Training needs {', '.join(missing)}: {INSTALL}")
    from vidseek.encoders.registry import model_folder
    from vidseek.encoders.training.clip_trainer import ClipTrainerSettings
    from vidseek.encoders.training.fine_tune import fine_tune

    folder = model_folder(start)
    if folder is None:
        raise TrainingError(f"no model is called {start!r}: give builtin, or a model's folder")
    return fine_tune(
        _absolute(captions),
        _absolute(out),
        start=folder,
        settings=ClipTrainerSettings(epochs=epochs),
        seed=seed,
        on_progress=on_progress or (lambda progress: None),
        should_stop=should_stop or (lambda: False),
    )


def _absolute(path: AnyPath) -> Path:
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - links stay
