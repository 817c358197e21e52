"""Measure labels, summaries, unusual moments, recommendations and sequences.

python -m benchmarks.understanding [FOLDER] [--only NAME]...

NAME is few-shot, summary, outliers, related, sequences or time.

FOLDER is like ../shared/data: images/scenes15.parquet, videos/clips, videos/captions.json and
videos/long. The pictures of scenes15 and the clips never trained the model. Every figure stands
beside its baseline from the same run. Prints Markdown.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

from benchmarks.machine import DATA, processor_name, require_folder
from benchmarks.moments.sequences import print_sequences
from benchmarks.understanding.few_shot import print_few_shot
from benchmarks.understanding.related import print_related
from benchmarks.understanding.summaries import print_summaries
from benchmarks.understanding.times import print_times
from benchmarks.understanding.unusual import print_outliers
from vidseek.encoders.registry import create_encoder

MEASUREMENTS = ("few-shot", "summary", "outliers", "related", "sequences", "time")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    parser.add_argument("--only", choices=MEASUREMENTS, action="append")
    options = parser.parse_args()
    require_folder(parser, options.folder)
    logging.getLogger("vidseek").setLevel(logging.ERROR)
    wanted = options.only or MEASUREMENTS
    encoder = create_encoder()
    print(f"## Understanding, on {processor_name()}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        if "few-shot" in wanted:
            print_few_shot(options.folder / "images" / "scenes15.parquet", encoder)
        if "summary" in wanted:
            print_summaries(options.folder / "videos" / "long", place / "long", encoder)
        if "outliers" in wanted:
            print_outliers(options.folder / "videos" / "clips", place, encoder)
        if "related" in wanted:
            print_related(options.folder / "videos" / "clips", place / "related", encoder)
        if "sequences" in wanted:
            print_sequences(options.folder / "videos", encoder)
        if "time" in wanted:
            print_times(place / "times")


if __name__ == "__main__":
    main()
