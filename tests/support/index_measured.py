"""Index one video in a process of its own and say how much memory that took at most.

python index_measured.py LIBRARY VIDEO
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from colour_encoder import ColourEncoder

from vidseek.indexer import Indexer, IndexOptions
from vidseek.storage.store import LibraryStore


def main(library: Path, video: Path) -> None:
    encoder = ColourEncoder()
    with LibraryStore.open(library, create=True) as store:
        report = Indexer(store, encoder, options=IndexOptions(workers=1)).run([video])
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    print(
        json.dumps(
            {
                "own_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
                "decoder_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit,
                "frames": encoder.frames_encoded,
                "video_seconds": report.video_seconds,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
