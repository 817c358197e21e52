"""Measure how far a confidence can be trusted: `python -m benchmarks.confidence`.

python -m benchmarks.confidence [--only error|absent|unlabelled ...] [--data DIR] [--weights DIR]

Prints Markdown, in three parts:

error        expected calibration error of the built-in model, in 10 bins of equal mass, on test
             rows of Flickr8k and captions of real clips: with what its manifest says, and with a
             fit to dev rows made here (to put into a manifest without training)
absent       how many sentences get a confident answer, by threshold: captions of what is there, and
             things that are not; on dev rows, to choose ``DEFAULT_MIN_CONFIDENCE`` by, and on
             the clips
unlabelled   what `vidseek calibrate` makes of a library without labels, against its captions

What the encoder makes of the data is kept in --cache between runs, by the encoder's fingerprint.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import vidseek
from benchmarks.machine import DATA, processor_name, require_folder
from benchmarks.retrieval.pictures import encode
from vidseek.core.types import EncodedClip, FrameFeatures, TimeSpan, Video
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import WEIGHTS_FOLDER
from vidseek.encoders.platt_scaling import (
    ABSENT_GALLERY,
    balanced_weights,
    calibration_error,
    chance_error,
    fit_confidence,
    gallery_scores,
    sigmoid,
)
from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE
from vidseek.storage.store import LibraryStore

PARTS = ("error", "absent", "unlabelled")
TARGET_ERROR = 0.05
TARGET_UNANSWERED = 0.8
THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
RERANK_CANDIDATES = 50

ABSENT = tuple(
    line
    for line in Path(__file__).with_name("absent.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
"""Things that no clip shows."""
SHOWN = {
    "flickr8k": (
        "a surfer riding a wave",
        "a sumo wrestling match",
        "a camel caravan in the desert",
        "a skateboarder on a half pipe",
        "a cyclist climbing a mountain pass",
        "a sewing machine stitching denim",
    ),
    "msrvtt": (
        "a surfer riding a wave",
        "a sumo wrestling match",
        "a scuba diver beside a coral reef",
        "an octopus in an aquarium",
        "a monkey peeling a banana",
        "a chess tournament",
    ),
}
"""Of them, those that a caption of the set's dev rows has, or nearly: they are not asked there."""
assert set(ABSENT) >= {thing for shown in SHOWN.values() for thing in shown}


@dataclass(frozen=True)
class Items:
    """Pictures or videos with a caption each, as one gallery."""

    name: str
    captions: list[list[str]]
    vectors: NDArray[np.float32]
    """(N, D)."""
    frames: list[FrameFeatures]
    """For the head that re-ranks; tokens only where it is used."""


@dataclass(frozen=True)
class Pairs:
    """Scores of right answers and of wrong ones."""

    name: str
    matched: NDArray[np.float64]
    mismatched: NDArray[np.float64]

    def joined(self, other: Pairs) -> Pairs:
        """Both together."""
        return Pairs(
            f"{self.name} and {other.name}",
            np.concatenate([self.matched, other.matched]),
            np.concatenate([self.mismatched, other.mismatched]),
        )


