"""Retrieval of pictures and videos by sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.intervals import interval, ratio_interval
from benchmarks.retrieval.tables import recall_head, recall_row
from vidseek.core.types import FrameFeatures
from vidseek.encoders.base import Encoder
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.preprocessing import squash
from vidseek.training.lab.pictures import (
    PictureRow,
    read_pictures,
    read_rows,
)
from vidseek.training.metrics import group_means, ranks

RERANK_DEPTH = 50


@dataclass(frozen=True)
class Pictures:
    """Rows of a set and their encoded pictures."""

    rows: list[PictureRow]
    features: FrameFeatures


def encode(
    encoder: Encoder, data: Path, name: str, split: str, limit: int | None = None
) -> Pictures:
    """Encode the rows of a split; tokens in half precision, as stored in a library.

    With ``limit``, only as many rows, evenly spaced over the split.
    """
    rows = [row for row in read_rows(data, name) if row.split == split]
    if limit is not None:
        rows = evenly_spaced(rows, limit)
    wanted = {row.index for row in rows}
    vectors, tokens = [], []
    for batch in _batches(data, name, wanted):
        squares = [squash(picture[None], encoder.spec.image_size) for picture in batch]
        features = encoder.encode_frames(np.concatenate(squares))
        vectors.append(features.vectors)
        tokens.append(features.tokens.astype(np.float16))
    halves = np.concatenate(tokens).astype(np.float32)
    return Pictures(rows, FrameFeatures(np.concatenate(vectors), halves))


def evenly_spaced(rows: list[PictureRow], limit: int) -> list[PictureRow]:
    """At most ``limit`` rows in their order, evenly spaced over all."""
    count = min(limit, len(rows))
    return [rows[place * len(rows) // count] for place in range(count)]


def _batches(data: Path, name: str, wanted: set[int]) -> Iterator[list[NDArray[np.uint8]]]:
    batch: list[NDArray[np.uint8]] = []
    first, last = min(wanted), max(wanted)
    for index, picture in enumerate(read_pictures(data, name, start=first), first):
        if index in wanted:
            batch.append(picture)
        if index == last:
            break
        if len(batch) == 32:
            yield batch
            batch = []
    if batch:
        yield batch


@dataclass(frozen=True)
class Gallery:
    """N clips to compare sentences with."""

    vectors: NDArray[np.float32]
    """(N, D) clip vectors."""
    clips: list[FrameFeatures]
    """The frames of each clip."""


class Flickr8k:
    """The pictures of one split and their captions as queries."""

    def __init__(
        self, encoder: BuiltinEncoder, data: Path, split: str, limit: int | None = None
    ) -> None:
        self.encoder, self.split = encoder, split
        self.pictures = encode(encoder, data, "flickr8k", split, limit)
        pairs = [
            (place, text) for place, row in enumerate(self.pictures.rows) for text in row.captions
        ]
        self.captions = [text for _, text in pairs]
        self.truth = np.array([place for place, _ in pairs])

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """(captions, pictures) cosines."""
        scores: NDArray[np.float32] = (
            self.encoder.encode_text(self.captions) @ self.pictures.features.vectors.T
        )
        return scores

    def recall(self) -> None:
        """Print text-to-image recall of the first stage, and of a search."""
        recall_head()
        title = f"Flickr8k {self.split}, {len(self.pictures.rows)} pictures"
        title = f"{title}, {len(self.captions)} captions"
        recall_row(f"{title}, first stage", ranks(self.scores, self.truth), self.truth)
        recall_row("the same, in a search", ranks(self.answers, self.truth), self.truth)

    @cached_property
    def gallery(self) -> Gallery:
        """The pictures as clips of one frame."""
        features = self.pictures.features
        frames = [features[row : row + 1] for row in range(len(features.vectors))]
        return Gallery(features.vectors, frames)

    @cached_property
    def answers(self) -> NDArray[np.float32]:
        """(captions, pictures) scores of a search, with the second stage as shipped."""
        return second_stage(self.encoder, self.captions, self.scores, self.gallery)

    def rerank(self) -> None:
        """Print recall with each part of the second stage alone."""
        encoder = self.encoder
        first = ranks(self.scores, self.truth)
        before = (first < 1).astype(np.float64)
        used = "used" if encoder.reranks else "not used"
        hubs = "used" if encoder.hubness is not None else "none"
        recall_head(f"the top {RERANK_DEPTH} re-ranked")
        recall_row("first stage", first, self.truth)
        parts = {
            f"hubness correction ({hubs} by default)": (False, True),
            "as in a search": (encoder.reranks, True),
        }
        if encoder.has_head:
            parts = {f"cross-modal attention ({used} by default)": (True, False), **parts}
        gains = {}
        for name, (head, hubness) in parts.items():
            scores = second_stage(
                encoder, self.captions, self.scores, self.gallery, head=head, hubness=hubness
            )
            second = ranks(scores, self.truth)
            recall_row(name, second, self.truth)
            gain = (second < 1) - before
            relative = ratio_interval(gain, before, self.truth)
            gains[name] = f"{interval(gain, self.truth)} points, {relative} % of it"
        for name, gain_text in gains.items():
            print(f"\n{name}: R@1 changes by {gain_text} (paired).", flush=True)


def second_stage(
    encoder: BuiltinEncoder,
    captions: list[str],
    scores: NDArray[np.float32],
    gallery: Gallery,
    *,
    head: bool | None = None,
    hubness: bool = True,
) -> NDArray[np.float32]:
    """Re-score the first stage's best clips.

    Args:
        encoder: has the cross-modal head and the hubness correction.
        captions: Q queries.
        scores: (Q, N) first-stage scores.
        gallery: the N clips.
        head: whether to use the cross-modal head; None for the shipped default.
        hubness: whether to apply the hubness correction, if the encoder has one.

    Returns:
        (Q, N) scores; re-scored clips stay above the others.
    """
    taken = np.zeros(len(gallery.vectors), np.float32)
    if hubness and encoder.hubness is not None:
        taken = encoder.hubness.corrections(gallery.vectors)
    again = scores.copy()
    for row, text in enumerate(captions):
        best = np.argsort(-scores[row])[:RERANK_DEPTH]
        found = scores[row, best]
        if encoder.reranks if head is None else head:
            found = encoder.cross_modal_scores(
                text, [gallery.clips[place] for place in best], found
            )
        again[row, best] = 10.0 + found + taken[best]
    return again


def msrvtt(encoder: BuiltinEncoder, data: Path) -> None:
    """Print recall of the dev videos by caption: as means, with temporal attention, re-ranked."""
    frames = encode(encoder, data, "msrvtt", "dev")
    groups = np.array([str(row.group) for row in frames.rows])
    means, names = group_means(frames.features.vectors, groups.tolist())
    caption = {str(row.group): row.captions[0] for row in frames.rows}
    captions = [caption[name] for name in names]
    queries = encoder.encode_text(captions)
    truth = np.arange(len(names))
    videos = [frames.features[np.flatnonzero(groups == name)] for name in names]
    random = np.random.default_rng(0)
    shuffled = [video[_wrong_order(len(video), random)] for video in videos]
    middle = [video[len(video) // 2 : len(video) // 2 + 1] for video in videos]
    recall_head()
    recall_row(f"MSR-VTT dev, {len(names)} videos, plain mean", ranks(queries @ means.T, truth))
    clips = _clips(encoder, videos)
    scores: NDArray[np.float32] = queries @ clips.T
    gallery = Gallery(clips, videos)
    recall_row("the same, temporal attention", ranks(scores, truth))
    wrong = ranks(queries @ _clips(encoder, shuffled).T, truth)
    recall_row("frames shuffled in time", wrong)
    recall_row("one frame of each", ranks(queries @ _clips(encoder, middle).T, truth))
    answers = second_stage(encoder, captions, scores, gallery)
    recall_row("as in a search", ranks(answers, truth))
    if encoder.has_head:
        attended = second_stage(encoder, captions, scores, gallery, head=True, hubness=False)
        recall_row(f"cross-modal attention over the top {RERANK_DEPTH}", ranks(attended, truth))
    order = (ranks(scores, truth) < 10).astype(np.float64) - (wrong < 10)
    print(f"\nThe right order of frames changes R@10 by {interval(order)} points (paired).")


def _wrong_order(count: int, random: np.random.Generator) -> NDArray[np.intp]:
    """A random order other than the right one, if there is one."""
    order = random.permutation(count)
    while count > 1 and (order == np.arange(count)).all():
        order = random.permutation(count)
    return order


def _clips(encoder: BuiltinEncoder, videos: list[FrameFeatures]) -> NDArray[np.float32]:
    """(N, D) clip vectors; the data has no times, so frames are assumed 3 s apart."""
    return np.concatenate(
        [
            encoder.encode_clips(video, 3.0 * np.arange(len(video)), [slice(0, len(video))])
            for video in videos
        ]
    )
