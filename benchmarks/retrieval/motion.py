"""What only time tells: the direction of an action, and which action it is.

On the test clips of ``motion``, whose scenes and people are not among the training clips. The set
has no dev rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.intervals import interval
from benchmarks.retrieval.tables import recall_head, recall_row
from vidseek.core.types import FrameFeatures
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.training.lab.motion import MotionClip, read_clips, read_frames, reversed_captions
from vidseek.training.metrics import ranks

AUTO_EVAL = "yt"
ACTIONS, TRICKS = "weizmann", "skate"
FRAMES = {
    "8 frames": (0, 1, 2, 3, 4, 5, 6, 7),
    "4 frames": (0, 2, 5, 7),
    "2 frames": (2, 5),
    "1 frame": (4,),
}
"""Which of a clip's eight frames are seen: as many as a plan for sampling takes."""


def motion(encoder: BuiltinEncoder, data: Path) -> None:
    """Print what is told by text, by frames seen, with temporal attention and with the mean."""
    clips = [clip for clip in read_clips(data) if clip.split == "test"]
    wanted = {clip.index for clip in clips}
    frames = [
        frame
        for place, frame in enumerate(read_frames(data))
        if place // len(FRAMES["8 frames"]) in wanted
    ]
    vectors = np.concatenate([encoder.encode_frames(frame[None]).vectors for frame in frames])
    videos = vectors.reshape(len(clips), -1, vectors.shape[1])
    print("\n| frames seen | told by text, per cent (95 % interval) | attention | mean |")
    print("| --- | --- | --- | --- |")
    for name, seen in FRAMES.items():
        with_attention = _Clips(encoder, clips, videos[:, seen], seen, attend=True)
        plain = _Clips(encoder, clips, videos[:, seen], seen, attend=False)
        for title, cell, other in zip(
            _TITLES, with_attention.figures(), plain.figures(), strict=True
        ):
            print(f"| {name} | {title} | {_cell(cell)} | {_cell(other)} |", flush=True)
    recall_head()
    for name, seen in FRAMES.items():
        for attend in (True, False):
            some = _Clips(encoder, clips, videos[:, seen], seen, attend=attend)
            by = "temporal attention" if attend else "plain mean"
            recall_row(f"AutoEval-Video test, first captions, {name}, {by}", some.auto_eval())


_TITLES = (
    "direction: own sentence above its opposite",
    "right order above reversed, own sentence",
    "4 actions by name",
    "ollie or kickflip",
)


class _Clips:
    """Test clips of some frames, encoded with temporal attention or as means."""

    def __init__(
        self,
        encoder: BuiltinEncoder,
        clips: list[MotionClip],
        videos: NDArray[np.float32],
        seen: tuple[int, ...],
        *,
        attend: bool,
    ) -> None:
        self._encoder, self._clips, self._attend = encoder, clips, attend
        self._seconds = [np.array(clip.seconds)[list(seen)] for clip in clips]
        self._videos = videos
        self._vectors = self._encode(backwards=False)

    def _encode(self, *, backwards: bool) -> NDArray[np.float32]:
        found = []
        for video, seconds in zip(self._videos, self._seconds, strict=True):
            if not self._attend:
                mean = video.mean(0)
                found.append(mean / np.linalg.norm(mean))
                continue
            if backwards:
                video, seconds = video[::-1], seconds[-1] - seconds[::-1]
            features = FrameFeatures(np.ascontiguousarray(video))
            found.append(self._encoder.encode_clips(features, seconds, [slice(0, len(video))])[0])
        return np.stack(found)

    def figures(self) -> list[NDArray[np.float64]]:
        """1 for every clip that is told rightly, for each of ``_TITLES``."""
        directed = [place for place, clip in enumerate(self._clips) if reversed_captions(clip)]
        own = self._encoder.encode_text([self._clips[place].captions[0] for place in directed])
        turned = [reversed_captions(self._clips[place])[0] for place in directed]
        forwards = (self._vectors[directed] * own).sum(1)
        opposite = (self._vectors[directed] * self._encoder.encode_text(turned)).sum(1)
        backwards = (self._encode(backwards=True)[directed] * own).sum(1)
        return [
            (forwards > opposite).astype(np.float64),
            (forwards > backwards + 1e-6).astype(np.float64),
            self._by_name(ACTIONS),
            self._by_name(TRICKS),
        ]

    def _by_name(self, source: str) -> NDArray[np.float64]:
        places = [place for place, clip in enumerate(self._clips) if clip.source == source]
        captions = {self._clips[place].label: self._clips[place].captions[0] for place in places}
        labels = list(captions)
        queries = self._encoder.encode_text([captions[label] for label in labels])
        guesses = (self._vectors[places] @ queries.T).argmax(1)
        right = [
            labels[guess] == self._clips[place].label
            for guess, place in zip(guesses, places, strict=True)
        ]
        return np.array(right, np.float64)

    def auto_eval(self) -> NDArray[np.intp]:
        """Rank of each varied video for its first caption."""
        places = [place for place, clip in enumerate(self._clips) if clip.source == AUTO_EVAL]
        queries = self._encoder.encode_text([self._clips[place].captions[0] for place in places])
        return ranks(queries @ self._vectors[places].T, np.arange(len(places)))


def _cell(right: NDArray[np.float64]) -> str:
    return f"{interval(right)} of {len(right)}"
