"""Recall for queries with words that no training caption uses.

In every caption one noun is replaced by a synonym of `benchmarks/synonyms.toml` that occurs, in
singular or plural, neither in a caption of the training pictures nor in the data folder's sentences
without pictures, some of which served as paraphrases. The list is made by hand; which synonyms are
absent from training is looked up.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.intervals import interval, ratio_interval
from benchmarks.retrieval.pictures import Flickr8k
from vidseek.training.lab.pictures import read_rows, row_captions, text_only_captions
from vidseek.training.metrics import ranks

LIST = Path(__file__).resolve().parents[1] / "synonyms.toml"
TRAINED_SETS = ("flickr8k", "msrvtt", "sports100", "caltech101", "misc")
WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Replacement:
    """A noun of the list and one of its synonyms, in singular or plural."""

    noun: str
    synonym: str
    written: str
    """The synonym, in singular or plural like the word that it replaces."""


def synonyms(flickr: Flickr8k, data: Path) -> None:
    """Print recall at 10 of captions, and of the same captions with one noun replaced."""
    seen = {
        word
        for name in TRAINED_SETS
        for row in read_rows(data, name)
        if row.split == "train"
        for caption in row_captions(row)
        for word in WORD.findall(caption.lower())
    }
    for sentence in text_only_captions(data):
        seen.update(WORD.findall(sentence.lower()))
    usable = absent_synonyms(seen)
    random = np.random.default_rng(0)
    replaced, places, used = [], [], []
    for place, caption in enumerate(flickr.captions):
        choice = replace_noun(caption, usable, random)
        if choice is not None:
            replaced.append(choice[0])
            used.append(choice[1])
            places.append(place)
    truth = flickr.truth[places]
    scores = flickr.encoder.encode_text(replaced) @ flickr.pictures.features.vectors.T
    before = (ranks(flickr.scores[places], truth) < 10).astype(np.float64)
    after = (ranks(scores, truth) < 10).astype(np.float64)
    pairs = {(one.noun, one.synonym) for one in used}
    print(f"\n| synonyms, {len(replaced)} queries, {len(pairs)} pairs | per cent (95 % interval) |")
    print("| --- | --- |")
    print(f"| R@10 of the captions | {interval(before, truth)} |")
    print(
        "| R@10, one noun replaced by a word that no training caption has "
        f"| {interval(after, truth)} |"
    )
    print(f"| kept | {ratio_interval(after, before, truth)} |")
    print_pairs(used, before, after)


def print_pairs(
    used: list[Replacement], before: NDArray[np.float64], after: NDArray[np.float64]
) -> None:
    """Print every pair with its number of captions and R@10 before and after, by frequency."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, one in enumerate(used):
        places.setdefault((one.noun, one.synonym), []).append(place)
    shown = [
        f"{noun} -> {synonym} {len(some)} ({before[some].mean():.0%}, {after[some].mean():.0%})"
        for (noun, synonym), some in sorted(places.items(), key=lambda entry: -len(entry[1]))
    ]
    print(f"\nPairs, captions (R@10 before, after): {', '.join(shown)}.", flush=True)


def absent_synonyms(seen: AbstractSet[str], path: Path = LIST) -> dict[str, list[Replacement]]:
    """From each noun, in singular and plural, to its unseen synonyms in the same number."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    irregular: dict[str, str] = table["plurals"]
    usable: dict[str, list[Replacement]] = {}
    for noun, others in table["synonyms"].items():
        for synonym in others:
            forms = {noun: synonym}
            forms.setdefault(plural(noun, irregular), plural(synonym, irregular))
            if {synonym, plural(synonym, irregular)} & seen:
                continue
            for form, written in forms.items():
                usable.setdefault(form, []).append(Replacement(noun, synonym, written))
    return usable


def plural(noun: str, irregular: dict[str, str]) -> str:
    """The plural of a noun of the list."""
    if noun in irregular:
        return irregular[noun]
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search(r"(s|x|ch|sh)$", noun) else "s")


def replace_noun(
    caption: str, usable: dict[str, list[Replacement]], random: np.random.Generator
) -> tuple[str, Replacement] | None:
    """A lower-case caption with one noun replaced; None if no noun can be replaced.

    Noun and synonym are random, because the first noun of nearly every caption is a person or a
    dog. "a" and "an" are adapted to the new word.
    """
    caption = caption.lower()
    nouns = [match for match in WORD.finditer(caption) if match[0] in usable]
    if not nouns:
        return None
    noun = nouns[random.integers(len(nouns))]
    choice = usable[noun[0]][random.integers(len(usable[noun[0]]))]
    article = "an " if choice.written[0] in "aeiou" else "a "
    head = re.sub(r"\ban? $", article, caption[: noun.start()])
    return head + choice.written + caption[noun.end() :], choice
