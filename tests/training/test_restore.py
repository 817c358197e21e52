"""Torch models restored from ONNX files compute what the files compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vidseek.core.errors import WeightsError
from vidseek.encoders.manifest import read_manifest

pytestmark = pytest.mark.full


def run_onnx(blob: bytes, **inputs: np.ndarray) -> list[np.ndarray]:
    import onnxruntime

    return onnxruntime.InferenceSession(blob).run(None, inputs)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return (first * second).sum(-1) / norms


def assert_alike(first: np.ndarray, second: np.ndarray) -> None:
    assert first.shape == second.shape
    assert cosines(first, second).min() > 0.9999


def shake(model):
    """Set every weight at random, including those initialised to zero or one."""
    import torch

    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def random_vision(**config: int):
    import torch

    from vidseek.training.networks.configuration import VisionConfig
    from vidseek.training.networks.stem import ConvNorm, Stem
    from vidseek.training.networks.vision import Vision

    torch.manual_seed(3)
    vision = shake(Vision(VisionConfig(**config), Stem()))
    for module in vision.modules():
        if isinstance(module, ConvNorm):
            # As after training: statistics that are not those of a norm that does nothing.
            module.mean.normal_(std=0.1)
            module.variance.uniform_(0.5, 2.0)
    return vision


def assert_vision_alike(blob: bytes) -> None:
    import torch

    from vidseek.training.networks.restore import restore_vision
    from vidseek.training.networks.stem import normalise

    pictures = np.random.default_rng(0).integers(0, 256, (2, 260, 260, 3)).astype(np.uint8)
    vectors, tokens, *plain = run_onnx(blob, pictures=pictures)
    vision = restore_vision(blob)
    assert len(plain) == (vision.names is not None)
    assert not vision.training
    with torch.inference_mode():
        inputs = normalise(torch.from_numpy(pictures).permute(0, 3, 1, 2))
        output = vision(vision.stem.fine_map(inputs))
    assert_alike(output.vectors.numpy(), vectors)
    assert_alike(output.tokens.numpy(), tokens)
    for without_names in plain:
        assert_alike(output.plain.numpy(), without_names)


def assert_temporal_alike(blob: bytes) -> None:
    import torch

    from vidseek.training.networks.restore import restore_temporal

    random = np.random.default_rng(1)
    vectors = random.normal(size=(3, 4, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    seconds = np.arange(4, dtype=np.float32)[None].repeat(3, 0)
    mask = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0]], np.float32)
    (clips,) = run_onnx(blob, vectors=vectors, seconds=seconds, mask=mask)
    with torch.inference_mode():
        restored = restore_temporal(blob)(*map(torch.from_numpy, (vectors, seconds, mask)))
    assert_alike(restored.numpy(), clips)


def assert_text_alike(blob: bytes) -> None:
    import torch

    from vidseek.training.networks.restore import restore_text

    text, tokenizer = restore_text(blob)
    encodings = tokenizer.encode_batch(["a dog runs", "two people on a long sunny beach"])
    ids = np.array([encoding.ids for encoding in encodings], np.int64)
    mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
    assert mask.min() == 0, "one of them is padded"
    vectors, hidden = run_onnx(blob, token_ids=ids, mask=mask)
    with torch.inference_mode():
        restored, states = text(torch.from_numpy(ids), torch.from_numpy(mask))
    assert_alike(restored.numpy(), vectors)
    assert_alike(states.numpy()[mask > 0], hidden[mask > 0])


def test_the_shipped_vision_weights_are_restored():
    assert_vision_alike(read_manifest().read("vision"))


def test_the_shipped_temporal_weights_are_restored():
    assert_temporal_alike(read_manifest().read("temporal"))


def test_the_shipped_text_weights_and_tokeniser_are_restored():
    assert_text_alike(read_manifest().read("text"))


@pytest.mark.parametrize("int8", [True, False])
def test_a_vision_model_of_any_size_is_restored(tmp_path, int8):
    from vidseek.training.networks.export import export_vision
    from vidseek.training.networks.restore import restore_vision

    vision = random_vision(
        tokens_per_frame=8, num_hidden_layers=2, hidden_size=64, intermediate_size=96
    )
    path = tmp_path / "vision.onnx"
    export_vision(vision, path, int8=int8)
    assert_vision_alike(path.read_bytes())
    config = restore_vision(path.read_bytes()).config
    assert config.tokens_per_frame == 8
    assert (config.num_hidden_layers, config.hidden_size, config.intermediate_size) == (2, 64, 96)


def test_a_restored_vision_model_exports_to_the_same_weights(tmp_path):
    from vidseek.training.networks.export import export_vision
    from vidseek.training.networks.restore import restore_vision

    blob = read_manifest().read("vision")
    export_vision(restore_vision(blob), tmp_path / "vision.onnx")
    again = (tmp_path / "vision.onnx").read_bytes()
    pictures = np.random.default_rng(0).integers(0, 256, (2, 260, 260, 3)).astype(np.uint8)
    for first, second in zip(
        run_onnx(blob, pictures=pictures), run_onnx(again, pictures=pictures), strict=True
    ):
        assert_alike(first, second)


def test_a_temporal_model_is_restored(tmp_path):
    import torch

    from vidseek.training.networks.configuration import TemporalConfig
    from vidseek.training.networks.export import export_temporal
    from vidseek.training.networks.temporal import Temporal

    torch.manual_seed(0)
    path = tmp_path / "temporal.onnx"
    for temporal in (Temporal(TemporalConfig()), shake(Temporal(TemporalConfig()))):
        # A fresh one is all zeros and ones in places: the export keeps equal tensors but once.
        export_temporal(temporal, path)
        assert_temporal_alike(path.read_bytes())


def test_a_text_model_is_restored(tmp_path):
    from transformers import BertConfig, BertModel

    from vidseek.training.networks.export import export_text
    from vidseek.training.networks.restore import restore_text
    from vidseek.training.networks.text import Text

    manifest = read_manifest()
    _, tokenizer = restore_text(manifest.read("text"))
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=384,
        max_position_embeddings=64,
        num_hidden_layers=2,
        intermediate_size=128,
    )
    text = shake(Text(BertModel(config, add_pooling_layer=False)))
    export_text(text, tokenizer.to_str(), tmp_path / "text.onnx")
    assert_text_alike((tmp_path / "text.onnx").read_bytes())


def tokens_of(path: Path) -> int:
    """Tokens per frame in the exported head's inputs."""
    import onnxruntime

    inputs = {one.name: one.shape for one in onnxruntime.InferenceSession(path).get_inputs()}
    return inputs["tokens"][2] if isinstance(inputs["tokens"][2], int) else 8


