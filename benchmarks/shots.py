"""Compare methods of shot boundary detection: F1 within 1 s, and time.

python -m benchmarks.shots [--data ../shared/data] [--encoder builtin]

There are two ground truths. ``long/scenes.json`` annotates two vlogs; its annotators also split
scenes longer than 12 s, where nothing is visible, so no method reaches 1. The other joins excerpts
of ``clips/``, where every boundary is a real cut. Time is that of one process for decoding and
detection.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import DATA
from vidseek.video import (
    SamplingPlan,
    choose_frames,
    cut_clips,
    frame_signatures,
    open_video,
)
from vidseek.video.shots import shot_boundaries

TOLERANCE_SECONDS = 1.0
SHORT_SIDE = 260


@dataclass(frozen=True)
class Truth:
    """A video and the starts of its scenes, without the first at 0."""

    path: Path
    boundaries: list[float]


def long_videos(data: Path) -> list[Truth]:
    """The two vlogs."""
    folder = data / "videos" / "long"
    scenes = json.loads((folder / "scenes.json").read_text())
    return [
        Truth(folder / name, [scene["start_seconds"] for scene in of_video[1:]])
        for name, of_video in scenes.items()
    ]


def joined_videos(data: Path, folder: Path, *, count: int = 6, seed: int = 0) -> list[Truth]:
    """Videos of over a minute, joined from excerpts of 2.5 to 8 s of the clips."""
    import av

    random = np.random.default_rng(seed)
    clips = sorted((data / "videos" / "clips").glob("*.mp4"))
    random.shuffle(clips)  # type: ignore[arg-type]
    source = iter(clips)
    truths = []
    for number in range(count):
        path = folder / f"joined_{number}.mp4"
        boundaries: list[float] = []
        written = 0
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = 480, 270, "yuv420p"
            stream.options = {"preset": "veryfast"}
            while written < 75 * 25:
                clip = next(source, None)
                if clip is None:
                    break
                longest = random.uniform(2.5, 8.0)
                if written:
                    boundaries.append(written / 25)
                begun = written
                with av.open(str(clip)) as reading:
                    for frame in reading.decode(video=0):
                        at = float(frame.time or 0)
                        if at > longest:
                            break
                        # 25 frames a second, whatever the clip's rate
                        while (written - begun) / 25 <= at:
                            resized = frame.reformat(width=480, height=270, format="yuv420p")
                            resized.pts, resized.time_base = written, Fraction(1, 25)
                            container.mux(stream.encode(resized))
                            written += 1
            container.mux(stream.encode(None))
        truths.append(Truth(path, boundaries))
    return truths


def matches(found: list[float], truth: list[float]) -> int:
    """Number of pairs within the tolerance; each boundary is used once."""
    hits, left = 0, sorted(truth)
    for at in sorted(found):
        near = [t for t in left if abs(t - at) <= TOLERANCE_SECONDS]
        if near:
            left.remove(min(near, key=lambda t: abs(t - at)))
            hits += 1
    return hits


Method = Callable[[Path], list[float]]


def ours(mode: str, encoder: Any, *, signatures: bool, embeddings: bool, clips: bool) -> Method:
    """vidseek's scene cutter on sampled frames."""

    def run(path: Path) -> list[float]:
        pts, described, vectors = sampled(path, mode, encoder if embeddings else None)
        if not signatures:
            described = np.zeros((len(pts), 0), dtype=np.float32)
        if not clips:
            return shot_boundaries(pts, described, vectors)
        end = float(pts[-1]) + 1.0
        cut = cut_clips(pts, described, vectors, duration_seconds=end)
        return [clip.span.start_seconds for clip in cut[1:]]

    return run


def sampled(
    path: Path, mode: str, encoder: Any
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """Times, signatures and vectors of the frames sampled by a plan."""
    times, described, vectors = [], [], []
    with open_video(path, short_side=SHORT_SIDE, threads=0) as video:
        plan = SamplingPlan(mode)  # type: ignore[arg-type]
        for batch in video.frames(choose_frames(video.packets(), plan)):
            times.append(batch.pts_seconds)
            described.append(frame_signatures(batch.data))
            if encoder is not None:
                vectors.append(encoder.encode_frames(batch.data).vectors)
    pts = np.concatenate(times)
    empty = np.zeros((len(pts), 0), dtype=np.float32)
    return pts, np.concatenate(described), np.concatenate(vectors) if vectors else empty


def pyscenedetect(detector_name: str) -> Method:
    """PySceneDetect over every frame, through PyAV."""

    def run(path: Path) -> list[float]:
        import scenedetect

        detector = getattr(scenedetect, detector_name)()
        video = scenedetect.open_video(str(path), backend="pyav")
        manager = scenedetect.SceneManager()
        manager.add_detector(detector)
        manager.detect_scenes(video)
        return [scene[0].seconds for scene in manager.get_scene_list()[1:]]

    return run


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--encoder", default=None, help="also cut by an encoder's frame vectors")
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.error(
            f"{options.data} is missing: give a folder with videos/clips/ and videos/long/"
        )
    methods: dict[str, Method] = {
        "PySceneDetect ContentDetector, all frames": pyscenedetect("ContentDetector"),
        "PySceneDetect AdaptiveDetector, all frames": pyscenedetect("AdaptiveDetector"),
    }
    encoder = None
    if options.encoder:
        from vidseek.encoders.registry import create_encoder

        encoder = create_encoder(options.encoder)
    for mode in ("fast", "dense"):
        kinds = [("signatures", True, False)]
        if encoder is not None:
            kinds += [("embeddings", False, True), ("both", True, True)]
        for kind, signatures, embeddings in kinds:
            methods[f"ours, {kind}, {mode}"] = ours(
                mode, encoder, signatures=signatures, embeddings=embeddings, clips=False
            )
        methods[f"ours, clips of 2-10 s, {mode}"] = ours(
            mode, encoder, signatures=True, embeddings=encoder is not None, clips=True
        )
    with tempfile.TemporaryDirectory() as folder:
        sets = {
            "long": long_videos(options.data),
            "joined": joined_videos(options.data, Path(folder)),
        }
        print("| method | set | precision | recall | F1 at 1 s | seconds |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, method in methods.items():
            for set_name, truths in sets.items():
                begin = time.perf_counter()
                found = [method(truth.path) for truth in truths]
                seconds = time.perf_counter() - begin
                hits = sum(matches(f, t.boundaries) for f, t in zip(found, truths, strict=True))
                precision = hits / max(1, sum(map(len, found)))
                recall = hits / max(1, sum(len(truth.boundaries) for truth in truths))
                f1 = 2 * precision * recall / max(1e-9, precision + recall)
                print(
                    f"| {name} | {set_name} | {precision:.2f} | {recall:.2f} | {f1:.3f} "
                    f"| {seconds:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
