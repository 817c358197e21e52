"""Two vlogs with annotated scenes: recall of spans, for reporting."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.intervals import interval
from benchmarks.moments.films import Film, Scene, hub_corrections
from benchmarks.moments.spans import (
    Way,
    localized,
    merged_around,
    merged_clips,
    print_around,
    rank,
    whole_clips,
    window_of_search,
)
from vidseek.core.types import TimeSpan
from vidseek.encoders.base import Encoder
from vidseek.indexer import Indexer, IndexOptions
from vidseek.search.moments.merging import merge_margin
from vidseek.storage.store import LibraryStore
from vidseek.video import (
    SamplingPlan,
)

PLANS = ("fast", "dense")


def long_films(store: LibraryStore, encoder: Encoder) -> dict[str, Film]:
    """The videos of a library as films, by file name."""
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
    """Print the recall of spans, for the first hit and for the best of five."""
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


def ious_of_hits(
    films: list[Film], scenes: list[Scene], way: Way, *, own_video: bool
) -> NDArray[np.float64]:
    """(S, 2) IoU with the scene: of the first hit, and of the best of five."""
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
    """Table cells: recall at IoU 0.3 and 0.5, and mean IoU."""
    return f"{np.mean(ious >= 0.3):.1%} | {np.mean(ious >= 0.5):.1%} | {ious.mean():.3f}"


def print_differences(found: dict[tuple[str, str], list[NDArray[np.float64]]]) -> None:
    """Print the gain of windows over merged clips, with intervals resampled by scene."""
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
