"""Training of the copy descriptor: views, the definition of a copy, a short run that learns."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from videos import picture

from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.training.lab.copies.pictures import SIDE, TrainingPictures
from vidseek.training.lab.copies.settings import CopySettings, read_copy_settings
from vidseek.training.lab.settings import BudgetSettings

# Torch is imported in the tests: the base install has none, and collects this file too.
pytestmark = pytest.mark.full

SETTINGS = CopySettings(BudgetSettings(steps=3), batch=8, queue=16, queue_from_step=1)


def some_pictures(count: int = 24) -> TrainingPictures:
    """Pairs of pictures of one family; the last quarter is background."""
    pixels = np.stack([picture(number, width=SIDE, height=SIDE) for number in range(count)])
    return TrainingPictures(
        pixels,
        np.arange(count) // 2,
        np.arange(count) * 1e6,
        np.arange(count) >= 3 * count // 4,
    )


def test_views_are_reproducible_and_name_their_partner() -> None:
    import torch

    from vidseek.training.lab.copies.overlays import draw_overlays
    from vidseek.training.lab.copies.views import edited_views, library_views
    from vidseek.training.networks.copy_network import PICTURE_SIZE

    sources = torch.from_numpy(some_pictures().pixels).permute(0, 3, 1, 2).float()
    overlays = draw_overlays(0, 20)
    views = edited_views(sources, overlays, np.random.default_rng(4))
    again = edited_views(sources, overlays, np.random.default_rng(4))
    assert torch.equal(views.pictures, again.pictures)
    assert views.pictures.shape == (24, 3, PICTURE_SIZE, PICTURE_SIZE)
    assert 0 <= float(views.pictures.min()) < float(views.pictures.max()) <= 255
    shown = views.partners >= 0
    assert shown.any()
    assert (views.partners[shown] != np.flatnonzero(shown)).all()
    assert not views.is_partner_copied[~shown].any()
    plain = library_views(sources, np.random.default_rng(4))
    size = (PICTURE_SIZE, PICTURE_SIZE)
    resized = torch.nn.functional.interpolate(sources, size, mode="area")
    assert float((plain - resized).abs().mean()) < 25


def test_similar_pictures_of_a_family_are_ignored() -> None:
    import torch

    from vidseek.training.lab.copies.batches import CopyBatches

    pictures = some_pictures()
    pictures.pixels[1] = pictures.pixels[0]  # looks the same: neither copy nor other
    batches = CopyBatches(SETTINGS, pictures)
    rows = np.array([0, 1, 2, 3])
    sources = torch.from_numpy(pictures.pixels[rows]).permute(0, 3, 1, 2).float()
    judged = batches.judge(rows, np.array([-1, 2, -1, -1]), np.array([False, True] * 2), sources)
    assert judged.positive.int().tolist() == [
        [1, 0, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
    ]
    assert bool(judged.ignored[0, 1])
    assert not bool(judged.ignored[2, 3]), "two views of one family are told apart"


def compare_batches_of_processes() -> None:
    import torch

    from vidseek.training.lab.copies.batches import CopyBatches

    pictures = some_pictures()
    here = CopyBatches(SETTINGS, pictures)
    ahead = CopyBatches(replace(SETTINGS, workers=2), pictures)
    for step, batch in zip(range(3, 6), ahead.from_step(3)):  # noqa: B905 - the second has no end
        again = here[step]
        assert batch.rows.tolist() == again.rows.tolist()
        # Not to the bit: a process of one thread rounds otherwise.
        assert float((batch.views - again.views).abs().mean()) < 0.05
        assert torch.equal(batch.judged.positive, again.judged.positive)
        assert torch.equal(batch.judged.ignored, again.judged.ignored)
    assert float((here[3].views - here[4].views).abs().mean()) > 5


@pytest.mark.long
def test_prefetched_batches_equal_those_made_in_process() -> None:
    # In a process of its own: torch's workers leave a handler of SIGCHLD behind. With this test in
    # theirs, later tests that start processes (PostgreSQL) ended pytest by a segmentation fault.
    script = f"import runpy; runpy.run_path({__file__!r})['compare_batches_of_processes']()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_a_run_is_continued_and_exported(tmp_path: Path) -> None:
    import torch

    from vidseek.training.lab.copies.export import SLIDES, export_copies, plain_cutouts
    from vidseek.training.lab.copies.trainer import train_copies
    from vidseek.training.networks.copy_network import PICTURE_SIZE
    from vidseek.training.networks.stem import normalise

    pictures = some_pictures()
    pictures.pixels[5, :] = np.linspace(0, 255, SIDE)[None, :, None]  # plain: parts are noise
    assert len(plain_cutouts(pictures.pixels)) > 0
    trainer = train_copies(SETTINGS, pictures, tmp_path / "run")
    assert trainer.step == 3
    assert len(trainer.queue) == 16
    longer = CopySettings(BudgetSettings(steps=5), batch=8, queue=16, queue_from_step=1)
    going_on = train_copies(longer, pictures, tmp_path / "run")
    assert going_on.step == 5
    assert not torch.equal(going_on.network.project.weight, trainer.network.project.weight)
    descriptor = export_copies(tmp_path / "run", pictures, tmp_path / "weights")
    frames = pictures.pixels[:3]
    shipped = descriptor.describe(frames)
    with torch.no_grad():
        tensors = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
        size = (PICTURE_SIZE, PICTURE_SIZE)
        resized = torch.nn.functional.interpolate(tensors, size, mode="bicubic", antialias=True)
        ours = going_on.average.module.eval()(normalise(resized.clamp(0, 255))).numpy()
    assert (shipped * ours).sum(1).min() > 0.98
    assert CopyDescriptor(tmp_path / "weights").background.shape == (
        6 + SLIDES + len(plain_cutouts(pictures.pixels)),
        descriptor.dimension,
    )


def test_cutouts_have_little_detail() -> None:
    from vidseek.training.lab.copies.export import plain_cutouts

    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (4, 176, 176, 3), np.uint8)
    pictures[1, :90] = np.linspace(40, 160, 90)[:, None, None]  # a sky above a thicket
    pictures[2] = 128  # of one colour: nothing of it is compared
    pictures[3] = np.linspace(0, 255, 176)[None, :, None]
    parts = plain_cutouts(pictures)
    assert parts.shape[1:] == (176, 176, 3)
    assert 1 < len(parts) <= 8
    grey = parts.mean(-1)
    assert np.abs(np.diff(grey, axis=1)).mean() + np.abs(np.diff(grey, axis=2)).mean() < 3
    assert (parts.std((1, 2)) > 3).all()
    assert np.array_equal(plain_cutouts(pictures), parts), "the same again"
    assert len(plain_cutouts(pictures, 1)) == 1


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    from vidseek.training.lab import copies

    file = Path(copies.__file__).with_name("copies.toml")
    assert read_copy_settings(file).batch > 1
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(f"colour = 3\n{file.read_text()}")
    with pytest.raises(ValueError, match="colour"):
        read_copy_settings(wrong)
