"""The torch modules, and their exports compared with them.

Torch is imported inside the tests: the base install collects this file too.
"""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def stem():
    from vidseek.training.networks.stem import load_imagenet_stem

    return load_imagenet_stem()


@pytest.fixture(scope="module")
def vision(stem):
    """The visual encoder with all its parts active, as after training."""
    import copy

    import torch

    from vidseek.training.networks.configuration import VisionConfig
    from vidseek.training.networks.vision import Vision

    torch.manual_seed(0)
    model = Vision(VisionConfig(), copy.deepcopy(stem)).eval()
    torch.nn.init.normal_(model.transformer_output.weight, std=0.1)
    return model


@pytest.fixture(scope="module")
def minilm():
    from vidseek.training.networks.text import choose_vocabulary, load_minilm, tokenizer_json

    vocabulary = choose_vocabulary(["a dog runs on the beach"] * 3, size=6000)
    return vocabulary, load_minilm(vocabulary), tokenizer_json(vocabulary)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return (first * second).sum(-1) / norms


@pytest.mark.parametrize(
    ("side", "kernel", "stride"), [(260, 3, 2), (17, 5, 2), (65, 5, 2), (9, 3, 1)]
)
def test_a_convolution_is_tensorflows_with_batch_norm(side, kernel, stride):
    import torch
    from torch.nn import functional

    from vidseek.training.networks.stem import ConvNorm

    torch.manual_seed(0)
    layer = ConvNorm(3, 8, kernel=kernel, stride=stride)
    torch.nn.init.normal_(layer.gamma)
    torch.nn.init.normal_(layer.beta)
    layer.mean.normal_()
    layer.variance.uniform_(0.5, 2.0)
    inputs = torch.randn(2, 3, side, side)
    outputs = -(-side // stride)
    total = max((outputs - 1) * stride + kernel - side, 0)
    before, after = total // 2, total - total // 2
    padded = functional.pad(inputs, (before, after, before, after))
    plain = functional.conv2d(padded, layer.weight, stride=stride)
    expected = functional.batch_norm(
        plain, layer.mean, layer.variance, layer.gamma, layer.beta, eps=1e-3
    )
    result = layer(inputs)
    assert result.shape == (2, 8, outputs, outputs)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)


def test_the_stem_names_photographs(stem):
    import torch
    from skimage import data

    from vidseek.encoders.preprocessing import squash
    from vidseek.training.networks.stem import normalise

    pictures = np.concatenate(
        [squash(picture[None], 260) for picture in (data.cat(), data.coffee())]
    )
    with torch.inference_mode():
        coarse = stem(normalise(torch.from_numpy(pictures).permute(0, 3, 1, 2)))
        classes = stem.classes(stem.pooled(coarse)).argmax(-1)
    assert coarse.shape == (2, 352, 9, 9)
    assert 281 <= int(classes[0]) <= 285, "ImageNet's house cats"
    assert int(classes[1]) in {967, 968}, "espresso or cup"


def test_frames_become_vectors_and_tokens(vision):
    import torch

    with torch.inference_mode():
        output = vision(torch.randn(3, 120, 17, 17))
    assert output.vectors.shape == (3, 384)
    assert output.tokens.shape == (3, 8, 128)
    torch.testing.assert_close(output.vectors.norm(dim=-1), torch.ones(3))


@pytest.mark.parametrize("side", [11, 14])
def test_crops_of_the_map_are_encoded_too(vision, side):
    import torch

    with torch.inference_mode():
        assert vision(torch.randn(2, 120, side, side)).vectors.shape == (2, 384)


def test_attention_weights_are_returned_on_request(vision):
    import copy

    import torch

    model = copy.deepcopy(vision)
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        output = model(torch.randn(2, 120, 17, 17), output_attentions=True)
        plain = model(torch.randn(2, 120, 17, 17))
    assert plain.attentions == ()
    assert [tuple(layer.shape) for layer in output.attentions] == [(2, 4, 90, 90)] * 4
    torch.testing.assert_close(output.attentions[0].sum(-1), torch.ones(2, 4, 90))


def test_a_fresh_transformer_adds_nothing_to_the_pooled_head(stem):
    import copy

    import torch
    from torch.nn import functional

    from vidseek.training.networks.configuration import VisionConfig
    from vidseek.training.networks.vision import Vision

    model = Vision(VisionConfig(), copy.deepcopy(stem)).eval()
    with torch.inference_mode():
        output = model(torch.randn(2, 120, 17, 17))
        plain = functional.normalize(
            model.head(output.pooled) + model.shortcut(output.pooled), dim=-1
        )
    torch.testing.assert_close(output.vectors, plain)


