"""Other ways of saying what a caption says, found among sentences that belong to no picture.

paraphrases = Paraphrases.find(corpus, captions, data, run)
paraphrases.of[corpus.ids["a man plays a guitar"]]      # places in paraphrases.corpus

Most videos of the data have one caption, and a model that reads nothing else learns it by heart.
Hundreds of thousands of sentences without pictures say the same in other words; the untouched text
encoder knows which.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidseek.training.lab.corpus import Corpus, encode_sentences, load_text
from vidseek.training.lab.pictures import text_only_captions

logger = logging.getLogger(__name__)

NEAREST, FURTHEST = 0.97, 0.75
"""Cosines between which a sentence says the same in other words."""
MAX_PARAPHRASES = 8
"""Paraphrases that are kept of a caption."""


@dataclass(frozen=True)
class Paraphrases:
    """A corpus that holds paraphrases too, and whose they are."""

    corpus: Corpus
    of: dict[int, NDArray[np.intp]]
    """Places of a caption's paraphrases, nearest first, by the caption's place; those that have
    none are left out."""

    @classmethod
    def none(cls, corpus: Corpus) -> Paraphrases:
        """For training without."""
        return cls(corpus, {})

    @classmethod
    def find(cls, corpus: Corpus, captions: Iterable[str], data: Path, run: Path) -> Paraphrases:
        """Search the data folder's text-only captions.

        What a previous call left in the run's folder is used again.

        Args:
            corpus: has the captions.
            captions: of training pictures; those of dev rows must not be among them.
            data: the data folder.
            run: the run's folder.
        """
        file = run / "paraphrases.json"
        if not file.exists():
            paraphrases = _search(corpus, sorted(set(captions)), data, run)
            file.write_text(json.dumps(paraphrases))
        paraphrases = json.loads(file.read_text())
        wanted = sorted({s for texts in paraphrases.values() for s in texts} - set(corpus.ids))
        text, tokenizer = load_text(run, tuned=False)
        vectors = run / "paraphrases.npy"
        if not vectors.exists():
            np.save(vectors, encode_sentences(text, tokenizer, wanted))
        tokenizer.no_padding()
        sentences = [*corpus.sentences, *wanted]
        larger = Corpus(
            sentences=sentences,
            ids={sentence: place for place, sentence in enumerate(sentences)},
            vectors=np.concatenate([corpus.vectors, np.load(vectors)]),
            tokens=[*corpus.tokens, *(texts.ids for texts in tokenizer.encode_batch(wanted))],
        )
        of = {
            larger.ids[caption]: np.array([larger.ids[paraphrase] for paraphrase in texts], np.intp)
            for caption, texts in paraphrases.items()
        }
        return cls(larger, of)


def _search(corpus: Corpus, captions: list[str], data: Path, run: Path) -> dict[str, list[str]]:
    """Paraphrases of every caption that has some."""
    sentences = sorted(filter(str.strip, set(text_only_captions(data))))
    text, tokenizer = load_text(run, tuned=False)
    logger.info("encoding %d sentences that belong to no picture", len(sentences))
    vectors = encode_sentences(text, tokenizer, sentences)
    queries = corpus.vectors[[corpus.ids[caption] for caption in captions]]
    paraphrases: dict[str, list[str]] = {}
    for start in range(0, len(captions), 1024):
        cosines = queries[start : start + 1024] @ vectors.T
        cosines[cosines > NEAREST] = -1.0
        most = min(MAX_PARAPHRASES, len(sentences))
        best = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
        for row, places in enumerate(best):
            near = sorted(places, key=lambda place: -cosines[row, place])
            matches = [sentences[place] for place in near if cosines[row, place] >= FURTHEST]
            if matches:
                paraphrases[captions[start + row]] = matches
    logger.info("%d of %d captions have paraphrases", len(paraphrases), len(captions))
    return paraphrases