class Sources:
    """What the encoder makes of the data, each encoded when it is first asked for."""

    def __init__(self, encoder: BuiltinEncoder, data: Path, cache: Path) -> None:
        self.encoder, self._data = encoder, data
        self._cache = cache / encoder.spec.fingerprint
        self._cache.mkdir(parents=True, exist_ok=True)
        self._items: dict[str, Items] = {}

    def items(self, name: str, split: str) -> Items:
        """Pictures of Flickr8k, or videos of MSR-VTT as clips of their frames."""
        title = f"{name} {split}"
        if title not in self._items:
            self._items[title] = self._read(title, self._encoded(name, split))
        return self._items[title]

    def _encoded(self, name: str, split: str) -> Path:
        file = self._cache / f"{name}-{split}.npz"
        if not file.exists():
            pictures = encode(self.encoder, self._data, name, split)
            unfinished = file.with_name(f"{file.stem}.unfinished.npz")
            np.savez(
                unfinished,
                vectors=pictures.features.vectors,
                tokens=pictures.features.tokens.astype(np.float16),
                captions=json.dumps([list(row.captions) for row in pictures.rows]),
                groups=[str(row.group) for row in pictures.rows],
            )
            unfinished.replace(file)
        return file

    def _read(self, title: str, file: Path) -> Items:
        with np.load(file) as kept:
            captions: list[list[str]] = json.loads(str(kept["captions"]))
            vectors: NDArray[np.float32] = kept["vectors"]
            tokens: NDArray[np.float32] = kept["tokens"].astype(np.float32)
            groups = kept["groups"].tolist()
        frames = FrameFeatures(vectors, tokens)
        if title.startswith("flickr8k"):
            rows = range(len(captions))
            return Items(title, captions, vectors, [frames[row : row + 1] for row in rows])
        of_group: dict[str, list[int]] = {}
        for row, group in enumerate(groups):
            of_group.setdefault(group, []).append(row)
        videos = [frames[np.array(rows)] for rows in of_group.values()]
        clips = [
            # The data gives no times; frames are taken as 3 s apart.
            self.encoder.encode_clips(video, 3.0 * np.arange(len(video)), [slice(0, len(video))])
            for video in videos
        ]
        return Items(
            title,
            [captions[rows[0]][:1] for rows in of_group.values()],
            np.concatenate(clips),
            videos,
        )

    @contextmanager
    def clips(self) -> Iterator[vidseek.Library]:
        """The library of real clips, through the product."""
        with vidseek.open(self._cache / "clips", encoder=self.encoder) as library:
            library.index([self._data / "videos" / "clips"])
            yield library

    def clip_captions(self) -> dict[str, str]:
        """File name to caption."""
        captions: dict[str, str] = json.loads(
            (self._data / "videos" / "captions.json").read_text(encoding="utf-8")
        )
        return captions


def gallery_pairs(
    encoder: BuiltinEncoder, items: Items, *, captions_each: int, size: int = ABSENT_GALLERY
) -> Pairs:
    """Right and wrong best answers in galleries of some size, as training fits them."""
    asked = [
        (text, place)
        for place, texts in enumerate(items.captions)
        for text in texts[:captions_each]
    ]
    texts = [text for text, _ in asked]
    scores = encoder.encode_text(texts) @ items.vectors.T
    matched, mismatched = gallery_scores(
        scores,
        np.array([place for _, place in asked]),
        size=size,
        depth=RERANK_CANDIDATES,
        rescore=_second_stage(encoder, items, texts),
        random=np.random.default_rng(0),
    )
    return Pairs(items.name, matched.astype(np.float64), mismatched.astype(np.float64))