def test_vision_survives_saving(vision, tmp_path):
    import torch

    from vidseek.training.networks.vision import Vision

    vision.save_pretrained(tmp_path)
    again = Vision.from_pretrained(tmp_path).eval()
    fine = torch.randn(2, 120, 17, 17)
    with torch.inference_mode():
        torch.testing.assert_close(again(fine).vectors, vision(fine).vectors)
        torch.testing.assert_close(again(fine).tokens, vision(fine).tokens)


def make_temporal():
    import torch

    from vidseek.training.networks.configuration import TemporalConfig
    from vidseek.training.networks.temporal import Temporal

    torch.manual_seed(0)
    temporal = Temporal(TemporalConfig()).eval()
    fresh = Temporal(TemporalConfig()).eval()
    torch.nn.init.normal_(temporal.output.weight, std=0.1)
    return temporal, fresh


def unit(*shape: int):
    import torch

    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


def test_untrained_temporal_attention_is_the_mean():
    import torch

    temporal, fresh = make_temporal()
    vectors, seconds, mask = unit(2, 3, 384), torch.arange(3.0).expand(2, 3), torch.ones(2, 3)
    with torch.inference_mode():
        mean = torch.nn.functional.normalize(vectors.mean(1), dim=-1)
        torch.testing.assert_close(fresh(vectors, seconds, mask), mean)
        assert not torch.allclose(temporal(vectors, seconds, mask), mean, atol=1e-3)
        still = temporal(vectors[:, :1], seconds[:, :1], mask[:, :1])
        torch.testing.assert_close(still, vectors[:, 0], atol=1e-6, rtol=1e-5)


def test_temporal_attention_ignores_padding_and_sees_order():
    import torch

    temporal, _ = make_temporal()
    vectors, seconds, mask = unit(1, 4, 384), torch.arange(4.0)[None], torch.ones(1, 4)
    padded = torch.cat([vectors, 9.0 * torch.randn(1, 3, 384)], 1)
    longer_seconds = torch.cat([seconds, torch.rand(1, 3)], 1)
    longer_mask = torch.cat([mask, torch.zeros(1, 3)], 1)
    with torch.inference_mode():
        clip = temporal(vectors, seconds, mask)
        torch.testing.assert_close(temporal(padded, longer_seconds, longer_mask), clip)
        assert not torch.allclose(temporal(vectors.flip(1), seconds, mask), clip, atol=1e-4)


def test_temporal_survives_saving(tmp_path):
    import torch

    from vidseek.training.networks.temporal import Temporal

    temporal, _ = make_temporal()
    temporal.save_pretrained(tmp_path)
    again = Temporal.from_pretrained(tmp_path).eval()
    inputs = unit(2, 3, 384), torch.rand(2, 3), torch.ones(2, 3)
    with torch.inference_mode():
        torch.testing.assert_close(again(*inputs), temporal(*inputs))


def make_head():
    import torch

    from vidseek.training.networks.configuration import CrossModalConfig
    from vidseek.training.networks.cross_modal import CrossModal

    torch.manual_seed(0)
    head, fresh = CrossModal(CrossModalConfig()).eval(), CrossModal(CrossModalConfig()).eval()
    torch.nn.init.normal_(head.score_output.weight, std=1.0)
    return head, fresh


def head_inputs(count: int = 3, words: int = 5, frames: int = 2):
    import torch

    return [
        torch.randn(count, words, 384),
        torch.ones(count, words),
        unit(count, frames, 384),
        torch.randn(count, frames, 8, 128),
        torch.ones(count, frames),
        torch.rand(count),
    ]


def test_the_head_starts_at_the_first_stage_and_stays_near_it():
    import torch

    head, fresh = make_head()
    inputs = head_inputs()
    with torch.inference_mode():
        torch.testing.assert_close(fresh(*inputs), inputs[-1])
        change = head(*inputs) - inputs[-1]
    assert 1e-3 < float(change.abs().max()) <= head.config.largest_correction + 1e-6


