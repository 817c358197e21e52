"""Index a folder in a process of its own, printing a line at each chance to cancel.

python index_in_process.py LIBRARY FOOTAGE [--copies] [--kill POINT]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from colour_encoder import ColourEncoder
from kill_points import KILL_POINTS

from vidseek.core.job import Job
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.indexer import Indexer, IndexOptions
from vidseek.storage.store import LibraryStore


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("footage", type=Path)
    parser.add_argument("--copies", action="store_true", help="compute copy descriptors too")
    parser.add_argument("--kill", choices=KILL_POINTS, help="at the second passage")
    options = parser.parse_args()
    if options.kill is not None:
        KILL_POINTS[options.kill](2)

    def going_on() -> bool:
        print("going on", flush=True)
        return False

    with LibraryStore.open(options.library, create=True) as store:
        descriptor = CopyDescriptor(threads=1) if options.copies else None
        indexer = Indexer(
            store, ColourEncoder(), options=IndexOptions(workers=1), descriptor=descriptor
        )
        report = indexer.run([options.footage], job=Job(should_cancel=going_on))
        print(f"done {report.indexed} {len(report.failed)}", flush=True)


if __name__ == "__main__":
    main()
