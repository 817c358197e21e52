"""New revisions without new towers, which start from shipped weights.

    revise(Path("encoders/weights"), Path(".cache/revision"), inputs, revision="4")
    replace_vision(vision, Path("encoders/weights"), Path(".cache/next"), inputs, revision="5")

``revise`` gives the visual part the names of classes (``class_names.py``), with the weight that is
best on dev rows, and trains temporal attention on the new frame vectors. ``replace_vision`` takes a
visual part that was trained towards the vectors of the shipped one. Both then fit the hubness
correction and the confidence again, so that absent things are found with no more confidence than
before. Frames are encoded once and kept, so that an interrupted run continues. Both write a folder
in the built-in format.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vidseek.core.errors import WeightsError
from vidseek.core.paths import hash_file
from vidseek.core.types import FrameFeatures
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.manifest import (
    FILES,
    HEAD,
    HUBNESS,
    EarlierRevision,
    Manifest,
    read_manifest,
    write_manifest,
)
from vidseek.encoders.platt_scaling import fit_confidence
from vidseek.training.lab.absent_names import (
    best_scores,
    confident_share,
    label_names,
    without_gain,
)
from vidseek.training.lab.corpus import Corpus
from vidseek.training.lab.encoded_items import ItemBank
from vidseek.training.lab.frame_features import CLASSES, FrameBank, Probe
from vidseek.training.lab.hubness import choose_hubness
from vidseek.training.lab.motion import (
    MOVING_SETS,
    read_clips,
    read_frames,
    reversed_captions,
)
from vidseek.training.lab.motion_training import MotionItem, MotionSettings, train_on_motion
from vidseek.training.lab.pictures import PictureRow, class_caption
from vidseek.training.lab.pipeline import confidence_scores
from vidseek.training.lab.temporal import SECONDS_APART, clip_vectors
from vidseek.training.metrics import ranks, recall
from vidseek.training.networks.class_names import ClassNames
from vidseek.training.networks.export import export_temporal, export_vision
from vidseek.training.networks.restore import restore_temporal, restore_vision
from vidseek.training.networks.stem import load_imagenet_stem
from vidseek.training.networks.temporal import Temporal
from vidseek.training.networks.vision import Vision

logger = logging.getLogger(__name__)

DEFAULT_NAME = "builtin"
NAME_WEIGHTS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
TRAIN_FRAMES = 4000
"""Frames of MSR-VTT's train videos that keep attention over time close to the mean."""
SPLITS = {"flickr8k": "dev", "msrvtt": "dev"}
"""What the weight of names is chosen on."""


@dataclass(frozen=True)
class RevisionInputs:
    """Where a revision's inputs are."""

    data: Path
    """The data folder."""
    cache: Path
    """Where encoded frames are kept."""
    threads: int = 2
    """Processor threads."""


def revise(start: Path, folder: Path, inputs: RevisionInputs, *, revision: str) -> Manifest:
    """Make a revision of a folder of weights; see the top of this file.

    Args:
        start: the folder to start from.
        folder: where the new files go; another folder than ``start``.
        inputs: the data.
        revision: name of the new revision.

    Raises:
        WeightsError: the weights cannot be read, or ``folder`` is the one to start from.
    """
    known, encoder = _begin(start, folder, inputs)
    probe = Probe(start, cache=inputs.cache, threads=inputs.threads)
    names = name_vectors(encoder, inputs.data)
    shown = {name: _Shown.read(probe, inputs, name, split) for name, split in SPLITS.items()}
    weight, table = choose_weight(encoder, list(shown.values()), names)
    vision = restore_vision(known.read("vision"))
    vision.add_names(
        ClassNames.from_stem(load_imagenet_stem(), torch.from_numpy(names * np.float32(weight)))
    )
    export_vision(vision, folder / FILES["vision"])
    temporal = _attention(_Frames(encoder, probe, inputs, names * np.float32(weight)), folder)
    for part in {"text", HEAD} & set(known.parts):
        shutil.copyfile(start / known.parts[part].file, folder / FILES[part])
    before = {name: items.with_names(_names(known)) for name, items in shown.items()}
    now = {name: items.with_names(names * np.float32(weight)) for name, items in shown.items()}
    calibration = _calibrate(encoder, before, now, temporal, folder, inputs.data)
    chosen = {"name_weight": weight, "recall_at_1_5_10_by_name_weight": table}
    (folder / "revision.json").write_text(json.dumps(chosen, indent=1))
    return _write(
        known,
        folder,
        calibration,
        dict.fromkeys(("vision", "temporal"), revision),
        earlier=_earlier(known, encoder, calibration.hubness),
        same_frames=_same_frames(known, folder),
    )


