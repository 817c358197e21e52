"""Export a run's models to the files that ship.

publish(run, folder=Path("encoders/weights"), revision="1", data=data, cache=cache)
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.manifest import (
    FILES,
    HEAD,
    HUBNESS,
    PARTS,
    Manifest,
    read_manifest,
    write_manifest,
)
from vidseek.training.lab.corpus import load_text
from vidseek.training.networks.configuration import (
    SENTENCE_DIMENSION,
    CrossModalConfig,
    TemporalConfig,
    VisionConfig,
)
from vidseek.training.networks.cross_modal import CrossModal
from vidseek.training.networks.export import (
    export_cross_modal,
    export_temporal,
    export_text,
    export_vision,
)
from vidseek.training.networks.stem import PICTURE_SIZE, load_imagenet_stem
from vidseek.training.networks.temporal import Temporal
from vidseek.training.networks.vision import Vision

logger = logging.getLogger(__name__)

PREPROCESSING = (
    "RGB; whole frame squashed to the square by Pillow bicubic with antialiasing "
    "(reducing_gap 3); (x - 127) / 128"
)


def load_vision(run: Path) -> Vision:
    """A run's visual encoder: the final encoder, or else that of the last checkpoint."""
    if (run / "vision" / "config.json").exists():
        vision: Vision = Vision.from_pretrained(run / "vision")
    else:
        vision = Vision(VisionConfig(), load_imagenet_stem())
        vision.load_state_dict(torch.load(run / "towers.pt", weights_only=True)["vision"])
    vision.eval()
    return vision


def load_temporal(run: Path) -> Temporal:
    """A run's temporal attention; untrained (equal to the mean) if the stage has not run."""
    if (run / "temporal" / "config.json").exists():
        temporal: Temporal = Temporal.from_pretrained(run / "temporal")
    else:
        torch.manual_seed(0)
        temporal = Temporal(TemporalConfig())
    temporal.eval()
    return temporal


def load_cross_modal(run: Path, *, chosen: bool = True) -> CrossModal:
    """A run's cross-modal head; untrained (no score changes) if the stage has not run.

    Args:
        run: the run's folder.
        chosen: scale its correction as chosen on dev rows; False for the head as trained.
    """
    for name in ("cross_modal", "head") if chosen else ("head",):
        if (run / name / "config.json").exists():
            head: CrossModal = CrossModal.from_pretrained(run / name)
            break
    else:
        torch.manual_seed(0)
        head = CrossModal(CrossModalConfig())
    head.eval()
    return head


def load_hubness(run: Path) -> HubnessCorrection | None:
    """A run's hubness correction; None if it did not help on dev rows."""
    file = run / FILES[HUBNESS]
    return HubnessCorrection.from_bytes(file.read_bytes()) if file.exists() else None


def publish(run: Path, *, folder: Path, revision: str, parts: Collection[str] = PARTS) -> Manifest:
    """Export parts of a run and write the manifest of all files.

    Args:
        run: the training run's folder.
        folder: where the files go.
        revision: revision name of the exported parts.
        parts: the parts to export; the folder's other files stay unchanged. The re-ranking head is
            exported, too, if dev rows chose it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    choices: dict[str, Any] = {"confidence_scale": None, "confidence_bias": None, "rerank": False}
    if (run / "choices.json").exists():
        choices |= json.loads((run / "choices.json").read_text())
    if choices["rerank"]:
        parts = {*parts, HEAD}
    known = {} if set(parts) >= set(PARTS) else read_manifest(folder).parts
    revisions = {name: part.revision for name, part in known.items()}
    revisions |= dict.fromkeys(parts, revision)
    vision = load_vision(run)
    if "vision" in parts:
        export_vision(vision, folder / "vision.onnx")
    if "temporal" in parts:
        export_temporal(load_temporal(run), folder / "temporal.onnx")
    if "text" in parts:
        tokenizer = (run / "minilm" / "tokenizer.json").read_text()
        export_text(load_text(run)[0], tokenizer, folder / "text.onnx")
        # The bank has this text encoder's vectors and is meaningless with another.
        bank = folder / FILES[HUBNESS]
        bank.unlink(missing_ok=True)
        if (run / FILES[HUBNESS]).exists():
            shutil.copyfile(run / FILES[HUBNESS], bank)
    if HEAD in parts:
        export_cross_modal(load_cross_modal(run), folder / FILES[HEAD])
    manifest = write_manifest(
        folder,
        spec={
            "name": "builtin",
            "revision": revision,
            "dimension": SENTENCE_DIMENSION,
            "image_size": PICTURE_SIZE,
            "tokens_per_frame": vision.config.tokens_per_frame,
            "token_dimension": vision.config.token_dimension,
            "preprocessing": PREPROCESSING,
            "confidence_scale": choices["confidence_scale"],
            "confidence_bias": choices["confidence_bias"],
        },
        revisions=revisions,
        rerank=bool(choices["rerank"]),
    )
    for file in sorted(folder.glob("*.onnx")):
        logger.info("%s: %.2f MB", file, file.stat().st_size / 1e6)
    return manifest
