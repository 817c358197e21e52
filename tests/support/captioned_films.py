"""Films that a model with random weights can learn to tell apart by their captions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from hub_checkpoints import WORDS
from videos import write_video

from vidseek.encoders.base import Encoder

COLOURS = ((210, 30, 30), (30, 180, 40), (30, 40, 210), (220, 210, 40))
VIDEOS = 40


def write_captioned_films(folder: Path, encoder: Encoder) -> None:
    """Films of a colour and `captions.jsonl`, which says the same of all films of a colour.

    The captions are what the model has words for and tells apart best.
    """
    texts = [f"{one} {other}" for one in WORDS for other in WORDS]
    vectors = encoder.encode_text(texts)
    chosen = [0]
    while len(chosen) < len(COLOURS):
        chosen.append(int((vectors @ vectors[chosen].T).max(axis=1).argmin()))
    captions = [texts[place] for place in chosen]
    rows = []
    for number in range(VIDEOS):
        colour = number % len(COLOURS)
        _write_film(folder / f"{number}.mp4", COLOURS[colour], number)
        rows.append({"path": f"{number}.mp4", "caption": captions[colour]})
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _write_film(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    """A film of one second: three tenths show the colour, the rest is grey."""
    random = np.random.default_rng(seed)
    colours = np.full((10, 1, 1, 3), 128.0)
    colours[random.permutation(10)[:3]] = colour
    # Lighter and darker squares: clips of a plain colour are blank, and no hits.
    squares = np.kron(np.indices((6, 10)).sum(0) % 2 * 24.0 - 12, np.ones((16, 16)))[..., None]
    noisy = colours + squares + random.normal(0, 12, (10, 96, 160, 3))
    pictures = list(np.clip(noisy, 0, 255).astype(np.uint8))
    write_video(path, pictures, frame_rate=10)