def replace_vision(
    vision: Vision, start: Path, folder: Path, inputs: RevisionInputs, *, revision: str
) -> Manifest:
    """Make a revision with another visual part, whose vectors lie in the same shared space.

    All other parts stay. Libraries of the revision to start from, and of those before it, are
    searched and extended with the new weights: texts have the same vectors, and pictures similar
    ones.

    Args:
        vision: with names of classes, as the shipped one.
        start: the folder that ``vision`` was trained towards.
        folder: where the new files go; another folder than ``start``.
        inputs: the data.
        revision: name of the new revision.

    Raises:
        WeightsError: the weights cannot be read, or ``folder`` is the one to start from.
    """
    known, encoder = _begin(start, folder, inputs)
    export_vision(vision, folder / FILES["vision"])
    for part in known.parts.keys() - {"vision", HUBNESS}:
        shutil.copyfile(start / known.parts[part].file, folder / FILES[part])
    changed = {"vision": revision}
    # The frames are encoded by the new files, which need a manifest for that.
    _write(known, folder, Calibration.of(encoder), changed)
    before, now = (_dev_rows(weights, inputs) for weights in (start, folder))
    temporal = restore_temporal(known.read("temporal"))
    calibration = _calibrate(encoder, before, now, temporal, folder, inputs.data)
    spec = replace(known.spec, source=DEFAULT_NAME, kind="builtin")
    kept = {} if encoder.hubness is None else _settings(encoder.hubness)
    earlier = (EarlierRevision(spec, kept, has_names=True), *known.earlier)
    return _write(known, folder, calibration, changed, earlier=earlier)


def _dev_rows(weights: Path, inputs: RevisionInputs) -> dict[str, _Named]:
    """The dev rows by name of their set, by the vectors of a folder of weights."""
    probe = Probe(weights, cache=inputs.cache, threads=inputs.threads)
    names = _names(read_manifest(weights))
    return {
        name: _Shown.read(probe, inputs, name, split).with_names(names)
        for name, split in SPLITS.items()
    }


def _begin(start: Path, folder: Path, inputs: RevisionInputs) -> tuple[Manifest, BuiltinEncoder]:
    """The model to start from, after the folder of the new one has been made."""
    if folder.resolve() == start.resolve():
        raise WeightsError(f"{folder}: a revision cannot replace the weights that it starts from")
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(inputs.threads)
    return read_manifest(start), BuiltinEncoder(start, threads=inputs.threads)


@dataclass(frozen=True)
class Calibration:
    """What is fitted to the vectors of a revision."""

    hubness: HubnessCorrection | None
    scale: float | None
    bias: float | None

    @classmethod
    def of(cls, encoder: BuiltinEncoder) -> Calibration:
        """That of a model as it is."""
        spec = encoder.spec
        return cls(encoder.hubness, spec.confidence_scale, spec.confidence_bias)


def _calibrate(
    encoder: BuiltinEncoder,
    before: dict[str, _Named],
    now: dict[str, _Named],
    temporal: Temporal,
    folder: Path,
    data: Path,
) -> Calibration:
    """Fit the hubness correction, which is saved, and the confidence to dev rows.

    Args:
        encoder: the starting revision; its texts' vectors are those of the new one.
        before: the dev rows by the starting revision.
        now: the same by the new one.
        temporal: attention over time of the new one.
        folder: where the correction's file goes.
        data: the data folder.
    """
    dev, corpus = _dev_items(encoder, now)
    clips = clip_vectors(temporal, dev, np.arange(len(dev)))
    hubness: HubnessCorrection | None = None
    if encoder.hubness is not None:
        hubness = choose_hubness(encoder.hubness.bank, dev, clips, corpus, run=folder)
    scale, bias = fit_confidence(*confidence_scores(clips, dev, corpus, None, hubness))
    labels = encoder.encode_text(label_names(data))
    absent = best_scores(labels, clips, dev.kinds, hubness)
    share = _earlier_share(encoder, before, labels)
    if share is not None:
        bias = without_gain(scale, bias, absent, share=share)
    return Calibration(hubness, scale, bias)


def _write(
    known: Manifest,
    folder: Path,
    calibration: Calibration,
    changed: dict[str, str],
    *,
    earlier: Sequence[EarlierRevision] = (),
    same_frames: Sequence[str] = (),
) -> Manifest:
    """Write the manifest of a revision of ``known``, whose ``changed`` parts have new revisions."""
    spec: dict[str, Any] = known.spec.to_document()
    del spec["vision_hash"]
    spec |= {
        "name": DEFAULT_NAME,
        "revision": changed["vision"],
        "confidence_scale": calibration.scale,
        "confidence_bias": calibration.bias,
    }
    revisions = {part: entry.revision for part, entry in known.parts.items() if part != HUBNESS}
    return write_manifest(
        folder,
        spec=spec,
        revisions=revisions | changed,
        rerank=known.rerank,
        earlier=earlier,
        same_frames=same_frames,
    )


