"""Memory of decoding as a function of video length, which should be constant.

python -m benchmarks.memory [--minutes 10 60] [--size 1920x1080] [--workers 1]

Loops the packets of a generated clip, reads the result through the decoding pool as indexing does,
and prints the peak resident memory of this process and of the largest decoding process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.decoding import make_video
from benchmarks.looped_video import loop_video
from benchmarks.machine import peak_mib

SHORT_SIDE = 260


def measure(path: Path, mode: str, workers: int) -> str:
    """Measure a row of the table; run in a fresh process."""
    from vidseek.video import DecodeJob, DecodePool, SamplingPlan

    frames = 0
    largest = 0.0
    done = threading.Event()
    begin = time.perf_counter()
    with DecodePool(workers=workers, short_side=SHORT_SIDE) as pool:

        def watch() -> None:
            nonlocal largest
            while not done.wait(0.05):
                largest = max([largest, *(peak_mib(pid) for pid in pool.process_ids)])

        watcher = threading.Thread(target=watch)
        watcher.start()
        for video in pool.read([DecodeJob(path, SamplingPlan(mode))]):  # type: ignore[arg-type]
            for batch in video.batches():
                frames += len(batch)
            minutes = video.duration_seconds / 60
        seconds = time.perf_counter() - begin
        done.set()
        watcher.join()
    return (
        f"| {minutes:.0f} | {mode} | {frames} | {seconds:.1f} | {minutes * 60 / seconds:.0f} "
        f"| {largest:.0f} | {peak_mib():.0f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 60.0])
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--modes", nargs="+", default=["fast", "dense"])
    parser.add_argument("--cell", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        path, mode, workers = options.cell
        print(measure(Path(path), mode, int(workers)))
        return
    width, height = (int(side) for side in options.size.split("x"))
    print("| minutes | plan | frames | seconds | x realtime | decoder MiB | reader MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        make_video(clip, width, height, 30.0)
        for minutes in options.minutes:
            looped = Path(folder) / "looped.mp4"
            loop_video(clip, looped, seconds=60 * minutes)
            for mode in options.modes:
                command = [sys.executable, "-m", "benchmarks.memory", "--cell", str(looped), mode]
                subprocess.run([*command, str(options.workers)], check=True)
            looped.unlink()


if __name__ == "__main__":
    main()
