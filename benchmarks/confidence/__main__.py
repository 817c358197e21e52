"""Measure how reliable confidences are: `python -m benchmarks.confidence`.

python -m benchmarks.confidence [--only error|absent|unlabelled ...] [--data DIR] [--weights DIR]

Prints Markdown, in three parts:

error        expected calibration error of the built-in model, in 10 bins of equal mass, on test
             rows of Flickr8k and captions of real clips: with the manifest's calibration, and
             with a fit to dev rows made here (to update a manifest without training)
absent       share of sentences with a confident answer, by threshold: captions of what is shown,
             and absent things; on dev rows, on which ``DEFAULT_MIN_CONFIDENCE`` is chosen, and
             on the clips
unlabelled   the calibration of `vidseek calibrate` without labels, against one by captions

Encoded data is cached in --cache between runs, by the encoder's fingerprint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.confidence.absent import absent
from benchmarks.confidence.error import error
from benchmarks.confidence.sources import Sources
from benchmarks.confidence.unlabelled import unlabelled
from benchmarks.machine import DATA, processor_name, require_folder
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import WEIGHTS_FOLDER

PARTS = ("error", "absent", "unlabelled")


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.confidence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--weights", type=Path, default=WEIGHTS_FOLDER)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--cache", type=Path, default=Path(".cache/confidence"))
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args()
    require_folder(parser, arguments.data)
    encoder = BuiltinEncoder(arguments.weights, threads=arguments.threads)
    spec = encoder.spec
    print(f"# Confidence: {spec.source} {spec.revision} ({spec.fingerprint})\n\n{processor_name()}")
    sources = Sources(encoder, arguments.data, arguments.cache)
    for name, part in (("error", error), ("absent", absent), ("unlabelled", unlabelled)):
        if name in arguments.only:
            part(sources)


if __name__ == "__main__":
    main()
