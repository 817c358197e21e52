"""Unusual moments: a foreign clip in a take, and something that comes into a fixed picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.understanding.films import (
    Frames,
    add_film,
    area_under_curve,
    join,
    open_library,
    read_frames,
)
from vidseek.core.types import TimeSpan, VideoFilter
from vidseek.encoders.base import Encoder
from vidseek.search.understanding.outliers import OutlierOptions, outliers
from vidseek.storage.store import LibraryStore

SPLICES = 200
CHANGES = 100
MIN_TAKE_FRAMES = 14
SPLICED_FRAMES = 4
CHANGED_FRAMES = 5
MIN_FIXED_FRAMES = 6
FIXED = "cctv_*.mp4"
STEP_SECONDS = 0.25
"""Between frames of fixed cameras: their clips last two seconds."""
REPEATS = 5
"""How often such a clip is seen, a frame a second, as a time lapse."""
MAX_MOMENTS = 1_000


def print_outliers(folder: Path, libraries: Path, encoder: Encoder) -> None:
    """Print the area under the ROC curve over the clips of each case, averaged."""
    clips = read_frames(sorted(folder.glob("*.mp4")), encoder)
    print("\n### Unusual moments\n\n| | cases | AUROC | baseline |\n| --- | --- | --- | --- |")
    random = np.random.default_rng(0)
    with open_library(libraries / "spliced", encoder) as store:
        cases = [_spliced(clips, random, number) for number in range(SPLICES)]
        ours, baseline = _measure(store, encoder, cases, _from_mean)
    print(
        f"| a foreign clip in a take; baseline: distance to the mean | {SPLICES} | {ours:.3f} "
        f"| {baseline:.3f} |",
        flush=True,
    )
    fixed = [
        _time_lapse(camera)
        for camera in read_frames(sorted(folder.glob(FIXED)), encoder, step_seconds=STEP_SECONDS)
        if len(camera.seconds) >= MIN_FIXED_FRAMES
    ]
    with open_library(libraries / "changed", encoder) as store:
        cases = [_changed(fixed, clips, encoder, random, number) for number in range(CHANGES)]
        ours, baseline = _measure(store, encoder, cases, _from_frame_before)
    print(
        f"| a fixed camera, something comes; baseline: frame difference | {CHANGES} "
        f"| {ours:.3f} | {baseline:.3f} |",
        flush=True,
    )


_Case = tuple[Frames, TimeSpan]
"""A film, and when it is unusual."""
_Baseline = Callable[[Frames], NDArray[np.float64]]
"""Scores the frames of a film."""


def _spliced(clips: list[Frames], random: np.random.Generator, number: int) -> _Case:
    takes = [clip for clip in clips if len(clip.seconds) >= MIN_TAKE_FRAMES]
    take = takes[int(random.integers(len(takes)))]
    others = [
        clip for clip in clips if clip is not take and len(clip.seconds) >= SPLICED_FRAMES + 1
    ]
    other = others[int(random.integers(len(others)))]
    at = int(random.integers(2, len(take.seconds) - 2))
    from_row = int(random.integers(len(other.seconds) - SPLICED_FRAMES))
    before, after = take.part(0, at), take.part(at, len(take.seconds))
    size = take.pictures.shape[1:3]
    foreign = _resized(other.part(from_row, from_row + SPLICED_FRAMES), size)
    film = join([before, foreign, after], f"splice-{number}.mp4")
    start = before.duration_seconds
    return film, TimeSpan(start, start + foreign.duration_seconds)


def _time_lapse(camera: Frames) -> Frames:
    film = join([camera] * REPEATS, camera.name)
    count = len(film.seconds)
    return replace(film, seconds=np.arange(count, dtype=np.float64), duration_seconds=float(count))


def _resized(frames: Frames, size: tuple[int, ...]) -> Frames:
    import cv2

    height, width = size
    pictures = np.stack([cv2.resize(each, (width, height)) for each in frames.pictures])
    return Frames(frames.name, frames.seconds, pictures, frames.features, frames.duration_seconds)


def _changed(
    fixed: list[Frames],
    clips: list[Frames],
    encoder: Encoder,
    random: np.random.Generator,
    number: int,
) -> _Case:
    """A thing from another clip, a quarter to a third as wide as the picture, stays for a while."""
    import cv2

    camera = fixed[int(random.integers(len(fixed)))]
    things = [clip for clip in clips if not clip.name.startswith("cctv")]
    thing = things[int(random.integers(len(things)))].pictures
    height, width = camera.pictures.shape[1:3]
    side = int(min(height, width) * random.uniform(0.25, 0.35))
    source = cv2.resize(thing[int(random.integers(len(thing)))], (side, side))
    top, left = int(random.integers(height - side)), int(random.integers(width - side))
    changed = min(CHANGED_FRAMES, len(camera.seconds) // 3)
    at = int(random.integers(1, len(camera.seconds) - changed))
    part = camera.part(at, at + changed)
    pictures = part.pictures.copy()
    pictures[:, top : top + side, left : left + side] = source
    shown = Frames(
        part.name, part.seconds, pictures, encoder.encode_frames(pictures), part.duration_seconds
    )
    pieces = [camera.part(0, at), shown, camera.part(at + changed, len(camera.seconds))]
    film = join(pieces, f"change-{number}.mp4")
    start = pieces[0].duration_seconds
    return film, TimeSpan(start, start + shown.duration_seconds)


def _measure(
    store: LibraryStore, encoder: Encoder, cases: list[_Case], baseline_of: _Baseline
) -> tuple[float, float]:
    """The mean area under the curve of ``outliers`` and of the baseline, over frames."""
    ours, baseline = [], []
    with store.lease():
        videos = [add_film(store, encoder, film) for film, _ in cases]
    for video, (film, unusual) in zip(videos, cases, strict=True):
        options = OutlierOptions(k=MAX_MOMENTS, where=VideoFilter(path_glob=str(video.path)))
        found = outliers(store, encoder.spec.fingerprint, options)
        scores = np.full(len(film.seconds), -np.inf)
        for moment in found:
            inside = (film.seconds >= moment.span.start_seconds - 1e-6) & (
                film.seconds < moment.span.end_seconds
            )
            scores[inside] = np.maximum(scores[inside], moment.score)
        is_unusual = (film.seconds >= unusual.start_seconds - 1e-6) & (
            film.seconds < unusual.end_seconds
        )
        ours.append(area_under_curve(scores, is_unusual))
        baseline.append(area_under_curve(baseline_of(film), is_unusual))
    return float(np.mean(ours)), float(np.mean(baseline))


def _from_mean(film: Frames) -> NDArray[np.float64]:
    """Distance of each frame to the mean of the film."""
    mean = film.features.vectors.mean(axis=0)
    return np.asarray(1 - film.features.vectors @ mean / np.linalg.norm(mean), np.float64)


def _from_frame_before(film: Frames) -> NDArray[np.float64]:
    """Mean difference of each frame to the frame before."""
    pictures = film.pictures.astype(np.float32)
    change = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3))
    return np.asarray(np.concatenate([change[:1], change]), np.float64)
