"""The benchmark of third-party models, on tiny models."""

from __future__ import annotations

import sys

import pytest
from torchvision_stand_in import import_open_clip

from vidseek.encoders.hub.catalogue import CATALOGUE

pytestmark = pytest.mark.full

_TINY = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
_LAYERS = {**_TINY, "num_hidden_layers": 1}
_VIDEO = {"num_spatial_layers": 1, "num_temporal_layers": 1, "num_auxiliary_layers": 1}


@pytest.mark.parametrize(
    ("kind", "side", "vision"),
    [
        ("clip", 32, {**_LAYERS, "patch_size": 8}),
        ("siglip", 32, {**_LAYERS, "patch_size": 8}),
        ("siglip2", 224, _LAYERS),
        ("videoprism", 36, {**_TINY, **_VIDEO, "num_frames": 4}),
    ],
)
def test_bare_and_vidseek_passes_are_timed(tmp_path, kind, side, vision):
    from benchmarks.hub_throughput import Architecture, measure

    speed = measure(
        Architecture("tiny", kind, side, vision), tmp_path, frames=3, rounds=1, threads=1
    )
    assert speed.bare > 0
    assert speed.ours > 0


def test_every_model_of_the_catalogue_can_be_timed():
    from benchmarks.hub_throughput import ARCHITECTURES

    assert {model.name for model in CATALOGUE} <= set(ARCHITECTURES)
    for model in CATALOGUE:
        architecture = ARCHITECTURES[model.name]
        if model.family == "open_clip":
            open_clip = import_open_clip()
            config = open_clip.get_model_config(architecture.open_clip)
            assert config["embed_dim"] == model.dimension
            assert config["vision_cfg"]["image_size"] == architecture.side
        else:
            assert architecture.kind == model.family


def test_models_below_the_bar_are_named(monkeypatch, capsys):
    from benchmarks import hub_throughput

    slow = hub_throughput.Speed("B/32", "float32", 10.0, 5.0, 0.5)
    monkeypatch.setattr(hub_throughput, "measure", lambda *_, **__: slow)
    monkeypatch.setattr(sys, "argv", ["hub_throughput", "--catalogue"])
    hub_throughput.main()
    printed = capsys.readouterr().out
    assert printed.count("| B/32 | float32 | 10.00 | 5.00 | 0.50 |") == len(CATALOGUE)
    assert "missed by B/32" in printed


def test_a_missing_package_does_not_end_the_table(monkeypatch, capsys):
    from benchmarks import hub_throughput

    def measure(architecture, *_, **__):
        if architecture.open_clip:
            raise ModuleNotFoundError("No module named 'torchvision'")
        return hub_throughput.Speed(architecture.title, "float32", 10.0, 9.5, 0.95)

    monkeypatch.setattr(hub_throughput, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["hub_throughput", "--models", "pe-core-base", "clip-base"])
    hub_throughput.main()
    printed = capsys.readouterr().out
    assert "| PE-Core B/16 | not measured: No module named 'torchvision' | | | |" in printed
    assert "| CLIP B/16 | float32 | 10.00 | 9.50 | 0.95 |" in printed
