"""Training steps of the towers and of the cross-modal head: models, losses, optimiser.

trainer = TowerTrainer(settings.towers, text, corpus, seed=settings.seed)
while trainer.used < 1.0:
    trainer.train_step(batches.make(trainer.step))

The visual encoder, and later the text encoder too, learn by symmetric InfoNCE on random crops of
cached maps. The cross-modal head is trained at the same time, on pairs that the towers confuse.
(Trained afterwards, on towers that had memorised their training pictures, it had nothing left to
learn.) Every step draws its randomness from the seed and its own number, so a resumed run equals an
uninterrupted one.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vidseek.training.lab.batches import Batch
from vidseek.training.lab.corpus import Corpus
from vidseek.training.lab.settings import TowerSettings
from vidseek.training.networks.configuration import CrossModalConfig, VisionConfig
from vidseek.training.networks.cross_modal import CrossModal
from vidseek.training.networks.stem import load_imagenet_stem
from vidseek.training.networks.text import Text
from vidseek.training.networks.vision import FrameOutput, Vision
from vidseek.training.optimisation import (
    choose_device,
    parameter_groups,
    rate_factor,
    set_rate,
    symmetric_infonce,
)

HEAD_SCALE = 25.0
"""Factor on the head's scores before the softmax over candidates."""
SAME_MEANING = 0.85
"""Two sentences whose MiniLM vectors have a higher cosine say the same thing, so they are not
negatives of each other. This concerns class names and the captions of one picture."""
MAX_TOKENS = 22
"""Captions are cut to this many tokens in training; 19 in 20 are shorter."""
MASK_ID = 4
"""Id of [MASK] in every vocabulary made by ``choose_vocabulary``."""


@dataclass(frozen=True)
class ReadSentences:
    """A batch's sentences as encoded by the text encoder."""

    vectors: Tensor
    """(B, 384) float32, L2-normalised."""
    hidden: Tensor
    """(B, L, 384) float32."""
    mask: Tensor
    """(B, L) float32."""
    token_ids: Tensor
    """(B, L) int64, before masking."""
    hidden_words: Tensor
    """(B, L) bool: which tokens were masked."""


