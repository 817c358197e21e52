"""Training steps of the built-in model on a user's captioned clips.

trainer = ClipTrainer(settings, vision, temporal, clips, seed=1, device=choose_device())
while trainer.step < trainer.steps:
    trainer.train_step()

The visual encoder above the fine map learns by InfoNCE; the text encoder stays as it is, so that
words that no caption uses keep their meaning. A second loss holds frame vectors and tokens near
those of the starting model on the same frames: a few clips must not cost what it knew. Every step
draws its randomness from the seed and its own number, so that a resumed run equals an uninterrupted
one.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vidseek.core.captions import CaptionedClip
from vidseek.training.metrics import ranks, recall
from vidseek.training.networks.stem import FINE_SIDE
from vidseek.training.networks.temporal import Temporal
from vidseek.training.networks.vision import FrameOutput, Vision
from vidseek.training.optimisation import parameter_groups, rate_factor, set_rate
from vidseek.training.padding import pad_items
from vidseek.training.stem_maps import load_maps
from vidseek.training.user.clip_maps import ClipMaps

SCALE = 20.0
"""Of cosines before the softmax."""
SAME = 0.85
"""Captions whose vectors are nearer than this say the same: neither is the other's negative."""


@dataclass(frozen=True)
class ClipTrainerSettings:
    """How clips are trained on. The rates are a tenth of those that made the model."""

    epochs: int = 10
    batch: int = 24
    """Clips of a step."""
    frames: int = 2
    """Frames of each, drawn anew every time."""
    stem_learning_rate: float = 2e-5
    learning_rate: float = 1e-4
    stem_weight_decay: float = 0.02
    weight_decay: float = 0.05
    warm_up: float = 0.1
    """Share of the steps."""
    smallest_crop: int = 13
    """Side of the random crops of the map, of 17 cells."""
    keep_cells: float = 0.8
    """Share of the cells that the Transformer sees while it trains."""
    keep_loss: float = 2.0
    """Weight of staying near the starting model."""
    gradient_norm: float = 1.0


@dataclass(frozen=True)
class TrainingClips:
    """Clips, the maps of their frames, and the vectors of what is said of them."""

    clips: Sequence[CaptionedClip]
    maps: ClipMaps
    train: list[int]
    """Places of the clips that are trained on."""
    held_out: list[int]
    """Places of those that are measured with; no video is in both."""
    sentences: list[NDArray[np.float32]]
    """A (C, D) float32 array of L2-normalised caption vectors a clip."""


