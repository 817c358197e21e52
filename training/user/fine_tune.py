"""Fine-tuning of the built-in model on a user's captioned clips, from captions to a usable model.

    report = fine_tune(Path("captions.jsonl"), Path("my-model"))

The folder is then a complete model, usable wherever a model is named. A run in progress stores its
state in the subfolder `training`; the same call continues from there.
"""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vidseek.core.captions import (
    Captions,
    read_captions,
)
from vidseek.core.job import Job
from vidseek.core.types import FrameFeatures
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import (
    FILES,
    MANIFEST_NAME,
    WEIGHTS_FOLDER,
    Manifest,
    read_manifest,
    write_manifest,
)
from vidseek.training.metrics import mean_reciprocal_rank, ranks
from vidseek.training.networks.export import export_vision
from vidseek.training.networks.restore import restore_temporal, restore_vision
from vidseek.training.networks.temporal import Temporal
from vidseek.training.optimisation import choose_device
from vidseek.training.user.clip_maps import FILES as MAP_FILES
from vidseek.training.user.clip_maps import ClipMaps, TrainingClips, collect_maps
from vidseek.training.user.clip_measures import ClipMeasures, measure_clips
from vidseek.training.user.clip_trainer import ClipTrainer, ClipTrainerSettings
from vidseek.training.user.held_out import check_enough, hold_out
from vidseek.training.user.report import TrainingReport, exporting
from vidseek.training.user.resumable_run import (
    Outcome,
    RunFolder,
    make_report,
    readable_captions,
    train_to_end,
)

logger = logging.getLogger(__name__)

RERANK_DEPTH = 20
RERANK_QUERIES = 100
CONFIDENCE_DRIFT = 0.05
"""Largest change of the mean score of right clips, and of the best wrong clips, with which the
starting model's calibration still applies (the two means are 0.3 apart)."""


def fine_tune(
    captions_file: Path,
    folder: Path,
    *,
    start: Path = WEIGHTS_FOLDER,
    settings: ClipTrainerSettings | None = None,
    device: torch.device | None = None,
    job: Job | None = None,
) -> TrainingReport:
    """Train, or continue training, and write a model if it is better on held-out videos.

    Args:
        captions_file: see ``read_captions``.
        folder: where the model goes; made if missing.
        start: folder of the model to start from.
        settings: training settings.
        device: where to compute; by default a GPU if there is one.
        job: receives ``TrainingProgress``. A cancelled run ends with a report that says so, and the
            same call continues it.

    Raises:
        PathNotFoundError: the file does not exist.
        TrainingError: too few captions are usable, or the folder is in use.
        WeightsError: the starting model is damaged or of another version.
    """
    started = time.monotonic()
    settings = settings or ClipTrainerSettings()
    captions = read_captions(captions_file)
    check_enough(captions)
    run = _Run(captions, RunFolder(folder), read_manifest(start), settings)
    return run.execute(started, device or choose_device(), job or Job())


