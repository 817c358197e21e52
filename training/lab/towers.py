"""The main stage: train the towers and the cross-modal head on pictures and sentences.

train_towers(settings, sets, paraphrases, run=Path(".cache/runs/builtin"))

The run is checkpointed and continues where it stopped; `tower_trainer.py` has the steps.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from vidseek.core.errors import WeightsError
from vidseek.encoders.manifest import HEAD, read_manifest
from vidseek.training.curves import draw_curves
from vidseek.training.lab.batches import BatchMaker, PictureSet
from vidseek.training.lab.corpus import load_text
from vidseek.training.lab.evaluation import evaluate
from vidseek.training.lab.paraphrases import Paraphrases
from vidseek.training.lab.settings import Settings
from vidseek.training.lab.tower_trainer import TowerTrainer
from vidseek.training.networks.configuration import CrossModalConfig
from vidseek.training.networks.cross_modal import CrossModal
from vidseek.training.networks.restore import restore_cross_modal, restore_text, restore_vision
from vidseek.training.networks.stem import FINE_BLOCKS, load_imagenet_stem
from vidseek.training.networks.text import Text
from vidseek.training.networks.vision import Vision
from vidseek.training.optimisation import save_checkpoint

logger = logging.getLogger(__name__)


def shipped_models(weights: Path, tokenizer: Tokenizer) -> tuple[Vision, Text, CrossModal]:
    """The models of a folder of shipped weights, to continue training from.

    Args:
        weights: the folder.
        tokenizer: the run's tokeniser; must have the word pieces of the shipped text encoder.

    Raises:
        WeightsError: the files have another architecture or other word pieces.
    """
    manifest = read_manifest(weights)
    vision = restore_vision(manifest.read("vision"))
    text, start_model = restore_text(manifest.read("text"))
    if start_model.get_vocab() != tokenizer.get_vocab():
        raise WeightsError(
            f"{weights}: the text encoder has other word pieces than this run would choose; "
            "train with the captions and the vocabulary size of the earlier run"
        )
    # The frozen blocks are taken from ImageNet's weights: the file has them rounded, and without
    # the classifier.
    stem = load_imagenet_stem()
    vision.stem.first, vision.stem.classes = stem.first, stem.classes
    for place in range(FINE_BLOCKS):
        vision.stem.blocks[place] = stem.blocks[place]
    head = CrossModal(CrossModalConfig())
    if HEAD in manifest.parts:
        head = restore_cross_modal(manifest.read(HEAD))
    return vision, text, head


def train_towers(
    settings: Settings,
    sets: dict[str, PictureSet],
    paraphrases: Paraphrases,
    *,
    run: Path,
    start: Path | None = None,
) -> None:
    """Train, or continue training; saves the models under ``vision``, ``text`` and ``head``.

    Args:
        settings: the run's settings.
        sets: the pictures.
        paraphrases: the captions and their paraphrases.
        run: the run's folder.
        start: folder of shipped weights to start from; None to start from ImageNet's and
            MiniLM's weights.
    """
    text, tokenizer = load_text(run, tuned=False)
    models = None
    if start is not None:
        vision, text, head = shipped_models(start, tokenizer)
        models = vision, head
    trainer = TowerTrainer(
        settings.towers, text, paraphrases.corpus, seed=settings.seed, start=models
    )
    checkpoint = run / "towers.pt"
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, weights_only=True, map_location=trainer.device))
        logger.info("continuing at step %d, minute %.1f", trainer.step, trainer.minutes)
    batches = BatchMaker(settings.towers, settings.seed, sets, paraphrases)
    options = settings.towers
    saved = evaluated = trainer.minutes

    def measure() -> None:
        vision, text, _ = trainer.averaged()
        figures = evaluate(vision, text, tokenizer, sets)
        trainer.history.append({"step": trainer.step, **figures})
        logger.info("%s", trainer.history[-1])
        (run / "towers.json").write_text(
            json.dumps(
                {
                    "cpu_minutes": trainer.cpu_minutes,
                    "history": trainer.history,
                    "losses": trainer.losses,
                }
            )
        )
        draw_curves(trainer.losses, trainer.history, run / "curves.png")

    while trainer.used < 1.0:
        batch = batches.make(trainer.step, whole=trainer.used >= options.whole_from)
        values = trainer.train_step(batch)
        if trainer.step % 10 == 0:
            _log_step(trainer, values)
        if trainer.minutes - evaluated >= options.evaluation_minutes:
            evaluated = trainer.minutes
            measure()
        if trainer.minutes - saved >= options.checkpoint_minutes:
            saved = trainer.minutes
            save_checkpoint(trainer.state(), checkpoint)
    save_checkpoint(trainer.state(), checkpoint)
    if start is not None and options.start_share > 0:
        begun = shipped_models(start, tokenizer)
        pairs: list[tuple[nn.Module, nn.Module]] = list(zip(trainer.averaged(), begun, strict=True))
        for tuned, start_model in pairs:
            move_towards(tuned, start_model, options.start_share)
    measure()
    logger.info("%.1f CPU minutes", trainer.cpu_minutes)
    vision, text, head = trainer.averaged()
    vision.save_pretrained(run / "vision")
    text.bert.save_pretrained(run / "text")
    head.save_pretrained(run / "head")


@torch.no_grad()
def move_towards(model: nn.Module, anchor: nn.Module, share: float) -> None:
    """Move a model's weights towards another model's by a share of the difference."""
    for tuned, start_model in zip(model.parameters(), anchor.parameters(), strict=True):
        tuned.lerp_(start_model.to(tuned.device), share)


def _log_step(trainer: TowerTrainer, values: dict[str, float]) -> None:
    used = trainer.used
    logger.info(
        "step %d, minute %.1f, eta %.0f min, scale %.1f, %s",
        trainer.step,
        trainer.minutes,
        trainer.minutes * (1.0 - used) / max(used, 1e-6),
        float(trainer.log_scale.detach().exp()),
        ", ".join(f"{name} {value:.3f}" for name, value in values.items()),
    )
