"""Measure how scores move when a picture is blurred, compressed, darkened or framed by bars.

python -m benchmarks.degradation [--data DIR] [--weights DIR] [--pictures N] [--split dev]

Takes pictures of Flickr8k and their captions, degrades the pictures, and scores them as a search
does, with the hubness correction. A good encoder gives a degraded copy nearly the score of the
original. Where the shift of the right caption is above 0, the worse copy wins; where that of the
best wrong picture is above 0, pictures are shown for queries that they do not answer. Prints
Markdown.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from benchmarks.machine import DATA, processor_name, require_folder
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import WEIGHTS_FOLDER
from vidseek.encoders.preprocessing import squash
from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE, confidence_of
from vidseek.training.lab.pictures import read_pictures, read_rows
from vidseek.training.metrics import ranks, recall
from vidseek.video import without_bars

Picture = NDArray[np.uint8]
Degrade = Callable[[Picture], Picture]
BATCH = 16


def blurred(share: float) -> Degrade:
    """Gaussian blur with a radius given as a share of the picture's side."""

    def degrade(picture: Picture) -> Picture:
        radius = share * picture.shape[0]
        return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))

    return degrade


def shrunk(side: int) -> Degrade:
    """A small encode: reduced to a side in pixels and enlarged again."""

    def degrade(picture: Picture) -> Picture:
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
        return np.asarray(small.resize(picture.shape[1::-1], Image.Resampling.BICUBIC))

    return degrade


def compressed(quality: int) -> Degrade:
    """JPEG, as blocky as a low bitrate."""

    def degrade(picture: Picture) -> Picture:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return degrade


def noisy(deviation: float) -> Degrade:
    """Gaussian noise, in grey levels."""
    random = np.random.default_rng(0)

    def degrade(picture: Picture) -> Picture:
        noise = random.normal(0.0, deviation, picture.shape)
        return np.clip(picture + noise, 0, 255).astype(np.uint8)

    return degrade


def exposed(gain: float) -> Degrade:
    """Brighter or darker, without changing black."""
    return lambda picture: np.clip(picture * gain, 0, 255).astype(np.uint8)


def faded(contrast: float) -> Degrade:
    """Less contrast around mid-grey."""
    return lambda picture: (128 + (picture.astype(np.float32) - 128) * contrast).astype(np.uint8)