def test_the_head_sees_words_and_tokens_but_no_padding():
    import torch

    head, _ = make_head()
    inputs = head_inputs()
    with torch.inference_mode():
        scores = head(*inputs)
        padded = list(inputs)
        padded[0] = torch.cat([inputs[0], torch.randn(3, 2, 384)], 1)
        padded[1] = torch.cat([inputs[1], torch.zeros(3, 2)], 1)
        padded[2] = torch.cat([inputs[2], torch.randn(3, 3, 384)], 1)
        padded[3] = torch.cat([inputs[3], torch.randn(3, 3, 8, 128)], 1)
        padded[4] = torch.cat([inputs[4], torch.zeros(3, 3)], 1)
        torch.testing.assert_close(head(*padded), scores, atol=1e-5, rtol=1e-4)
        for place in (0, 2, 3):
            other = list(inputs)
            other[place] = torch.randn_like(inputs[place])
            assert not torch.allclose(head(*other), scores, atol=1e-5)


def test_words_attend_to_matching_frame_tokens():
    import torch

    head, _ = make_head()
    with torch.no_grad():
        head.log_sharpness.fill_(4.0)
    words, memory = unit(2, 3, 192), unit(2, 6, 192)
    memory[0, 4] = words[0, 1]
    mask = torch.ones(2, 6)
    mask[1, 2:] = 0.0
    with torch.inference_mode():
        alignment = head.align(words, memory, mask)
    assert int(alignment.attention[0, 1].argmax()) == 4
    torch.testing.assert_close(alignment.attention.sum(-1), torch.ones(2, 3))
    assert float(alignment.attention[1, :, 2:].max()) == 0.0
    torch.testing.assert_close(alignment.found[0, 1], words[0, 1], atol=0.1, rtol=0.1)


def test_all_pairs_are_scored_as_each_pair_is():
    import torch

    head, _ = make_head()
    text, _, vectors, tokens, _, _ = head_inputs(count=4, frames=1)
    text_mask = torch.ones(4, 5)
    text_mask[1, 3:] = 0.0
    with torch.inference_mode():
        words, memory = head.words(text), head.memory(vectors, tokens)
        table = head.all_pairs(words, text_mask, memory)
        for sentence in range(4):
            repeated = words[sentence : sentence + 1].expand(4, -1, -1)
            alone = head.align(repeated, memory, torch.ones(4, memory.shape[1]))
            expected = alone.scores(text_mask[sentence : sentence + 1].expand(4, -1))
            torch.testing.assert_close(table[sentence], expected, atol=1e-5, rtol=1e-4)


def test_the_transformer_accepts_a_share_of_the_cells(vision):
    import torch

    fine = torch.randn(2, 120, 13, 13)
    with torch.inference_mode():
        whole, part = vision(fine), vision(fine, keep_cells=0.5)
    assert part.tokens.shape == whole.tokens.shape
    torch.testing.assert_close(part.pooled, whole.pooled)
    assert not torch.allclose(part.vectors, whole.vectors, atol=1e-5)


def test_the_head_survives_saving(tmp_path):
    import torch

    from vidseek.training.networks.cross_modal import CrossModal

    head, _ = make_head()
    head.save_pretrained(tmp_path)
    again = CrossModal.from_pretrained(tmp_path).eval()
    inputs = head_inputs()
    with torch.inference_mode():
        torch.testing.assert_close(again(*inputs), head(*inputs))


def test_reducing_the_vocabulary_keeps_vectors_of_covered_sentences(minilm):
    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel

    from vidseek.training.networks.text import Text, minilm_folder

    vocabulary, cut, json_text = minilm
    assert len(vocabulary) == len(set(vocabulary)) == 6000
    ours = Tokenizer.from_str(json_text).encode("A dog runs on the beach!")
    theirs = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json")).encode(
        "A dog runs on the beach!"
    )
    known = [token for token in theirs.tokens if token != "[PAD]"]
    assert ours.tokens == known
    full = Text(BertModel.from_pretrained(minilm_folder(), add_pooling_layer=False)).eval()
    with torch.inference_mode():
        mask = torch.ones(1, len(ours.ids), dtype=torch.int64)
        expected, _ = full(torch.tensor([theirs.ids[: len(ours.ids)]]), mask)
        result, hidden = cut(torch.tensor([ours.ids]), mask)
    assert hidden.shape == (1, len(ours.ids), 384)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-4)


def test_every_word_can_be_spelled_with_the_reduced_vocabulary(minilm):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(minilm[2])
    assert "[UNK]" not in tokenizer.encode("Unquestionably 9.5% zyxwv naïve, déjà-vu").tokens