class TowerTrainer:
    """Models, optimiser and progress of the main stage."""

    def __init__(
        self,
        settings: TowerSettings,
        text: Text,
        corpus: Corpus,
        *,
        seed: int,
        start: tuple[Vision, CrossModal] | None = None,
        device: torch.device | None = None,
    ) -> None:
        """Start before the first step.

        Args:
            settings: settings of the stage.
            text: the text encoder.
            corpus: the sentences.
            seed: random seed.
            start: models to continue from; None for ImageNet's stem and fresh layers.
            device: where to compute; by default a GPU if there is one.
        """
        torch.manual_seed(seed)
        self.settings, self.seed, self.corpus = settings, seed, corpus
        self.device = device or choose_device()
        if start is None:
            start = Vision(VisionConfig(), load_imagenet_stem()), CrossModal(CrossModalConfig())
        self.vision, self.head = start
        self.text = text
        # Used in training only: the sharpness of the softmax, and the head for masked words.
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
        # The word vectors stay frozen, so that words absent from the captions keep their meaning.
        layers = list(self.text.bert.encoder.parameters())
        for parameter in [*stem, *layers]:
            parameter.requires_grad_(True)
        stem_ids = {id(parameter) for parameter in self.vision.stem.parameters()}
        above = [p for p in self.vision.parameters() if id(p) not in stem_ids]
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
        """The moving averages of the models, in evaluation mode; these are measured and shipped."""
        for average in self.averages.values():
            average.eval()
        models = (self.averages[name].module for name in ("vision", "text", "head"))
        return cast(tuple[Vision, Text, CrossModal], tuple(models))

    @property
    def used(self) -> float:
        """Share of the budget used up."""
        return self.settings.budget.used(minutes=self.minutes, steps=self.step)

    @property
    def tunes_text(self) -> bool:
        """True once the text encoder is trained too."""
        return self.used >= self.settings.text_from

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bfloat16)

    def read(self, sentences: NDArray[np.intp]) -> ReadSentences:
        """Encode a batch's sentences; while the text encoder is trained some words are masked."""
        random = np.random.default_rng([self.seed, 17, self.step])
        tokens = [self.corpus.tokens[place] for place in sentences]
        tokens = [
            ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]] for ids in tokens
        ]
        longest = max(map(len, tokens))
        token_ids = np.zeros((len(tokens), longest), np.int64)
        hide = np.zeros((len(tokens), longest), bool)
        for row, ids in enumerate(tokens):
            token_ids[row, : len(ids)] = ids
            # Every second sentence stays unmasked, as all sentences are in a search.
            if self.tunes_text and row % 2:
                hide[row, 1 : len(ids) - 1] = random.random(len(ids) - 2) < (
                    self.settings.masked_share
                )
        mask = torch.from_numpy(token_ids != 0)
        read = torch.from_numpy(np.where(hide, MASK_ID, token_ids)).to(self.device)
        hidden = torch.zeros(len(tokens), longest, self.head.config.text_size, device=self.device)
        vectors = torch.zeros(len(tokens), self.head.config.text_size, device=self.device)
        # Encoding short and long sentences apart saves a third of the computation on padding.
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
        return ReadSentences(
            vectors,
            hidden,
            mask.float().to(self.device),
            torch.from_numpy(token_ids).to(self.device),
            torch.from_numpy(hide).to(self.device),
        )

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The total loss of a batch, and each loss by name."""
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
        # Negatives from earlier steps (XBM) do not work here: once both towers are trained, both
        # drift away from their past, and every old vector becomes an easy negative.
        main = self._pair_loss(scale * sentences @ output.vectors.T, plain)
        everything = batch.caption_means.to(self.device)
        said = self._pair_loss(scale * everything @ output.vectors.T, plain)
        classes = self._class_loss(output.pooled, batch.untouched.to(self.device))
        total = main + options.said_loss * said + options.class_loss * classes
        values = {"loss": main, "said": said, "classes": classes}
        # A loss of weight 0 is not computed.
        memory = self.head.memory(output.vectors[:, None], output.tokens[:, None])
        words = self.head.words(read.hidden)
        if options.token_loss > 0:
            pairs = self.head.all_pairs(words, read.mask, memory)
            values["align"] = self._pair_loss(scale * pairs, plain)
            total = total + options.token_loss * values["align"]
        if options.head_loss > 0:
            values["head"] = self._head_loss(output, read, sentences, plain)
            total = total + options.head_loss * values["head"]
        if read.hidden_words.any() and options.masked_loss > 0:
            values["masked"] = self._masked_loss(read, words, memory)
            total = total + options.masked_loss * values["masked"]
        return total, {name: float(value.detach()) for name, value in values.items()}

    def _keep_cells(self) -> float:
        return 1.0 if self.used >= self.settings.whole_from else self.settings.keep_cells

    def _pair_loss(self, logits: Tensor, plain: Tensor) -> Tensor:
        """Symmetric InfoNCE over (B, B) logits of sentences and pictures."""
        logits = logits.masked_fill(self._same(plain, plain), -1e4)
        return symmetric_infonce(logits)

    @staticmethod
    def _same(plain: Tensor, all_plain: Tensor) -> Tensor:
        """(B, N) True for two different sentences that say the same thing."""
        same = plain @ all_plain.T > SAME_MEANING
        same.fill_diagonal_(False)
        return same

    def _head_loss(
        self, output: FrameOutput, read: ReadSentences, sentences: Tensor, plain: Tensor
    ) -> Tensor:
        """The head's loss: pick each sentence's picture, and vice versa, among hard negatives."""
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
            stem_ids = rows.repeat_interleave(drawn.shape[1])
            texts.append(stem_ids if of_text else others)
            pictures.append(others if of_text else stem_ids)
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

    def _masked_loss(self, read: ReadSentences, words: Tensor, memory: Tensor) -> Tensor:
        """Predict masked words from the sentence and from the picture that they attend to."""
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
        """Do one optimiser step; returns the losses by name."""
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
        """Everything a resumed run needs."""
        return {
            "vision": self.vision.state_dict(),
            "text": self.text.state_dict(),
            "head": self.head.state_dict(),
            "guess": self.guess.state_dict(),
            "log_scale": self.log_scale.detach(),
            "averages": {
                name: averaged_model.state_dict() for name, averaged_model in self.averages.items()
            },
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "minutes": self.minutes,
            "cpu_minutes": self.cpu_minutes,
            "history": self.history,
            "losses": self.losses,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the ``state()`` of an earlier run."""
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
