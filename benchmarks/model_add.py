"""Search while a second model is added to the library: do searches fail or slow down?

python -m benchmarks.model_add [--videos 60] [--alone-seconds 20]

A library of synthetic clips has the built-in model. A process searches it continuously; meanwhile
`vidseek model add` of a small CLIP with random weights is started, killed halfway (SIGKILL), and
run again to its end. Searches name the built-in model, so that they stay the same when the library
switches. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import vidseek
from benchmarks.hub_throughput import Architecture, make_model
from benchmarks.machine import processor_name
from vidseek.demo.clips import Scene, make_clip

PHOTOGRAPHS = ("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png", "coins.png")
BAR = 2.0
SMALL = Architecture(
    "a small CLIP",
    "clip",
    64,
    {
        "patch_size": 16,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    },
)
# Searches until stdin ends and prints a line for each search: start, seconds, whether it failed.
SEARCHER = """
import sys, threading, time
import vidseek
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
library = vidseek.open(sys.argv[1], create=False, encoder="builtin")
library.search("a cat")
print("ready", flush=True)
words = ("a cat", "a cup of coffee", "a rocket starts", "a woman in space", "old coins")
number = 0
while not ended.is_set():
    started = time.time()
    try:
        failed = not library.search(words[number % len(words)], k=5)
    except Exception as error:
        print(error, file=sys.stderr, flush=True)
        failed = True
    print(started, time.time() - started, int(failed), flush=True)
    number += 1
    time.sleep(0.005)
"""


def main() -> None:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=60)
    parser.add_argument("--alone-seconds", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = make_library(folder, options.videos)
        model = folder / "model"
        model.mkdir()
        make_model(SMALL, model)
        log = folder / "searches.txt"
        with log.open("w") as written:
            searcher = subprocess.Popen(
                [sys.executable, "-c", SEARCHER, library],
                stdin=subprocess.PIPE,
                stdout=written,
                text=True,
            )
            while "ready" not in log.read_text():
                time.sleep(0.1)
            alone = (time.time(), time.time() + options.alone_seconds)
            time.sleep(options.alone_seconds)
            began = time.time()
            known_then = kill_in_the_middle(library, model, options.videos // 4)
            add(library, model).wait()
            busy = (began, time.time())
            assert searcher.stdin is not None
            searcher.stdin.close()
            searcher.wait()
        complete = known(library, active=True)
        searches = [
            tuple(map(float, line.split())) for line in log.read_text().splitlines()[1:] if line
        ]
    print(f"`vidseek model add` beside searches, {options.videos} videos; {processor_name()}\n")
    print("| searches | number | failed | median ms | p99 ms |\n| --- | --- | --- | --- | --- |")
    p99 = []
    for what, (start, end) in (("alone", alone), ("while a model is added", busy)):
        some = [one for one in searches if start <= one[0] < end]
        times = sorted(1000 * one[1] for one in some)
        p99.append(times[int(0.99 * len(times))])
        failed = sum(one[2] > 0 for one in some)
        print(
            f"| {what} | {len(some)} | {failed} | {statistics.median(times):.1f} | {p99[-1]:.1f} |"
        )
    print(
        f"\np99 {p99[1] / p99[0]:.2f} times as long (limit {BAR:g}). Killed after encoding "
        f"{known_then} of {options.videos} videos; the second run ended with {complete}, and the "
        "library now searches with the new model."
    )


def make_library(folder: Path, videos: int) -> Path:
    """Make clips of six seconds and index them with the built-in model."""
    clips = folder / "clips"
    clips.mkdir()
    for number in range(videos):
        shift = number / videos
        names = PHOTOGRAPHS[number % len(PHOTOGRAPHS)], PHOTOGRAPHS[(number + 2) % len(PHOTOGRAPHS)]
        scenes = [
            Scene(each, 3, (shift / 2, 0.3, 0.7), (1 - shift / 2, 0.6, 0.5)) for each in names
        ]
        make_clip(clips / f"{number:03d}.mp4", scenes)
    with vidseek.open(folder / "library") as library:
        library.index([clips])
    return folder / "library"


def add(library: Path, model: Path) -> subprocess.Popen[bytes]:
    """Start `vidseek model add`."""
    command = [sys.executable, "-m", "vidseek.cli", "--library", library, "model", "add", model]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def kill_in_the_middle(library: Path, model: Path, videos: int) -> int:
    """Start a run, then kill it and its decoders; returns the number of videos encoded."""
    running = add(library, model)
    while running.poll() is None and known(library, active=False) < videos:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    return known(library, active=False)


def known(library: Path, *, active: bool) -> int:
    """Number of videos encoded by the library's active model, or by its inactive model."""
    with vidseek.open(library, create=False) as opened:
        return max(
            (one.encoded_videos for one in opened.models.list() if one.is_active == active),
            default=0,
        )


if __name__ == "__main__":
    main()