def test_export_of_text_agrees_with_torch(minilm, tmp_path):
    import onnxruntime
    import torch

    from vidseek.training.networks.export import export_text

    _, text, json_text = minilm
    path = tmp_path / "text.onnx"
    export_text(text, json_text, path)
    session = onnxruntime.InferenceSession(path)
    assert session.get_modelmeta().custom_metadata_map["tokenizer"] == json_text
    ids = np.random.default_rng(0).integers(5, 6000, (3, 12))
    mask = np.ones_like(ids)
    mask[1, 7:] = 0
    vectors, hidden = session.run(None, {"token_ids": ids, "mask": mask})
    with torch.inference_mode():
        expected, expected_hidden = text(torch.from_numpy(ids), torch.from_numpy(mask))
    assert cosines(vectors, expected.numpy()).min() > 0.998
    assert cosines(hidden[0], expected_hidden[0].numpy()).min() > 0.99


def test_export_of_vision_agrees_with_torch(vision, tmp_path):
    import onnxruntime
    import torch
    from skimage import data

    from vidseek.encoders.preprocessing import squash
    from vidseek.training.networks.export import export_vision
    from vidseek.training.networks.stem import normalise

    path, exact = tmp_path / "vision.onnx", tmp_path / "exact.onnx"
    export_vision(vision, path)
    export_vision(vision, exact, int8=False)
    pictures = np.concatenate(
        [squash(some[None], 260) for some in (data.cat(), data.coffee(), data.rocket())]
    )
    vectors, tokens = onnxruntime.InferenceSession(path).run(None, {"pictures": pictures})
    with torch.inference_mode():
        fine = vision.stem.fine_map(normalise(torch.from_numpy(pictures).permute(0, 3, 1, 2)))
        expected = vision(fine)
    assert cosines(vectors, expected.vectors.numpy()).min() > 0.99  # int8 weights
    assert cosines(tokens, expected.tokens.numpy()).min() > 0.98
    assert path.stat().st_size < 12e6
    vectors, tokens = onnxruntime.InferenceSession(exact).run(None, {"pictures": pictures})
    np.testing.assert_allclose(vectors, expected.vectors.numpy(), atol=1e-4)
    np.testing.assert_allclose(tokens, expected.tokens.numpy(), atol=1e-3)


def test_export_of_temporal_attention_agrees_with_torch(tmp_path):
    import onnxruntime
    import torch

    from vidseek.training.networks.export import export_temporal

    temporal, _ = make_temporal()
    path = tmp_path / "temporal.onnx"
    export_temporal(temporal, path)
    session = onnxruntime.InferenceSession(path)
    for count, frames in ((1, 1), (4, 7)):
        inputs = {
            "vectors": unit(count, frames, 384).numpy(),
            "seconds": np.sort(np.random.default_rng(0).uniform(0, 9, (count, frames)), 1).astype(
                np.float32
            ),
            "mask": np.ones((count, frames), np.float32),
        }
        (clips,) = session.run(None, inputs)
        with torch.inference_mode():
            expected = temporal(*map(torch.from_numpy, inputs.values())).numpy()
        assert cosines(clips, expected).min() > 0.999


def test_export_of_the_head_agrees_with_torch(tmp_path):
    import onnxruntime
    import torch

    from vidseek.training.networks.export import export_cross_modal

    head, _ = make_head()
    path = tmp_path / "cross_modal.onnx"
    export_cross_modal(head, path)
    session = onnxruntime.InferenceSession(path)
    text, _, vectors, tokens, mask, first = head_inputs(count=6, words=9, frames=3)
    text = text[:1]
    (scores,) = session.run(
        None,
        {
            "text": text.numpy(),
            "vectors": vectors.numpy(),
            "tokens": tokens.numpy(),
            "frame_mask": mask.numpy(),
            "first_stage": first.numpy(),
        },
    )
    with torch.inference_mode():
        words = text.expand(6, -1, -1)
        expected = head(words, torch.ones(6, 9), vectors, tokens, mask, first).numpy()
    np.testing.assert_allclose(scores, expected, atol=0.01)


def test_quantising_keeps_every_value_within_half_a_step():
    from vidseek.training.networks.export import quantise_array

    values = np.random.default_rng(0).normal(size=(7, 50)).astype(np.float32)
    values[3] = 0.0
    for axis in (0, 1):
        steps, scale = quantise_array(values, axis=axis)
        assert steps.dtype == np.int8
        assert np.abs(steps * scale - values).max() <= scale.max() / 2 + 1e-7
