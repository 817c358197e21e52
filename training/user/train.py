"""Fine-tune a model on your own captioned clips: the Python form of `vidseek train`.

    report = vidseek.train_on_captions("captions.jsonl", "my-model")
    if report.improved:
        vidseek.open("library", encoder=str(report.folder)).index("footage")

A third-party model keeps its weights; a re-ranking head is trained for it:

    report = vidseek.train_on_captions("captions.jsonl", "my-head", start="/models/clip-base")

Needs the extra ``train``, as nothing else in vidseek does.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from vidseek.core import arguments
from vidseek.core.captions import CaptionProblem
from vidseek.core.errors import Hint, TrainingError
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
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

    About 15 % of the videos are held out to measure with. The same call continues a cancelled run.
    Nothing is overwritten: ``out`` must be new, empty, or the folder of the same run.

    Args:
        captions: JSON lines of ``path``, ``caption`` and, optionally, ``start_seconds`` and
            ``end_seconds``.
        out: folder for the model; pass it as ``encoder`` afterwards.
        start: ``"builtin"``, the folder of a model fine-tuned earlier, or a third-party model to
            train a head for: ``hf:ORG/NAME``, a folder, a short name.
        epochs: passes over the training clips. Default: 10, or 50 for a head.
        seed: the same seed, captions and machine give the same model.
        confirm_download: asked with a repository and a size in bytes before a third-party model is
            downloaded; without it nothing is downloaded.
        job: receives ``TrainingProgress``. A cancelled run ends with a report that says so, and the
            same call continues it.

    Raises:
        PathNotFoundError: the captions file does not exist.
        TrainingError: packages are missing, too few captions are usable, or ``out`` is in use.
        EncoderError: the model to start from does not exist or is damaged.
    """
    file, folder = arguments.path(captions, "captions"), arguments.path(out, "out")
    arguments.text(start, "start")
    arguments.function(confirm_download, "confirm_download")
    check_job(job)
    if arguments.whole_number(seed, "seed") < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    if epochs is not None and arguments.whole_number(epochs, "epochs") < 1:
        raise TrainingError(f"epochs must be at least 1, got {epochs}")
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
            file,
            folder,
            create_encoder(start, confirm_download=confirm_download),
            settings=XPoolSettings(seed=seed, epochs=epochs or XPoolSettings.epochs),
            job=job,
        )
    from vidseek.training.user.clip_trainer import ClipTrainerSettings
    from vidseek.training.user.fine_tune import fine_tune

    return fine_tune(
        file,
        folder,
        start=ref.folder or WEIGHTS_FOLDER,
        settings=ClipTrainerSettings(seed=seed, epochs=epochs or ClipTrainerSettings.epochs),
        job=job,
    )