def choose_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class ClipTrainer:
    """Model, optimiser and progress of a run."""

    def __init__(
        self,
        settings: ClipTrainerSettings,
        vision: Vision,
        temporal: Temporal,
        data: TrainingClips,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.settings, self.data, self.seed, self.device = settings, data, seed, device
        self.start = copy.deepcopy(vision).eval().requires_grad_(False).to(device)
        self.vision = vision.to(device)
        self.temporal = temporal.eval().requires_grad_(False).to(device)
        self.optimizer = self._make_optimizer()
        self.bfloat16 = _has_bfloat16(device)
        self.batches = max(1, round(len(data.train) / settings.batch))
        """Steps of an epoch."""
        self.steps = settings.epochs * self.batches
        self.step, self.seconds = 0, 0.0
        self.losses: list[dict[str, float]] = []
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        """The weights that measured best; empty while the starting ones did."""
        self.best_step = 0

    def _make_optimizer(self) -> torch.optim.AdamW:
        options, vision = self.settings, self.vision
        vision.stem.requires_grad_(False)
        own = {id(parameter) for parameter in vision.stem.parameters()}
        stem = [p for module in vision.trained_modules() for p in module.parameters()]
        for parameter in stem:
            parameter.requires_grad_(True)
        above = [p for p in vision.parameters() if id(p) not in own]
        groups = parameter_groups(
            stem, peak=options.stem_learning_rate, weight_decay=options.stem_weight_decay
        )
        groups += parameter_groups(
            above, peak=options.learning_rate, weight_decay=options.weight_decay
        )
        return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def _chosen(self) -> list[int]:
        """Places of the clips of this step: a part of the epoch's shuffled pass over all."""
        epoch, part = divmod(self.step, self.batches)
        order = np.random.default_rng([self.seed, 21, epoch]).permutation(len(self.data.train))
        return [self.data.train[i] for i in np.array_split(order, self.batches)[part]]

    def loss(self) -> tuple[Tensor, dict[str, float]]:
        """The losses of this step, together and by name."""
        options, random = self.settings, np.random.default_rng([self.seed, 22, self.step])
        places = self._chosen()
        side = int(random.integers(options.smallest_crop, FINE_SIDE + 1))
        maps, seconds, counts = [], [], []
        for place in places:
            rows = self.data.maps.frames[place]
            have = rows.stop - rows.start
            some = np.sort(random.permutation(have)[: options.frames]) + rows.start
            top, left = random.integers(0, FINE_SIDE - side + 1, 2)
            crop = self.data.maps.fine[some, top : top + side, left : left + side]
            maps.append(crop[:, :, ::-1] if random.random() < 0.5 else crop)
            seconds.append(self.data.maps.seconds[some] - self.data.maps.seconds[some[0]])
            counts.append(len(some))
        said = np.stack(
            [self.data.sentences[p][random.integers(len(self.data.sentences[p]))] for p in places]
        )
        fine = load_maps(np.concatenate(maps)).to(self.device)
        with torch.no_grad(), self._autocast():
            before = self.start(fine)
        with self._autocast():
            output = self.vision(fine, keep_cells=options.keep_cells)
        clips = self._clips(output.vectors.float(), seconds, counts)
        contrast = self._contrast(clips, torch.from_numpy(said).to(self.device), places)
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

    def _contrast(self, clips: Tensor, said: Tensor, places: list[int]) -> Tensor:
        """Symmetric InfoNCE; pairs that say or show the same are no negatives."""
        same = said @ said.T > SAME
        for row, one in enumerate(places):
            for column, other in enumerate(places):
                same[row, column] |= overlap(self.data.clips[one], self.data.clips[other])
        same.fill_diagonal_(False)
        logits = (SCALE * clips @ said.T).masked_fill(same, -1e4)
        target = torch.arange(len(clips), device=self.device)
        return 0.5 * (
            functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
        )

    def train_step(self) -> dict[str, float]:
        """One step of the optimiser; the losses by name."""
        started = time.monotonic()
        torch.manual_seed(self.seed * 1_000_003 + self.step)
        self.vision.train()
        factor = rate_factor(self.step / self.steps, warm_up=self.settings.warm_up)
        set_rate(self.optimizer, factor)
        loss, values = self.loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trained, self.settings.gradient_norm)
        self.optimizer.step()
        self.step += 1
        self.seconds += time.monotonic() - started
        self.losses.append({"step": self.step, **values})
        return values

    def measure(self) -> dict[str, float]:
        """Measure on held-out clips, and keep the weights if they are the best so far."""
        figures = measure_clips(self.vision, self.temporal, self.data).figures
        best = max((row["mean_reciprocal_rank"] for row in self.history), default=None)
        if best is not None and figures["mean_reciprocal_rank"] > best:
            self.best_step = self.step
            self.best = {
                name: values.detach().cpu().clone()
                for name, values in self.vision.state_dict().items()
            }
        self.history.append({"step": self.step, **figures})
        return figures

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {
            "vision": self.vision.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "history": self.history,
            "best": self.best,
            "best_step": self.best_step,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()`` of another run."""
        self.vision.load_state_dict(state["vision"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("step", "seconds", "losses", "history", "best", "best_step"):
            setattr(self, name, state[name])


@dataclass(frozen=True)
class ClipMeasures:
    """Held-out clips as a model sees them, and how well their captions find them."""

    figures: dict[str, float]
    """Per cent."""
    scores: NDArray[np.float32]
    """(Q, N) cosines of captions and clips; -1 where another clip has the very same caption."""
    truth: NDArray[np.intp]
    """(Q,) the clip of every caption."""
    outputs: list[FrameOutput]
    """A clip's frames each."""


@torch.inference_mode()
def measure_clips(vision: Vision, temporal: Temporal, data: TrainingClips) -> ClipMeasures:
    """Let every held-out caption look for its clip among all held-out ones."""
    vision.eval()
    vectors, outputs = [], []
    for place in data.held_out:
        rows = data.maps.frames[place]
        output = vision(load_maps(np.array(data.maps.fine[rows])).to(vision.device))
        seconds = torch.from_numpy(data.maps.seconds[rows] - data.maps.seconds[rows.start])
        mask = torch.ones(1, len(seconds), device=vision.device)
        clip = temporal(output.vectors[None], seconds[None].to(vision.device), mask)
        vectors.append(clip[0].cpu().numpy())
        outputs.append(output)
    clips = np.stack(vectors)
    queries = np.concatenate([data.sentences[place] for place in data.held_out])
    truth, same = caption_truth([data.clips[place] for place in data.held_out])
    scores = np.where(same, np.float32(-1.0), (queries @ clips.T).astype(np.float32))
    figures = retrieval_figures(scores, truth)
    return ClipMeasures(figures, scores, truth, outputs)


def caption_truth(
    clips: Sequence[CaptionedClip],
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """What every caption of some clips should find among them.

    Returns:
        (Q,) the clip of every caption, clip after clip, and (Q, N) True where another clip has the
        very same caption, and is neither right nor wrong.
    """
    said = [[caption.casefold() for caption in clip.captions] for clip in clips]
    truth = np.repeat(np.arange(len(said)), [len(captions) for captions in said])
    same = np.zeros((len(truth), len(said)), np.bool_)
    for query, caption in enumerate(caption for some in said for caption in some):
        for clip, others in enumerate(said):
            same[query, clip] = clip != truth[query] and caption in others
    return truth, same


def retrieval_figures(scores: NDArray[np.float32], truth: NDArray[np.intp]) -> dict[str, float]:
    """Recall at 1, 5 and 10 and the mean reciprocal rank in per cent, of (Q, N) scores."""
    rank = ranks(scores, truth)
    figures = {f"recall_at_{k}": recall(rank, k) for k in (1, 5, 10)}
    figures["mean_reciprocal_rank"] = float((1.0 / (1 + rank)).mean() * 100)
    return figures


def _distance(output: FrameOutput, before: FrameOutput) -> Tensor:
    """Mean distance (1 - cosine) of frame vectors, and of tokens, from those of before."""
    vectors = 1.0 - (output.vectors.float() * before.vectors.float()).sum(-1)
    tokens = 1.0 - functional.cosine_similarity(output.tokens, before.tokens, dim=-1)
    return vectors.mean() + 0.5 * tokens.mean()


def overlap(one: CaptionedClip, other: CaptionedClip) -> bool:
    """True if both show the same moment of one video."""
    if one.path != other.path:
        return False
    return one.span is None or other.span is None or one.span.overlap(other.span) > 0


def _has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 here; processors without it only imitate it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
