"""Measure build time, search time, recall and memory of the vector index, by size and type.

python -m benchmarks.vector_index                         # 10,000 and 200,000 x 384
python -m benchmarks.vector_index 1000000 --factory HNSW32

Vectors are drawn around 2,000 centres, because vectors of real clips form groups. Each size is
measured in a separate process, so that memory use is not mixed. Prints Markdown.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import processor_name
from vidseek.core.types import EncoderSpec, VideoFilter
from vidseek.storage.vectors.faiss.index import FaissIndex, FaissOptions
from vidseek.storage.vectors.protocol import Position, VectorChanges, VectorSnapshot

SIZES = (10_000, 200_000)
SEARCHES = 20
K = 10


class ArraySource:
    """Vectors in memory in place of the store, which is measured elsewhere."""

    def __init__(self, vectors: NDArray[np.float16]) -> None:
        self.vectors = vectors
        self.clip_ids = np.arange(1, len(vectors) + 1, dtype=np.int64)

    def position(self) -> Position:
        """Always the same."""
        return Position(1, 1)

    def changes(self, fingerprint: str, since: Position) -> VectorChanges:
        """Always empty."""
        return VectorChanges.none(self.position(), np.empty((0, 2), np.int64))

    def sequence(self) -> int:
        """Always the same."""
        return 1

    def ids(self, where: VideoFilter, fingerprint: str) -> NDArray[np.int64]:
        """All."""
        return self.clip_ids

    def read_existing(
        self, clip_ids: NDArray[np.int64], fingerprint: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Vectors by id."""
        return clip_ids, self.vectors[clip_ids - 1].astype(np.float32)

    @contextmanager
    def snapshot(self, fingerprint: str) -> Iterator[VectorSnapshot]:
        """All vectors."""

        def batches() -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
            for start in range(0, len(self.vectors), 4096):
                part = self.vectors[start : start + 4096].astype(np.float32)
                yield self.clip_ids[start : start + 4096], part

        yield VectorSnapshot(self.position(), len(self.vectors), batches)


def clustered(count: int, dimension: int, seed: int) -> NDArray[np.float16]:
    """(count, dimension) unit vectors around centres that do not depend on the seed."""
    centres = np.random.default_rng(0).standard_normal((2000, dimension), dtype=np.float32)
    random = np.random.default_rng(seed)
    made = np.empty((count, dimension), np.float16)
    for start in range(0, count, 50_000):
        size = min(50_000, count - start)
        part = centres[random.integers(0, len(centres), size)]
        part = part + random.standard_normal((size, dimension), dtype=np.float32)
        made[start : start + size] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return made


def milliseconds(action: Callable[[int], object], times: int = SEARCHES) -> float:
    """Median milliseconds of an action."""
    taken = []
    for number in range(times):
        start = time.perf_counter()
        action(number)
        taken.append(time.perf_counter() - start)
    return 1000 * float(np.median(taken))


def resident_megabytes() -> float:
    """Resident memory of this process, including mapped files that were read."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def measure(count: int, dimension: int, factory: str | None) -> None:
    """Measure one size and print its row."""
    source = ArraySource(clustered(count, dimension, seed=1))
    queries = clustered(SEARCHES, dimension, seed=2).astype(np.float32)
    spec = EncoderSpec("benchmark", "1", dimension, 224, 0, 0, "", "")
    random = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as folder:
        options = FaissOptions(factory=factory)
        index = FaissIndex(Path(folder) / "index", source, spec, options=options)
        start = time.perf_counter()
        index.compact(force=True)
        build_seconds = time.perf_counter() - start
        del index
        before = resident_megabytes()
        start = time.perf_counter()
        opened = FaissIndex(Path(folder) / "index", source, spec, options=options)
        opened.refresh()
        open_seconds = time.perf_counter() - start
        every = milliseconds(lambda n: opened.search(queries[n : n + 1], K))
        row = [f"{count:,}", opened.factory, f"{build_seconds:.1f}", f"{open_seconds:.2f}"]
        row += [f"{every:.1f}"]
        for share in (0.5, 0.1, 0.01):
            exclude = np.sort(random.permutation(source.clip_ids)[round(share * count) :])
            search = milliseconds(
                lambda n, exclude=exclude: opened.search(  # type: ignore[misc]
                    queries[n : n + 1], K, exclude=exclude
                )
            )
            row.append(f"{search:.1f}")
        megabytes = resident_megabytes() - before
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*.faiss")) / 2**20
        row += [f"{recall(opened, source, queries):.3f}", f"{megabytes:.0f}", f"{disk:.0f}"]
    print("| " + " | ".join(row) + " |", flush=True)


def recall(index: FaissIndex, source: ArraySource, queries: NDArray[np.float32]) -> float:
    """Share of the true ten best that are found."""
    _, found = index.search(queries, K)
    scores = np.concatenate(
        [
            queries @ source.vectors[start : start + 50_000].astype(np.float32).T
            for start in range(0, len(source.vectors), 50_000)
        ],
        axis=1,
    )
    best = np.argpartition(-scores, K, axis=1)[:, :K] + 1
    return float(np.mean([np.isin(b, f).mean() for b, f in zip(best, found, strict=True)]))


def main() -> None:
    """Measure each size in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--factory", help="FAISS factory string; by size if not given")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        measure(options.sizes[0], options.dimension, options.factory)
        return
    print(f"{processor_name()}\n")
    print(
        f"| vectors x {options.dimension} | kind | build s | open s | search ms | 50 % allowed | "
        "10 % | 1 % | recall at 10 | memory MB | file MB |"
    )
    print("| --- " * 11 + "|", flush=True)
    for size in options.sizes:
        command = [sys.executable, "-m", "benchmarks.vector_index", str(size), "--here"]
        command += ["--dimension", str(options.dimension)]
        command += ["--factory", options.factory] if options.factory else []
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