def _names(known: Manifest) -> NDArray[np.float32]:
    """(1000, D) that a model adds to its frame vectors; zero if it adds none."""
    names = restore_vision(known.read("vision")).names
    if names is None:
        return np.zeros((CLASSES, known.spec.dimension), np.float32)
    found: NDArray[np.float32] = names.vectors.numpy()
    return found


def _earlier_share(
    encoder: BuiltinEncoder, shown: dict[str, _Named], labels: NDArray[np.float32]
) -> float | None:
    """Share of names with a confident answer by the starting weights; None if not calibrated."""
    spec = encoder.spec
    if spec.confidence_scale is None or spec.confidence_bias is None:
        return None
    clips, kinds = [], []
    for name, items in shown.items():
        for places in items.places:
            seconds = np.arange(len(places), dtype=np.float64) * SECONDS_APART
            features = FrameFeatures(items.vectors[places])
            clips.append(encoder.encode_clips(features, seconds, [slice(0, len(places))])[0])
            kinds.append(name)
    scores = best_scores(labels, np.stack(clips), kinds, encoder.hubness)
    return confident_share(scores, spec.confidence_scale, spec.confidence_bias)


def _same_frames(known: Manifest, folder: Path) -> tuple[str, ...]:
    """Fingerprints of the starting revision and those before it, if the vision file is the same."""
    if hash_file(folder / FILES["vision"]) != known.parts["vision"].sha256:
        return ()
    return (*known.same_frames, known.spec.fingerprint)


def _earlier(
    known: Manifest, encoder: BuiltinEncoder, hubness: HubnessCorrection | None
) -> tuple[EarlierRevision, ...]:
    """The starting revision, if the new files compute its vectors and scores, too.

    They do if its visual part lacked names, and its clips were the plain means of their frames.
    """
    if known.earlier or restore_vision(known.read("vision")).names is not None:
        return ()
    if not _clips_are_means(encoder):
        return ()
    before = encoder.hubness
    if (before is None) != (hubness is None):
        return ()
    # Libraries know it by that name, wherever its files lie now.
    spec = replace(known.spec, source=DEFAULT_NAME, kind="builtin")
    changed = {} if before is None else _settings(before)
    return (EarlierRevision(spec, changed, has_names=False),)


def _settings(hubness: HubnessCorrection) -> dict[str, Any]:
    """All of a correction but its bank."""
    return {name: getattr(hubness, name) for name in ("neighbours", "weight", "usual")}


def name_vectors(encoder: BuiltinEncoder, data: Path) -> NDArray[np.float32]:
    """(1000, D) of ImageNet's classes: the mean of the vectors of a name and of its sentence."""
    names = (data / "labels" / "imagenet1k.txt").read_text(encoding="utf-8").splitlines()
    alone = encoder.encode_text(names)
    said = encoder.encode_text([class_caption(name) for name in names])
    return (alone + said) * np.float32(0.5)


