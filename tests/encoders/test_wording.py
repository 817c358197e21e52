"""What the built-in model reads of a text does not depend on how it is typed."""

from __future__ import annotations

import numpy as np
import pytest

from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.builtin.wording import canonical_wording

DOGS = (
    "a dog|A Dog|DOG|the dog|a dog?|a dog!|a dog.|a dog…|a dog?!|¿a dog?|- a dog|(a dog)| a  dog\n"
    "|\"a dog\"|“a dog”|«a dog»|'a dog'|‘the dog’"
)
SAME = [
    DOGS.split("|"),
    ["a dog running on a beach", "The dog, running, on the beach.", "dog running on beach;"],
    ["the man's hat", "The man’s hat!"],
    ["a close-up of an eye", "close up of the eye", "Close—up of eye"],
]


@pytest.mark.parametrize("texts", SAME)
def test_punctuation_case_articles_and_quotes_make_no_difference(texts: list[str]) -> None:
    assert len({canonical_wording(text) for text in texts}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a dog", "dogs"),
        ("a dog", "no dog"),
        ("3.5 metres", "35 metres"),
        ("50% off", "50 off"),
        ("we'll", "well"),
        ("a cat", "a cat and a dog"),
    ],
)
def test_words_make_a_difference(one: str, other: str) -> None:
    assert canonical_wording(one) != canonical_wording(other)


@pytest.mark.parametrize("text", ["", "?", "the", "A!", "…", '""'])
def test_a_text_without_other_words_stays_as_it_is(text: str) -> None:
    assert canonical_wording(text) == text


def test_the_encoder_reads_the_words_alone() -> None:
    encoder = BuiltinEncoder(threads=1)
    for texts in SAME:
        vectors = np.concatenate([encoder.encode_text([text]) for text in texts])
        np.testing.assert_array_equal(vectors, np.broadcast_to(vectors[0], vectors.shape))
    dog, cat = encoder.encode_text(["a dog?", "a cat?"])
    assert dog @ cat < 0.9
