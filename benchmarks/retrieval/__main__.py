"""Measure retrieval with the built-in encoder, through vidseek's own runtime.

python -m benchmarks.retrieval [--only PART ...] [--data DIR] [--weights DIR] [--split test]

Uses test rows by default, which were never trained on nor used for any choice. For choosing,
``--split dev`` uses dev rows of Flickr8k, MSR-VTT and sports100 instead. Without the data folder
only the speed is measured. Prints Markdown, with bootstrap intervals.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.machine import DATA, processor_name
from benchmarks.retrieval.classes import CLASS_SETS, DEV_CLASS_SETS, classes
from benchmarks.retrieval.clips import clips
from benchmarks.retrieval.motion import motion
from benchmarks.retrieval.pictures import Flickr8k, msrvtt
from benchmarks.retrieval.speed import speed
from benchmarks.retrieval.synonyms import synonyms
from benchmarks.retrieval.wording import wording
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import WEIGHTS_FOLDER

FLICKR_PARTS = ("flickr8k", "rerank", "synonyms", "wording")
PARTS = (*FLICKR_PARTS, "msrvtt", "motion", "clips", "classes", "speed")
TEST_PARTS = ("clips", "motion")
"""Parts that have test data only."""


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--weights", type=Path, default=WEIGHTS_FOLDER)
    parser.add_argument("--split", choices=["test", "dev"], default="test")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=CLASS_SETS,
        default=list(CLASS_SETS),
        metavar="SET",
        help="sets whose class names are looked for",
    )
    parser.add_argument("--limit", type=int, help="most pictures of Flickr8k and of each set")
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args()
    only = set(arguments.only) - set(TEST_PARTS if arguments.split == "dev" else ())
    if not arguments.data.is_dir() and only != {"speed"}:
        print(
            f"{arguments.data} is missing: only the speed is measured. Give the folder of pictures "
            "and clips with --data to measure retrieval.",
            file=sys.stderr,
        )
        only = {"speed"}
    encoder = BuiltinEncoder(arguments.weights, threads=arguments.threads)
    spec, data = encoder.spec, arguments.data
    print(f"# Retrieval: {spec.source} {spec.revision} ({spec.fingerprint})\n\n{processor_name()}")
    if only & set(FLICKR_PARTS):
        flickr = Flickr8k(encoder, data, arguments.split, arguments.limit)
        if "flickr8k" in only:
            flickr.recall()
        if "rerank" in only:
            flickr.rerank()
        if "synonyms" in only:
            synonyms(flickr, data)
        if "wording" in only:
            wording(flickr)
    if "msrvtt" in only:
        msrvtt(encoder, data)
    if "motion" in only:
        motion(encoder, data)
    if "clips" in only:
        clips(encoder, data)
    if "classes" in only:
        known = CLASS_SETS if arguments.split == "test" else DEV_CLASS_SETS
        classes(encoder, data, [name for name in arguments.sets if name in known], arguments.limit)
    if "speed" in only:
        speed(encoder, threads=arguments.threads)


if __name__ == "__main__":
    main()
