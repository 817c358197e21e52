"""Whether the answers to a query depend on how it is typed."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.intervals import interval
from benchmarks.retrieval.pictures import Flickr8k
from benchmarks.retrieval.synonyms import LIST

COUNT = 50
TOP = 10
FORMS: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "exclamation mark": lambda text: f"{text}!",
    "question mark": lambda text: f"{text}?",
    "quotes": lambda text: f'"{text}"',
    "without the article": lambda text: text.split(maxsplit=1)[1],
    "with the definite article": lambda text: f"the {text.split(maxsplit=1)[1]}",
}
"""Other ways to type a query, such as "a dog"."""


def wording(flickr: Flickr8k, path: Path = LIST) -> None:
    """Print how many of the best answers to "a dog" and the like stay if typed another way."""
    nouns = list(tomllib.loads(path.read_text(encoding="utf-8"))["synonyms"])[:COUNT]
    texts = [f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}" for noun in nouns]
    usual = [_best(flickr, text) for text in texts]
    title = f"typed otherwise, {len(nouns)} queries, {len(flickr.pictures.rows)} pictures"
    print(f"\n| {title} | top {TOP} shared, per cent |\n| --- | --- |")
    for name, form in FORMS.items():
        again = [_best(flickr, form(text)) for text in texts]
        shared = [len(old & new) / TOP for old, new in zip(usual, again, strict=True)]
        print(f"| {name} | {interval(np.array(shared))} |", flush=True)


def _best(flickr: Flickr8k, text: str) -> set[int]:
    """Places of the best pictures as a search ranks them."""
    scores = (flickr.encoder.encode_text([text]) @ flickr.pictures.features.vectors.T)[0]
    if flickr.encoder.hubness is not None:
        scores = scores + flickr.encoder.hubness.corrections(flickr.pictures.features.vectors)
    return set(np.argsort(-scores)[:TOP].tolist())
