"""Search a library over and over in a process of its own, until stdin ends.

python search_in_process.py LIBRARY

Says on stdout how many videos could be found, whenever that changes.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from colour_encoder import ColourEncoder

from vidseek.core.types import SearchOptions
from vidseek.search import SearchEngine
from vidseek.storage.store import LibraryStore


def main(library: Path) -> None:
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    seen, searches = -1, 0
    with LibraryStore.open(library) as store:
        engine = SearchEngine(store, ColourEncoder())
        while not ended.is_set():
            hits = engine.search("anything at all", SearchOptions(k=1000, copies=True))
            searches += 1
            found = len({hit.video.path for hit in hits})
            if found != seen:
                seen = found
                print(f"found {found}", flush=True)
    print(f"searched {searches}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
