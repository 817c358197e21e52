"""The main stage: pictures, sentences and the words within them learn to agree.

train_towers(settings, sets, paraphrases, run=Path(".cache/runs/builtin"))

The visual encoder, then also the text encoder, learn by symmetric InfoNCE on random crops of cached
maps; the cross-modal head learns beside them, on pairs that the towers confuse. (Trained later, on
towers that know their training pictures by heart, it found nothing left to learn.) The run is
checkpointed and goes on where it stopped; every step draws its randomness from the seed and its
own number, so that a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vidseek.core.errors import WeightsError
from vidseek.encoders.manifest import read_manifest
from vidseek.training.curves import draw_curves
from vidseek.training.lab.batches import Batch, BatchMaker, PictureSet
from vidseek.training.lab.corpus import Corpus, load_text
from vidseek.training.lab.evaluation import evaluate
from vidseek.training.lab.paraphrases import Paraphrases
from vidseek.training.lab.settings import Settings, TowerSettings
from vidseek.training.networks.configuration import CrossModalConfig, VisionConfig
from vidseek.training.networks.cross_modal import CrossModal
from vidseek.training.networks.restore import (
    restore_cross_modal,
    restore_text,
    restore_vision,
)
from vidseek.training.networks.stem import FINE_BLOCKS, load_imagenet_stem
from vidseek.training.networks.text import Text
from vidseek.training.networks.vision import FrameOutput, Vision
from vidseek.training.optimisation import (
    parameter_groups,
    rate_factor,
    save_checkpoint,
    set_rate,
)

logger = logging.getLogger(__name__)

HEAD_SCALE = 25.0
"""Of the head's scores before the softmax over candidates."""
SAME = 0.85
"""Two sentences whose MiniLM vectors are nearer than this say the same: neither is the other's
negative. Class names and the captions of one picture are what this is for."""
LONGEST = 22
"""Tokens of a caption that are read in training; 19 in 20 are shorter."""
MASK_ID = 4
"""Place of [MASK] in every vocabulary of ours."""


@dataclass(frozen=True)
class Read:
    """A batch's sentences as the text encoder reads them."""

    vectors: Tensor
    """(B, 384) float32, L2-normalised."""
    hidden: Tensor
    """(B, L, 384) float32."""
    mask: Tensor
    """(B, L) float32."""
    token_ids: Tensor
    """(B, L) int64 before any was masked."""
    hidden_words: Tensor
    """(B, L) bool: which tokens were masked."""


