"""Films joined from captioned clips, on which the constants of localisation were chosen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.moments.films import Film, Scene, hub_corrections
from benchmarks.moments.spans import Window, merged_around, print_around, window_around
from vidseek.core.types import Clip, TimeSpan
from vidseek.encoders.base import Encoder
from vidseek.search.moments.merging import merge_margin
from vidseek.video import (
    DecodeJob,
    DecodePool,
    SamplingPlan,
    cut_clips,
    frame_signatures,
)

ORDERS = 3
EXCERPT_SECONDS = (3.0, 14.0)
FILM_SECONDS = 90.0
FAST_SPACING_SECONDS = 2.9
"""Minimum gap of two frames of an excerpt, for films sampled as sparsely as with ``fast``."""


@dataclass(frozen=True)
class Captioned:
    """A clip with its caption."""

    pts_seconds: NDArray[np.float64]
    signatures: NDArray[np.float32]
    vectors: NDArray[np.float32]
    duration_seconds: float
    query: NDArray[np.float32]


def captioned_clips(folder: Path, encoder: Encoder) -> list[Captioned]:
    """Every captioned clip, sampled at a frame per second."""
    captions = json.loads((folder / "captions.json").read_text())
    plan = SamplingPlan("dense")
    jobs = [
        DecodeJob(path=folder / "clips" / name, plan=plan, span=None) for name in sorted(captions)
    ]
    clips = []
    with DecodePool(workers=1, short_side=encoder.spec.image_size) as pool:
        for decoded in pool.read(jobs):
            times, signatures, vectors = [], [], []
            for batch in decoded.batches():
                times.append(batch.pts_seconds.copy())
                signatures.append(frame_signatures(batch.data))
                vectors.append(encoder.encode_frames(batch.data).vectors)
            (query,) = encoder.encode_text([captions[decoded.path.name]])
            clips.append(
                Captioned(
                    np.concatenate(times),
                    np.concatenate(signatures),
                    np.concatenate(vectors),
                    decoded.duration_seconds,
                    query,
                )
            )
    return clips


def joined_films(
    clips: list[Captioned], encoder: Encoder, *, seed: int, spacing_seconds: float, alike: bool
) -> tuple[list[Film], list[Scene]]:
    """Join excerpts, each from the start of its clip, into films of 90 s and more.

    Args:
        clips: from ``captioned_clips``.
        encoder: its hubness correction applies to the films' clips.
        seed: random seed of the order and the lengths.
        spacing_seconds: minimum gap of two frames of an excerpt.
        alike: let the most similar excerpt follow each excerpt.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(clips)).tolist()
    if alike:
        order = _chained(order, clips)
    films: list[Film] = []
    scenes: list[Scene] = []
    left = iter([clips[index] for index in order])
    while parts := list(_excerpts(left, random, spacing_seconds)):
        end = parts[-1][3]
        if end < FILM_SECONDS:
            break  # the rest would be a film of one or two scenes
        film, of_film = _film(parts, encoder, number=len(films))
        scenes += of_film
        films.append(film)
    return films, scenes


def join_excerpts(
    clips: list[Captioned], encoder: Encoder, random: np.random.Generator, *, number: int
) -> tuple[Film, list[Scene]]:
    """A film of excerpts of these clips in this order, sampled twice a second."""
    return _film(list(_excerpts(iter(clips), random, 0.5)), encoder, number=number)


_Excerpt = tuple[Captioned, list[int], float, float]
"""A clip, the positions of its frames, and start and stop in the film."""


def _film(parts: list[_Excerpt], encoder: Encoder, *, number: int) -> tuple[Film, list[Scene]]:
    times = np.concatenate([start + clip.pts_seconds[kept] for clip, kept, start, _ in parts])
    signatures = np.concatenate([clip.signatures[kept] for clip, kept, _, _ in parts])
    vectors = np.concatenate([clip.vectors[kept] for clip, kept, _, _ in parts])
    scenes = [Scene(number, TimeSpan(start, stop), clip.query) for clip, _, start, stop in parts]
    return _cut(encoder, times, signatures, vectors, parts[-1][3], number=number), scenes


def _chained(order: list[int], clips: list[Captioned]) -> list[int]:
    """An order in which each clip is followed by the most similar remaining clip."""
    means = np.stack([clip.vectors.mean(axis=0) for clip in clips])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    chain, left = order[:1], set(order[1:])
    while left:
        chain.append(max(left, key=lambda index: (float(means[chain[-1]] @ means[index]), index)))
        left.remove(chain[-1])
    return chain


def _excerpts(
    clips: Iterator[Captioned], random: np.random.Generator, spacing_seconds: float
) -> Iterator[_Excerpt]:
    """Excerpts until the film is long enough."""
    at = 0.0
    while at < FILM_SECONDS and (clip := next(clips, None)) is not None:
        length = min(float(random.uniform(*EXCERPT_SECONDS)), clip.duration_seconds)
        kept = [0]
        for index, seconds in enumerate(clip.pts_seconds.tolist()):
            if seconds < length and seconds - clip.pts_seconds[kept[-1]] >= spacing_seconds:
                kept.append(index)
        yield clip, kept, at, at + length
        at += length


def _cut(
    encoder: Encoder,
    times: NDArray[np.float64],
    signatures: NDArray[np.float32],
    vectors: NDArray[np.float32],
    end: float,
    *,
    number: int,
) -> Film:
    cuts = cut_clips(times, signatures, vectors, duration_seconds=end)
    frames = [vectors[cut.frames] for cut in cuts]
    means = np.stack([of_clip.mean(axis=0) for of_clip in frames])
    clips = [
        Clip(1000 * number + position, number, cut.span, tuple(times[cut.frames].tolist()))
        for position, cut in enumerate(cuts)
    ]
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return Film(clips, means, frames, hub_corrections(encoder, means))


def print_joined(folder: Path, encoder: Encoder) -> None:
    """Print the table by which the constants of search.moments.localization were chosen."""
    clips = captioned_clips(folder, encoder)
    sets = {}
    for name, alike in (("by lot", False), ("alike", True)):
        films: list[Film] = []
        scenes: list[Scene] = []
        for seed in range(ORDERS):
            for spacing in (FAST_SPACING_SECONDS, 0.5):
                more, of_more = joined_films(
                    clips, encoder, seed=seed, spacing_seconds=spacing, alike=alike
                )
                scenes += [replace(scene, film=scene.film + len(films)) for scene in of_more]
                films += more
        sets[name] = (films, scenes)
    counts = ", ".join(f"{len(scenes)} scenes {name}" for name, (_, scenes) in sets.items())
    print(f"\n### Around the right clip, films joined from {len(clips)} clips ({counts})")
    windows: dict[str, Window] = {
        "whole clips": merged_around(-1.0),
        "neighbours merged by score": merged_around(merge_margin(encoder.spec.confidence_scale)),
    }
    for weight in (0.0, 0.5, 1.0, 2.0):
        for level in (0.5, 0.75, 0.9):
            windows[f"window, picture {weight:g}, level {level:g}"] = window_around(
                picture_weight=weight, level=level
            )
    print_around(sets, windows)
