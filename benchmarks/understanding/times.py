"""How long warm calls take on a library of 10,000 clips."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import vidseek
from benchmarks.cold_query import make_library

CLIPS = 10_000
RUNS = 5


def print_times(library_folder: Path) -> None:
    """Print the median times of each call. Values of the vectors do not affect them."""
    print(f"\n### Warm calls on {CLIPS:,} clips\n")
    print("| call | median ms | of the processor |\n| --- | --- | --- |")
    library_folder.mkdir(parents=True)
    with vidseek.open(make_library(library_folder / "library", CLIPS), create=False) as library:
        first, second = (video.path for video in library.videos()[:2])
        labels = ["a dog", "a red car", "a beach", "a kitchen"]
        span = vidseek.TimeSpan(0, 5)
        library.labels.add("thing", [(first, span), (second, span)])
        library.labels.train()
        number = itertools.count(1)
        # As it was indexed: its stored vectors are taken.
        first.write_bytes(b"-")
        os.utime(first, ns=(1, 1))
        calls: dict[str, Callable[[], object]] = {
            "classify, four labels, every video": lambda: library.classify(None, labels),
            "search, filtered by a learned label": lambda: library.search(
                "a dog", where=vidseek.VideoFilter(labels=("thing",))
            ),
            "outliers of a video": lambda: library.outliers(first),
            "outliers of the library": library.outliers,
            "outliers of the library, asked for the first time": lambda: library.outliers(
                where=vidseek.VideoFilter(path_glob="*" * next(number))
            ),
            "summary, 12 frames": lambda: library.summary(first),
            "related": lambda: library.related(first),
            "search, then": lambda: library.search("a dog", then=["a red car"]),
        }
        for name, call in calls.items():
            call()
            wall, processor = _median_ms(call)
            print(f"| {name} | {wall:.0f} | {processor:.0f} |", flush=True)


def _median_ms(call: Callable[[], object]) -> tuple[float, float]:
    """Time on the wall, and of the processor."""
    walls, processors = [], []
    for _ in range(RUNS):
        wall, processor = time.perf_counter(), time.process_time()
        call()
        processors.append(1000 * (time.process_time() - processor))
        walls.append(1000 * (time.perf_counter() - wall))
    return statistics.median(walls), statistics.median(processors)
