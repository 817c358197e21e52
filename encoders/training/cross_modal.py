"""The third stage: the cross-modal head learns to tell the right picture among the look-alikes.

train_cross_modal(settings, train, dev, corpus, run=run, seed=1)

For every sentence the first stage's own mistakes are the negatives. Afterwards the dev rows decide
how much of the head's correction is used; where it does not help at all, re-ranking ships disabled.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from vidseek.encoders.model.configuration import CrossModalConfig
from vidseek.encoders.model.cross_modal import CrossModal
from vidseek.encoders.model.text import Text
from vidseek.encoders.training.corpus import Corpus, load_text
from vidseek.encoders.training.items import ItemBank, pad_items
from vidseek.encoders.training.measures import ranks, recall
from vidseek.encoders.training.optimisation import parameter_groups, rate_factor, set_rate
from vidseek.encoders.training.settings import HeadSettings

logger = logging.getLogger(__name__)

SCALE = 25.0
"""Of scores before the softmax over candidates."""
POOL = 40
"""Negatives are drawn from so many best wrong items."""
CANDIDATES = 50
"""Depth of re-ranking that the choice is made at."""
Frames = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Vectors (F, 384) and tokens (F, M, T) of an item."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class _Sentences:
    """Hidden states of sentences."""

    hidden: Tensor
    mask: Tensor


@torch.inference_mode()
def _read(text: Text, tokenizer: Tokenizer, sentences: list[str]) -> _Sentences:
    encodings = tokenizer.encode_batch(sentences)
    mask = torch.tensor([encoding.attention_mask for encoding in encodings])
    with torch.autocast("cpu", torch.bfloat16):
        _, hidden = text(torch.tensor([encoding.ids for encoding in encodings]), mask)
    return _Sentences(hidden.float(), mask.float())


def train_cross_modal(
    settings: HeadSettings, train: ItemBank, dev: ItemBank, corpus: Corpus, *, run: Path, seed: int
) -> CrossModal:
    """Train the head and save it under ``run / "cross_modal"``; its use into choices.json."""
    torch.manual_seed(seed)
    head = CrossModal(CrossModalConfig(hidden_dropout_prob=0.1))
    text, tokenizer = load_text(run)
    optimizer = torch.optim.AdamW(
        parameter_groups(
            head.parameters(), peak=settings.learning_rate, weight_decay=settings.weight_decay
        )
    )
    means = train.means()
    kinds = {kind: train.of_kind(kind) for kind in ("flickr8k", "msrvtt")}
    started, step = time.monotonic(), 0
    history: list[dict[str, float]] = []
    losses: list[float] = []
    while True:
        used = settings.budget.used(minutes=(time.monotonic() - started) / 60, steps=step)
        if used >= 1.0:
            break
        random = np.random.default_rng([seed, 13, step])
        torch.manual_seed(seed * 1_000_003 + step)
        head.train()
        set_rate(optimizer, rate_factor(used, warm_up=settings.warm_up))
        # One kind a step: a photograph's look-alikes are photographs.
        kind = "flickr8k" if step % 3 else "msrvtt"
        loss, plain = _step_loss(
            head, settings, train, means, kinds[kind], corpus, text, tokenizer, random
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        step += 1
        losses.append(float(loss.detach()) - plain)
        if step % 25 == 0:
            gain = float(np.mean(losses[-25:]))
            history.append({"step": step, "loss_change": gain})
            logger.info(
                "cross-modal step %d: loss %+.4f against the first stage's %.4f", step, gain, plain
            )
    head.eval()
    choose_share(head, dev, corpus, text, tokenizer, run=run, history=history)
    head.save_pretrained(run / "cross_modal")
    return head


def _step_loss(
    head: CrossModal,
    settings: HeadSettings,
    bank: ItemBank,
    means: NDArray[np.float32],
    places: NDArray[np.intp],
    corpus: Corpus,
    text: Text,
    tokenizer: Tokenizer,
    random: np.random.Generator,
) -> tuple[Tensor, float]:
    """Softmax loss over each sentence's right item and hard wrong ones; and the first stage's."""
    chosen = random.choice(places, min(settings.batch, len(places)), replace=False)
    captions = [bank.sentences[place] for place in chosen]
    sentences = [caption[random.integers(len(caption))] for caption in captions]
    similarity = corpus.vectors[sentences] @ means[places].T
    similarity[places[None, :] == chosen[:, None]] = -np.inf
    pool = min(POOL, len(places) - 1)
    hardest = np.argpartition(-similarity, pool - 1, axis=1)[:, :pool]
    count = min(settings.negatives, pool)
    candidates = np.empty((len(chosen), 1 + count), np.intp)
    candidates[:, 0] = chosen
    for row in range(len(chosen)):
        candidates[row, 1:] = places[random.choice(hardest[row], count, replace=False)]
    seen = {place: _blur(bank, place, settings.noise, random) for place in np.unique(candidates)}
    blurred = np.stack([vectors.mean(0) for vectors, _ in seen.values()])
    blurred /= np.linalg.norm(blurred, axis=1, keepdims=True)
    row_of = {place: row for row, place in enumerate(seen)}
    rows = np.vectorize(row_of.__getitem__)(candidates)
    first = np.einsum("qd,qcd->qc", corpus.vectors[sentences], blurred[rows])
    read = _read(text, tokenizer, [corpus.sentences[place] for place in sentences])
    scores = _score(head, read, seen, candidates, torch.from_numpy(first))
    target = torch.zeros(len(chosen), dtype=torch.int64)
    plain = functional.cross_entropy(SCALE * torch.from_numpy(first), target)
    return functional.cross_entropy(SCALE * scores, target), float(plain)


def _blur(bank: ItemBank, place: int, noise: float, random: np.random.Generator) -> Frames:
    """An item's vectors and tokens with noise on them."""
    vectors, tokens = bank.vectors[place], bank.tokens[place]
    if noise == 0.0:
        return vectors, tokens
    blurred = vectors + random.normal(0, noise / vectors.shape[1] ** 0.5, vectors.shape)
    blurred /= np.linalg.norm(blurred, axis=1, keepdims=True)
    grainy = tokens + random.normal(0, 0.5 * noise * tokens.std(), tokens.shape)
    return blurred.astype(np.float32), grainy.astype(np.float32)


