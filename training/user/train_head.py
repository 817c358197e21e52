"""A head for a model of others, trained on a user's captioned clips; the towers stay as they are.

    report = train_head(Path("captions.jsonl"), Path("my-head"), create_encoder("hf:..."))

The folder is a model of its own afterwards, of two small files: `vidseek search --model my-head`
uses the original's vectors. What a run in progress needs is kept in its folder `training`; the same
call goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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
from vidseek.core.errors import TrainingError
from vidseek.core.types import FrameFeatures
from vidseek.encoders.base import Encoder, VideoEncoder
from vidseek.encoders.hub.xpool import FACTS, write_head
from vidseek.training.user.clip_frames import FrameRecipe, KeptFrames, collect_frames
from vidseek.training.user.clip_trainer import choose_device
from vidseek.training.user.held_out import check_enough, hold_out
from vidseek.training.user.report import OnProgress, TrainingProgress, TrainingReport
from vidseek.training.user.resumable_run import (
    WORK_FOLDER,
    claim_folder,
    count_videos,
    readable_captions,
    train_to_end,
    write_report,
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
"""As in X-Pool."""


def train_head(
    captions_file: Path,
    folder: Path,
    encoder: Encoder,
    *,
    settings: XPoolSettings | None = None,
    seed: int = 1,
    device: torch.device | None = None,
    on_progress: OnProgress = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainingReport:
    """Train, or go on training, and write a head if it finds held-out clips better.

    Better than the mean of the frames, which is what a search compares, than the frames weighted by
    the words without training, and than the head before it learned anything.

    Args:
        captions_file: see ``read_captions``.
        folder: where the head goes, made if missing.
        encoder: the model.
        settings: of the training.
        seed: of the split, the batches and all that is random.
        device: where the head learns; a GPU if there is one.
        on_progress: called now and then, from this thread.
        should_stop: asked between clips and steps; True ends the run, kept as far as it got.

    Raises:
        PathNotFoundError: there is no such file.
        TrainingError: the model sees clips as a whole, too little is left of the captions, or the
            folder is in use.
        EncoderError: the model cannot be used.
    """
    if isinstance(encoder, VideoEncoder):
        raise TrainingError(
            f"{encoder.spec.revision} is a video model: it sees the frames of a clip together "
            "already, and a head that weighs them would take that away. Train a head on a model of "
            "pictures, such as clip-base (`vidseek models`)"
        )
    started = time.monotonic()
    captions = read_captions(captions_file)
    check_enough(captions)
    run = _Run(
        captions, folder, encoder, settings or XPoolSettings(), seed, device or choose_device()
    )
    return run.execute(started, on_progress, should_stop)


class _Run:
    """One call of ``train_head``: its files and what it has found out."""

    def __init__(
        self,
        captions: Captions,
        folder: Path,
        encoder: Encoder,
        settings: XPoolSettings,
        seed: int,
        device: torch.device,
    ) -> None:
        self.captions, self.folder, self.encoder = captions, folder, encoder
        self.settings, self.seed, self.device = settings, seed, device
        self.work = folder / WORK_FOLDER
        self.checkpoint = self.work / "checkpoint.pt"
        self.identity = f"{captions.digest} {encoder.spec.fingerprint}"
        self.problems: tuple[CaptionProblem, ...] = captions.problems
        self.recipe = _recipe(encoder)
        facts = {"identity": self.identity, "seed": seed, **asdict(settings)}
        claim_folder(folder, self.checkpoint, facts, made=FACTS)

    def execute(
        self, started: float, on_progress: OnProgress, should_stop: Callable[[], bool]
    ) -> TrainingReport:
        kept = collect_frames(
            self.captions.clips,
            self.recipe,
            self.work,
            identity=self.identity,
            on_progress=on_progress,
            should_stop=should_stop,
        )
        if kept is None:
            return self._report(started, None, {}, {}, None, interrupted=True)
        data = self._split(kept)
        mean, pooled = measure_pooling(data)
        trainer = XPoolTrainer(self.settings, data, seed=self.seed, device=self.device)
        if not train_to_end(
            trainer,
            self.checkpoint,
            device=self.device,
            on_progress=on_progress,
            should_stop=should_stop,
        ):
            return self._report(started, trainer, mean, pooled, None, interrupted=True)
        on_progress(TrainingProgress("exporting", 0, 1))
        written = self._write(trainer, mean, pooled)
        report = self._report(started, trainer, mean, pooled, written)
        self._tidy(report)
        on_progress(TrainingProgress("exporting", 1, 1, 0.0))
        return report

    def _split(self, kept: KeptFrames) -> VectorClips:
        """Clips that could be read, their captions' vectors, and which are held out."""
        readable = sorted(kept.frames)
        left = readable_captions(self.captions, readable, kept.failures)
        self.problems = left.problems
        check_enough(left)
        train, held_out = hold_out(left.clips, seed=self.seed)
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
        """Write the best head if it is better than what needs no training; its figures."""
        if not trainer.best:
            return None
        weights = trained_weights(trainer.best)
        measured = measure_head(weights, trainer.data)
        rank = "mean_reciprocal_rank"
        if measured.figures[rank] <= max(mean[rank], pooled[rank]):
            return None
        write_head(
            self.folder,
            weights,
            base=self.encoder.spec,
            scale=measured.scale,
            offset=measured.offset,
        )
        return measured.figures

    def _report(
        self,
        started: float,
        trainer: XPoolTrainer | None,
        mean: dict[str, float],
        pooled: dict[str, float],
        written: dict[str, float] | None,
        *,
        interrupted: bool = False,
    ) -> TrainingReport:
        data = None if trainer is None else trainer.data
        history = [] if trainer is None else trainer.history
        figures = [{k: v for k, v in row.items() if k != "step"} for row in history]
        best = max(figures, key=lambda row: row["mean_reciprocal_rank"], default={})
        return TrainingReport(
            folder=self.folder,
            improved=written is not None,
            interrupted=interrupted,
            videos=0 if data is None else count_videos(data.clips, data.train),
            held_out_videos=0 if data is None else count_videos(data.clips, data.held_out),
            clips=0 if data is None else len(data.train),
            problems=self.problems,
            before=mean,
            after=best if written is None else written,
            steps=0 if trainer is None else trainer.step,
            best_step=0 if trainer is None else trainer.best_step,
            seconds=time.monotonic() - started,
            fingerprint=None if written is None else self.encoder.spec.fingerprint,
            base=self.encoder.spec.revision,
            pooled=pooled,
        )

    def _tidy(self, report: TrainingReport) -> None:
        """Leave the curves and the report; vectors stay where another attempt may want them."""
        write_report(report, self.work)
        self.checkpoint.unlink(missing_ok=True)
        if report.improved:
            for name in self.recipe.files:
                (self.work / name).unlink(missing_ok=True)


def _recipe(encoder: Encoder) -> FrameRecipe:
    """A vector a frame, of frames as an index run sees them."""
    spec = encoder.spec

    def compute(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return encoder.encode_frames(pictures).vectors

    return FrameRecipe(
        "vectors",
        most=FRAMES_PER_CLIP,
        short_side=spec.image_size,
        shape=(spec.dimension,),
        dtype=np.float32,
        prepare=np.copy,
        compute=compute,
    )


def _features(vectors: NDArray[np.float32]) -> FrameFeatures:
    return FrameFeatures(vectors, np.empty((len(vectors), 0, 0), np.float32))