def _clips_are_means(encoder: BuiltinEncoder) -> bool:
    """Whether the encoder's attention over time adds nothing."""
    vectors = np.random.default_rng(0).normal(size=(5, encoder.spec.dimension)).astype(np.float32)
    features = FrameFeatures(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    mean = features.vectors.mean(0)
    clip = encoder.encode_clips(features, np.arange(5.0), [slice(0, 5)])[0]
    return bool(np.allclose(clip, mean / np.linalg.norm(mean), atol=1e-4))


@dataclass(frozen=True)
class _Shown:
    """Pictures or videos of a split, and where the frames of each are."""

    name: str
    frames: FrameBank
    places: list[list[int]]
    """Frames of each item."""
    captions: list[tuple[str, ...]]
    """Captions of each item, at least one."""

    @classmethod
    def read(
        cls, probe: Probe, inputs: RevisionInputs, name: str, split: str, most: int | None = None
    ) -> _Shown:
        rows, frames = probe.pictures(inputs.data, name, split, most=most)
        groups: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            groups.setdefault(_group(row), []).append(place)
        places = list(groups.values())
        return cls(name, frames, places, [rows[some[0]].captions for some in places])

    def with_names(self, names: NDArray[np.float32]) -> _Named:
        """The items with (1000, D) names of classes added to their frames."""
        return _Named(self.frames.vectors_with(names, weight=1.0), self.places, self.captions)


@dataclass(frozen=True)
class _Named:
    """Items of a split, by the vectors of a revision."""

    vectors: NDArray[np.float32]
    """(N, D) of the frames."""
    places: list[list[int]]
    captions: list[tuple[str, ...]]


def _group(row: PictureRow) -> str:
    return str(row.index if row.group is None else row.group)


def choose_weight(
    encoder: BuiltinEncoder, shown: Sequence[_Shown], names: NDArray[np.float32]
) -> tuple[float, dict[str, dict[str, list[float]]]]:
    """The weight of names with the best sum of recalls at 1, 5 and 10, as a search answers.

    Args:
        encoder: encodes the captions; its hubness correction is applied, as in a search.
        shown: the dev items; a video is the mean of its frames.
        names: (1000, D) from ``name_vectors``.

    Returns:
        The weight, and the recalls of each set by weight.
    """
    table: dict[str, dict[str, list[float]]] = {}
    asked = [
        encoder.encode_text([caption for said in items.captions for caption in said])
        for items in shown
    ]
    for weight in NAME_WEIGHTS:
        found: dict[str, list[float]] = {}
        for items, queries in zip(shown, asked, strict=True):
            vectors = items.frames.vectors_with(names, weight=weight)
            means = np.stack([vectors[places].mean(0) for places in items.places])
            means /= np.linalg.norm(means, axis=1, keepdims=True)
            truth = np.repeat(np.arange(len(means)), [len(said) for said in items.captions])
            taken = 0 if encoder.hubness is None else encoder.hubness.corrections(means)
            rank = ranks(queries @ means.T + taken, truth)
            found[items.name] = [round(recall(rank, k), 2) for k in (1, 5, 10)]
        table[f"{weight:g}"] = found
        logger.info("names times %g: %s", weight, found)
    sums = [sum(map(sum, table[f"{weight:g}"].values())) for weight in NAME_WEIGHTS]
    return NAME_WEIGHTS[int(np.argmax(sums))], table


@dataclass(frozen=True)
class _Frames:
    """Frames with names of a chosen weight, and the encoder of their captions."""

    encoder: BuiltinEncoder
    probe: Probe
    inputs: RevisionInputs
    names: NDArray[np.float32]
    """(1000, D) from ``name_vectors``, times the weight."""

    def moving(self) -> list[MotionItem]:
        """The training clips of ``motion``."""
        clips = read_clips(self.inputs.data)
        bank = self.probe.encode("motion", read_frames(self.inputs.data))
        vectors = bank.vectors_with(self.names, weight=1.0)
        starts = np.cumsum([0, *(len(clip.seconds) for clip in clips)])
        return [
            MotionItem(
                vectors[starts[clip.index] : starts[clip.index + 1]],
                np.array(clip.seconds, np.float32),
                self.encoder.encode_text(clip.captions),
                self.encoder.encode_text(reversed_captions(clip)),
                MOVING_SETS.get(clip.source),
            )
            for clip in clips
            if clip.split == "train" and clip.captions
        ]

    def varied(self) -> list[MotionItem]:
        """Videos of MSR-VTT's train rows; the data has no times."""
        shown = _Shown.read(self.probe, self.inputs, "msrvtt", "train", TRAIN_FRAMES)
        vectors = shown.frames.vectors_with(self.names, weight=1.0)
        said = self.encoder.encode_text([captions[0] for captions in shown.captions])
        return [
            MotionItem(
                vectors[places],
                np.arange(len(places), dtype=np.float32) * np.float32(SECONDS_APART),
                said[row : row + 1],
                said[:0],
            )
            for row, places in enumerate(shown.places)
            if len(places) > 1
        ]


def _attention(frames: _Frames, folder: Path) -> Temporal:
    """Attention over time as it ships: trained unless an interrupted call has done that."""
    file, made_for = folder / FILES["temporal"], folder / "temporal.json"
    identity = {
        "names": hashlib.sha256(frames.names.tobytes()).hexdigest(),
        "settings": asdict(MotionSettings()),
    }
    if not (
        file.exists()
        and made_for.exists()
        and json.loads(made_for.read_text(encoding="utf-8")) == identity
    ):
        export_temporal(train_on_motion(frames.moving() + frames.varied(), MotionSettings()), file)
        made_for.write_text(json.dumps(identity), encoding="utf-8")
    return restore_temporal(file.read_bytes())


def _dev_items(encoder: BuiltinEncoder, shown: dict[str, _Named]) -> tuple[ItemBank, Corpus]:
    """The dev items and their sentences, for the stages above the towers."""
    bank, sentences = ItemBank([], [], [], []), list[str]()
    for name, items in shown.items():
        for places, captions in zip(items.places, items.captions, strict=True):
            bank.kinds.append(name)
            bank.vectors.append(items.vectors[places])
            bank.tokens.append(np.empty((len(places), 0, 0), np.float32))
            first = len(sentences)
            sentences.extend(captions)
            bank.sentences.append(tuple(range(first, len(sentences))))
    ids = {sentence: place for place, sentence in enumerate(sentences)}
    return bank, Corpus(sentences, ids, encoder.encode_text(sentences), [])
