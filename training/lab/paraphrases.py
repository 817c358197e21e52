"""Find paraphrases of captions among sentences that belong to no picture.

paraphrases = Paraphrases.find(corpus, captions, data, run)
paraphrases.of[corpus.ids["a man plays a guitar"]]      # places in paraphrases.corpus

Most videos of the data have a single caption, and a model that reads nothing else memorises it.
Among hundreds of thousands of sentences without pictures there are paraphrases; the original text
encoder finds them.
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
"""A sentence is a paraphrase if its cosine lies between these; above, it is the same sentence."""
MAX_PARAPHRASES = 8
"""Paraphrases per caption."""


@dataclass(frozen=True)
class Paraphrases:
    """A corpus extended by paraphrases, and the paraphrases of each caption."""

    corpus: Corpus
    of: dict[int, NDArray[np.intp]]
    """Positions of a caption's paraphrases, nearest first, by the caption's position; captions
    without paraphrases are left out."""

    @classmethod
    def none(cls, corpus: Corpus) -> Paraphrases:
        """No paraphrases."""
        return cls(corpus, {})

    @classmethod
    def find(cls, corpus: Corpus, captions: Iterable[str], data: Path, run: Path) -> Paraphrases:
        """Search the data folder's text-only captions.

        Results of an earlier call in the run's folder are reused.

        Args:
            corpus: contains the captions.
            captions: captions of training pictures, none from dev rows.
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
    """The paraphrases of every caption that has any."""
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
