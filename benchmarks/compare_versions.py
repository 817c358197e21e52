"""Compare an earlier vidseek with this version: same library, same answers, and the times.

python -m benchmarks.compare_versions --before OLD/bin/python --videos DIR [--runs 11]

``OLD/bin/python`` belongs to an environment in which the earlier version is installed. It indexes
the videos; then both versions answer 20 text queries and check 20 uploads (half of them edited
copies of library videos, half of videos left out of the library) against copies of that library,
which this version may migrate. Prints every difference, then times a cold text query and indexing,
in turns. Exits with 1 if a hit, a score (beyond 1e-4) or a verdict differs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

QUERIES = (
    "a dog",
    "a person talking",
    "people playing music",
    "a car on a road at night",
    "food being cooked in a kitchen",
    "a plane in the sky",
    "a child laughing",
    "waves on a beach",
    "a woman in a red dress",
    "fireworks",
    "someone typing on a keyboard",
    "a football match",
    "a cartoon character",
    "a church bell",
    "snow",
    "a man with a violin",
    "sheep on a meadow",
    "an empty corridor",
    "a crowd of people outdoors",
    "a lion",
)
UPLOADS = 20
SCORE_TOLERANCE = 1e-4
SHORT_SIDE = 240


def main() -> int:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", required=True, metavar="PYTHON")
    parser.add_argument("--after", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR")
    parser.add_argument("--runs", type=int, default=11, metavar="N")
    options = parser.parse_args()
    videos = sorted(options.videos.resolve().rglob("*.mp4"))
    if len(videos) < 2 * UPLOADS:
        parser.error(f"{options.videos} holds {len(videos)} .mp4 files; {2 * UPLOADS} are needed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        footage, uploads = prepare(videos, folder)
        before, after = folder / "before", folder / "after"
        run(options.before, before, "index", footage)
        shutil.copytree(before, after)
        sides = [(options.before, before), (options.after, after)]
        differences = compare_queries(sides) + compare_checks(sides, uploads)
        print(f"{len(QUERIES)} queries and {len(uploads)} checks: {len(differences)} differences")
        print("\n".join(differences))
        time_queries(sides, options.runs)
        time_indexing(sides, footage, folder, max(3, options.runs // 3))
    return bool(differences)


def prepare(videos: list[Path], folder: Path) -> tuple[Path, list[Path]]:
    """The library's footage (copies: links are not followed), and the uploads."""
    footage = folder / "footage"
    footage.mkdir()
    unseen, stored = videos[: UPLOADS // 2], videos[UPLOADS // 2 :]
    for video in stored:
        shutil.copy2(video, footage / video.name)
    copies = stored[:: len(stored) // (UPLOADS // 2)][: UPLOADS // 2]
    uploads = []
    for number, video in enumerate([*copies, *unseen]):
        upload = folder / "uploads" / f"{number:02d}.mp4"
        upload.parent.mkdir(exist_ok=True)
        edit_video(video, upload, edit=number % 4)
        uploads.append(upload)
    return footage, uploads


def edit_video(source: Path, target: Path, *, edit: int) -> None:
    """Re-encode a video at small size: unchanged, mirrored, cropped to 80 %, or its middle half."""
    with av.open(str(source)) as reader:
        frames = [frame.to_ndarray(format="rgb24") for frame in reader.decode(video=0)]
        rate = reader.streams.video[0].average_rate or Fraction(25)
    if edit == 1:
        frames = [frame[:, ::-1] for frame in frames]
    elif edit == 2:
        height, width = frames[0].shape[:2]
        top, left = height // 10, width // 10
        frames = [frame[top : height - top, left : width - left] for frame in frames]
    elif edit == 3:
        frames = frames[len(frames) // 4 : -(len(frames) // 4) or None]
    with av.open(str(target), "w") as writer:
        stream = writer.add_stream("libx264", rate=rate)
        height, width = frames[0].shape[:2]
        scale = SHORT_SIDE / min(height, width)
        stream.width, stream.height = (2 * round(side * scale / 2) for side in (width, height))
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            writer.mux(stream.encode(picture))
        writer.mux(stream.encode())


def run(python: str, library: Path, *arguments: object) -> Any:
    """The JSON that a command of one version prints."""
    command = [
        python,
        "-m",
        "vidseek.cli",
        "--library",
        str(library),
        *map(str, arguments),
        "--json",
    ]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=library.parent)
    if not done.stdout:
        raise SystemExit(f"{arguments} exited with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def compare_queries(sides: list[tuple[str, Path]]) -> list[str]:
    """Every query whose hits differ between the two sides."""
    differences = []
    for query in QUERIES:
        before, after = (run(python, library, "search", query) for python, library in sides)
        places = [
            [(hit["path"], hit["start_seconds"], hit["end_seconds"]) for hit in hits]
            for hits in (before, after)
        ]
        scores = [np.array([hit["score"] for hit in hits]) for hits in (before, after)]
        if places[0] != places[1]:
            differences.append(f"{query!r}: other hits")
        elif np.abs(scores[0] - scores[1]).max(initial=0.0) > SCORE_TOLERANCE:
            differences.append(f"{query!r}: scores differ")
    return differences


def compare_checks(sides: list[tuple[str, Path]], uploads: list[Path]) -> list[str]:
    """Every upload whose verdict or matched videos differ between the two sides."""
    differences, kinds = [], []
    for upload in uploads:
        verdicts = [run(python, library, "check", upload) for python, library in sides]
        shown = [
            (verdict["verdict"], sorted(match["path"] for match in verdict["matches"]))
            for verdict in verdicts
        ]
        kinds.append(shown[0][0])
        if shown[0] != shown[1]:
            differences.append(f"{upload.name}: {shown[0]} before, {shown[1]} now")
    print(f"verdicts before: {', '.join(kinds)}")
    return differences


def time_queries(sides: list[tuple[str, Path]], runs: int) -> None:
    """Print the median wall time of a cold text query of each side, taken in turns."""
    seconds: list[list[float]] = [[], []]
    for number in range(runs + 1):
        for side, (python, library) in enumerate(sides):
            started = time.perf_counter()
            run(python, library, "search", QUERIES[number % len(QUERIES)])
            seconds[side].append(time.perf_counter() - started)
    before, after = (statistics.median(each[1:]) for each in seconds)
    print(f"cold text query: {before:.3f} s before, {after:.3f} s now: {after / before:.3f} times")


def time_indexing(sides: list[tuple[str, Path]], footage: Path, folder: Path, runs: int) -> None:
    """Print the median processor and wall time of indexing the footage, taken in turns."""
    walls: list[list[float]] = [[], []]
    used: list[list[float]] = [[], []]
    for number in range(runs):
        for side, (python, _) in enumerate(sides):
            library = folder / f"timed-{number}-{side}"
            started, processor = time.perf_counter(), _processor_seconds()
            run(python, library, "index", footage)
            walls[side].append(time.perf_counter() - started)
            used[side].append(_processor_seconds() - processor)
            shutil.rmtree(library)
    for name, both in (("wall", walls), ("processor", used)):
        before, after = (statistics.median(each) for each in both)
        ratio = after / before
        print(f"indexing, {name}: {before:.1f} s before, {after:.1f} s now: {ratio:.3f} times")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
