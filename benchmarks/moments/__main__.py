"""Measure how well the spans of hits match the scenes that queries describe.

python -m benchmarks.moments [FOLDER] [--only joined|sequences|long] [--libraries FOLDER]

FOLDER has clips/, captions.json and long/scenes.json, like ../shared/data/videos. ``joined`` is for
choosing constants: frames of the captioned clips are encoded once, and excerpts are joined into
films in several orders: at random, and with similar scenes in succession, as in one person's video.
``sequences`` joins them into films in which two captions are asked for, one after the other.
``long`` is for reporting: two vlogs are indexed, and titles and captions of their scenes are the
queries. Prints Markdown.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

from benchmarks.machine import VIDEOS, processor_name, require_folder
from benchmarks.moments.joined import print_joined
from benchmarks.moments.long import print_long
from benchmarks.moments.sequences import print_sequences
from vidseek.encoders.registry import create_encoder


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=VIDEOS)
    parser.add_argument("--only", choices=("joined", "sequences", "long"))
    parser.add_argument("--libraries", type=Path, help="keeps what was indexed for the next run")
    options = parser.parse_args()
    require_folder(parser, options.folder)
    logging.getLogger("vidseek").setLevel(logging.ERROR)  # captions of scenes are cut: known
    encoder = create_encoder()
    print(f"## Spans of hits, on {processor_name()}")
    if options.only in (None, "joined"):
        print_joined(options.folder, encoder)
    if options.only in (None, "sequences"):
        print_sequences(options.folder, encoder)
    if options.only in (None, "long"):
        with tempfile.TemporaryDirectory() as temporary:
            print_long(options.folder, options.libraries or Path(temporary), encoder)


if __name__ == "__main__":
    main()
