"""Recommendations: pieces of one film among pieces of many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.understanding.films import add_film, open_library, read_frames
from vidseek.encoders.base import Encoder
from vidseek.search.understanding.related import Example, RelatedOptions, related

FILMS = 60
PIECES = 4
MIN_FRAMES = 8


def print_related(folder: Path, library_folder: Path, encoder: Encoder) -> None:
    """Print the mean average precision of the other pieces of a liked piece's film."""
    films = [
        film
        for film in read_frames(sorted(folder.glob("*.mp4")), encoder)
        if len(film.seconds) >= MIN_FRAMES
    ]
    order = np.random.default_rng(0).permutation(len(films))[:FILMS]
    found: dict[str, list[float]] = {}
    with open_library(library_folder, encoder) as store:
        with store.lease():
            film_of = {}
            means = {}
            for number in order.tolist():
                film = films[number]
                bounds = np.linspace(0, len(film.seconds), PIECES + 1).round().astype(int)
                for start, stop in zip(bounds.tolist(), bounds[1:].tolist(), strict=False):
                    piece = film.part(start, stop)
                    named = replace(piece, name=f"{number}-{start}.mp4")
                    video = add_film(store, encoder, named)
                    film_of[video.path] = number
                    means[video.path] = piece.features.vectors.mean(axis=0)
        for diversity in (0.0, 0.3):
            options = RelatedOptions(k=len(film_of), diversity=diversity)
            for path, number in film_of.items():
                answers = related(store, encoder, [Example(path)], options)
                ranked = [film_of[each.video.path] == number for each in answers]
                found.setdefault(f"related, diversity {diversity:g}", []).append(_precision(ranked))
    random = np.random.default_rng(0)
    for path, number in film_of.items():
        others = [other for other in film_of if other != path]
        likeness = [float(means[path] @ means[other]) for other in others]
        by_mean = [film_of[others[place]] == number for place in np.argsort(likeness)[::-1]]
        found.setdefault("nearest mean frame", []).append(_precision(by_mean))
        by_chance = [film_of[others[place]] == number for place in random.permutation(len(others))]
        found.setdefault("random", []).append(_precision(by_chance))
    print(f"\n### Related: {PIECES} pieces each of {len(order)} films\n\n| | mAP |\n| --- | --- |")
    for name, values in found.items():
        print(f"| {name} | {np.mean(values):.3f} |", flush=True)


def _precision(is_right: list[bool]) -> float:
    """Average precision of a ranking; pieces that are missing count 0."""
    right = np.flatnonzero(is_right) + 1
    return float((np.arange(1, len(right) + 1) / right).sum() / (PIECES - 1))
