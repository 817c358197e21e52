"""Vectors that degradation does not change: the views, and a branch that learns from them."""

from __future__ import annotations

import numpy as np
import pytest

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3)).astype(np.uint8)


def test_a_view_depends_on_the_random_state_alone():
    from vidseek.training.lab.robust.poor_views import make_poor

    for seed in range(12):
        first, again = (make_poor(PICTURES[0], np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert first.dtype == np.uint8
        assert first.shape != PICTURES[0].shape or (first != PICTURES[0]).any()


def test_every_change_gives_a_picture_and_leaves_its_input_alone():
    from vidseek.training.lab.robust.poor_views import CHANGES

    assert sum(share for _, share in CHANGES) == pytest.approx(1)
    for change, _ in CHANGES:
        picture = PICTURES[1].copy()
        for seed in range(4):
            view = change(picture, np.random.default_rng(seed))
            assert view.dtype == np.uint8
            assert view.shape[0] >= 60
            assert view.shape[1] >= 80
        np.testing.assert_array_equal(picture, PICTURES[1])


@pytest.fixture(scope="module")
def vision():
    from vidseek.encoders.manifest import read_manifest
    from vidseek.training.networks.restore import restore_vision

    return restore_vision(read_manifest().read("vision"))


FEW = 8
"""Pictures in a chunk."""


@pytest.fixture
def few(monkeypatch):
    from vidseek.training.lab.robust import tuning, view_cache

    for module in (tuning, view_cache):
        monkeypatch.setattr(module, "CHUNK", FEW)


def write_chunks(folder, vision) -> None:
    """Three chunks of coloured patches, and the same out of focus."""
    import torch
    from torch.nn import functional

    from vidseek.training.lab.robust.branch import Branch
    from vidseek.training.lab.robust.view_cache import POOR_VIEWS
    from vidseek.training.networks.stem import normalise

    torch.manual_seed(4)
    for number in range(3):
        patches = functional.interpolate(255 * torch.rand(FEW, 3, 20, 20), (260, 260))
        blurred = functional.interpolate(functional.avg_pool2d(patches, 26), (260, 260))
        with torch.no_grad():
            sharp, poor = (vision.stem.fine_map(normalise(x)) for x in (patches, blurred))
        views = torch.stack([sharp, *[poor] * POOR_VIEWS], 1).permute(0, 1, 3, 4, 2)
        stored = {"fine": views.numpy(), "aligned": np.ones((FEW, 1 + POOR_VIEWS), bool)}
        for name, prefix in (("tuned", ""), ("untouched", "names_")):
            with torch.no_grad():
                output = Branch.of(vision, name)(sharp)
            stored[f"{prefix}coarse"] = output.coarse.permute(0, 2, 3, 1).numpy()
            stored[f"{prefix}pooled"] = output.pooled.numpy()
        for name, values in stored.items():
            kept = values if name == "aligned" else values.astype(np.float16)
            np.save(folder / f"chunk-{number:04d}-{name}.npy", kept)
        (folder / f"chunk-{number:04d}.done").touch()


@pytest.mark.full
@pytest.mark.parametrize("branch", ["tuned", "untouched"])
def test_a_branch_learns_what_the_sharp_picture_gives(tmp_path, vision, few, branch):
    import copy

    from vidseek.training.lab.robust.tuning import Tuner, TuningSettings
    from vidseek.training.lab.robust.view_cache import ViewCache

    write_chunks(tmp_path, vision)
    settings = TuningSettings(branch, poor=5, sharp=3)
    tuner = Tuner(ViewCache(tmp_path), copy.deepcopy(vision), settings)
    before, unchanged = tuner.held_out()
    assert unchanged < 0.05 * before, "sharp pictures have the shipped weights' output"
    losses = [tuner.step(number, 0.2) for number in range(12)]
    assert losses[-1][0] < 0.8 * losses[0][0]
    assert losses[-1][1] < losses[0][0], "sharp pictures stay near theirs"
