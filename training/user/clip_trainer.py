"""Training steps of the built-in model on a user's captioned clips.

trainer = ClipTrainer(settings, vision, temporal, clips, device=choose_device())
while trainer.step < trainer.steps:
    trainer.train_step()

The visual encoder above the fine map learns by InfoNCE. The text encoder stays frozen, so that
words that no caption uses keep their meaning. A second loss keeps frame vectors and tokens near
those of the starting model on the same frames, so that a few clips do not erase its knowledge.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vidseek.training.networks.stem import FINE_SIDE
from vidseek.training.networks.temporal import Temporal
from vidseek.training.networks.vision import FrameOutput, Vision
from vidseek.training.optimisation import has_bfloat16, parameter_groups, symmetric_infonce
from vidseek.training.padding import pad_items
from vidseek.training.stem_maps import load_maps
from vidseek.training.user.clip_maps import TrainingClips
from vidseek.training.user.clip_measures import measure_clips
from vidseek.training.user.epoch_trainer import EpochSettings, EpochTrainer
from vidseek.training.user.retrieval_figures import overlap

SCALE = 20.0
"""Factor on cosines before the softmax."""
SAME_MEANING = 0.85
"""Captions with a higher cosine say the same thing, so they are not negatives of each other."""


@dataclass(frozen=True)
class ClipTrainerSettings(EpochSettings):
    """Settings of fine-tuning. The learning rates are a tenth of those that made the model."""

    epochs: int = 10
    batch: int = 24
    frames: int = 2
    """Frames of each clip, drawn afresh at every step."""
    stem_learning_rate: float = 2e-5
    learning_rate: float = 1e-4
    stem_weight_decay: float = 0.02
    weight_decay: float = 0.05
    smallest_crop: int = 13
    """Smallest side of the random crops of the map, in cells of 17."""
    keep_cells: float = 0.8
    """Share of the cells that the Transformer sees in training."""
    keep_loss: float = 2.0
    """Weight of the loss that keeps the model near the starting model."""


class ClipTrainer(EpochTrainer):
    """Fine-tunes the visual encoder above the fine map."""

    data: TrainingClips
    module_name = "vision"
    order_salt = 21

    def __init__(
        self,
        settings: ClipTrainerSettings,
        vision: Vision,
        temporal: Temporal,
        data: TrainingClips,
        *,
        device: torch.device,
    ) -> None:
        self.settings, self.device = settings, device
        self.start = copy.deepcopy(vision).eval().requires_grad_(False).to(device)
        self.vision = vision.to(device)
        self.temporal = temporal.eval().requires_grad_(False).to(device)
        self.bfloat16 = has_bfloat16(device)
        super().__init__(self.vision, self._make_optimizer(), settings, data)

    def _make_optimizer(self) -> torch.optim.AdamW:
        options, vision = self.settings, self.vision
        vision.stem.requires_grad_(False)
        stem_ids = {id(parameter) for parameter in vision.stem.parameters()}
        stem = [p for module in vision.trained_modules() for p in module.parameters()]
        for parameter in stem:
            parameter.requires_grad_(True)
        above = [p for p in vision.parameters() if id(p) not in stem_ids]
        groups = parameter_groups(
            stem, peak=options.stem_learning_rate, weight_decay=options.stem_weight_decay
        )
        groups += parameter_groups(
            above, peak=options.learning_rate, weight_decay=options.weight_decay
        )
        return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def loss(self) -> tuple[Tensor, dict[str, float]]:
        """The loss of this step, and its parts by name."""
        options = self.settings
        random = np.random.default_rng([options.seed, 22, self.step])
        places = self.batch_positions()
        side = int(random.integers(options.smallest_crop, FINE_SIDE + 1))
        maps, seconds, counts = [], [], []
        for place in places:
            rows = self.data.maps.frames[place]
            count = rows.stop - rows.start
            chosen = np.sort(random.permutation(count)[: options.frames]) + rows.start
            top, left = random.integers(0, FINE_SIDE - side + 1, 2)
            crop = self.data.maps.fine[chosen, top : top + side, left : left + side]
            maps.append(crop[:, :, ::-1] if random.random() < 0.5 else crop)
            seconds.append(self.data.maps.seconds[chosen] - self.data.maps.seconds[chosen[0]])
            counts.append(len(chosen))
        texts = np.stack(
            [self.data.sentences[p][random.integers(len(self.data.sentences[p]))] for p in places]
        )
        fine = load_maps(np.concatenate(maps)).to(self.device)
        with torch.no_grad(), self._autocast():
            before = self.start(fine)
        with self._autocast():
            output = self.vision(fine, keep_cells=options.keep_cells)
        clips = self._clips(output.vectors.float(), seconds, counts)
        contrast = self._contrast(clips, torch.from_numpy(texts).to(self.device), places)
        keep = _distance(output, before)
        values = {"contrast": float(contrast.detach()), "keep": float(keep.detach())}
        return contrast + options.keep_loss * keep, values

    def _clips(
        self, vectors: Tensor, seconds: list[NDArray[np.float32]], counts: list[int]
    ) -> Tensor:
        """(B, D) clip vectors from the (N, D) vectors of all their frames."""
        padded = nn.utils.rnn.pad_sequence(list(torch.split(vectors, counts)), batch_first=True)
        times, mask = pad_items(seconds)
        clips: Tensor = self.temporal(padded, times.to(self.device), mask.to(self.device))
        return clips

    def _contrast(self, clips: Tensor, texts: Tensor, places: list[int]) -> Tensor:
        """Symmetric InfoNCE; pairs that say or show the same thing are not negatives."""
        same = texts @ texts.T > SAME_MEANING
        for row, first in enumerate(places):
            for column, second in enumerate(places):
                same[row, column] |= overlap(self.data.clips[first], self.data.clips[second])
        same.fill_diagonal_(False)
        logits = (SCALE * clips @ texts.T).masked_fill(same, -1e4)
        return symmetric_infonce(logits)

    def held_out_figures(self) -> dict[str, float]:
        """Measure how well held-out captions find their clips."""
        return measure_clips(self.vision, self.temporal, self.data).figures


def _distance(output: FrameOutput, before: FrameOutput) -> Tensor:
    """Mean distance (1 - cosine) of frame vectors and tokens from the starting model's."""
    vectors = 1.0 - (output.vectors.float() * before.vectors.float()).sum(-1)
    tokens = 1.0 - functional.cosine_similarity(output.tokens, before.tokens, dim=-1)
    return vectors.mean() + 0.5 * tokens.mean()
