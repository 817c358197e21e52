"""How often an indexed film tells the direction of an action, by the plan for sampling.

python -m benchmarks.directed_film [DATA]

The films are joined from the test clips of ``motion``, each a shot of its own. Of these clips only
eight frames are at hand, so every frame is held until the next.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from time import process_time

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from benchmarks.intervals import interval
from benchmarks.machine import DATA, processor_name, require_folder
from benchmarks.retrieval.motion import ACTIONS
from vidseek.core.types import EncodedClip, TimeSpan
from vidseek.encoders.base import Encoder
from vidseek.encoders.pipeline import encode_video
from vidseek.encoders.registry import create_encoder
from vidseek.training.lab.motion import MotionClip, read_clips, read_frames, reversed_captions
from vidseek.video import DecodeJob, DecodePool, SamplingPlan

FRAMES_PER_SECOND = 10
FRAMES_PER_CLIP = 8
WIDTH, HEIGHT = 320, 256
PLANS = {
    "fast": SamplingPlan("fast"),
    "dense, every 2 s": SamplingPlan("dense", 2.0),
    "dense, every 1 s": SamplingPlan("dense", 1.0),
    "dense, every 0.5 s": SamplingPlan("dense", 0.5),
}


def print_direction(data: Path, encoder: Encoder, folder: Path) -> None:
    """Print a row for each plan.

    Args:
        data: the data folder.
        encoder: encodes the film and the sentences.
        folder: where the film is written.
    """
    clips = [
        clip
        for clip in read_clips(data)
        if clip.split == "test" and (reversed_captions(clip) or clip.source == ACTIONS)
    ]
    order = np.random.default_rng(0).permutation(len(clips))
    clips = [clips[place] for place in order]
    film = folder / "moving.mp4"
    spans = write_film(film, clips, data)
    print(f"\n### Direction in a film of {spans[-1].end_seconds:.0f} s, {len(clips)} shots\n")
    print(
        "| plan | frames | frames a shot | processor s, without decoding | own sentence above its "
        "opposite, % | 4 actions by name, % |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name, plan in PLANS.items():
        with DecodePool(workers=1, short_side=encoder.spec.image_size) as pool:
            started = process_time()
            reading = pool.read([DecodeJob(film, plan)])  # closed, it abandons the video
            encoded = encode_video(next(reading), encoder)
            seconds = process_time() - started
        shown = [_clip_at(encoded.clips, span) for span in spans]
        count = sum(len(clip.frame_seconds) for clip in encoded.clips)
        vectors = np.stack([clip.vector for clip in shown])
        print(
            f"| {name} | {count} | {np.mean([len(clip.frame_seconds) for clip in shown]):.1f} "
            f"| {seconds:.1f} | {interval(_told(encoder, clips, vectors))} "
            f"| {interval(_named(encoder, clips, vectors))} |",
            flush=True,
        )


def write_film(path: Path, clips: list[MotionClip], data: Path) -> list[TimeSpan]:
    """Join clips into a film, in their order; gives the span of each."""
    wanted = {clip.index: place for place, clip in enumerate(clips)}
    frames: list[list[NDArray[np.uint8]]] = [[] for _ in clips]
    for number, frame in enumerate(read_frames(data)):
        if (place := wanted.get(number // FRAMES_PER_CLIP)) is not None:
            frames[place].append(frame)
    spans: list[TimeSpan] = []
    written = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for clip, pictures in zip(clips, frames, strict=True):
            start = written
            for picture in _held(pictures, clip.seconds):
                frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
                frame = frame.reformat(WIDTH, HEIGHT, "yuv420p")
                frame.pts, frame.time_base = written, Fraction(1, FRAMES_PER_SECOND)
                container.mux(stream.encode(frame))
                written += 1
            spans.append(TimeSpan(start / FRAMES_PER_SECOND, written / FRAMES_PER_SECOND))
        container.mux(stream.encode(None))
    return spans


def _held(
    pictures: list[NDArray[np.uint8]], seconds: tuple[float, ...]
) -> Iterator[NDArray[np.uint8]]:
    times = np.array(seconds) - seconds[0]
    last = times[-1] + float(np.diff(times).mean())
    for tick in np.arange(0.0, last, 1 / FRAMES_PER_SECOND):
        yield pictures[int(np.searchsorted(times, tick + 1e-6, side="right")) - 1]


def _clip_at(clips: tuple[EncodedClip, ...], span: TimeSpan) -> EncodedClip:
    """The clip that shows most of a span."""
    return max(clips, key=lambda clip: clip.span.overlap(span))


def _told(
    encoder: Encoder, clips: list[MotionClip], vectors: NDArray[np.float32]
) -> NDArray[np.float64]:
    """1 for every directed clip that is nearer to its own sentence than to the opposite."""
    directed = [place for place, clip in enumerate(clips) if reversed_captions(clip)]
    own = encoder.encode_text([clips[place].captions[0] for place in directed])
    turned = encoder.encode_text([reversed_captions(clips[place])[0] for place in directed])
    difference = (vectors[directed] * (own - turned)).sum(1)
    # Attention sees nothing in one frame, and rounding is no opinion.
    return (difference > 1e-6).astype(np.float64)


def _named(
    encoder: Encoder, clips: list[MotionClip], vectors: NDArray[np.float32]
) -> NDArray[np.float64]:
    """1 for every action that is nearest to its own name."""
    places = [place for place, clip in enumerate(clips) if clip.source == ACTIONS]
    sentences = {str(clips[place].label): clips[place].captions[0] for place in places}
    guesses = (vectors[places] @ encoder.encode_text(list(sentences.values())).T).argmax(1)
    labels = list(sentences)
    return np.array(
        [labels[guess] == clips[place].label for guess, place in zip(guesses, places, strict=True)],
        np.float64,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.directed_film", description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    arguments = parser.parse_args()
    require_folder(parser, arguments.data)
    print(f"## Direction on {processor_name()}")
    with tempfile.TemporaryDirectory() as folder:
        print_direction(arguments.data, create_encoder(), Path(folder))


if __name__ == "__main__":
    main()
