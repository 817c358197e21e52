"""Sequences: two captions, one after the other, in films joined from captioned clips.

Every film has a few excerpts. A clip is in several films, so that a caption alone does not tell
which film is meant; both captions in their order do. A sequence counts as found if it is in the
right film and each of its steps overlaps the excerpt of its caption.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.moments.films import Film, Scene
from benchmarks.moments.joined import Captioned, captioned_clips, join_excerpts
from vidseek.core.types import EncoderSpec, TimeSpan
from vidseek.encoders.base import Encoder
from vidseek.search.moments.chains import best_chain, step_evidence

FILMS = 60
EXCERPTS = 5
SEEDS = 3
TOP = 5


def print_sequences(folder: Path, encoder: Encoder) -> None:
    """Print recall at 5 of the right sequence, and of its captions alone."""
    clips = captioned_clips(folder, encoder)
    found: dict[str, list[bool]] = {}
    for seed in range(SEEDS):
        films, pairs = _films_and_pairs(clips, encoder, seed)
        for pair in pairs:
            for name, is_found in _answers(films, pair, encoder.spec).items():
                found.setdefault(name, []).append(is_found)
    queries = len(next(iter(found.values())))
    print(f"\n### One caption after another, {queries} pairs, {FILMS} films of {EXCERPTS} excerpts")
    print(f"\n| | R@{TOP} |\n| --- | --- |")
    for name, answers in found.items():
        print(f"| {name} | {100 * np.mean(answers):.1f} |")


def _films_and_pairs(
    clips: list[Captioned], encoder: Encoder, seed: int
) -> tuple[list[Film], list[tuple[Scene, Scene]]]:
    """Films, and for each two of its excerpts in their order."""
    random = np.random.default_rng(seed)
    films, pairs = [], []
    for number in range(FILMS):
        chosen = [clips[index] for index in random.choice(len(clips), EXCERPTS, replace=False)]
        film, scenes = join_excerpts(chosen, encoder, random, number=number)
        first, last = sorted(random.choice(EXCERPTS, 2, replace=False).tolist())
        films.append(film)
        pairs.append((scenes[first], scenes[last]))
    return films, pairs


def _answers(films: list[Film], pair: tuple[Scene, Scene], spec: EncoderSpec) -> dict[str, bool]:
    """Whether each way to search finds the pair among its best answers."""
    queries = np.stack([scene.query for scene in pair])
    corrected = [queries @ film.vectors.T + film.corrections for film in films]
    singles = {
        name: _is_among_best(
            [_best_clip(film, row[step]) for film, row in zip(films, corrected, strict=True)],
            pair[step : step + 1],
        )
        for step, name in enumerate(("first caption alone", "second caption alone"))
    }
    answers = dict(singles)
    for stage, scores in (
        ("", [queries @ film.vectors.T for film in films]),
        (", with hubness correction", corrected),
    ):
        for name, calibrated in (("mean of the scores", None), ("by confidence", spec)):
            best = [
                _best_sequence(film, row, calibrated)
                for film, row in zip(films, scores, strict=True)
            ]
            answers[f"both, {name}{stage}"] = _is_among_best(best, pair)
    return answers


_Answer = tuple[float, list[TimeSpan]]
"""Score and spans of a film's best answer."""


def _best_clip(film: Film, scores: NDArray[np.float32]) -> _Answer:
    best = int(scores.argmax())
    return float(scores[best]), [film.clips[best].span]


def _best_sequence(film: Film, scores: NDArray[np.float32], spec: EncoderSpec | None) -> _Answer:
    evidence = step_evidence(scores.astype(np.float64), spec)
    chain = best_chain(evidence, [clip.span for clip in film.clips])
    if chain is None:
        return float("-inf"), []
    score = float(evidence[range(len(chain)), chain].mean())
    return score, [film.clips[position].span for position in chain]


def _is_among_best(answers: list[_Answer], scenes: tuple[Scene, ...]) -> bool:
    order = sorted(range(len(answers)), key=lambda film: -answers[film][0])[:TOP]
    film = scenes[0].film
    spans = answers[film][1]
    return film in order and all(
        scene.span.overlap(span) > 0 for scene, span in zip(scenes, spans, strict=True)
    )
