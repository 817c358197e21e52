"""Fine-tune the model on captioned clips of one's own: what `vidseek train` does, from Python.

    report = vidseek.train_on_captions("captions.jsonl", "my-model")
    if report.improved:
        vidseek.open("library", encoder=str(report.folder)).index("footage")

Of a model of others the towers stay as they are, and a head that re-ranks is trained:

    report = vidseek.train_on_captions("captions.jsonl", "my-head", start="/models/clip-base")

Needs the extra ``train``; nothing else of vidseek does.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from vidseek.core.captions import CaptionProblem
from vidseek.core.errors import Hint, TrainingError
from vidseek.core.job import Job
from vidseek.core.paths import AnyPath, absolute_path
from vidseek.training.user.report import TrainingProgress, TrainingReport

__all__ = ["CaptionProblem", "TrainingProgress", "TrainingReport", "train_on_captions"]

PACKAGES = ("torch", "transformers", "onnx", "matplotlib", "pyarrow", "safetensors")


def train_on_captions(
    captions: AnyPath,
    out: AnyPath,
    *,
    start: str = "builtin",
    epochs: int | None = None,
    seed: int = 1,
    confirm_download: Callable[[str, int], bool] | None = None,
    job: Job | None = None,
) -> TrainingReport:
    """Fine-tune a model, and write it if it finds held-out videos better than before.

    About 15 % of the videos are held out to measure with. A run that was stopped goes on from there
    when it is called again. Nothing is written over: ``out`` is new, empty, or of the same run.

    Args:
        captions: JSON lines of ``path``, ``caption`` and maybe ``start_seconds``, ``end_seconds``.
        out: folder for the model, to be given as ``encoder`` afterwards.
        start: ``"builtin"``, the folder of a model that was fine-tuned before, or a model of
            others, for which a head is trained: ``hf:ORG/NAME``, a folder, a short name.
        epochs: how often every clip is seen; None for 10, and for 50 of a head.
        seed: the same seed, captions and machine give the same model.
        confirm_download: asked with a repository and a size in bytes before a model of others is
            downloaded; without it nothing is.
        job: told of clips and steps as ``TrainingProgress``; if cancelled between them, the run
            ends with a report, and the same call continues it.

    Raises:
        PathNotFoundError: there is no such file of captions.
        TrainingError: packages are missing, too little is left of the captions, ``out`` is in use.
        EncoderError: there is no model to start from, or it is damaged.
    """
    if epochs is not None and epochs < 1:
        raise TrainingError(f"at least 1 epoch is needed, got {epochs}")
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise TrainingError(
            f"training needs the packages {', '.join(missing)}",
            hint=Hint("install_extra", {"extra": "train"}),
        )
    from vidseek.encoders.manifest import WEIGHTS_FOLDER
    from vidseek.encoders.model_ref import ModelRef
    from vidseek.encoders.registry import create_encoder

    ref = ModelRef.parse(start)
    if ref.kind == "unknown":
        raise ref.not_found()
    if ref.kind == "head":
        raise TrainingError(
            f"{start} is a re-ranking head, not a model: train another head from its base model, "
            f"which {Path(start) / 'xpool.json'} names"
        )
    if ref.kind == "third-party":
        from vidseek.training.user.train_head import train_head
        from vidseek.training.user.xpool import XPoolSettings

        return train_head(
            absolute_path(captions),
            absolute_path(out),
            create_encoder(start, confirm_download=confirm_download),
            settings=XPoolSettings(seed=seed, epochs=epochs or XPoolSettings.epochs),
            job=job,
        )
    from vidseek.training.user.clip_trainer import ClipTrainerSettings
    from vidseek.training.user.fine_tune import fine_tune

    return fine_tune(
        absolute_path(captions),
        absolute_path(out),
        start=ref.folder or WEIGHTS_FOLDER,
        settings=ClipTrainerSettings(seed=seed, epochs=epochs or ClipTrainerSettings.epochs),
        job=job,
    )
