"""How long warm calls take on a library of 10,000 clips."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import vidseek
from benchmarks.cold_query import make_library

CLIPS = 10_000
RUNS = 5


def print_times(library_folder: Path) -> None:
    """Print the median time of each call. Values of the vectors do not affect it."""
    print(f"\n### Warm calls on {CLIPS:,} clips\n\n| call | median ms |\n| --- | --- |")
    library_folder.mkdir(parents=True)
    with vidseek.open(make_library(library_folder / "library", CLIPS), create=False) as library:
        first, second = (video.path for video in library.videos()[:2])
        labels = ["a dog", "a red car", "a beach", "a kitchen"]
        span = vidseek.TimeSpan(0, 5)
        library.labels.add("thing", [(first, span), (second, span)])
        library.labels.train()
        number = itertools.count()
        calls: dict[str, Callable[[], object]] = {
            "classify, four labels, every video": lambda: library.classify(None, labels),
            "search, filtered by a learned label": lambda: library.search(
                "a dog", where=vidseek.VideoFilter(labels=("thing",))
            ),
            "outliers of a video": lambda: library.outliers(first),
            "outliers of the library": library.outliers,
            "outliers of the library, of other footage each time": lambda: library.outliers(
                normal=vidseek.VideoFilter(path_glob=f"*{'*' * next(number)}")
            ),
            "summary, 12 frames": lambda: library.summary(first),
            "search, then": lambda: library.search("a dog", then=["a red car"]),
        }
        for name, call in calls.items():
            call()
            print(f"| {name} | {_median_ms(call):.0f} |", flush=True)


def _median_ms(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(RUNS):
        started = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)
