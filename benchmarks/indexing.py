"""Measure indexing: time, speed, memory, and the loss of the fast plan against the dense one.

python -m benchmarks.indexing [FOLDER] [--only speed|memory]

FOLDER holds clips/, captions.json and long/scenes.json, as ../shared/data/videos does. Every run
has a process of its own, so that peak memory is that of the run. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.looped_video import enlarge_video, loop_video
from benchmarks.machine import VIDEOS, processor_name, require_folder
from vidseek.core.types import FrameFeatures, SearchHit, SearchOptions, TimeSpan
from vidseek.encoders.base import Encoder
from vidseek.encoders.registry import create_encoder
from vidseek.indexer import Indexer, IndexOptions
from vidseek.indexer.discovery import discover
from vidseek.indexer.video_pass import default_workers
from vidseek.search import SearchEngine
from vidseek.storage.store import LibraryStore
from vidseek.video import DecodeJob, DecodePool, SamplingPlan

MODES = ("fast", "dense")
RANKS = (1, 5, 10)


class TimedEncoder:
    """Wraps an encoder and measures the time of encoding."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.spec = encoder.spec
        self.reranks = encoder.reranks
        self.hubness = encoder.hubness
        self.frames = 0
        self.seconds = 0.0

    def load(self) -> None:
        """See ``Encoder``."""
        self._encoder.load()

    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        """See ``Encoder``."""
        started = time.perf_counter()
        features = self._encoder.encode_frames(frames)
        self.seconds += time.perf_counter() - started
        self.frames += len(frames)
        return features

    def encode_clips(
        self,
        frames: FrameFeatures,
        pts_seconds: NDArray[np.float64],
        clips: Sequence[slice],
    ) -> NDArray[np.float32]:
        """See ``Encoder``; timed."""
        started = time.perf_counter()
        vectors = self._encoder.encode_clips(frames, pts_seconds, clips)
        self.seconds += time.perf_counter() - started
        return vectors

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Encoder``."""
        return self._encoder.encode_text(texts)

    def rerank(
        self, text: str, clips: Sequence[FrameFeatures], first_stage_scores: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """See ``Encoder``."""
        return self._encoder.rerank(text, clips, first_stage_scores)


def measure_index(library: Path, paths: list[Path], mode: str) -> dict[str, Any]:
    """Index into a library, in a separate process."""
    started = time.perf_counter()
    encoder = TimedEncoder(create_encoder())
    with LibraryStore.open(library, create=True) as store:
        loading = time.perf_counter() - started
        options = IndexOptions(plan=SamplingPlan(mode))
        report = Indexer(store, encoder, options=options).run(paths)
        statistics = store.statistics()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "indexed": report.indexed,
        "unchanged": report.unchanged,
        "failed": len(report.failed),
        "video_seconds": report.video_seconds,
        "seconds": report.seconds,
        "loading_seconds": loading,
        "encode_seconds": encoder.seconds,
        "frames": encoder.frames,
        "clips": statistics.clips,
        "processor_seconds": usage.ru_utime
        + usage.ru_stime
        + children.ru_utime
        + children.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "peak_decoder_mb": children.ru_maxrss / 1024,
    }


def measure_decode(paths: list[Path], mode: str) -> dict[str, Any]:
    """Decode only, in a separate process."""
    jobs = [
        DecodeJob(path=file.path, plan=SamplingPlan(mode), span=None)
        for file in discover(paths).files
    ]
    started = time.perf_counter()
    with DecodePool(workers=default_workers(), short_side=create_encoder().spec.image_size) as pool:
        for video in pool.read(jobs):
            for _ in video.batches():
                pass
    return {"decode_seconds": time.perf_counter() - started}


def in_process(function: str, *arguments: object) -> dict[str, Any]:
    """Call one of the functions above in a new process."""
    call = [sys.executable, "-m", "benchmarks.indexing", "--call", function]
    result = subprocess.run(
        [*call, json.dumps(arguments, default=str)], stdout=subprocess.PIPE, check=True, text=True
    )
    measured: dict[str, Any] = json.loads(result.stdout)
    return measured


def answer_call(function: str, arguments: list[Any]) -> dict[str, Any]:
    """Entry point of the process that ``in_process`` starts."""
    if function == "index":
        library, paths, mode = arguments
        return measure_index(Path(library), [Path(path) for path in paths], mode)
    paths, mode = arguments
    return measure_decode([Path(path) for path in paths], mode)


def print_speed(name: str, paths: list[Path], libraries: Path) -> None:
    """Print a table of the fast and dense plans on a folder, and of a second run."""
    print(f"\n### Indexing {name}\n")
    print(
        "| plan | videos | failed | frames | clips | s | processor s | x realtime | encoding s "
        "| decoding alone s | frames/s | peak MB, own + a decoder |\n" + "|---" * 12 + "|"
    )
    again = {}
    for mode in MODES:
        library = libraries / f"{name}-{mode}"
        decode = in_process("decode", paths, mode)
        run = in_process("index", library, paths, mode)
        again = in_process("index", library, paths, mode)
        print(
            f"| {mode} | {run['indexed']} | {run['failed']} | {run['frames']} | {run['clips']} "
            f"| {run['seconds']:.1f} | {run['processor_seconds']:.1f} "
            f"| {run['video_seconds'] / run['seconds']:.0f} "
            f"| {run['encode_seconds']:.1f} | {decode['decode_seconds']:.1f} "
            f"| {run['frames'] / run['seconds']:.0f} "
            f"| {run['peak_mb']:.0f} + {run['peak_decoder_mb']:.0f} |"
        )
    files = again["unchanged"] + again["failed"]
    print(
        f"\nA second run: {again['frames']} frames encoded, {again['seconds'] * 1000:.0f} ms for "
        f"{files} files ({again['seconds'] * 1000 / max(1, files):.2f} ms a file), after "
        f"{again['loading_seconds']:.2f} s of loading the model."
    )


def engines(name: str, libraries: Path) -> Iterator[tuple[str, SearchEngine]]:
    """A search engine for each library in a folder."""
    encoder = create_encoder()
    for mode in MODES:
        with LibraryStore.open(libraries / f"{name}-{mode}") as store:
            yield mode, SearchEngine(store, encoder)


def print_caption_recall(captions: dict[str, str], videos: int, libraries: Path) -> None:
    """Search with captions of clips: recall of the right video among the first k."""
    print(f"\n### Captions of clips as queries ({len(captions)} of {videos} videos)\n")
    print(
        "| plan | " + " | ".join(f"R@{k}" for k in RANKS) + " | median rank |\n" + "|---" * 5 + "|"
    )
    for mode, engine in engines("clips", libraries):
        ranks = []
        for name, caption in captions.items():
            hits = engine.search(caption, SearchOptions(k=videos, per_video=1))
            names = [hit.video.path.name for hit in hits]
            ranks.append(names.index(name) if name in names else videos)
        recalls = " | ".join(f"{np.mean(np.asarray(ranks) < k):.1%}" for k in RANKS)
        print(f"| {mode} | {recalls} | {np.median(ranks) + 1:.0f} |")
    print("| chance | " + " | ".join(f"{k / videos:.1%}" for k in RANKS) + f" | {videos // 2} |")


def print_scene_recall(scenes: dict[str, list[dict[str, Any]]], libraries: Path) -> None:
    """Search with titles and captions of scenes: recall of hits that overlap the right scene."""
    truth = [
        (name, TimeSpan(scene["start_seconds"], scene["end_seconds"]), scene)
        for name, entries in scenes.items()
        for scene in entries
    ]
    print(f"\n### Scenes of long videos as queries ({len(truth)} scenes)\n")
    print(
        "A hit counts if its middle lies in the right scene. Chance: the same hits, judged by "
        "all other scenes. IoU: best of the first 5 with the right scene, mean.\n"
    )
    print("| plan | query | R@1 | R@5 | IoU | chance R@1 | chance R@5 |\n" + "|---" * 7 + "|")
    for mode, engine in engines("long", libraries):
        for query in ("title", "caption"):
            answers = [engine.search(scene[query], SearchOptions(k=5)) for _, _, scene in truth]
            cells = []
            for k in (1, 5):
                # right[i, j]: do the answers to query i hit scene j?
                right = np.array(
                    [
                        [
                            any(is_in_scene(hit, name, span) for hit in hits[:k])
                            for name, span, _ in truth
                        ]
                        for hits in answers
                    ]
                )
                others = right[~np.eye(len(truth), dtype=bool)]
                cells.append((right.diagonal().mean(), others.mean()))
            iou = np.mean(
                [
                    max(
                        (hit.span.iou(span) for hit in hits if hit.video.path.name == name),
                        default=0,
                    )
                    for hits, (name, span, _) in zip(answers, truth, strict=True)
                ]
            )
            (at_1, chance_1), (at_5, chance_5) = cells
            print(
                f"| {mode} | {query} | {at_1:.1%} | {at_5:.1%} | {iou:.2f} "
                f"| {chance_1:.1%} | {chance_5:.1%} |"
            )


def is_in_scene(hit: SearchHit, name: str, scene: TimeSpan) -> bool:
    """True if the middle of a hit lies in a scene."""
    middle = (hit.span.start_seconds + hit.span.end_seconds) / 2
    return hit.video.path.name == name and scene.start_seconds <= middle < scene.end_seconds


def print_memory(source: Path, folder: Path) -> None:
    """Measure peak memory on a 1080p clip looped to ten minutes and to an hour."""
    print("\n### Memory for 1080p, a clip looped\n")
    print("| length | plan | frames | s | processor s | x realtime | peak MB, own | a decoder |")
    print("|---" * 8 + "|")
    enlarge_video(source, folder / "1080p.mp4", width=1920, height=1080)
    for minutes, modes in ((10, MODES), (60, ("fast",))):
        video = folder / f"{minutes}min.mp4"
        loop_video(folder / "1080p.mp4", video, seconds=60 * minutes)
        for mode in modes:
            run = in_process("index", folder / f"library-{minutes}-{mode}", [video], mode)
            print(
                f"| {minutes} min | {mode} | {run['frames']} | {run['seconds']:.1f} "
                f"| {run['processor_seconds']:.1f} "
                f"| {run['video_seconds'] / run['seconds']:.0f} | {run['peak_mb']:.0f} "
                f"| {run['peak_decoder_mb']:.0f} |",
                flush=True,
            )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=VIDEOS)
    parser.add_argument("--only", choices=("speed", "memory"))
    parser.add_argument("--call", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.call:
        print(json.dumps(answer_call(options.call[0], json.loads(options.call[1]))))
        return
    require_folder(parser, options.folder)
    logging.getLogger("vidseek").setLevel(logging.ERROR)  # captions of scenes are cut: known
    print(f"## Indexing on {processor_name()}")
    with tempfile.TemporaryDirectory() as temporary:
        if options.only != "memory":
            data, libraries = options.folder, Path(temporary)
            captions = json.loads((data / "captions.json").read_text())
            scenes = json.loads((data / "long" / "scenes.json").read_text())
            for name in ("clips", "long"):
                print_speed(name, [data / name], libraries)
            print_caption_recall(captions, len(list((data / "clips").glob("*.mp4"))), libraries)
            print_scene_recall(scenes, libraries)
        if options.only != "speed":
            print_memory(sorted((options.folder / "clips").glob("webvid_*"))[0], Path(temporary))


if __name__ == "__main__":
    main()
