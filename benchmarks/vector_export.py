"""Measure time and memory of exporting vectors, at two sizes of the library.

python -m benchmarks.vector_export [--clips 20000 100000]

The libraries have random vectors of 384 numbers, one frame a clip. Each export runs in a process
of its own. Needs the extra ``parquet``. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.machine import processor_name
from vidseek.core.types import EncodedClip, EncoderSpec, FrameFeatures, TimeSpan, Video
from vidseek.storage.store import LibraryStore

CLIPS_PER_VIDEO = 1000

EXPORT = """
import json, resource, sys, time
import pyarrow.parquet
import vidseek
with vidseek.open(sys.argv[1], create=False) as library:
    vectors = library.vectors()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    rows = vectors.to_parquet(sys.argv[2])
    seconds = time.perf_counter() - started
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([rows, seconds, before / 1024, after / 1024]))
"""


def main() -> None:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[20_000, 100_000])
    options = parser.parse_args()
    print(f"{processor_name()}\n\n| clips | file, MB | seconds | memory before, MB | peak, MB |")
    print("| --- | --- | --- | --- | --- |")
    for clips in options.clips:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_library(folder / "library", clips)
            file = folder / "clips.parquet"
            script = [sys.executable, "-c", EXPORT, str(folder / "library"), str(file)]
            done = subprocess.run(script, check=True, capture_output=True, text=True)
            rows, seconds, before, peak = json.loads(done.stdout)
            size = file.stat().st_size / 1e6
        print(f"| {rows:,} | {size:.0f} | {seconds:.1f} | {before:.0f} | {peak:.0f} |", flush=True)


def make_library(folder: Path, clips: int) -> None:
    """Make a library of random clip vectors."""
    spec = EncoderSpec.custom("random", dimension=384)
    random = np.random.default_rng(0)
    with LibraryStore.open(folder, create=True) as store, store.lease():
        store.encoders.register(spec)
        store.encoders.activate(spec.fingerprint)
        for number in range(-(-clips // CLIPS_PER_VIDEO)):
            count = min(CLIPS_PER_VIDEO, clips - number * CLIPS_PER_VIDEO)
            vectors = random.normal(size=(count, spec.dimension)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            made = [
                EncodedClip(
                    TimeSpan(5.0 * place, 5.0 * place + 5),
                    (5.0 * place,),
                    vector,
                    FrameFeatures(vector[None]),
                )
                for place, vector in enumerate(vectors)
            ]
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
            store.videos.add(video, made, fingerprint=spec.fingerprint)


if __name__ == "__main__":
    main()