def test_a_cross_modal_head_is_restored(tmp_path):
    import torch

    from vidseek.training.networks.configuration import CrossModalConfig
    from vidseek.training.networks.cross_modal import CrossModal
    from vidseek.training.networks.export import export_cross_modal
    from vidseek.training.networks.restore import restore_cross_modal

    torch.manual_seed(0)
    path = tmp_path / "cross_modal.onnx"
    random = np.random.default_rng(2)
    export_cross_modal(CrossModal(CrossModalConfig()), path)
    inputs = {
        "text": random.normal(size=(1, 5, 384)),
        "vectors": random.normal(size=(6, 3, 384)) / 20,
        "tokens": random.normal(size=(6, 3, tokens_of(path), 128)),
        "frame_mask": np.array([[1, 1, 1]] * 3 + [[1, 0, 0]] * 3),
        "first_stage": random.uniform(-0.2, 0.6, 6),
    }
    inputs = {name: values.astype(np.float32) for name, values in inputs.items()}
    for head in (CrossModal(CrossModalConfig()), shake(CrossModal(CrossModalConfig()))):
        export_cross_modal(head, path)
        (scores,) = run_onnx(path.read_bytes(), **inputs)
        restored = restore_cross_modal(path.read_bytes())
        tensors = {name: torch.from_numpy(values) for name, values in inputs.items()}
        text = tensors.pop("text").expand(6, -1, -1)
        with torch.inference_mode():
            again = restored(text, torch.ones(6, 5), **tensors)
        np.testing.assert_allclose(again.numpy(), scores, atol=1e-4)
        assert_alike(again.numpy(), scores)


def test_a_file_of_another_part_or_architecture_is_refused():
    from vidseek.training.networks.restore import restore_temporal, restore_vision

    manifest = read_manifest()
    with pytest.raises(WeightsError, match="vision weights"):
        restore_vision(manifest.read("temporal"))
    with pytest.raises(WeightsError, match="temporal weights"):
        restore_temporal(manifest.read("text"))


def test_a_file_that_lacks_a_weight_is_refused(tmp_path: Path):
    import onnx

    from vidseek.training.networks.restore import restore_temporal

    model = onnx.load_from_string(read_manifest().read("temporal"))
    kept = [one for one in model.graph.initializer if one.name != "time.bias"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    with pytest.raises(WeightsError, match=r"lack time\.bias"):
        restore_temporal(model.SerializeToString())