class _Run:
    """The state of one call of ``fine_tune``."""

    def __init__(
        self, captions: Captions, files: RunFolder, start: Manifest, settings: ClipTrainerSettings
    ) -> None:
        self.captions, self.files, self.start, self.settings = captions, files, start, settings
        self.identity = f"{captions.digest} {start.parts['vision'].sha256[:16]}"
        self.problems = captions.problems
        files.claim({"identity": self.identity, **asdict(settings)}, made=MANIFEST_NAME)

    def execute(self, started: float, device: torch.device, job: Job) -> TrainingReport:
        vision = restore_vision(self.start.read("vision")).to(device)
        temporal = restore_temporal(self.start.read("temporal"))
        maps = collect_maps(
            self.captions.clips, vision, self.files.work, identity=self.identity, job=job
        )
        if maps is None:
            return self._report(started, None, Outcome({}, interrupted=True))
        data = self._split(maps)
        trainer = ClipTrainer(self.settings, vision, temporal, data, device=device)
        ended = train_to_end(trainer, self.files.checkpoint, device=device, job=job)
        before = {name: value for name, value in trainer.history[0].items() if name != "step"}
        if not ended:
            return self._report(started, trainer, Outcome(before, interrupted=True))
        job.report(exporting(0))
        manifest, after = self._export(trainer, temporal, data, device)
        fingerprint = None if manifest is None else manifest.spec.fingerprint
        outcome = Outcome(before, None if after is None else after.figures, fingerprint)
        report = self._report(started, trainer, outcome)
        self.files.finish(report, frames=MAP_FILES)
        job.report(exporting(1))
        return report

    def _report(
        self, started: float, trainer: ClipTrainer | None, outcome: Outcome
    ) -> TrainingReport:
        return make_report(self.files.folder, outcome, trainer, self.problems, started=started)

    def _split(self, maps: ClipMaps) -> TrainingClips:
        """The readable clips, their caption vectors, and which clips are held out."""
        readable = sorted(maps.frames)
        left = readable_captions(self.captions, readable, maps.failures)
        self.problems = left.problems
        check_enough(left)
        train, held_out = hold_out(left.clips, seed=self.settings.seed)
        encoder = BuiltinEncoder(self.start.folder)
        sentences = [encoder.encode_text(clip.captions) for clip in left.clips]
        frames = {place: maps.frames[old] for place, old in enumerate(readable)}
        kept = ClipMaps(maps.fine, maps.seconds, frames, {})
        return TrainingClips(left.clips, kept, train, held_out, sentences)

    def _export(
        self, trainer: ClipTrainer, temporal: Temporal, data: TrainingClips, device: torch.device
    ) -> tuple[Manifest | None, ClipMeasures | None]:
        """Write the best weights if they are still better after rounding to int8."""
        if not trainer.best:
            return None, None
        before = measure_clips(trainer.start, temporal, data)
        trainer.vision.load_state_dict(trainer.best)
        file = self.files.work / "vision.onnx"
        export_vision(trainer.vision.float().cpu(), file)
        # Rounding to int8 may cancel a small gain.
        written = restore_vision(file.read_bytes()).to(device)
        after = measure_clips(written, temporal, data)
        if after.figures["mean_reciprocal_rank"] <= before.figures["mean_reciprocal_rank"]:
            file.unlink()
            return None, after
        for part, known in self.start.parts.items():
            if part != "vision":
                shutil.copyfile(self.start.folder / known.file, self.files.folder / FILES[part])
        file.replace(self.files.folder / "vision.onnx")
        revision = f"{self.start.spec.revision}-{self.captions.digest}"
        spec = self.start.spec.to_document()
        del spec["vision_hash"]
        spec |= {"name": "fine-tuned", "revision": revision}
        if not _is_calibrated_still(before, after):
            spec |= {"confidence_scale": None, "confidence_bias": None}
        revisions = {part: known.revision for part, known in self.start.parts.items()}
        manifest = write_manifest(
            self.files.folder,
            spec=spec,
            revisions=revisions | {"vision": revision},
            rerank=self.start.rerank and self._reranking_helps(after, data),
        )
        return manifest, after

    def _reranking_helps(self, after: ClipMeasures, data: TrainingClips) -> bool:
        """Whether re-ranking, trained on the starting model's tokens, still does no harm."""
        encoder = BuiltinEncoder(self.start.folder)
        features = [
            FrameFeatures(output.vectors.cpu().numpy(), output.tokens.cpu().numpy())
            for output in after.outputs
        ]
        captions = [caption for p in data.held_out for caption in data.clips[p].captions]
        random = np.random.default_rng([self.settings.seed, 23])
        chosen = random.permutation(len(captions))[:RERANK_QUERIES]
        scores = after.scores[chosen].copy()
        for row, query in zip(scores, chosen, strict=True):
            best = np.argsort(-row)[:RERANK_DEPTH]
            best = best[row[best] > -1.0]
            row[best] = encoder.cross_modal_scores(
                captions[query], [features[place] for place in best], row[best]
            )
        truth = after.truth[chosen]
        plain = ranks(after.scores[chosen], truth)
        return mean_reciprocal_rank(ranks(scores, truth)) >= mean_reciprocal_rank(plain)


def _is_calibrated_still(before: ClipMeasures, after: ClipMeasures) -> bool:
    """Whether right and wrong clips score about as before."""

    def typical(measures: ClipMeasures) -> NDArray[np.float64]:
        rows = np.arange(len(measures.truth))
        wrong = measures.scores.copy()
        wrong[rows, measures.truth] = -1.0
        right = measures.scores[rows, measures.truth]
        return np.array([right.mean(), wrong.max(axis=1).mean()], np.float64)

    return bool(np.abs(typical(after) - typical(before)).max() <= CONFIDENCE_DRIFT)
