"""Sentences of the training data: collected, tokenised and encoded.

corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
corpus.vectors[corpus.ids["a dog runs"]]

The vectors of `prepare` are those of the original MiniLM; `with_text` encodes with a tuned one.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BertModel

from vidseek.training.lab.pictures import (
    PictureRow,
    read_rows,
    row_captions,
    text_only_captions,
)
from vidseek.training.networks.text import (
    POSITIONS,
    Text,
    choose_vocabulary,
    load_minilm,
    tokenizer_json,
)
from vidseek.training.optimisation import encoding_precision

logger = logging.getLogger(__name__)


def load_text(run: Path, *, tuned: bool = True) -> tuple[Text, Tokenizer]:
    """The text encoder and tokeniser of a run: tuned or original."""
    folder = run / "minilm"
    if tuned and (run / "text" / "config.json").exists():
        folder = run / "text"
    # Random numbers for dropout on attention take a tenth of a training step.
    bert = BertModel.from_pretrained(
        folder, add_pooling_layer=False, attention_probs_dropout_prob=0.0
    )
    tokenizer = Tokenizer.from_file(str(run / "minilm" / "tokenizer.json"))
    tokenizer.enable_truncation(POSITIONS)
    tokenizer.enable_padding(pad_id=0)
    return Text(bert).eval(), tokenizer


@torch.inference_mode()
def encode_sentences(
    text: Text, tokenizer: Tokenizer, sentences: list[str], *, batch: int = 128
) -> NDArray[np.float32]:
    """(N, 384) float32 vectors of sentences, computed in order of length to minimise padding."""
    vectors = np.empty((len(sentences), 384), np.float32)
    order = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        encodings = tokenizer.encode_batch([sentences[index] for index in chosen])
        token_ids = torch.tensor([encoding.ids for encoding in encodings])
        mask = torch.tensor([encoding.attention_mask for encoding in encodings])
        with encoding_precision(token_ids.device):
            vectors[chosen] = text(token_ids, mask)[0].numpy()
        if start // batch % 40 == 0:
            logger.info("%d of %d sentences", start, len(order))
    return vectors


@dataclass(frozen=True)
class Corpus:
    """All sentences of the run's pictures, with their vectors."""

    sentences: list[str]
    ids: dict[str, int]
    vectors: NDArray[np.float32]
    """(N, 384) float32, L2-normalised."""
    tokens: list[list[int]]
    """Token ids of every sentence, [CLS] and [SEP] included."""

    def with_text(self, text: Text, tokenizer: Tokenizer) -> Corpus:
        """The same sentences, with vectors from another text encoder."""
        return replace(self, vectors=encode_sentences(text, tokenizer, self.sentences))

    @classmethod
    def prepare(cls, sets: tuple[str, ...], vocabulary: int, data: Path, run: Path) -> Corpus:
        """Reduce the vocabulary, save the text encoder in the run's folder, encode all sentences.

        Results of an earlier call in the folder are reused.
        """
        rows = {name: read_rows(data, name) for name in sets}
        if not (run / "minilm" / "tokenizer.json").exists():
            chosen = choose_vocabulary(_vocabulary_sentences(rows, data), size=vocabulary)
            load_minilm(chosen).bert.save_pretrained(run / "minilm")
            (run / "minilm" / "tokenizer.json").write_text(tokenizer_json(chosen))
        sentences = sorted(
            {
                caption
                for set_rows in rows.values()
                for row in set_rows
                if row.split != "test"
                for caption in row_captions(row)
            }
        )
        files = run / "sentences.json", run / "sentences.npy"
        known = json.loads(files[0].read_text()) if files[0].exists() else []
        text, tokenizer = load_text(run, tuned=False)
        if set(sentences) <= set(known):
            sentences, vectors = known, np.load(files[1])
        else:
            logger.info("encoding %d sentences", len(sentences))
            vectors = encode_sentences(text, tokenizer, sentences)
            np.save(files[1], vectors)
            files[0].write_text(json.dumps(sentences))
        ids = {sentence: place for place, sentence in enumerate(sentences)}
        tokenizer.no_padding()
        tokens = [encoding.ids for encoding in tokenizer.encode_batch(sentences)]
        return cls(sentences, ids, vectors, tokens)


def _vocabulary_sentences(rows: dict[str, list[PictureRow]], data: Path) -> list[str]:
    """Training captions, text-only captions and class names; none from dev or test rows."""
    sentences = [
        caption
        for set_rows in rows.values()
        for row in set_rows
        if row.split == "train"
        for caption in row_captions(row)
    ]
    sentences += text_only_captions(data)
    for file in sorted((data / "labels").glob("*.txt")):
        # Twice, so that a name's pieces outrank those that a single caption in 250,000 uses.
        sentences += 2 * file.read_text().splitlines()
    return sentences