def barred(share: float, *, vertical: bool = False) -> Degrade:
    """Black bars that together take a share of the height, or of the width."""

    def degrade(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        bar = round((width if vertical else height) * share / (1 - share) / 2)
        pad = ((0, 0), (bar, bar)) if vertical else ((bar, bar), (0, 0))
        return np.pad(picture, (*pad, (0, 0)))

    return degrade


DEGRADATIONS: dict[str, Degrade] = {
    "blur, 0.5 % of the side": blurred(0.005),
    "blur, 1 %": blurred(0.01),
    "blur, 2 %": blurred(0.02),
    "blur, 4 %": blurred(0.04),
    "shrunk to 96 px": shrunk(96),
    "shrunk to 56 px": shrunk(56),
    "shrunk to 48 px": shrunk(48),
    "JPEG, quality 30": compressed(30),
    "JPEG, quality 10": compressed(10),
    "noise, 10 grey levels": noisy(10),
    "noise, 30 grey levels": noisy(30),
    "darker, x 0.5": exposed(0.5),
    "darker, x 0.35": exposed(0.35),
    "brighter, x 1.5": exposed(1.5),
    "contrast, x 0.5": faded(0.5),
    "letterbox, 25 % of the height": barred(0.25),
    "pillarbox, 44 % of the width": barred(0.44, vertical=True),
}
CUT = "; bars cut, as `index` does"
"""Suffix of the rows in which bars are cut off before encoding."""


@dataclass(frozen=True)
class Scores:
    """Scores of Q captions and N pictures, as a search gives them."""

    vectors: NDArray[np.float32]
    scores: NDArray[np.float32]
    """(Q, N)."""
    truth: NDArray[np.intp]
    """(Q,) the picture of each caption."""

    @property
    def right(self) -> NDArray[np.float32]:
        """(Q,) scores of the captions' own pictures."""
        return np.take_along_axis(self.scores, self.truth[:, None], 1)[:, 0]

    @property
    def wrong(self) -> NDArray[np.float32]:
        """(Q,) scores of the best other picture for each caption."""
        others = self.scores.copy()
        np.put_along_axis(others, self.truth[:, None], -np.inf, 1)
        best: NDArray[np.float32] = others.max(1)
        return best


class Experiment:
    """Pictures, their captions and an encoder."""

    def __init__(self, encoder: BuiltinEncoder, data: Path, split: str, count: int) -> None:
        rows = [row for row in read_rows(data, "flickr8k") if row.split == split][:count]
        wanted = {row.index for row in rows}
        start = min(wanted)
        numbered = enumerate(read_pictures(data, "flickr8k", start=start), start)
        self.encoder = encoder
        self.pictures = [
            picture
            for index, picture in islice(numbered, max(wanted) - start + 1)
            if index in wanted
        ]
        pairs = [(place, text) for place, row in enumerate(rows) for text in row.captions]
        self.truth = np.array([place for place, _ in pairs])
        self.queries = encoder.encode_text([text for _, text in pairs])

    def scores(self, degrade: Degrade | None, *, cut: bool = False) -> Scores:
        """Score the pictures after a degradation, with black bars cut off or not."""
        side = self.encoder.spec.image_size
        squares = []
        for picture in self.pictures:
            frames = (picture if degrade is None else degrade(picture))[None]
            squares.append(squash(without_bars(frames) if cut else frames, side))
        pictures = np.concatenate(squares)
        vectors = np.concatenate(
            [
                self.encoder.encode_frames(pictures[start : start + BATCH]).vectors
                for start in range(0, len(pictures), BATCH)
            ]
        )
        scores = self.queries @ vectors.T
        if self.encoder.hubness is not None:
            scores += self.encoder.hubness.corrections(vectors)
        return Scores(vectors, scores, self.truth)

    @cache  # noqa: B019 - there is a single experiment
    def originals(self) -> Scores:
        """Scores of the pictures as they are."""
        return self.scores(None)

    def row(self, name: str, degrade: Degrade | None, *, cut: bool = False) -> str:
        """A row of the table."""
        before, after = self.originals(), self.scores(degrade, cut=cut)
        rank = ranks(after.scores, self.truth)
        sharp = recall(ranks(before.scores, self.truth), 1)
        cells = [
            f"{(before.vectors * after.vectors).sum(1).mean():.3f}",
            f"{(after.right - before.right).mean():+.3f}",
            f"{(after.wrong - before.wrong).mean():+.3f}",
            f"{(after.right > before.right).mean():.0%}",
            f"{recall(rank, 1):.0f} / {recall(rank, 10):.0f}",
            f"{recall(rank, 1) / sharp:.0%}",
            f"{self._shown(after.right):.0%} / {self._shown(after.wrong):.0%}",
        ]
        return f"| {name} | {' | '.join(cells)} |"

    def _shown(self, scores: NDArray[np.float32]) -> float:
        """Share of scores with a confidence that is shown."""
        sure = [confidence_of(float(score), self.encoder.spec) or 0.0 for score in scores]
        return float(np.mean(np.array(sure) >= DEFAULT_MIN_CONFIDENCE))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.degradation", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--weights", type=Path, default=WEIGHTS_FOLDER)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    arguments = parser.parse_args()
    require_folder(parser, arguments.data)
    encoder = BuiltinEncoder(arguments.weights)
    experiment = Experiment(encoder, arguments.data, arguments.split, arguments.pictures)
    print(f"# Degraded pictures: {encoder.spec}\n\n{processor_name()}\n")
    print(
        f"{len(experiment.pictures)} pictures of Flickr8k {arguments.split}, all degraded alike\n"
    )
    print(
        "| degradation | cosine with the original | shift, right caption | shift, best wrong "
        "picture | degraded copy scores higher | R@1 / R@10 | R@1 kept "
        "| shown: right / best wrong |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    print(experiment.row("none", None), flush=True)
    for name, degrade in DEGRADATIONS.items():
        print(experiment.row(name, degrade), flush=True)
        if "box" in name:
            print(experiment.row(name + CUT, degrade, cut=True), flush=True)


if __name__ == "__main__":
    main()
