"""Measure the spans of hits against the scenes that were asked for.

python -m benchmarks.moments [FOLDER] [--only joined|long] [--libraries FOLDER]

FOLDER holds clips/, captions.json and long/scenes.json, as ../shared/data/videos does. ``joined``
is for choosing: frames of the captioned clips are encoded once and joined, excerpt after excerpt,
into films in several orders; drawn by lot, and so that scenes that look alike follow each other, as
they do in one person's video. ``long`` is for reporting: two vlogs are indexed, and titles and
captions of their scenes are the queries. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.intervals import interval
from benchmarks.machine import VIDEOS, processor_name, require_folder
from vidseek.core.types import Clip, TimeSpan
from vidseek.encoders.base import Encoder
from vidseek.encoders.registry import create_encoder
from vidseek.indexer import Indexer, IndexOptions
from vidseek.search.moments.localization import best_window, localize_moments, similarity_curve
from vidseek.search.moments.merging import ScoredClip, find_moments, merge_margin
from vidseek.storage.store import LibraryStore
from vidseek.video import (
    DecodeJob,
    DecodePool,
    SamplingPlan,
    cut_clips,
    frame_signatures,
)

PLANS = ("fast", "dense")
ORDERS = 3
EXCERPT_SECONDS = (3.0, 14.0)
FILM_SECONDS = 90.0
FAST_SPACING_SECONDS = 2.9
"""Least between two frames of an excerpt where films are sampled as sparsely as by ``fast``."""


@dataclass(frozen=True)
class Film:
    """The clips of a video and the vectors that are kept of them."""

    clips: list[Clip]
    """Their ``video_id`` is the film's position in its list."""
    vectors: NDArray[np.float32]
    """(C, D) of the clips."""
    frames: list[NDArray[np.float32]]
    """(F, D) of each clip's frames."""
    corrections: NDArray[np.float32]
    """(C,) added to the clips' cosines, for hubs."""

    def scores(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """(C,) by which search orders the clips."""
        scores: NDArray[np.float32] = self.vectors @ query + self.corrections
        return scores


def hub_corrections(encoder: Encoder, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(C,) of (C, D) clip vectors; 0 where the encoder knows no hubs."""
    hubness = encoder.hubness
    return np.zeros(len(vectors), np.float32) if hubness is None else hubness.corrections(vectors)


@dataclass(frozen=True)
class Scene:
    """What a sentence describes."""

    film: int
    span: TimeSpan
    query: NDArray[np.float32]
    """(D,) of the sentence."""


Spans = list[tuple[int, TimeSpan]]
"""Film and span of each hit, best first."""
Way = Callable[[list[Film], list[ScoredClip], NDArray[np.float32], int], Spans]
Window = Callable[[Film, NDArray[np.float32], int], TimeSpan]
"""Span of the moment around a clip: of a film, a query and the clip's position."""


def whole_clips(
    films: list[Film], ranked: list[ScoredClip], query: NDArray[np.float32], k: int
) -> Spans:
    """Each clip is a hit."""
    return [(scored.clip.video_id, scored.clip.span) for scored in ranked[:k]]


def merged_clips(margin: float) -> Way:
    """Neighbours of about the same score are one hit."""

    def find(
        films: list[Film], ranked: list[ScoredClip], query: NDArray[np.float32], k: int
    ) -> Spans:
        moments = find_moments(ranked, margin=margin)[:k]
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

    moments = localize_moments(ranked, query, read_around, k=k)
    return [(moment.video_id, moment.span) for moment in moments]


def rank(films: Sequence[Film], query: NDArray[np.float32]) -> list[ScoredClip]:
    """All clips, best first, by the score that search orders them by."""
    scored = [
        ScoredClip(clip, score)
        for film in films
        for clip, score in zip(film.clips, film.scores(query).tolist(), strict=True)
    ]
    return sorted(scored, key=lambda one: (-one.score, one.clip.id))


# Around the right clip: how good is the span, whatever the ranking?


def window_around(*, picture_weight: float, level: float) -> Window:
    """A window of the curve, with other constants than search has."""

    def find(film: Film, query: NDArray[np.float32], anchor: int) -> TimeSpan:
        curve = similarity_curve(
            film.clips, film.frames, query, anchor=anchor, picture_weight=picture_weight
        )
        first, last = best_window(film.clips, curve, anchor=anchor, level=level)
        return film.clips[first].span.union(film.clips[last].span)

    return find


def merged_around(margin: float) -> Window:
    """The merged clips that the clip is part of."""

    def find(film: Film, query: NDArray[np.float32], anchor: int) -> TimeSpan:
        clip = film.clips[anchor]
        moments = find_moments(rank([film], query), margin=margin)
        return next(moment.span for moment in moments if clip in moment.clips)

    return find


def right_clip(film: Film, scene: Scene) -> int:
    """Position of the best clip that lies in the scene, or of the one that lies in it most."""
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
    """(S,) IoU of the span around the right clip with the scene."""
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
    """Mean IoU of spans around the right clip; columns are sets of films."""
    print("\n| span | " + " | ".join(f"{name}: mean IoU | at 0.5" for name in sets) + " |")
    print("| --- |" + " --- | --- |" * len(sets))
    for title, window in windows.items():
        cells = []
        for films, scenes in sets.values():
            ious = ious_around(films, scenes, window)
            cells.append(f"{ious.mean():.3f} | {np.mean(ious >= 0.5):.1%}")
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


# Films joined from clips, for choosing


@dataclass(frozen=True)
class Captioned:
    """A clip with its caption."""

    pts_seconds: NDArray[np.float64]
    signatures: NDArray[np.float32]
    vectors: NDArray[np.float32]
    duration_seconds: float
    query: NDArray[np.float32]


def captioned_clips(folder: Path, encoder: Encoder) -> list[Captioned]:
    """Every clip with a caption, a frame a second."""
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
    """Join excerpts of the clips, each from its clip's beginning, into films of 90 s and more.

    Args:
        clips: as of ``captioned_clips``.
        encoder: makes vectors of the films' clips.
        seed: for the order and for the lengths.
        spacing_seconds: least between two frames of an excerpt.
        alike: what looks most like an excerpt follows it.
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
            break  # what is left over at the end would be a film of one scene or two
        times = np.concatenate([start + clip.pts_seconds[kept] for clip, kept, start, _ in parts])
        signatures = np.concatenate([clip.signatures[kept] for clip, kept, _, _ in parts])
        vectors = np.concatenate([clip.vectors[kept] for clip, kept, _, _ in parts])
        scenes += [
            Scene(len(films), TimeSpan(start, stop), clip.query) for clip, _, start, stop in parts
        ]
        films.append(_cut(encoder, times, signatures, vectors, end, number=len(films)))
    return films, scenes


def _chained(order: list[int], clips: list[Captioned]) -> list[int]:
    """From the first on, always the clip next that looks most like the one before."""
    means = np.stack([clip.vectors.mean(axis=0) for clip in clips])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    chain, left = order[:1], set(order[1:])
    while left:
        chain.append(max(left, key=lambda index: (float(means[chain[-1]] @ means[index]), index)))
        left.remove(chain[-1])
    return chain


def _excerpts(
    clips: Iterator[Captioned], random: np.random.Generator, spacing_seconds: float
) -> Iterator[tuple[Captioned, list[int], float, float]]:
    """Clips, which of their frames, where they start and stop, until the film is long enough."""
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
    """What the constants of ``vidseek.search.moments.localization`` were chosen by."""
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


# Two vlogs, for reporting


def long_films(store: LibraryStore, encoder: Encoder) -> dict[str, Film]:
    """What a library holds, by the videos' names."""
    fingerprint = encoder.spec.fingerprint
    films = {}
    for number, video in enumerate(store.videos.select()):
        clips = store.videos.clips(video.id)
        ids = [clip.id for clip in clips]
        vectors = store.clip_vectors.read(ids, fingerprint)
        films[video.path.name] = Film(
            [replace(clip, video_id=number) for clip in clips],
            vectors,
            store.clip_vectors.frame_vectors(ids, fingerprint),
            hub_corrections(encoder, vectors),
        )
    return films


def print_long(folder: Path, libraries: Path, encoder: Encoder) -> None:
    """Recall of spans, of the first hit and of the first five."""
    entries = json.loads((folder / "long" / "scenes.json").read_text())
    ways: dict[str, Way] = {
        "whole clips": whole_clips,
        "neighbours merged by score": merged_clips(merge_margin(encoder.spec.confidence_scale)),
        "window of the curve": localized,
    }
    windows = {
        "whole clips": merged_around(-1.0),
        "neighbours merged by score": merged_around(merge_margin(encoder.spec.confidence_scale)),
        "window of the curve": window_of_search,
    }
    for plan in PLANS:
        with LibraryStore.open(libraries / f"long-{plan}", create=True) as store:
            options = IndexOptions(plan=SamplingPlan(plan))
            Indexer(store, encoder, options=options).run([folder / "long"])
            named = long_films(store, encoder)
        films = list(named.values())
        found: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
        for kind in ("title", "caption"):
            scenes = [
                Scene(
                    list(named).index(name),
                    TimeSpan(entry["start_seconds"], entry["end_seconds"]),
                    encoder.encode_text([entry[kind]])[0],
                )
                for name, of_video in entries.items()
                for entry in of_video
            ]
            print(f"\n### {plan}, {kind}s of {len(scenes)} scenes as queries\n")
            print(
                "| asked of | span | IoU 0.3, first | 0.5 | mean | IoU 0.3, best of 5 | 0.5 "
                "| mean |\n" + "| --- " * 8 + "|"
            )
            for scope in ("its video", "both"):
                for title, way in ways.items():
                    ious = ious_of_hits(films, scenes, way, own_video=scope == "its video")
                    print(f"| {scope} | {title} | {recalls(ious[:, 0])} | {recalls(ious[:, 1])} |")
                    found.setdefault((scope, title), []).append(ious)
            print_around({"around the right clip": (films, scenes)}, windows)
        print_differences(found)


def window_of_search(film: Film, query: NDArray[np.float32], anchor: int) -> TimeSpan:
    """The window that search would give if that clip were the best."""
    only = [ScoredClip(film.clips[anchor], 1.0)]
    films = {film.clips[anchor].video_id: film}
    ((_, span),) = localized(films, only, query, 1)
    return span


def ious_of_hits(
    films: list[Film], scenes: list[Scene], way: Way, *, own_video: bool
) -> NDArray[np.float64]:
    """(S, 2) IoU with the scene, of the first hit and the best among the first five."""
    rows = []
    for scene in scenes:
        ranked = rank([films[scene.film]] if own_video else films, scene.query)
        ious = [
            span.iou(scene.span) if film == scene.film else 0.0
            for film, span in way(films, ranked, scene.query, 5)
        ]
        rows.append((ious[0], max(ious)))
    return np.array(rows)


def recalls(ious: NDArray[np.float64]) -> str:
    """Cells of a table."""
    return f"{np.mean(ious >= 0.3):.1%} | {np.mean(ious >= 0.5):.1%} | {ious.mean():.3f}"


def print_differences(found: dict[tuple[str, str], list[NDArray[np.float64]]]) -> None:
    """Windows against merged clips over titles and captions, with intervals by scene."""
    print(
        "\n| window less merged, per cent (95 % by scene) | 0.5, best of 5 | mean IoU, best of 5 |"
    )
    print("| --- | --- | --- |")
    for scope in ("its video", "both"):
        new = np.concatenate([ious[:, 1] for ious in found[scope, "window of the curve"]])
        old = np.concatenate([ious[:, 1] for ious in found[scope, "neighbours merged by score"]])
        groups = np.tile(np.arange(len(new) // 2), 2)
        at_half = (new >= 0.5).astype(np.float64) - (old >= 0.5)
        print(f"| {scope} | {interval(at_half, groups)} | {interval(new - old, groups)} |")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=VIDEOS)
    parser.add_argument("--only", choices=("joined", "long"))
    parser.add_argument("--libraries", type=Path, help="keeps what was indexed for the next run")
    options = parser.parse_args()
    require_folder(parser, options.folder)
    logging.getLogger("vidseek").setLevel(logging.ERROR)  # captions of scenes are cut: known
    encoder = create_encoder()
    print(f"## Spans of hits, on {processor_name()}")
    if options.only != "long":
        print_joined(options.folder, encoder)
    if options.only != "joined":
        with tempfile.TemporaryDirectory() as temporary:
            print_long(options.folder, options.libraries or Path(temporary), encoder)


if __name__ == "__main__":
    main()
