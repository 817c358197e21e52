"""The third stage: dev rows decide how much of the cross-modal head's correction is used.

choose_share(head, dev, corpus, text, tokenizer, run=run)

Where it does not help, re-ranking ships disabled: a better place by chance is no reason to make
every search slower.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from vidseek.encoders.model.cross_modal import CrossModal
from vidseek.encoders.model.text import Text
from vidseek.encoders.training.corpus import Corpus
from vidseek.encoders.training.items import ItemBank, pad_items
from vidseek.encoders.training.measures import ranks, recall

logger = logging.getLogger(__name__)

CANDIDATES = 50
"""Depth of re-ranking that the choice is made at."""
Frames = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Vectors (F, 384) and tokens (F, M, T) of an item."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


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
        best = 0.0
    logger.info("re-ranking, mean reciprocal rank by share: %s, gain %s", quality, gain)
    report = {
        "share": best,
        "gain_interval": gain,
        "mean_reciprocal_rank": {str(share): value for share, value in quality.items()},
        "r1": {str(share): recall(found, 1) for share, found in rank.items()},
        "r10": {str(share): recall(found, 10) for share, found in rank.items()},
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
