"""Train a re-ranking head for a third-party model on a user's captioned clips; towers are frozen.

    report = train_head(Path("captions.jsonl"), Path("my-head"), create_encoder("hf:..."))

The folder then has two small files and can be named wherever a model is; searches with it use the
base model's vectors. A run in progress stores its state in the subfolder `training`; the same call
continues from there.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vidseek.core.captions import (
    CaptionProblem,
    Captions,
    read_captions,
)
from vidseek.core.errors import Hint, TrainingError
from vidseek.core.job import Job
from vidseek.core.types import FrameFeatures
from vidseek.encoders.base import Encoder, VideoEncoder
from vidseek.encoders.hub.file_names import HEAD_FACTS
from vidseek.encoders.hub.xpool import write_head
from vidseek.training.optimisation import choose_device
from vidseek.training.user.clip_frames import FrameRecipe, KeptFrames, collect_frames
from vidseek.training.user.held_out import check_enough, hold_out
from vidseek.training.user.report import TrainingReport, exporting
from vidseek.training.user.resumable_run import (
    Outcome,
    RunFolder,
    make_report,
    readable_captions,
    train_to_end,
)
from vidseek.training.user.xpool import (
    VectorClips,
    XPoolSettings,
    XPoolTrainer,
    measure_head,
    measure_pooling,
    trained_weights,
)

FRAMES_PER_CLIP = 12
"""As in the X-Pool paper."""


def train_head(
    captions_file: Path,
    folder: Path,
    encoder: Encoder,
    *,
    settings: XPoolSettings | None = None,
    device: torch.device | None = None,
    job: Job | None = None,
) -> TrainingReport:
    """Train, or continue training, and write a head if it finds held-out clips better.

    It must be better than the mean of the frames, which a plain search compares, better than the
    frames weighted by the words without training, and better than the untrained head.

    Args:
        captions_file: see ``read_captions``.
        folder: where the head goes; made if missing.
        encoder: the base model.
        settings: training settings.
        device: where the head is trained; by default a GPU if there is one.
        job: receives ``TrainingProgress``. A cancelled run ends with a report that says so, and the
            same call continues it.

    Raises:
        PathNotFoundError: the file does not exist.
        TrainingError: the model encodes clips as a whole, too few captions are usable, or the
            folder is in use.
        EncoderError: the model cannot be used.
    """
    if isinstance(encoder, VideoEncoder):
        raise TrainingError(
            f"{encoder.spec.source} is a video model: it already encodes the frames of a clip "
            "together, which a re-ranking head over single frames would undo",
            hint=Hint("train_image_model"),
        )
    started = time.monotonic()
    captions = read_captions(captions_file)
    check_enough(captions)
    run = _Run(captions, RunFolder(folder), encoder, settings or XPoolSettings())
    return run.execute(started, device or choose_device(), job or Job())


class _Run:
    """The state of one call of ``train_head``."""

    def __init__(
        self, captions: Captions, files: RunFolder, encoder: Encoder, settings: XPoolSettings
    ) -> None:
        self.captions, self.files, self.encoder = captions, files, encoder
        self.settings = settings
        self.identity = f"{captions.digest} {encoder.spec.fingerprint}"
        self.problems: tuple[CaptionProblem, ...] = captions.problems
        self.recipe = _recipe(encoder)
        files.claim({"identity": self.identity, **asdict(settings)}, made=HEAD_FACTS)

    def execute(self, started: float, device: torch.device, job: Job) -> TrainingReport:
        kept = collect_frames(
            self.captions.clips, self.recipe, self.files.work, identity=self.identity, job=job
        )
        base = self.encoder.spec.source
        if kept is None:
            return self._report(started, None, Outcome({}, interrupted=True, base=base))
        data = self._split(kept)
        mean, pooled = measure_pooling(data)
        trainer = XPoolTrainer(self.settings, data, device=device)
        if not train_to_end(trainer, self.files.checkpoint, device=device, job=job):
            outcome = Outcome(mean, interrupted=True, base=base, pooled=pooled)
            return self._report(started, trainer, outcome)
        job.report(exporting(0))
        written = self._write(trainer, mean, pooled)
        fingerprint = None if written is None else self.encoder.spec.fingerprint
        outcome = Outcome(mean, written, fingerprint, base=base, pooled=pooled)
        report = self._report(started, trainer, outcome)
        self.files.finish(report, frames=self.recipe.files)
        job.report(exporting(1))
        return report

    def _report(
        self, started: float, trainer: XPoolTrainer | None, outcome: Outcome
    ) -> TrainingReport:
        return make_report(self.files.folder, outcome, trainer, self.problems, started=started)

    def _split(self, kept: KeptFrames) -> VectorClips:
        """The readable clips, their caption vectors, and which clips are held out."""
        readable = sorted(kept.frames)
        left = readable_captions(self.captions, readable, kept.failures)
        self.problems = left.problems
        check_enough(left)
        train, held_out = hold_out(left.clips, seed=self.settings.seed)
        frames = [np.array(kept.values[kept.frames[place]]) for place in readable]
        seconds = [kept.seconds[kept.frames[place]].astype(np.float64) for place in readable]
        means = [
            self.encoder.encode_clips(_features(some), times, [slice(0, len(some))])[0]
            for some, times in zip(frames, seconds, strict=True)
        ]
        sentences = [self.encoder.encode_text(clip.captions) for clip in left.clips]
        return VectorClips(left.clips, frames, np.stack(means), sentences, train, held_out)

    def _write(
        self, trainer: XPoolTrainer, mean: dict[str, float], pooled: dict[str, float]
    ) -> dict[str, float] | None:
        """Write the best head if it is better than both untrained ways; returns its figures."""
        if not trainer.best:
            return None
        weights = trained_weights(trainer.best)
        measured = measure_head(weights, trainer.data)
        rank = "mean_reciprocal_rank"
        if measured.figures[rank] <= max(mean[rank], pooled[rank]):
            return None
        write_head(
            self.files.folder,
            weights,
            base=self.encoder.spec,
            scale=measured.scale,
            offset=measured.offset,
        )
        return measured.figures


def _recipe(encoder: Encoder) -> FrameRecipe:
    """One vector per frame, of frames as indexing sees them."""
    spec = encoder.spec

    def compute(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return encoder.encode_frames(pictures).vectors

    return FrameRecipe(
        "vectors",
        limit=FRAMES_PER_CLIP,
        short_side=spec.image_size,
        shape=(spec.dimension,),
        dtype=np.float32,
        prepare=np.copy,
        compute=compute,
    )


def _features(vectors: NDArray[np.float32]) -> FrameFeatures:
    return FrameFeatures(vectors, np.empty((len(vectors), 0, 0), np.float32))
