"""Choose the hubness correction of the built-in model on dev rows.

bank = sentence_bank(sets, corpus, text, tokenizer, data)
choose_hubness(bank, dev, clips, corpus, run=run)

The correction needs a bank of sentences; if it does not help, no bank is shipped.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.manifest import FILES, HUBNESS
from vidseek.training.lab.batches import PictureSet
from vidseek.training.lab.corpus import Corpus, encode_sentences
from vidseek.training.lab.encoded_items import ItemBank
from vidseek.training.lab.pictures import text_only_captions
from vidseek.training.lab.rerank import CANDIDATES, paired_interval
from vidseek.training.metrics import ranks, recall
from vidseek.training.networks.text import Text

logger = logging.getLogger(__name__)

CAPTIONED = {"flickr8k": 1000, "msrvtt": 500}
"""Training captions of each set in the bank."""
UNPAIRED = 500
"""Sentences of the bank that belong to no picture."""
NEIGHBOURS = (8, 16, 32)
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


def sentence_bank(
    sets: dict[str, PictureSet], corpus: Corpus, text: Text, tokenizer: Tokenizer, data: Path
) -> NDArray[np.float32]:
    """(B, 384) vectors of random sentences: training captions, and sentences without a picture."""
    random = np.random.default_rng(0)
    chosen: list[str] = []
    for name, most in CAPTIONED.items():
        said = sorted({caption for row in sets[name].split("train") for caption in row.captions})
        chosen += [said[place] for place in random.permutation(len(said))[:most]]
    dev = {
        caption for some in sets.values() for row in some.split("dev") for caption in row.captions
    }
    unpaired = sorted(set(text_only_captions(data)) - set(corpus.ids) - dev)
    chosen += [unpaired[place] for place in random.permutation(len(unpaired))[:UNPAIRED]]
    return encode_sentences(text, tokenizer, chosen)


def choose_hubness(
    bank: NDArray[np.float32],
    dev: ItemBank,
    clips: NDArray[np.float32],
    corpus: Corpus,
    *,
    run: Path,
) -> HubnessCorrection | None:
    """Choose weight and neighbours by the sum of recalls at 1, 5 and 10 on dev rows, and save them.

    Args:
        bank: (B, 384) from ``sentence_bank``.
        dev: the galleries' items.
        clips: (N, 384) clip vectors of the items.
        corpus: the items' sentences, encoded as the bank was.
        run: where ``hubness.npz`` goes, if the correction helps.

    Returns:
        The correction; None if it does not help.
    """
    queries = {kind: _Queries(dev, clips, corpus, kind) for kind in ("flickr8k", "msrvtt")}
    table: dict[str, dict[str, list[float]]] = {}
    best, best_sum = None, -np.inf
    for neighbours in NEIGHBOURS:
        for weight in WEIGHTS:
            plain = HubnessCorrection(bank, neighbours=neighbours, weight=weight, usual=0.0)
            found = {kind: some.recalls(plain) for kind, some in queries.items()}
            table[f"{neighbours} neighbours, {weight:g}"] = found
            total = sum(sum(recalls) for recalls in found.values())
            if total > best_sum:
                best, best_sum = plain, total
    assert best is not None
    gains = {kind: some.gain(best) for kind, some in queries.items()}
    for name, figures in table.items():
        logger.info("hubness: %s: %s", name, figures)
    helps = best.weight > 0 and gains["flickr8k"][0] > 0.0
    usual = float(best.similarities(clips).mean())
    chosen = HubnessCorrection(bank, neighbours=best.neighbours, weight=best.weight, usual=usual)
    report = {
        "used": helps,
        "neighbours": best.neighbours,
        "weight": best.weight,
        "usual": usual,
        "reciprocal_rank_gain_interval": gains,
        "recall_at_1_5_10": table,
    }
    (run / "hubness.json").write_text(json.dumps(report, indent=1))
    logger.info("hubness: %s", {k: v for k, v in report.items() if k != "recall_at_1_5_10"})
    file = run / FILES[HUBNESS]
    file.unlink(missing_ok=True)
    if not helps:
        return None
    file.write_bytes(chosen.to_bytes())
    return HubnessCorrection.from_bytes(file.read_bytes())


class _Queries:
    """All captions of one set's dev items, scored against the items' clips."""

    def __init__(
        self, dev: ItemBank, clips: NDArray[np.float32], corpus: Corpus, kind: str
    ) -> None:
        places = dev.of_kind(kind)
        pairs = [(row, said) for row, at in enumerate(places) for said in dev.sentences[at]]
        self.clips = clips[places]
        self.truth = np.array([row for row, _ in pairs], np.intp)
        self.scores = corpus.vectors[[said for _, said in pairs]] @ self.clips.T

    def ranks(self, hubness: HubnessCorrection) -> NDArray[np.intp]:
        """Ranks as in a search: only the first stage's best clips are corrected."""
        final = self.scores.copy()
        best = np.argsort(-final, axis=1)[:, :CANDIDATES]
        again = np.take_along_axis(final, best, 1) + hubness.corrections(self.clips)[best]
        np.put_along_axis(final, best, 10.0 + again, 1)
        return ranks(final, self.truth)

    def recalls(self, hubness: HubnessCorrection) -> list[float]:
        rank = self.ranks(hubness)
        return [round(recall(rank, k), 2) for k in (1, 5, 10)]

    def gain(self, hubness: HubnessCorrection) -> tuple[float, float]:
        """Confidence interval of the gain in reciprocal rank."""
        without = HubnessCorrection(hubness.bank, hubness.neighbours, weight=0.0, usual=0.0)
        return paired_interval(1.0 / (1 + self.ranks(hubness)) - 1.0 / (1 + self.ranks(without)))
