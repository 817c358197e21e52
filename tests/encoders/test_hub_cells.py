"""Vectors of patches, against the formula of MaskCLIP in plain transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hub_checkpoints import make_checkpoint

from vidseek.encoders.base import CellEncoder
from vidseek.encoders.hub.families import FAMILIES
from vidseek.encoders.registry import create_encoder

pytestmark = pytest.mark.full


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def quarters(height: int = 64, width: int = 64) -> np.ndarray:
    """A picture with another colour in each quarter."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: height // 2, : width // 2, 0] = 255
    frame[: height // 2, width // 2 :, 1] = 255
    frame[height // 2 :, : width // 2, 2] = 255
    return frame


def masked_clip(folder: Path, family: str, inputs: dict) -> np.ndarray:
    """The last layer's values instead of its attention, then the model's own reading."""
    import torch
    import transformers

    model = getattr(transformers, FAMILIES[family].model_class)
    model = model.from_pretrained(folder, dtype=torch.float32).eval()
    tower = model.vision_model
    tensors = {name: torch.from_numpy(np.asarray(values)) for name, values in inputs.items()}
    with torch.no_grad():
        hidden = tower(**tensors, output_hidden_states=True).hidden_states[-2]
        layer = tower.encoder.layers[-1]
        attention = layer.self_attn
        values = attention.out_proj(attention.v_proj(layer.layer_norm1(hidden)))
        hidden = hidden + values
        hidden = tower.post_layernorm(hidden + layer.mlp(layer.layer_norm2(hidden)))
        if family == "clip":
            vectors = model.visual_projection(hidden[0, 1:])
        else:
            vectors = tower.head(hidden[0][:, None])
    found = vectors.numpy()
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_patches_are_those_of_maskclip(family: str, tmp_path: Path) -> None:
    folder = make_checkpoint(family, tmp_path / family)
    encoder = create_encoder(str(folder))
    frame = quarters()
    cells = encoder.encode_cells(frame[None])
    inputs = encoder._visual_inputs(encoder._rules.fit(frame[None]))
    expected = masked_clip(folder, family, inputs)
    assert cells.vectors.shape == (1, 4, 4, encoder.spec.dimension)
    found = cells.vectors.reshape(16, -1)
    assert ((found * expected).sum(axis=1) > 0.995).all()
    # The comparison says something only where vectors differ.
    assert (expected @ expected.T).min() < 0.98


@pytest.mark.parametrize(
    "family", ["metaclip_2", "altclip", "chinese_clip", "vision_text_dual_encoder"]
)
def test_other_families_have_cells_of_what_they_show(family: str, tmp_path: Path) -> None:
    encoder = create_encoder(str(make_checkpoint(family, tmp_path / family)))
    assert isinstance(encoder, CellEncoder)
    cells = encoder.encode_cells(np.stack([quarters(), quarters()[::-1]]))
    assert cells.vectors.shape == (2, 4, 4, encoder.spec.dimension)
    np.testing.assert_allclose(np.linalg.norm(cells.vectors, axis=-1), 1, atol=0.01)
    assert abs(cells.vectors[0] - cells.vectors[1]).max() > 0.01


def test_cells_of_wide_pictures_cover_their_middle(tmp_path: Path) -> None:
    encoder = create_encoder(str(make_checkpoint("clip", tmp_path / "clip")))
    left, top, right, bottom = encoder.encode_cells(quarters(64, 128)[None]).area
    assert (top, bottom) == (0, 1)
    assert (left, right) == pytest.approx((0.25, 0.75))


def test_naflex_patches_follow_the_shape_of_the_picture(tmp_path: Path) -> None:
    encoder = create_encoder(str(make_checkpoint("siglip2", tmp_path / "siglip2")))
    cells = encoder.encode_cells(quarters(32, 96)[None])
    rows, columns = cells.vectors.shape[1:3]
    assert rows < columns
    assert rows * columns <= 16
    assert cells.area == (0, 0, 1, 1)


@pytest.mark.parametrize("family", ["xclip", "videoprism"])
def test_video_models_have_no_cells(family: str, tmp_path: Path) -> None:
    encoder = create_encoder(str(make_checkpoint(family, tmp_path / family)))
    assert encoder.encode_cells(quarters()[None]) is None