def _score(
    head: CrossModal,
    read: _Sentences,
    items: Mapping[int, Frames],
    candidates: NDArray[np.intp],
    first: Tensor,
) -> Tensor:
    """(Q, C) scores of every sentence's candidates."""
    flat: list[int] = candidates.reshape(-1).tolist()
    vectors, mask = pad_items([items[place][0] for place in flat])
    tokens, _ = pad_items([items[place][1] for place in flat])
    repeat = candidates.shape[1]
    scores: Tensor = head(
        read.hidden.repeat_interleave(repeat, 0),
        read.mask.repeat_interleave(repeat, 0),
        vectors,
        tokens,
        mask,
        first.reshape(-1),
    )
    return scores.reshape(candidates.shape)


@torch.inference_mode()
def choose_share(
    head: CrossModal,
    dev: ItemBank,
    corpus: Corpus,
    text: Text,
    tokenizer: Tokenizer,
    *,
    run: Path,
    history: list[dict[str, float]],
    queries: int = 1000,
) -> None:
    """Scale the head's correction to what is best on dev rows, and record whether it is used."""
    means = dev.means()
    items = {place: (dev.vectors[place], dev.tokens[place]) for place in range(len(dev))}
    table: dict[float, list[NDArray[np.intp]]] = {share: [] for share in SHARES}
    for kind in ("flickr8k", "msrvtt"):
        places = dev.of_kind(kind)
        own = [(row, dev.sentences[place][0]) for row, place in enumerate(places)][:queries]
        for start in range(0, len(own), 16):
            some = own[start : start + 16]
            first = corpus.vectors[[sentence for _, sentence in some]] @ means[places].T
            depth = min(CANDIDATES, len(places))
            order = np.argsort(-first, axis=1)[:, :depth]
            read = _read(text, tokenizer, [corpus.sentences[sentence] for _, sentence in some])
            top = np.take_along_axis(first, order, 1)
            scores = _score(head, read, items, places[order], torch.from_numpy(top)).numpy()
            for share in SHARES:
                mixed = first.copy()
                # What is re-ranked stays above what is not.
                np.put_along_axis(mixed, order, 10.0 + top + share * (scores - top), 1)
                table[share].append(ranks(mixed, np.array([row for row, _ in some])))
    rank = {share: np.concatenate(parts) for share, parts in table.items()}
    quality = {share: float((1.0 / (1 + found)).mean()) for share, found in rank.items()}
    best = max(SHARES, key=lambda share: quality[share])
    gain = paired_interval(1.0 / (1 + rank[best]) - 1.0 / (1 + rank[0.0]))
    if gain[0] <= 0.0:
        best = 0.0  # a better place by chance is no reason to make every search slower
    logger.info("re-ranking, mean reciprocal rank by share: %s, gain %s", quality, gain)
    report = {
        "share": best,
        "gain_interval": gain,
        "mean_reciprocal_rank": {str(share): value for share, value in quality.items()},
        "r1": {str(share): recall(found, 1) for share, found in rank.items()},
        "r10": {str(share): recall(found, 10) for share, found in rank.items()},
        "history": history,
    }
    (run / "cross_modal.json").write_text(json.dumps(report, indent=1))
    head.config.largest_correction *= best if best > 0 else 1.0
    record_choices(run, rerank=best > 0)


def paired_interval(
    differences: NDArray[np.float64], *, samples: int = 2000
) -> tuple[float, float]:
    """The bootstrap 95 % interval of a mean of paired differences."""
    random = np.random.default_rng(0)
    means = differences[random.integers(0, len(differences), (samples, len(differences)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def record_choices(run: Path, **choices: object) -> None:
    """Add to what publishing reads from the run's choices.json."""
    file = run / "choices.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | choices, indent=1))
