"""How many scenes of two vlogs a summary shows, with as many frames as scenes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import vidseek
from vidseek.encoders.base import Encoder

RANDOM_DRAWS = 500


def print_summaries(folder: Path, library_folder: Path, encoder: Encoder) -> None:
    """Print the share of the scenes that are shown."""
    entries = json.loads((folder / "scenes.json").read_text())
    print("\n### Summary: scenes shown by as many frames as there are scenes\n")
    print("| video | scenes | summary | evenly spaced | random |\n| --- | --- | --- | --- | --- |")
    with vidseek.open(library_folder, encoder=encoder) as library:
        library.index([folder / name for name in entries], workers=1)
        for name, scenes in entries.items():
            starts = np.array([scene["start_seconds"] for scene in scenes])
            duration = library.info(folder / name).video.duration_seconds
            count = len(scenes)

            def shown(times: Iterable[float], starts: np.ndarray = starts) -> float:
                found = {int(np.searchsorted(starts, time, side="right")) for time in times}
                return 100 * len(found) / len(starts)

            summary = [frame.seconds for frame in library.summary(folder / name, frames=count)]
            evenly = (np.arange(count) + 0.5) * duration / count
            draws = np.random.default_rng(0).uniform(0, duration, (RANDOM_DRAWS, count))
            by_chance = np.mean([shown(draw) for draw in draws])
            print(
                f"| {name} | {count} | {shown(summary):.1f} | {shown(evenly):.1f} "
                f"| {by_chance:.1f} |",
                flush=True,
            )
