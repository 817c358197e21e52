"""Short real videos in which something moves: the data folder's ``motion``.

clips = read_clips(Path("../shared/data"))
train = [clip for clip in clips if clip.split == "train"]
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MOVING_SETS = {
    "rt1": "robots",
    "rt2": "robots",
    "bridge": "robots",
    "openvla": "robots",
    "skate": "tricks",
    "weizmann": "actions",
}
"""Sources of many alike clips, by the beginning of their group: only motion tells them apart."""


@dataclass(frozen=True)
class MotionClip:
    """Eight frames of a video, their times and what is said about them."""

    index: int
    split: str
    seconds: tuple[float, ...]
    label: str | None
    captions: tuple[str, ...]
    group: str
    """The source; clips of one group are near-duplicates."""
    origin: str

    @property
    def source(self) -> str:
        """The beginning of the group, which names the set that the clip is from."""
        return self.group.partition(":")[0]


def motion_files(data: Path) -> list[Path]:
    """The Parquet files, in order."""
    return sorted((data / "motion").glob("motion-[0-9].parquet"))


def read_clips(data: Path) -> list[MotionClip]:
    """Everything but the pixels."""
    import pyarrow.parquet as parquet

    columns = ["split", "seconds", "label", "captions", "group", "origin"]
    clips: list[MotionClip] = []
    for file in motion_files(data):
        for record in parquet.read_table(file, columns=columns).to_pylist():
            clips.append(
                MotionClip(
                    index=len(clips),
                    split=record["split"],
                    seconds=tuple(record["seconds"]),
                    label=record["label"],
                    captions=tuple(record["captions"]),
                    group=record["group"],
                    origin=record["origin"],
                )
            )
    return clips


def read_frames(data: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of all clips in order, (H, W, 3) RGB each."""
    import pyarrow.parquet as parquet
    from PIL import Image

    for file in motion_files(data):
        for record in parquet.read_table(file, columns=["frames"]).to_pylist():
            for blob in record["frames"]:
                yield np.asarray(Image.open(io.BytesIO(blob)).convert("RGB"))


_TURNED_ROUND = (
    (r"^(.*) opens (.*)$", r"\1 closes \2"),
    (r"^(.*) closes (.*)$", r"\1 opens \2"),
    (r"^open (.*)$", r"close \1"),
    (r"^close (.*)$", r"open \1"),
    (
        r"^(.*) takes (.*) out of (.*) and puts it on the counter$",
        r"\1 puts \2 into \3",
    ),
    (r"^(.*) puts (.*) into (.*)$", r"\1 takes \2 out of \3 and puts it on the counter"),
    (r"^pick (.*) from (.*) and place on counter$", r"place \1 into \2"),
    (r"^place (.*) into (.*)$", r"pick \1 from \2 and place on counter"),
)
"""Patterns of the captions of directed clips, and what they say of the reversed clip."""
DIRECTED = frozenset({"open drawer", "close drawer", "take out of drawer", "put into drawer"})
"""Labels of clips that, played backwards, show their opposite."""


def reversed_captions(clip: MotionClip) -> tuple[str, ...]:
    """What a directed clip shows when it is played backwards; empty for other clips."""
    if clip.label not in DIRECTED:
        return ()
    said = []
    for caption in clip.captions:
        for pattern, turned in _TURNED_ROUND:
            if re.match(pattern, caption):
                said.append(re.sub(pattern, turned, caption))
                break
    return tuple(said)
