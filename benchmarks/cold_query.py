"""Measure a cold text query from the shell, in total and step by step.

python -m benchmarks.cold_query [--library DIR] [--clips 150] [--runs 15]

Without --library, a library of that many clips is made with random vectors in the shapes of the
built-in encoder: the values do not affect the time of a search. Every run is a separate process;
files are in the page cache. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import processor_name
from vidseek.core.types import EncodedClip, EncoderSpec, FrameFeatures, TimeSpan, Video
from vidseek.encoders.registry import create_encoder
from vidseek.storage.store import LibraryStore

LIMIT_SECONDS = 1.2
QUERY = "a dog catching a frisbee on the beach"
CLIPS_PER_VIDEO = 3
FRAMES_PER_CLIP = 5

# What `vidseek search` does, with a clock between its steps.
STEPS = """
import sys, time
marks = [("interpreter", time.time() - float(sys.argv[1]))]
def mark(name, started=[time.time()]):
    marks.append((name, time.time() - started[0]))
    started[0] = time.time()
import vidseek.cli
mark("import the command")
import vidseek
from vidseek.search import SearchEngine
library = vidseek.open(sys.argv[2], create=False)
mark("open the library")
encoder = library.encoder
encoder.encode_text([sys.argv[3]])
mark("load the text encoder, encode")
store = library._store
store.vector_index(encoder.spec).refresh()
mark("load the index")
library.search(sys.argv[3], rerank=False)
mark("search, first stage")
library.search(sys.argv[3])
mark("search once more, re-ranked")
library.close()
import json
print(json.dumps(marks))
heavy = ("torch", "transformers", "av", "decord", "alembic")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


def main() -> None:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path)
    parser.add_argument("--clips", type=int, default=150)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = options.library or make_library(Path(folder) / "library", options.clips)
        whole = [time_command(library) for _ in range(options.runs + 1)][1:]
        empty = [time_process([sys.executable, "-c", ""]) for _ in range(options.runs)]
        steps = [time_steps(library) for _ in range(options.runs + 1)][1:]
    print(f'`vidseek search "{QUERY}" --json`, {options.runs} runs, files in the page cache:\n')
    print("| | wall, median s | fastest | slowest | processor, median s |")
    print("| --- | --- | --- | --- | --- |")
    for name, runs in (("the whole command", whole), ("of which `python -c ''`", empty)):
        walls, used = zip(*runs, strict=True)
        times = (statistics.median(walls), min(walls), max(walls), statistics.median(used))
        print(f"| {name} | {' | '.join(f'{seconds:.2f}' for seconds in times)} |")
    ratio = statistics.median(wall for wall, _ in whole) / LIMIT_SECONDS
    load = os.getloadavg()[0]
    print(f"\n{ratio:.2f} of the limit of {LIMIT_SECONDS} s; load {load:.1f} on ", end="")
    print(f"{processor_name()}. Step by step:\n")
    print("| step | median ms |")
    print("| --- | --- |")
    for name in steps[0]:
        print(f"| {name} | {1000 * statistics.median(run[name] for run in steps):.0f} |")


def time_command(library: Path) -> tuple[float, float]:
    """Wall and processor seconds of the command as typed in a shell."""
    command = Path(sys.executable).with_name("vidseek")
    arguments = [str(command), "search", QUERY, "--json", "--library", str(library)]
    return time_process(arguments)


def time_process(arguments: list[str]) -> tuple[float, float]:
    """Wall and processor seconds from start to end of a process."""
    started, used = time.perf_counter(), _processor_seconds()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started, _processor_seconds() - used


def _processor_seconds() -> float:
    """Processor seconds used by all ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def time_steps(library: Path) -> dict[str, float]:
    """Seconds of each step of a query."""
    arguments = [sys.executable, "-c", STEPS, str(time.time()), str(library), QUERY]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    steps, heavy = map(json.loads, done.stdout.splitlines())
    if heavy:
        print(f"imported on the way: {', '.join(heavy)}", file=sys.stderr)
    return dict(steps)


def make_library(folder: Path, clips: int) -> Path:
    """Make a library of random vectors with the built-in encoder's shapes."""
    spec = create_encoder("builtin").spec
    random = np.random.default_rng(0)
    with LibraryStore.open(folder, create=True) as store, store.lease():
        store.encoders.register(spec)
        store.encoders.activate(spec.fingerprint)
        for number in range(-(-clips // CLIPS_PER_VIDEO)):
            count = min(CLIPS_PER_VIDEO, clips - number * CLIPS_PER_VIDEO)
            video = Video(
                id=0,
                path=folder.parent / f"{number}.mp4",
                content_hash=f"{number:064x}",
                size_bytes=1,
                modified_ns=1,
                duration_seconds=5.0 * count,
                frame_rate=25.0,
                width=640,
                height=360,
                codec="h264",
            )
            made = [random_clip(random, spec, 5.0 * index) for index in range(count)]
            store.videos.add(video, made, fingerprint=spec.fingerprint)
    return folder


def random_clip(random: np.random.Generator, spec: EncoderSpec, start: float) -> EncodedClip:
    """A random clip of five seconds."""
    vectors = random.normal(size=(1 + FRAMES_PER_CLIP, spec.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shape = (FRAMES_PER_CLIP, spec.tokens_per_frame, spec.token_dimension)
    tokens = random.normal(size=shape).astype(np.float32)
    times = tuple(start + 0.5 + second for second in range(FRAMES_PER_CLIP))
    return EncodedClip(
        TimeSpan(start, start + 5), times, vectors[0], FrameFeatures(vectors[1:], tokens)
    )


if __name__ == "__main__":
    main()
