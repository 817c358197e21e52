"""Sentences as the numbers that a text tower takes, cut where they are too long.

rows = token_rows(tokenizer, ["a dog catching a frisbee"], limit=77, to_full_length=False)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class TokenRows(NamedTuple):
    """Sentences in tokens."""

    ids: NDArray[np.int64]
    """(N, L) numbers of tokens, padded."""
    mask: NDArray[np.int64]
    """(N, L) 1 where there is a token of the sentence."""
    cut: tuple[int, ...]
    """Which of the sentences were too long."""


def has_words(tokenizer: Any) -> bool:
    """False for a vocabulary of special tokens only, which transformers silently makes if the
    vocabulary file is missing. All sentences look the same to it."""
    # Some tokenizers add a token for the space between words.
    return len(set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)) > 1


def token_rows(
    tokenizer: Any, texts: Sequence[str], *, limit: int, to_full_length: bool
) -> TokenRows:
    """Tokenise sentences.

    What goes beyond the limit is cut off, but the tokens that end a sentence stay. A character that
    is written as several tokens (a vocabulary with a token for every byte spells out what it does
    not know) is left out whole where not all of them fit.

    Args:
        tokenizer: of transformers.
        texts: at least one.
        limit: most tokens of a sentence, those at its beginning and end included.
        to_full_length: pad to the limit instead of to the longest sentence.
    """
    options: dict[str, Any] = {
        "return_attention_mask": True,
        "return_special_tokens_mask": True,
        "return_offsets_mapping": bool(tokenizer.is_fast),
    }
    whole = tokenizer(list(texts), truncation=False, verbose=False, **options)
    fitted = tokenizer(list(texts), truncation=True, max_length=limit, **options)
    cut = [place for place, ids in enumerate(whole["input_ids"]) if len(ids) > limit]
    if tokenizer.is_fast and tokenizer.truncation_side == "right":
        for place in cut:
            _drop_half_a_character(fitted, whole, place)
    padded = tokenizer.pad(
        {name: fitted[name] for name in ("input_ids", "attention_mask")},
        padding="max_length" if to_full_length else True,
        max_length=limit if to_full_length else None,
        return_tensors="np",
    )
    return TokenRows(
        np.asarray(padded["input_ids"], np.int64),
        np.asarray(padded["attention_mask"], np.int64),
        tuple(cut),
    )


def _drop_half_a_character(fitted: Any, whole: Any, place: int) -> None:
    """Drop the last tokens of a cut sentence if they are only part of a character."""
    kept, everything = (_of_text(each["special_tokens_mask"][place]) for each in (fitted, whole))
    if not kept or len(kept) == len(everything):
        return
    begins, _ = whole["offset_mapping"][place][everything[len(kept)]]
    halves = [at for at in kept if fitted["offset_mapping"][place][at][1] > begins]
    for name in ("input_ids", "attention_mask"):
        values = fitted[name][place]
        fitted[name][place] = [value for at, value in enumerate(values) if at not in halves]


def _of_text(special: Sequence[int]) -> list[int]:
    """Places of the tokens that are of the sentence itself."""
    return [at for at, is_special in enumerate(special) if not is_special]
