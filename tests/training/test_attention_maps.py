"""Reading out where the model looks."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def models():
    import torch
    from tokenizers import Tokenizer

    from vidseek.training.networks.configuration import CrossModalConfig, VisionConfig
    from vidseek.training.networks.cross_modal import CrossModal
    from vidseek.training.networks.stem import load_imagenet_stem
    from vidseek.training.networks.text import choose_vocabulary, load_minilm, tokenizer_json
    from vidseek.training.networks.vision import Vision

    torch.manual_seed(0)
    vocabulary = choose_vocabulary(["a dog on the beach"], size=3000)
    tokenizer = Tokenizer.from_str(tokenizer_json(vocabulary))
    vision = Vision(VisionConfig(), load_imagenet_stem()).eval()
    return vision, load_minilm(vocabulary), tokenizer, CrossModal(CrossModalConfig()).eval()


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), np.uint8)


def test_each_words_attention_adds_up_to_one(models, frames):
    from vidseek.training.attention_maps import word_attention

    attention = word_attention(*models, frames, "a dog on the beach")
    assert attention.words == ("a", "dog", "on", "the", "beach")
    assert attention.frames.shape == (5, 3)
    assert attention.places.shape == (5, 3, 9, 9)
    np.testing.assert_allclose(attention.frames.sum(1), 1.0, atol=1e-5)
    np.testing.assert_allclose(attention.places.sum((2, 3)), attention.frames, atol=1e-5)


def test_a_word_attends_to_the_frame_that_matches_it(models, frames):
    """Planted: the words' space is turned so that "dog" is the second frame's vector."""
    import copy

    import torch

    from vidseek.encoders.preprocessing import squash
    from vidseek.training.attention_maps import word_attention
    from vidseek.training.networks.stem import normalise

    vision, text, tokenizer, head = models
    head = copy.deepcopy(head)
    encoding = tokenizer.encode("a dog")
    with torch.no_grad():
        squares = torch.from_numpy(squash(frames, 260)).permute(0, 3, 1, 2)
        output = vision(vision.stem.fine_map(normalise(squares)))
        wanted = head.memory(output.vectors[1:2, None], output.tokens[1:2, None])[0, 0]
        _, hidden = text(torch.tensor([encoding.ids]), torch.tensor([encoding.attention_mask]))
        dog = hidden[0, 2]
        head.word_input.weight.copy_(torch.outer(wanted, dog) / dog.square().sum())
        head.word_input.bias.zero_()
        head.log_sharpness.fill_(4.0)
    attention = word_attention(vision, text, tokenizer, head, frames, "a dog")
    assert int(attention.frames[1].argmax()) == 1


def test_a_word_in_pieces_is_one_word(models, frames):
    from vidseek.training.attention_maps import word_attention

    tokenizer = models[2]
    assert len(tokenizer.encode("Zxqvyk").tokens) > 3
    attention = word_attention(*models, frames, "a Zxqvyk!")
    assert attention.words == ("a", "Zxqvyk", "!")
    np.testing.assert_allclose(attention.frames.sum(1), 1.0, atol=1e-5)


def test_the_heat_map_is_that_of_the_token_that_answers(models, frames):
    """Planted: every word lies on the fifth token of the third frame, far from all the others."""
    import copy

    import torch

    from vidseek.encoders.preprocessing import squash
    from vidseek.training.attention_maps import word_attention
    from vidseek.training.networks.stem import normalise

    vision, text, tokenizer, head = models
    head, seeing = copy.deepcopy(head), copy.deepcopy(vision)
    seeing.set_attn_implementation("eager")
    frame, token = 2, 4
    with torch.no_grad():
        squares = torch.from_numpy(squash(frames, 260)).permute(0, 3, 1, 2)
        output = seeing(seeing.stem.fine_map(normalise(squares)), output_attentions=True)
        tokens = output.tokens.flatten(0, 1)
        aligned = torch.zeros(len(tokens), head.config.aligned_size)
        aligned[:, 0] = -1.0
        aligned[frame * output.tokens.shape[1] + token, 0] = 1.0
        head.token_input.weight.copy_((torch.linalg.pinv(tokens) @ aligned).T)
        head.token_input.bias.zero_()
        for layer, sign in ((head.word_input, 1.0), (head.vector_input, -1.0)):
            layer.weight.zero_()
            layer.bias.zero_()
            layer.bias[0] = sign
        head.log_sharpness.fill_(3.0)
    leading = 1 + output.tokens.shape[1]
    cells = output.attentions[-1][frame, :, 1 + token, leading:].mean(0)
    attention = word_attention(vision, text, tokenizer, head, frames, "a dog")
    np.testing.assert_allclose(attention.frames[:, frame], 1.0, atol=1e-3)
    for word in attention.places[:, frame]:
        np.testing.assert_allclose(word.ravel(), cells / cells.sum(), atol=1e-4)


def test_nothing_to_look_at_is_refused(models, frames):
    from vidseek.training.attention_maps import word_attention

    with pytest.raises(ValueError, match="one word"):
        word_attention(*models, frames, "")
    with pytest.raises(ValueError, match="one frame"):
        word_attention(*models, frames[:0], "a dog")


def test_a_picture_is_drawn(models, frames, tmp_path):
    from vidseek.training.attention_maps import draw_attention, word_attention

    attention = word_attention(*models, frames, "a dog")
    draw_attention(frames, attention, tmp_path / "dog.png")
    assert (tmp_path / "dog.png").read_bytes().startswith(b"\x89PNG")
