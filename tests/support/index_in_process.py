"""Index a folder in a process of its own, saying on stdout how far it is: one line a question.

python index_in_process.py LIBRARY FOOTAGE [describe]
"""

from __future__ import annotations

import sys
from pathlib import Path

from colour_encoder import ColourEncoder

from vidseek.core.job import Job
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.indexer import Indexer, IndexOptions
from vidseek.storage.store import LibraryStore


def main(library: Path, footage: Path, *, describes: bool) -> None:
    def going_on() -> bool:
        print("going on", flush=True)
        return False

    with LibraryStore.open(library, create=True) as store:
        descriptor = CopyDescriptor(threads=1) if describes else None
        indexer = Indexer(
            store, ColourEncoder(), options=IndexOptions(workers=1), descriptor=descriptor
        )
        report = indexer.run([footage], job=Job(should_cancel=going_on))
        print(f"done {report.indexed} {len(report.failed)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), describes=sys.argv[3:] == ["describe"])
