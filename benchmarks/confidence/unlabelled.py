"""A calibration without labels, compared with a calibration with captions."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import vidseek
from benchmarks.confidence.pairs import Pairs, clip_pairs, gallery_pairs, measure
from benchmarks.confidence.sources import Items, Sources
from vidseek.core.types import EncodedClip, TimeSpan, Video
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.platt_scaling import (
    ABSENT_GALLERY,
    fit_confidence,
)
from vidseek.storage.store import LibraryStore


def unlabelled(sources: Sources) -> None:
    """Print a calibration without labels beside a calibration with captions."""
    print("\n## Calibrated without labels\n")
    print(
        "| library | queries | 0.5 at score, without labels | by captions | error, without labels "
        "| by captions (fitted to these) |\n| --- | --- | --- | --- | --- | --- |"
    )
    with sources.clips() as library:
        captions = sources.clip_captions()
        _compare("clips", library, clip_pairs(library, captions), list(captions.values()))
    items = sources.items("flickr8k", "dev")
    order = np.random.default_rng(1).permutation(len(items.captions))
    for size in (50, ABSENT_GALLERY, len(order)):
        some = order[:size]
        part = Items(
            f"{size} pictures of flickr8k dev",
            [items.captions[i] for i in some],
            items.vectors[some],
            [items.frames[i] for i in some],
        )
        pairs = gallery_pairs(sources.encoder, part, captions_each=5, size=size)
        with tempfile.TemporaryDirectory() as folder:
            store_pictures(Path(folder), sources.encoder, part)
            with vidseek.open(folder, encoder=sources.encoder) as library:
                _compare(part.name, library, pairs, [texts[0] for texts in part.captions])


def _compare(name: str, library: vidseek.Library, pairs: Pairs, captions: list[str]) -> None:
    labelled = fit_confidence(pairs.matched, pairs.mismatched)
    for title, queries in (("bundled", None), ("its captions", captions)):
        if queries is not None and len(set(queries)) < 50:
            continue
        report = library.calibrate(queries=queries, override=True)
        found = report.calibration
        library.forget_calibration()
        print(
            f"| {name} | {title} | {report.half_sure_score:.3f} | "
            f"{-labelled[1] / labelled[0]:.3f} | {measure(pairs, found.scale, found.bias)[0]:.3f} "
            f"| {measure(pairs, *labelled)[0]:.3f} |",
            flush=True,
        )


def store_pictures(folder: Path, encoder: BuiltinEncoder, items: Items) -> None:
    """Make a library in which each picture is a video of one clip."""
    with LibraryStore.open(folder, create=True) as store, store.lease():
        store.encoders.register(encoder.spec)
        for place, (vector, frames) in enumerate(zip(items.vectors, items.frames, strict=True)):
            video = Video(
                id=0,
                path=folder / f"{place}.mp4",
                content_hash=f"{place:064x}",
                size_bytes=1,
                modified_ns=1,
                duration_seconds=1.0,
                frame_rate=1.0,
                width=260,
                height=260,
                codec="h264",
            )
            clip = EncodedClip(
                TimeSpan(0.0, 1.0), tuple(map(float, range(len(frames)))), vector, frames
            )
            store.videos.add(video, [clip], fingerprint=encoder.spec.fingerprint)
