"""Measure the database: comparing stamps, adding a video, and a filter, with 100,000 videos.

python -m benchmarks.catalog [--videos 100000]
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.machine import processor_name
from vidseek.core.types import EncodedClip, EncoderSpec, FrameFeatures, TimeSpan, Video, VideoFilter
from vidseek.storage.store import LibraryStore

DIMENSION = 384
CLIPS = 100
ADDED = 20

SPEC = EncoderSpec(
    source="benchmark",
    revision="1",
    dimension=DIMENSION,
    image_size=224,
    tokens_per_frame=0,
    token_dimension=0,
    vision_hash="0" * 64,
    preprocessing="none",
)
VIDEO = Video(
    id=0,
    path=Path("/v/first.mp4"),
    content_hash="0" * 64,
    size_bytes=1,
    modified_ns=1,
    duration_seconds=2.0 * CLIPS,
    frame_rate=25.0,
    width=640,
    height=480,
    codec="h264",
)


def seconds_of(call: Callable[[], object]) -> float:
    """Duration of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def encoded_clips() -> list[EncodedClip]:
    """Clips of one random frame each."""
    vectors = np.random.default_rng(0).random((CLIPS, DIMENSION), np.float32)
    return [
        EncodedClip(
            span=TimeSpan(2.0 * position, 2.0 * position + 2),
            frame_seconds=(2.0 * position,),
            vector=vector,
            frames=FrameFeatures(vector[None], np.zeros((1, 0, 0), np.float32)),
        )
        for position, vector in enumerate(vectors)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--videos", type=int, default=100_000)
    options = parser.parse_args()
    made = encoded_clips()
    with tempfile.TemporaryDirectory() as folder:
        with LibraryStore.open(Path(folder), create=True) as store:
            store.encoders.register(SPEC)
            store.videos.add(VIDEO, made, fingerprint=SPEC.fingerprint)
        connection = sqlite3.connect(Path(folder) / "library.db")
        connection.execute(
            "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < "
            "?) INSERT INTO videos SELECT value + 1, '/v/' || (value % 100) || '/' || value, "
            "content_hash, size_bytes, modified_ns, duration_seconds, frame_rate, width, height, "
            "codec, state, damaged, failure FROM videos, n",
            [options.videos - 1],
        )
        connection.commit()
        connection.close()
        with LibraryStore.open(Path(folder)) as store:
            stamps = seconds_of(store.videos.file_stamps)
            adding = [
                seconds_of(
                    lambda path=Path(f"/w/{number}.mp4"): store.videos.add(  # type: ignore[misc]
                        replace(VIDEO, path=path), made, fingerprint=SPEC.fingerprint
                    )
                )
                for number in range(ADDED)
            ]
            where = VideoFilter(path_glob="*/7/*")
            filtering = seconds_of(lambda: store.clip_vectors.ids(where, SPEC.fingerprint))
    print(f"{processor_name()}, {options.videos:,} videos\n")
    print("| operation | seconds |\n| --- | --- |")
    print(f"| read the stamps of all files | {stamps:.2f} |")
    print(f"| add a video of {CLIPS} clips, median | {np.median(adding):.3f} |")
    print(f"| find the clips that pass a filter by path | {filtering:.3f} |")


if __name__ == "__main__":
    main()
