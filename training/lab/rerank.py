"""The re-ranking stage: choose on dev rows how much of the cross-modal head's correction to use.

choose_share(reranker, dev, corpus, run=run)

If it does not help significantly, re-ranking is shipped disabled: a gain by chance does not justify
slowing down every search.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from vidseek.encoders.hubness import HubnessCorrection
from vidseek.training.lab.corpus import Corpus
from vidseek.training.lab.encoded_items import ItemBank
from vidseek.training.metrics import mean_reciprocal_rank, ranks, recall
from vidseek.training.networks.cross_modal import CrossModal
from vidseek.training.networks.text import Text
from vidseek.training.optimisation import encoding_precision
from vidseek.training.padding import pad_items

logger = logging.getLogger(__name__)

CANDIDATES = 50
"""Re-ranking depth at which the choice is made."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
BATCH = 16
"""Sentences scored together."""


class Reranker:
    """The cross-modal head with its inputs: sentences of a corpus, frames of a bank."""

    def __init__(
        self, head: CrossModal, bank: ItemBank, corpus: Corpus, text: Text, tokenizer: Tokenizer
    ) -> None:
        self.head, self.bank, self.corpus = head.eval(), bank, corpus
        self.text, self.tokenizer = text.eval(), tokenizer

    def scores(
        self, sentences: NDArray[np.intp], candidates: NDArray[np.intp], first: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Re-score every sentence's candidates.

        Args:
            sentences: (Q,) positions in the corpus.
            candidates: (Q, C) positions in the bank.
            first: (Q, C) first-stage cosines of the candidates.

        Returns:
            (Q, C) float32.
        """
        parts = []
        for start in range(0, len(sentences), BATCH):
            batch = slice(start, start + BATCH)
            parts.append(self._scores(sentences[batch], candidates[batch], first[batch]))
        return np.concatenate(parts)

    @torch.inference_mode()
    def _scores(
        self, sentences: NDArray[np.intp], candidates: NDArray[np.intp], first: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        encodings = self.tokenizer.encode_batch([self.corpus.sentences[i] for i in sentences])
        mask = torch.tensor([encoding.attention_mask for encoding in encodings])
        with encoding_precision(mask.device):
            _, hidden = self.text(torch.tensor([encoding.ids for encoding in encodings]), mask)
        flat: list[int] = candidates.reshape(-1).tolist()
        vectors, frame_mask = pad_items([self.bank.vectors[place] for place in flat])
        tokens, _ = pad_items([self.bank.tokens[place] for place in flat])
        repeat = candidates.shape[1]
        with encoding_precision(mask.device):
            scores = self.head(
                hidden.float().repeat_interleave(repeat, 0),
                mask.float().repeat_interleave(repeat, 0),
                vectors,
                tokens,
                frame_mask,
                torch.from_numpy(np.ascontiguousarray(first)).reshape(-1),
            )
        result: NDArray[np.float32] = scores.float().numpy().reshape(candidates.shape)
        return result


def choose_share(
    reranker: Reranker,
    dev: ItemBank,
    corpus: Corpus,
    *,
    run: Path,
    hubness: HubnessCorrection | None = None,
    queries: int = 1000,
) -> None:
    """Scale the head's correction to the best value on dev rows, and record whether it is used.

    Args:
        reranker: the head with its inputs.
        dev: the galleries' items.
        corpus: the items' sentences.
        run: where choices are recorded.
        hubness: the hubness correction, applied whether or not the head is used.
        queries: most queries of each set.
    """
    head, means = reranker.head, dev.means()
    table: dict[float, list[NDArray[np.intp]]] = {share: [] for share in SHARES}
    for kind in ("flickr8k", "msrvtt"):
        places = dev.of_kind(kind)
        sentences = np.array([dev.sentences[place][0] for place in places[:queries]], np.intp)
        first = corpus.vectors[sentences] @ means[places].T
        order = np.argsort(-first, axis=1)[:, :CANDIDATES]
        top = np.take_along_axis(first, order, 1)
        scores = reranker.scores(sentences, places[order], top)
        correction = 0.0 if hubness is None else hubness.corrections(means[places])[order]
        for share in SHARES:
            mixed = first.copy()
            # Re-ranked clips stay above the others.
            np.put_along_axis(mixed, order, 10.0 + correction + top + share * (scores - top), 1)
            table[share].append(ranks(mixed, np.arange(len(sentences))))
    rank = {share: np.concatenate(parts) for share, parts in table.items()}
    quality = {
        share: mean_reciprocal_rank(ranks_at_share) for share, ranks_at_share in rank.items()
    }
    best = max(SHARES, key=lambda share: quality[share])
    gain = paired_interval(1.0 / (1 + rank[best]) - 1.0 / (1 + rank[0.0]))
    if gain[0] <= 0.0:
        best = 0.0
    logger.info("re-ranking, mean reciprocal rank by share: %s, gain %s", quality, gain)
    report = {
        "share": best,
        "gain_interval": gain,
        "mean_reciprocal_rank": {str(share): value for share, value in quality.items()},
        "r1": {str(share): recall(ranks_at_share, 1) for share, ranks_at_share in rank.items()},
        "r10": {str(share): recall(ranks_at_share, 10) for share, ranks_at_share in rank.items()},
    }
    (run / "cross_modal.json").write_text(json.dumps(report, indent=1))
    head.config.largest_correction *= best if best > 0 else 1.0
    record_choices(run, rerank=best > 0)


def paired_interval(
    differences: NDArray[np.float64], *, samples: int = 2000
) -> tuple[float, float]:
    """Bootstrap 95 % interval of the mean of paired differences."""
    random = np.random.default_rng(0)
    means = differences[random.integers(0, len(differences), (samples, len(differences)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def read_choices(run: Path) -> dict[str, object]:
    """The choices of earlier stages; empty at first."""
    file = run / "choices.json"
    choices: dict[str, object] = json.loads(file.read_text()) if file.exists() else {}
    return choices


def record_choices(run: Path, **choices: object) -> None:
    """Add choices to the run's choices.json, which publishing reads."""
    (run / "choices.json").write_text(json.dumps(read_choices(run) | choices, indent=1))
