"""Ways to choose the spans of hits: whole clips, merged neighbours, windows of the curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from benchmarks.moments.films import Film, Scene
from vidseek.core.types import Clip, TimeSpan
from vidseek.search.moments.localization import best_window, localize_moments, similarity_curve
from vidseek.search.moments.merging import ScoredClip, find_moments

Spans = list[tuple[int, TimeSpan]]
"""Film and span of each hit, best first."""
Way = Callable[[list[Film], list[ScoredClip], NDArray[np.float32], int], Spans]
Window = Callable[[Film, NDArray[np.float32], int], TimeSpan]
"""From a film, a query and a clip's position to the span of the moment around that clip."""


def whole_clips(
    films: list[Film], ranked: list[ScoredClip], query: NDArray[np.float32], k: int
) -> Spans:
    """Every clip is a hit of its own."""
    return [(scored.clip.video_id, scored.clip.span) for scored in ranked[:k]]


def merged_clips(margin: float) -> Way:
    """Adjacent clips with similar scores form a hit."""

    def find(
        films: list[Film], ranked: list[ScoredClip], query: NDArray[np.float32], k: int
    ) -> Spans:
        moments = list(islice(find_moments(ranked, margin=margin), k))
        return [(moment.video_id, moment.span) for moment in moments]

    return find


def localized(
    films: list[Film], ranked: list[ScoredClip], query: NDArray[np.float32], k: int
) -> Spans:
    """Hits are windows of the similarity curve, as in ``SearchEngine.search``."""

    def read_around(film: int, span: TimeSpan) -> tuple[list[Clip], list[NDArray[np.float32]]]:
        clips = films[film].clips
        near = [i for i, clip in enumerate(clips) if clip.span.overlap(span) > 0]
        return [clips[i] for i in near], [films[film].frames[i] for i in near]

    moments = islice(localize_moments(ranked, query, read_around), k)
    return [(moment.video_id, moment.span) for moment in moments]


def rank(films: Sequence[Film], query: NDArray[np.float32]) -> list[ScoredClip]:
    """All clips, best first, by the score of a search."""
    scored = [
        ScoredClip(clip, score)
        for film in films
        for clip, score in zip(film.clips, film.scores(query).tolist(), strict=True)
    ]
    return sorted(scored, key=lambda one: (-one.score, one.clip.id))


def window_around(*, picture_weight: float, level: float) -> Window:
    """A window of the curve, with other constants than in a search."""

    def find(film: Film, query: NDArray[np.float32], anchor: int) -> TimeSpan:
        curve = similarity_curve(
            film.clips, film.frames, query, anchor=anchor, picture_weight=picture_weight
        )
        first, last = best_window(film.clips, curve, anchor=anchor, level=level)
        return film.clips[first].span.union(film.clips[last].span)

    return find


def merged_around(margin: float) -> Window:
    """The merged clips that contain the clip."""

    def find(film: Film, query: NDArray[np.float32], anchor: int) -> TimeSpan:
        clip = film.clips[anchor]
        moments = list(find_moments(rank([film], query), margin=margin))
        return next(moment.span for moment in moments if clip in moment.clips)

    return find


def window_of_search(film: Film, query: NDArray[np.float32], anchor: int) -> TimeSpan:
    """The window of a search in which that clip is the best."""
    only = [ScoredClip(film.clips[anchor], 1.0)]
    films = {film.clips[anchor].video_id: film}
    ((_, span),) = localized(films, only, query, 1)
    return span


def right_clip(film: Film, scene: Scene) -> int:
    """Position of the best clip inside the scene, or else of the clip that overlaps it most."""
    shares = np.array(
        [
            clip.span.overlap(scene.span) / max(clip.span.duration_seconds, 1e-9)
            for clip in film.clips
        ]
    )
    scores = film.scores(scene.query)
    inside = shares > 0.5 if (shares > 0.5).any() else shares == shares.max()
    return int(np.argmax(np.where(inside, scores, -np.inf)))


def ious_around(films: list[Film], scenes: list[Scene], find: Window) -> NDArray[np.float64]:
    """(S,) IoU of the span around the right clip with the scene, regardless of ranking."""
    return np.array(
        [
            find(films[scene.film], scene.query, right_clip(films[scene.film], scene)).iou(
                scene.span
            )
            for scene in scenes
        ]
    )


def print_around(
    sets: dict[str, tuple[list[Film], list[Scene]]], windows: dict[str, Window]
) -> None:
    """Print the mean IoU of spans around the right clip; columns are sets of films."""
    print("\n| span | " + " | ".join(f"{name}: mean IoU | at 0.5" for name in sets) + " |")
    print("| --- |" + " --- | --- |" * len(sets))
    for title, window in windows.items():
        cells = []
        for films, scenes in sets.values():
            ious = ious_around(films, scenes, window)
            cells.append(f"{ious.mean():.3f} | {np.mean(ious >= 0.5):.1%}")
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)