def _second_stage(
    encoder: BuiltinEncoder, items: Items, texts: Sequence[str]
) -> Callable[[NDArray[np.intp], NDArray[np.float32]], NDArray[np.float32]]:
    """From (Q, K) items and their scores to their final scores, as a search makes them."""
    hubness = encoder.hubness
    corrections = None if hubness is None else hubness.corrections(items.vectors)

    def rescore(chosen: NDArray[np.intp], scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if encoder.reranks:
            rows = zip(texts, chosen, scores, strict=True)
            scores = np.stack(
                [encoder.rerank(text, [items.frames[i] for i in of], one) for text, of, one in rows]
            )
        return scores if corrections is None else scores + corrections[chosen]

    return rescore


def clip_pairs(library: vidseek.Library, captions: dict[str, str]) -> Pairs:
    """The same of the clips, the whole library being the gallery; each caption counts once.

    A clip that is captioned in the same words is right too.
    """
    said: dict[str, set[str]] = {}
    for name, caption in captions.items():
        said.setdefault(caption, set()).add(name)
    matched, mismatched = [], []
    for caption, names in said.items():
        hits = library.search(caption, k=len(captions) * 2, per_video=1)
        wrong = next(hit.score for hit in hits if hit.video.path.name not in names)
        mismatched.append(wrong)
        if hits[0].video.path.name in names:
            matched.append(hits[0].score)
    return Pairs(f"{len(said)} captions of clips", np.array(matched), np.array(mismatched))


def measure(pairs: Pairs, scale: float, bias: float) -> tuple[float, float]:
    """Calibration error on pairs, right and wrong ones weighing the same, and that of chance."""
    scores = np.concatenate([pairs.matched, pairs.mismatched])
    is_match = np.arange(len(scores)) < len(pairs.matched)
    weights = balanced_weights(is_match)
    said = sigmoid(scale * scores + bias)
    return (
        calibration_error(said, is_match, weights=weights),
        chance_error(said, weights=weights),
    )


def error(sources: Sources) -> None:
    """Print the calibration error on held-out pairs."""
    encoder = sources.encoder
    spec = encoder.spec
    dev = gallery_pairs(encoder, sources.items("flickr8k", "dev"), captions_each=1).joined(
        gallery_pairs(encoder, sources.items("msrvtt", "dev"), captions_each=1)
    )
    fits = {"fitted here to dev rows": fit_confidence(dev.matched, dev.mismatched)}
    if spec.confidence_scale is not None and spec.confidence_bias is not None:
        fits = {"manifest": (spec.confidence_scale, spec.confidence_bias), **fits}
    with sources.clips() as library:
        clips = clip_pairs(library, sources.clip_captions())
    test = gallery_pairs(encoder, sources.items("flickr8k", "test"), captions_each=5)
    print(
        f"\n## Expected calibration error (10 bins of equal mass; target at most {TARGET_ERROR})\n"
    )
    print("| calibration | held-out pairs | right + wrong | error | of a perfect one, so many |")
    print("| --- | --- | --- | --- | --- |")
    for name, (scale, bias) in fits.items():
        for pairs in (test, clips, test.joined(clips)):
            found, by_chance = measure(pairs, scale, bias)
            counts = f"{len(pairs.matched):,} + {len(pairs.mismatched):,}"
            print(f"| {name} | {pairs.name} | {counts} | {found:.3f} | {by_chance:.3f} |")
    for name, (scale, bias) in fits.items():
        print(f"\n{name}: confidence_scale {scale:.4f}, confidence_bias {bias:.4f}", end="")
    print(flush=True)


def absent(sources: Sources) -> None:
    """Print how many sentences are answered, by threshold."""
    encoder = sources.encoder
    spec = encoder.spec
    if spec.confidence_scale is None or spec.confidence_bias is None:
        print("\nThe model is not calibrated: nothing is confident.")
        return
    with sources.clips() as library:
        columns = {
            "clips: captions": [_confidences(library, sources.clip_captions().values())],
            f"clips: {len(ABSENT)} absent things": [_confidences(library, ABSENT)],
        }
    for name, shown in SHOWN.items():
        items = sources.items(name, "dev")
        captions = [texts[0] for texts in items.captions]
        galleries = np.array_split(
            np.random.default_rng(0).permutation(len(captions)),
            max(1, len(captions) // ABSENT_GALLERY),
        )
        absent = [thing for thing in ABSENT if thing not in shown]
        for title, texts, own in (
            ("captions", captions, True),
            (f"{len(absent)} absent things", absent, False),
        ):
            best = np.concatenate(
                [
                    _best(encoder, items, [texts[i] for i in of] if own else texts, of)
                    for of in galleries
                ]
            )
            said = sigmoid(spec.confidence_scale * best + spec.confidence_bias)
            columns[f"{name} dev: {title}"] = [said]
    for title in ("captions", "absent things"):
        columns[f"mean of the dev sets: {title}"] = [
            said
            for name, sets in columns.items()
            if "dev" in name and title in name
            for said in sets
        ]
    print("\n## Answered with confidence, per cent of the queries\n")
    print("| threshold | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 1) + "|")
    for threshold in sorted({*THRESHOLDS, DEFAULT_MIN_CONFIDENCE}):
        cells = [f"{_answered(sets, threshold):.0%}" for sets in columns.values()]
        mark = " (the default)" if threshold == DEFAULT_MIN_CONFIDENCE else ""
        print(f"| {threshold:g}{mark} | " + " | ".join(cells) + " |")
    for name, sets in columns.items():
        if "absent" in name:
            enough = [one for one in THRESHOLDS if 1 - _answered(sets, one) >= TARGET_UNANSWERED]
            print(
                f"\n{name}: {TARGET_UNANSWERED:.0%} have no confident match from "
                f"{min(enough, default='no threshold')} on.",
                end="",
            )
    print(
        "\n\nOf Flickr8k and MSR-VTT the captions alone were looked through for these things.",
        flush=True,
    )


def _answered(sets: Sequence[NDArray[np.float64]], threshold: float) -> float:
    """Share of queries with such a confidence; each set counts the same."""
    return float(np.mean([(said >= threshold).mean() for said in sets]))


def _confidences(library: vidseek.Library, texts: Iterable[str]) -> NDArray[np.float64]:
    best = [library.search(text, k=1)[0].confidence for text in texts]
    return np.array(best, np.float64)


def _best(
    encoder: BuiltinEncoder, items: Items, texts: list[str], gallery: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(len(texts),) best score of each text in a gallery."""
    scores = encoder.encode_text(texts) @ items.vectors[gallery].T
    order = np.argsort(-scores, axis=1)[:, :RERANK_CANDIDATES]
    rescore = _second_stage(encoder, items, texts)
    final = rescore(gallery[order], np.take_along_axis(scores, order, 1))
    return final.max(1).astype(np.float64)


def unlabelled(sources: Sources) -> None:
    """Print what a calibration without labels is, against the one by captions."""
    print("\n## Calibrated without labels\n")
    print(
        "| library | queries | half sure at, without labels | by captions | error, without labels "
        "| by captions (fitted to these) |\n| --- | --- | --- | --- | --- | --- |"
    )
    with sources.clips() as library:
        captions = sources.clip_captions()
        _compare("clips", library, clip_pairs(library, captions), list(captions.values()))
    items = sources.items("flickr8k", "dev")
    order = np.random.default_rng(1).permutation(len(items.captions))
    for size in (50, ABSENT_GALLERY, len(order)):
        some = order[:size]
        part = Items(
            f"{size} pictures of flickr8k dev",
            [items.captions[i] for i in some],
            items.vectors[some],
            [items.frames[i] for i in some],
        )
        pairs = gallery_pairs(sources.encoder, part, captions_each=5, size=size)
        with tempfile.TemporaryDirectory() as folder:
            store_pictures(Path(folder), sources.encoder, part)
            with vidseek.open(folder, encoder=sources.encoder) as library:
                _compare(part.name, library, pairs, [texts[0] for texts in part.captions])


def _compare(name: str, library: vidseek.Library, pairs: Pairs, captions: list[str]) -> None:
    labelled = fit_confidence(pairs.matched, pairs.mismatched)
    for title, queries in (("bundled", None), ("its captions", captions)):
        if queries is not None and len(set(queries)) < 50:
            continue
        report = library.calibrate(queries=queries, override=True)
        found = report.calibration
        library.forget_calibration()
        print(
            f"| {name} | {title} | {report.half_sure_score:.3f} | "
            f"{-labelled[1] / labelled[0]:.3f} | {measure(pairs, found.scale, found.bias)[0]:.3f} "
            f"| {measure(pairs, *labelled)[0]:.3f} |",
            flush=True,
        )


def store_pictures(folder: Path, encoder: BuiltinEncoder, items: Items) -> None:
    """Make a library in which each picture is a video of one clip."""
    with LibraryStore.open(folder, create=True) as store, store.lease():
        store.encoders.register(encoder.spec)
        for place, (vector, frames) in enumerate(zip(items.vectors, items.frames, strict=True)):
            video = Video(
                id=0,
                path=folder / f"{place}.mp4",
                content_hash=f"{place:064x}",
                size_bytes=1,
                modified_ns=1,
                duration_seconds=1.0,
                frame_rate=1.0,
                width=260,
                height=260,
                codec="h264",
            )
            clip = EncodedClip(
                TimeSpan(0.0, 1.0), tuple(map(float, range(len(frames)))), vector, frames
            )
            store.videos.add(video, [clip], fingerprint=encoder.spec.fingerprint)


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.confidence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--weights", type=Path, default=WEIGHTS_FOLDER)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--cache", type=Path, default=Path(".cache/confidence"))
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args()
    require_folder(parser, arguments.data)
    encoder = BuiltinEncoder(arguments.weights, threads=arguments.threads)
    spec = encoder.spec
    print(f"# Confidence: {spec.source} {spec.revision} ({spec.fingerprint})\n\n{processor_name()}")
    sources = Sources(encoder, arguments.data, arguments.cache)
    for name, part in (("error", error), ("absent", absent), ("unlabelled", unlabelled)):
        if name in arguments.only:
            part(sources)


if __name__ == "__main__":
    main()