class TowerTrainer:
    """Models, optimiser and progress of the main stage."""

    def __init__(
        self,
        settings: TowerSettings,
        *,
        seed: int,
        text: Text,
        corpus: Corpus,
        vision: Vision | None = None,
        head: CrossModal | None = None,
        device: str | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self.settings, self.seed, self.corpus = settings, seed, corpus
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.vision = Vision(VisionConfig(), load_imagenet_stem()) if vision is None else vision
        self.text, self.head = text, CrossModal(CrossModalConfig()) if head is None else head
        # Only while training: how sharp the softmax is, and guessing masked words.
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))
        aligned, said = self.head.config.aligned_size, self.head.config.text_size
        self.guess = nn.Sequential(
            nn.Linear(said + aligned, said), nn.GELU(), nn.LayerNorm(said), nn.Linear(said, said)
        )
        for module in (self.vision, self.text, self.head, self.guess):
            module.to(self.device)
        self.log_scale = nn.Parameter(self.log_scale.detach().to(self.device))
        self.vision.to(memory_format=torch.channels_last)
        self.optimizer = self._make_optimizer()
        moving = get_ema_multi_avg_fn(settings.average)  # type: ignore[no-untyped-call]
        self.averages = {
            name: AveragedModel(module, multi_avg_fn=moving)
            for name, module in self._shipped().items()
        }
        self.step, self.minutes, self.cpu_minutes = 0, 0.0, 0.0
        self.history: list[dict[str, float]] = []
        self.losses: list[dict[str, float]] = []

    def _make_optimizer(self) -> torch.optim.AdamW:
        options = self.settings
        for module in (self.vision.stem, self.text):
            for parameter in module.parameters():
                parameter.requires_grad_(False)
        stem = [p for module in self.vision.trained_modules() for p in module.parameters()]
        # The word vectors stay as they are, so that words no caption uses keep their meaning.
        layers = list(self.text.bert.encoder.parameters())
        for parameter in [*stem, *layers]:
            parameter.requires_grad_(True)
        own = {id(parameter) for parameter in self.vision.stem.parameters()}
        above = [p for p in self.vision.parameters() if id(p) not in own]
        above += [*self.head.parameters(), *self.guess.parameters(), self.log_scale]
        groups = parameter_groups(
            stem, peak=options.stem_learning_rate, weight_decay=options.stem_weight_decay
        )
        groups += parameter_groups(
            above, peak=options.learning_rate, weight_decay=options.weight_decay
        )
        groups += parameter_groups(
            layers, peak=options.text_learning_rate, weight_decay=options.stem_weight_decay
        )
        return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98))

    def _shipped(self) -> dict[str, nn.Module]:
        return {"vision": self.vision, "text": self.text, "head": self.head}

    def averaged(self) -> tuple[Vision, Text, CrossModal]:
        """The moving averages of the models, in evaluation mode: what is measured and ships."""
        for average in self.averages.values():
            average.eval()
        models = (self.averages[name].module for name in ("vision", "text", "head"))
        return cast(tuple[Vision, Text, CrossModal], tuple(models))

    @property
    def used(self) -> float:
        """Share of the budget that is used up."""
        return self.settings.budget.used(minutes=self.minutes, steps=self.step)

    @property
    def tunes_text(self) -> bool:
        """True once the text encoder is trained too."""
        return self.used >= self.settings.text_from

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bfloat16)

    def read(self, sentences: NDArray[np.intp]) -> Read:
        """Read a batch's sentences, some words masked while the text encoder is trained."""
        random = np.random.default_rng([self.seed, 17, self.step])
        tokens = [self.corpus.tokens[place] for place in sentences]
        tokens = [ids if len(ids) <= LONGEST else [*ids[: LONGEST - 1], ids[-1]] for ids in tokens]
        longest = max(map(len, tokens))
        token_ids = np.zeros((len(tokens), longest), np.int64)
        hide = np.zeros((len(tokens), longest), bool)
        for row, ids in enumerate(tokens):
            token_ids[row, : len(ids)] = ids
            # Every other sentence is read whole: in use they all are.
            if self.tunes_text and row % 2:
                hide[row, 1 : len(ids) - 1] = random.random(len(ids) - 2) < (
                    self.settings.masked_share
                )
        mask = torch.from_numpy(token_ids != 0)
        read = torch.from_numpy(np.where(hide, MASK_ID, token_ids)).to(self.device)
        hidden = torch.zeros(len(tokens), longest, self.head.config.text_size, device=self.device)
        vectors = torch.zeros(len(tokens), self.head.config.text_size, device=self.device)
        # Short sentences apart from long ones: a third less padding to compute.
        order = torch.from_numpy(np.argsort(np.array([len(ids) for ids in tokens])))
        for places in order.tensor_split(3):
            if not len(places):
                continue
            length = int(mask[places].sum(1).max())
            with self._autocast():
                some, states = self.text(
                    read[places, :length], mask[places, :length].to(self.device)
                )
            vectors = vectors.index_copy(0, places.to(self.device), some)
            padded = functional.pad(states.float(), (0, 0, 0, longest - length))
            hidden = hidden.index_copy(0, places.to(self.device), padded)
        return Read(
            vectors,
            hidden,
            mask.float().to(self.device),
            torch.from_numpy(token_ids).to(self.device),
            torch.from_numpy(hide).to(self.device),
        )

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """All losses of a batch, and their values for the log."""
        options = self.settings
        with self._autocast():
            output = self.vision(batch.fine.to(self.device), keep_cells=self._keep_cells())
        if self.tunes_text:
            read = self.read(batch.sentences)
        else:
            with torch.no_grad():
                read = self.read(batch.sentences)
        plain = torch.from_numpy(self.corpus.vectors[batch.sentences]).to(self.device)
        sentences = read.vectors if self.tunes_text else plain
        scale = self.log_scale.exp().clamp(max=100.0)
        # Negatives of earlier steps (XBM) would be wrong here: once both towers are trained they
        # drift apart from the past together, and every old vector becomes an easy negative.
        main = self._pair_loss(scale * sentences @ output.vectors.T, plain)
        everything = batch.everything_said.to(self.device)
        said = self._pair_loss(scale * everything @ output.vectors.T, plain)
        memory = self.head.memory(output.vectors[:, None], output.tokens[:, None])
        words = self.head.words(read.hidden)
        pairs = self.head.all_pairs(words, read.mask, memory)
        align = self._pair_loss(scale * pairs, plain)
        head = self._head_loss(output, read, sentences, plain)
        classes = self._class_loss(output.pooled, batch.untouched.to(self.device))
        total = (
            main
            + options.said_loss * said
            + options.token_loss * align
            + options.head_loss * head
            + options.class_loss * classes
        )
        values = {"loss": main, "said": said, "align": align, "head": head, "classes": classes}
        if read.hidden_words.any() and options.masked_loss > 0:
            values["masked"] = self._masked_loss(read, words, memory)
            total = total + options.masked_loss * values["masked"]
        return total, {name: float(value.detach()) for name, value in values.items()}

    def _keep_cells(self) -> float:
        return 1.0 if self.used >= self.settings.whole_from else self.settings.keep_cells

    def _pair_loss(self, logits: Tensor, plain: Tensor) -> Tensor:
        """Symmetric InfoNCE over a (B, B) table of sentences and pictures."""
        logits = logits.masked_fill(self._same(plain, plain), -1e4)
        target = torch.arange(len(logits), device=self.device)
        return 0.5 * (
            functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
        )

    @staticmethod
    def _same(plain: Tensor, all_plain: Tensor) -> Tensor:
        """(B, N) True for pairs that say the same and are not the pair itself."""
        same = plain @ all_plain.T > SAME
        same.fill_diagonal_(False)
        return same

    def _head_loss(
        self, output: FrameOutput, read: Read, sentences: Tensor, plain: Tensor
    ) -> Tensor:
        """The head tells each sentence's picture, and each picture's sentence, from look-alikes."""
        count, negatives = len(plain), self.settings.negatives
        first = (sentences @ output.vectors.T).detach()
        blocked = self._same(plain, plain)
        blocked.fill_diagonal_(True)
        open_pairs = first.masked_fill(blocked, -1.0)
        pool = min(4 * negatives, count - 1)
        rows = torch.arange(count, device=self.device)
        texts, pictures = [rows], [rows]
        for similarity, of_text in ((open_pairs, True), (open_pairs.T, False)):
            hardest = similarity.topk(pool, 1).indices
            drawn = torch.rand(count, pool, device=self.device).argsort(1)[:, :negatives]
            others = hardest.gather(1, drawn).flatten()
            own = rows.repeat_interleave(drawn.shape[1])
            texts.append(own if of_text else others)
            pictures.append(others if of_text else own)
        text, picture = torch.cat(texts), torch.cat(pictures)
        with self._autocast():
            scores = self.head(
                read.hidden[text],
                read.mask[text],
                output.vectors[picture][:, None],
                output.tokens[picture][:, None],
                torch.ones(len(text), 1, device=self.device),
                first[text, picture],
            )
        right = scores[:count, None]
        wrong = scores[count:].reshape(2, count, -1)
        target = torch.zeros(count, dtype=torch.int64, device=self.device)
        losses = [
            functional.cross_entropy(HEAD_SCALE * torch.cat([right, some], 1), target)
            for some in wrong
        ]
        return (losses[0] + losses[1]) / 2

    def _masked_loss(self, read: Read, words: Tensor, memory: Tensor) -> Tensor:
        """Guess masked words from the sentence and from what they found in the picture."""
        everywhere = torch.ones(memory.shape[:2], device=self.device)
        found = self.head.align(words, memory, everywhere).found
        chosen = read.hidden_words
        guessed = self.guess(torch.cat([read.hidden[chosen], found[chosen]], -1))
        logits = guessed @ self.text.bert.embeddings.word_embeddings.weight.T
        return functional.cross_entropy(logits, read.token_ids[chosen])

    def _class_loss(self, pooled: Tensor, untouched: Tensor) -> Tensor:
        stem, heat = self.vision.stem, self.settings.class_temperature
        with torch.no_grad():
            teacher = (stem.classes(untouched) / heat).log_softmax(-1)
        student = (stem.classes(pooled.float()) / heat).log_softmax(-1)
        return heat**2 * functional.kl_div(student, teacher, log_target=True, reduction="batchmean")

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimiser."""
        started, started_cpu = time.monotonic(), time.process_time()
        torch.manual_seed(self.seed * 1_000_003 + self.step)
        self.vision.train()
        self.head.train()
        self.text.train(self.tunes_text)
        set_rate(self.optimizer, rate_factor(self.used, warm_up=self.settings.warm_up))
        loss, values = self.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trained, self.settings.gradient_norm)
        self.optimizer.step()
        for name, module in self._shipped().items():
            self.averages[name].update_parameters(module)
        self.step += 1
        self.minutes += (time.monotonic() - started) / 60
        self.cpu_minutes += (time.process_time() - started_cpu) / 60
        self.losses.append({"step": self.step, **values})
        return values

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {
            "vision": self.vision.state_dict(),
            "text": self.text.state_dict(),
            "head": self.head.state_dict(),
            "guess": self.guess.state_dict(),
            "log_scale": self.log_scale.detach(),
            "averages": {name: one.state_dict() for name, one in self.averages.items()},
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "minutes": self.minutes,
            "cpu_minutes": self.cpu_minutes,
            "history": self.history,
            "losses": self.losses,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()`` of another run."""
        for name in ("vision", "text", "head", "guess"):
            getattr(self, name).load_state_dict(state[name])
        for name, average in self.averages.items():
            average.load_state_dict(state["averages"][name])
        with torch.no_grad():
            self.log_scale.copy_(state["log_scale"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.minutes = state["step"], state["minutes"]
        self.cpu_minutes, self.history = state["cpu_minutes"], state["history"]
        self.losses = state["losses"]


def shipped_models(weights: Path, tokenizer: Tokenizer) -> tuple[Vision, Text, CrossModal]:
    """The models that a folder ships, to train on from there.

    Args:
        weights: the folder.
        tokenizer: that of the run; its word pieces must be those of the shipped text encoder.

    Raises:
        WeightsError: the files are of another design, or know other word pieces.
    """
    manifest = read_manifest(weights)
    vision = restore_vision(manifest.read("vision"))
    text, theirs = restore_text(manifest.read("text"))
    if theirs.get_vocab() != tokenizer.get_vocab():
        raise WeightsError(
            f"{weights}: the text encoder has other word pieces than this run would choose; "
            "train with the captions and the number of pieces that it was made with"
        )
    # What never changes is taken as it came: the file has it rounded, and without ImageNet's
    # classes.
    stem = load_imagenet_stem()
    vision.stem.first, vision.stem.classes = stem.first, stem.classes
    for place in range(FINE_BLOCKS):
        vision.stem.blocks[place] = stem.blocks[place]
    return vision, text, restore_cross_modal(manifest.read("cross_modal"))


def train_towers(
    settings: Settings,
    sets: dict[str, PictureSet],
    paraphrases: Paraphrases,
    *,
    run: Path,
    start: Path | None = None,
) -> None:
    """Train, or go on training; save the models under ``vision``, ``text``, ``head``.

    Args:
        settings: what to do.
        sets: the pictures.
        paraphrases: what is said of them, and other words for it.
        run: the run's folder.
        start: a folder of shipped weights to begin with; None for ImageNet's and MiniLM's.
    """
    text, tokenizer = load_text(run, tuned=False)
    vision, head = None, None
    if start is not None:
        vision, text, head = shipped_models(start, tokenizer)
    trainer = TowerTrainer(
        settings.towers,
        seed=settings.seed,
        text=text,
        corpus=paraphrases.corpus,
        vision=vision,
        head=head,
    )
    checkpoint = run / "towers.pt"
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, weights_only=True, map_location=trainer.device))
        logger.info("going on at step %d, minute %.1f", trainer.step, trainer.minutes)
    batches = BatchMaker(settings.towers, settings.seed, sets, paraphrases)
    options = settings.towers
    saved = evaluated = trainer.minutes

    def measure() -> None:
        vision, text, _ = trainer.averaged()
        figures = evaluate(vision, text, tokenizer, sets)
        trainer.history.append({"step": trainer.step, **figures})
        logger.info("%s", trainer.history[-1])
        (run / "towers.json").write_text(
            json.dumps(
                {
                    "cpu_minutes": trainer.cpu_minutes,
                    "history": trainer.history,
                    "losses": trainer.losses,
                }
            )
        )
        draw_curves(trainer.losses, trainer.history, run / "curves.png")

    while trainer.used < 1.0:
        batch = batches.make(trainer.step, whole=trainer.used >= options.whole_from)
        values = trainer.train_step(batch)
        if trainer.step % 10 == 0:
            _log_step(trainer, values)
        if trainer.minutes - evaluated >= options.evaluation_minutes:
            evaluated = trainer.minutes
            measure()
        if trainer.minutes - saved >= options.checkpoint_minutes:
            saved = trainer.minutes
            save_checkpoint(trainer.state(), checkpoint)
    save_checkpoint(trainer.state(), checkpoint)
    if start is not None and options.start_share > 0:
        begun = shipped_models(start, tokenizer)
        pairs: list[tuple[nn.Module, nn.Module]] = list(zip(trainer.averaged(), begun, strict=True))
        for ours, theirs in pairs:
            move_towards(ours, theirs, options.start_share)
    measure()
    logger.info("%.1f CPU minutes", trainer.cpu_minutes)
    vision, text, head = trainer.averaged()
    vision.save_pretrained(run / "vision")
    text.bert.save_pretrained(run / "text")
    head.save_pretrained(run / "head")


@torch.no_grad()
def move_towards(model: nn.Module, other: nn.Module, share: float) -> None:
    """Replace a model's weights by the mean of its own and a share of another's."""
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        ours.lerp_(theirs.to(ours.device), share)


def _log_step(trainer: TowerTrainer, values: dict[str, float]) -> None:
    used = trainer.used
    logger.info(
        "step %d, minute %.1f, eta %.0f min, scale %.1f, %s",
        trainer.step,
        trainer.minutes,
        trainer.minutes * (1.0 - used) / max(used, 1e-6),
        float(trainer.log_scale.detach().exp()),
        ", ".join(f"{name} {value:.3f}" for name, value in values.items()),
    )
