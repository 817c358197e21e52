"""Measure `vidseek check` of a 60-second 720p upload against a library of 500 hours.

python -m benchmarks.check_speed [--videos 10000] [--hours 500] [--runs 5] [--long-hours 3]

The library is real, its descriptors are synthetic: random walks around the descriptor's background
vectors, a frame per second. Uploads are real videos: one that is not in the library, for which all
query crops are compared; one that is; and a new one of three hours at low resolution, for its
memory use. Every run is a separate process; files are in the page cache. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import vidseek
from benchmarks.looped_video import enlarge_video, loop_video
from benchmarks.machine import processor_name
from vidseek.core.types import CopyFrames, Video
from vidseek.demo.clips import FRAMES_PER_SECOND, Scene, make_clip
from vidseek.encoders.copies.descriptor import CopyDescriptor, packed

UPLOAD_SECONDS = 60.0
WALK = 0.35
"""Distance of a frame's vector from that of the frame a second earlier."""


def main() -> None:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=500.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--long-hours", type=float, default=3.0, help="0 leaves it out")
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
        # Not the indexed file itself: identical bytes are recognised without decoding.
        again = folder / "again.mp4"
        enlarge_video(known, again, width=1280, height=718)
        uploads = [("a minute, new to the library", new), ("a minute, a copy", again)]
        rows = []
        for what, path in uploads:
            runs = [check(library, path) for _ in range(options.runs + 1)][1:]
            rows.append(row(what, runs))
        if options.long_hours:
            long = folder / "long.mp4"
            loop_video(folder / "new-small.mp4", long, seconds=options.long_hours * 3600)
            rows.append(row(f"{options.long_hours:g} h of 320x180, new", [check(library, long)]))
    load = os.getloadavg()[0]
    print(
        f"`vidseek check` of {UPLOAD_SECONDS:.0f} s of 720p against {options.videos:,} videos, "
        f"{options.hours:g} hours, {options.runs} runs, load {load:.1f} on "
        f"{processor_name()}; library.db {size:.0f} MB:\n"
    )
    print("| upload | median s | slowest | processor s | peak MiB | exit code |")
    print("| --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))


def row(what: str, runs: Sequence[Run]) -> str:
    """A row of the table."""
    walls = [run.wall_seconds for run in runs]
    used = statistics.median(run.processor_seconds for run in runs)
    return (
        f"| {what} | {statistics.median(walls):.1f} | {max(walls):.1f} | {used:.1f} "
        f"| {max(run.peak_mib for run in runs):.0f} | {runs[0].exit_code} |"
    )


def make_upload(folder: Path, name: str, photographs: tuple[str, ...]) -> Path:
    """Make a minute of 720p video."""
    scenes = [
        # Six scenes of five seconds, twice: the loop has exactly the wanted length.
        Scene(photograph, 5, (0.1 * turn, 0.3, 0.7), (1 - 0.1 * turn, 0.7, 0.5))
        for turn in range(2)
        for photograph in photographs
    ]
    small, large, looped = (folder / f"{name}-{step}.mp4" for step in ("small", "large", "looped"))
    make_clip(small, scenes)
    enlarge_video(small, large, width=1280, height=720)
    loop_video(large, looped, seconds=UPLOAD_SECONDS - 1 / FRAMES_PER_SECOND)
    return looped


def fill(library: Path, videos: int, seconds: int) -> None:
    """Fill a library with synthetic videos of a frame per second."""
    from vidseek.storage.store import LibraryStore

    descriptor = CopyDescriptor()
    random = np.random.default_rng(0)
    with LibraryStore.open(library) as store, store.lease():
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
            store.videos.add(
                video,
                [],
                fingerprint="",
                copies=frames,
                copies_fingerprint=descriptor.fingerprint,
            )


def walk(descriptor: CopyDescriptor, random: np.random.Generator, count: int) -> NDArray[np.int8]:
    """(count, D) int8: shots of a few seconds, each a walk from a background vector."""
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


@dataclass(frozen=True)
class Run:
    """Time and memory of one run of the command."""

    wall_seconds: float
    processor_seconds: float
    peak_mib: float
    """Peak memory of the larger of its processes."""
    exit_code: int


def check(library: Path, upload: Path) -> Run:
    """Run the command in a separate process."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "vidseek.cli", "--library", library, "check", upload, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    return Run(
        time.perf_counter() - started,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        os.waitstatus_to_exitcode(status),
    )


if __name__ == "__main__":
    main()
