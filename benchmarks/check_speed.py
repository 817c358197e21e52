"""Measure `vidseek check` of a 60-second 720p upload against a library of 500 hours.

python -m benchmarks.check_speed [--videos 10000] [--hours 500] [--runs 5]

The library's vectors are synthetic: walks around the descriptor's own background vectors, a frame a
second, in a real library. Uploads are real videos: one that the library does not hold, so that
every part of its picture is looked at, and one that it holds. Every run is a process of its own;
files are in the page cache. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import vidseek
from benchmarks.looped_video import enlarge_video, loop_video
from vidseek.demo_clips import FRAMES_PER_SECOND, Scene, make_clip
from vidseek.encoders.copy_descriptor import CopyDescriptor, packed
from vidseek.storage.types import CopyFrames, Video

UPLOAD_SECONDS = 60.0
WALK = 0.35
"""How far a frame's vector is from the one a second before."""


def main() -> None:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=500.0)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = make_upload(folder, "known", ("chelsea.png", "coffee.png", "rocket.jpg"))
        new = make_upload(folder, "new", ("astronaut.png", "motorcycle_left.png", "coins.png"))
        library = folder / "library"
        print("describing one upload, filling the library...", file=sys.stderr)
        with vidseek.open(library) as opened:
            opened.index([known])
        fill(library, options.videos, round(options.hours * 3600 / options.videos))
        size = (library / "library.db").stat().st_size / 1e6
        # Another file than the one that was indexed: the same bytes would need no look.
        again = folder / "again.mp4"
        enlarge_video(known, again, width=1280, height=718)
        rows = []
        for what, path in (("new to the library", new), ("a copy", again)):
            runs = [check(library, path) for _ in range(options.runs + 1)][1:]
            walls, used, codes = zip(*runs, strict=True)
            rows.append(
                (what, statistics.median(walls), max(walls), statistics.median(used), codes[0])
            )
    load = os.getloadavg()[0]
    print(
        f"`vidseek check` of {UPLOAD_SECONDS:.0f} s of 720p against {options.videos:,} videos, "
        f"{options.hours:g} hours, {options.runs} runs, load {load:.1f} on {os.cpu_count()} cores; "
        f"library.db {size:.0f} MB:\n"
    )
    print("| upload | median s | slowest | processor s | exit code |")
    print("| --- | --- | --- | --- | --- |")
    for what, median, slowest, processor, code in rows:
        print(f"| {what} | {median:.1f} | {slowest:.1f} | {processor:.1f} | {code} |")


def make_upload(folder: Path, name: str, photographs: tuple[str, ...]) -> Path:
    """A minute of 720p."""
    scenes = [
        Scene(photograph, 6, (0.1 * turn, 0.3, 0.7), (1 - 0.1 * turn, 0.7, 0.5))
        for turn in range(2)
        for photograph in photographs
    ]
    small, large, looped = (folder / f"{name}-{step}.mp4" for step in ("small", "large", "looped"))
    make_clip(small, scenes)
    enlarge_video(small, large, width=1280, height=720)
    loop_video(large, looped, seconds=UPLOAD_SECONDS - 1 / FRAMES_PER_SECOND)
    return looped


def fill(library: Path, videos: int, seconds: int) -> None:
    """Put videos into a library that were never files, with a frame a second."""
    from vidseek.storage.store import LibraryStore

    descriptor = CopyDescriptor()
    random = np.random.default_rng(0)
    with LibraryStore.open(library) as store, store.writing():
        for number in range(videos):
            frames = CopyFrames(
                0, np.arange(seconds, dtype=np.float64), walk(descriptor, random, seconds)
            )
            video = Video(
                id=0,
                path=Path(f"/films/{number:05d}.mp4"),
                content_hash=f"{number:064d}",
                size_bytes=1,
                modified_ns=0,
                duration_seconds=float(seconds),
                frame_rate=25.0,
                width=1280,
                height=720,
                codec="h264",
            )
            store.database.add_video(
                video,
                [],
                fingerprint="",
                copies=frames,
                copies_fingerprint=descriptor.fingerprint,
            )


def walk(descriptor: CopyDescriptor, random: np.random.Generator, count: int) -> NDArray[np.int8]:
    """(count, D) int8: shots of some seconds, each a walk from a vector of the background."""
    background = descriptor.background
    rows = np.empty((count, background.shape[1]), np.float32)
    for second in range(count):
        if second == 0 or random.random() < 0.15:
            at = background[random.integers(len(background))].copy()
        step = random.standard_normal(len(at), np.float32)
        at += WALK * step / np.linalg.norm(step)
        at /= np.linalg.norm(at)
        rows[second] = at
    return packed(rows)


def check(library: Path, upload: Path) -> tuple[float, float, int]:
    """Wall and processor seconds, and the exit code, of the command."""
    before = os.times()
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "vidseek.cli", "--library", library, "check", upload, "--json"],
        check=False,
        capture_output=True,
    )
    wall = time.perf_counter() - started
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return wall, used, done.returncode


if __name__ == "__main__":
    main()
