"""The built-in encoder on the shipped weights, without torch."""

from __future__ import annotations

import logging
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from reranking_model import add_head

from vidseek.core.errors import WeightsError
from vidseek.core.types import FrameFeatures
from vidseek.encoders.base import Encoder
from vidseek.encoders.builtin.encoder import LONGEST_TEXT_TOKENS, BuiltinEncoder
from vidseek.encoders.registry import create_encoder


@pytest.fixture(scope="module")
def encoder() -> BuiltinEncoder:
    made = create_encoder("builtin")
    assert isinstance(made, BuiltinEncoder)
    return made


@pytest.fixture(scope="module")
def pictures():
    """A few photographs that ship with scikit-image."""
    from skimage import data

    return {
        "cat": data.cat(),
        "coffee": data.coffee(),
        "astronaut": data.astronaut(),
        "rocket": data.rocket(),
    }


@pytest.fixture(scope="module")
def features(encoder, pictures):
    return {name: encoder.encode_frames(picture[None]) for name, picture in pictures.items()}


def noise(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def norms(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, Encoder)
    assert encoder.spec.source == "builtin"
    assert len(encoder.spec.vision_hash) == 64


def test_text_vectors_are_normalised_and_have_the_specs_length(encoder):
    vectors = encoder.encode_text(["a dog runs", "two people talk in a kitchen", ""])
    assert vectors.shape == (3, encoder.spec.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(norms(vectors), 1.0, atol=1e-5)


def test_no_texts_give_no_vectors(encoder):
    assert encoder.encode_text([]).shape == (0, encoder.spec.dimension)


def test_a_sentence_is_the_same_alone_and_among_longer_ones(encoder):
    texts = ["a cat", "a man in a red shirt rides a bicycle down a steep hill in the rain", "snow"]
    alone = np.concatenate([encoder.encode_text([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode_text(texts), alone, atol=1e-4)


def test_many_texts_keep_their_order(encoder):
    texts = [f"picture number {number}" for number in range(150)]
    together = encoder.encode_text(texts)
    np.testing.assert_allclose(together[140:141], encoder.encode_text([texts[140]]), atol=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "🎉🐕🎾",
        "собака бежит по снегу",
        "一只狗在雪地里跑",
        "e\u0301\u0000\u200b",
        "'\"\\;--",
    ],
)
def test_any_text_gives_a_finite_vector(encoder, text):
    vector = encoder.encode_text([text])
    assert np.isfinite(vector).all()
    np.testing.assert_allclose(norms(vector), 1.0, atol=1e-5)


def test_every_word_can_be_spelled(encoder):
    encoder.encode_text(["load"])
    tokens = encoder._tokenizer.encode("Zxqvyk's floccinaucinihilipilification, naïve ÅÉ 42").tokens
    assert "[UNK]" not in tokens


def test_a_text_of_more_tokens_than_are_read_is_known(encoder):
    assert all(map(encoder.reads_whole, ["", "a dog", "a dog on a beach " * 10]))
    assert not encoder.reads_whole("a dog on a beach " * 40)


def test_overlong_text_is_cut_with_a_warning(encoder, caplog):
    text = "a dog and " * 1000
    with caplog.at_level(logging.WARNING):
        vector = encoder.encode_text([text])
    assert f"longer than {LONGEST_TEXT_TOKENS} tokens" in caplog.text
    assert vector.shape == (1, encoder.spec.dimension)
    caplog.clear()
    encoder.encode_text(["a dog"])
    assert not caplog.text


def test_word_order_and_sense_matter_to_text(encoder):
    query, near, far = encoder.encode_text(
        ["a puppy runs on the grass", "a young dog playing in a field", "a stock market report"]
    )
    assert query @ near > query @ far + 0.2


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 400), (700, 3), (260, 260), (1080, 1920)]
)
def test_frames_of_any_size_are_encoded(encoder, height, width):
    features = encoder.encode_frames(noise(1, height, width))
    spec = encoder.spec
    assert features.vectors.shape == (1, spec.dimension)
    assert features.tokens.shape == (1, spec.tokens_per_frame, spec.token_dimension)
    assert np.isfinite(features.tokens).all()
    np.testing.assert_allclose(norms(features.vectors), 1.0, atol=1e-5)


def test_no_frames_give_no_features(encoder):
    features = encoder.encode_frames(np.empty((0, 10, 10, 3), np.uint8))
    assert len(features) == 0
    assert features.vectors.shape == (0, encoder.spec.dimension)


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 8, 8, 4), (8, 8, 3), (1, 0, 8, 3)])
def test_frames_of_a_wrong_shape_are_refused(encoder, shape):
    with pytest.raises(ValueError, match="needs"):
        encoder.encode_frames(np.zeros(shape, np.uint8))


def test_frames_of_a_wrong_type_are_refused(encoder):
    with pytest.raises(ValueError, match="float32"):
        encoder.encode_frames(np.zeros((1, 8, 8, 3), np.float32))


def test_a_frame_is_the_same_alone_and_in_a_batch(encoder):
    frames = noise(34, 40, 60)  # more than one batch of 32
    together = encoder.encode_frames(frames)
    for place in (0, 33):
        alone = encoder.encode_frames(frames[place : place + 1])
        np.testing.assert_allclose(together.vectors[place], alone.vectors[0], atol=2e-4)
        np.testing.assert_allclose(together.tokens[place], alone.tokens[0], atol=2e-2)


def test_frames_that_are_not_contiguous_are_read_rightly(encoder, pictures):
    frames = pictures["cat"][None]
    mirrored = frames[:, :, ::-1]
    copied = np.ascontiguousarray(mirrored)
    np.testing.assert_array_equal(
        encoder.encode_frames(mirrored).vectors, encoder.encode_frames(copied).vectors
    )


def test_size_hardly_changes_what_is_seen(encoder, pictures):
    from PIL import Image

    picture = pictures["cat"]
    larger = np.asarray(Image.fromarray(picture).resize((1400, 930), Image.Resampling.BICUBIC))
    first = encoder.encode_frames(picture[None]).vectors
    second = encoder.encode_frames(larger[None]).vectors
    assert float(first[0] @ second[0]) > 0.97


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a cat", "cat"),
        ("a cup of coffee", "coffee"),
        ("a rocket on the launch pad at night", "rocket"),
        ("a person in an orange jacket", "astronaut"),
    ],
)
def test_words_find_the_right_photograph(encoder, features, text, name):
    query = encoder.encode_text([text])[0]
    scores = {other: float(some.vectors[0] @ query) for other, some in features.items()}
    assert max(scores, key=scores.__getitem__) == name, scores


def test_a_clip_of_one_frame_is_its_frame(encoder, features):
    frame = features["cat"]
    clip = encoder.encode_clips(frame, np.array([12.5]), [slice(0, 1)])
    np.testing.assert_allclose(clip, frame.vectors, atol=1e-5)


def test_clips_are_the_same_alone_and_together(encoder, features):
    frames = FrameFeatures(
        np.concatenate([some.vectors for some in features.values()]),
        np.concatenate([some.tokens for some in features.values()]),
    )
    pts_seconds = np.array([3.0, 4.0, 5.5, 9.0])
    clips = [slice(0, 1), slice(1, 4), slice(0, 4)]
    together = encoder.encode_clips(frames, pts_seconds, clips)
    assert together.shape == (3, encoder.spec.dimension)
    np.testing.assert_allclose(norms(together), 1.0, atol=1e-5)
    for place, clip in enumerate(clips):
        alone = encoder.encode_clips(frames, pts_seconds, [clip])
        np.testing.assert_allclose(together[place], alone[0], atol=1e-4)


def test_a_clip_lies_near_its_frames_and_moves_with_no_offset_of_time(encoder, features):
    frames = FrameFeatures(
        np.concatenate([features[name].vectors for name in ("cat", "coffee")]),
        np.concatenate([features[name].tokens for name in ("cat", "coffee")]),
    )
    clip = encoder.encode_clips(frames, np.array([0.0, 2.0]), [slice(0, 2)])[0]
    later = encoder.encode_clips(frames, np.array([600.0, 602.0]), [slice(0, 2)])[0]
    np.testing.assert_allclose(clip, later, atol=1e-4)
    elsewhere = features["rocket"].vectors[0]
    assert clip @ frames.vectors[0] > clip @ elsewhere
    assert clip @ frames.vectors[1] > clip @ elsewhere


def test_no_clips_give_no_vectors_and_an_empty_clip_is_refused(encoder, features):
    frame = features["cat"]
    assert encoder.encode_clips(frame, np.zeros(1), []).shape == (0, encoder.spec.dimension)
    with pytest.raises(ValueError, match="empty"):
        encoder.encode_clips(frame, np.zeros(1), [slice(1, 1)])


def test_many_clips_are_encoded_in_batches(encoder):
    random = np.random.default_rng(1)
    vectors = random.normal(size=(130, encoder.spec.dimension)).astype(np.float32)
    vectors /= norms(vectors)[:, None]
    frames = FrameFeatures(vectors, np.zeros((130, 4, 128), np.float32))
    clips = [slice(place, place + 2) for place in range(129)]
    together = encoder.encode_clips(frames, np.arange(130.0), clips)
    alone = encoder.encode_clips(frames, np.arange(130.0), [clips[100]])
    np.testing.assert_allclose(together[100], alone[0], atol=1e-4)


@pytest.fixture(scope="module")
def reranking(tmp_path_factory) -> BuiltinEncoder:
    return BuiltinEncoder(add_head(tmp_path_factory.mktemp("model")))


def test_the_shipped_model_has_no_head_and_keeps_the_first_stages_scores(encoder, features):
    clips = list(features.values())
    first = np.linspace(0.1, 0.4, len(clips), dtype=np.float32)
    assert not encoder.has_head
    assert not encoder.reranks
    np.testing.assert_array_equal(encoder.rerank("a cat", clips, first), first)
    with pytest.raises(WeightsError, match="no re-ranking head"):
        encoder.cross_modal_scores("a cat", clips, first)


@pytest.mark.full
def test_reranking_keeps_the_scale_of_cosines(reranking, features):
    query = reranking.encode_text(["a cat"])[0]
    clips = list(features.values())
    first = np.array([clip.vectors[0] @ query for clip in clips], np.float32)
    scores = reranking.rerank("a cat", clips, first)
    np.testing.assert_array_equal(scores, reranking.cross_modal_scores("a cat", clips, first))
    assert scores.shape == (len(clips),)
    assert scores.dtype == np.float32
    assert 1e-3 < np.abs(scores - first).max() <= 0.25 + 1e-6


@pytest.mark.full
def test_reranking_is_the_same_alone_and_among_longer_clips(reranking, features):
    cat = features["cat"]
    long = FrameFeatures(np.repeat(cat.vectors, 40, 0), np.repeat(cat.tokens, 40, 0))
    first = np.array([0.3, 0.2], np.float32)
    together = reranking.cross_modal_scores("a cat sits", [cat, long], first)
    alone = reranking.cross_modal_scores("a cat sits", [cat], first[:1])
    np.testing.assert_allclose(together[0], alone[0], atol=1e-4)


def test_reranking_nothing_gives_nothing(encoder):
    assert encoder.rerank("a cat", [], np.empty(0, np.float32)).shape == (0,)


def test_confidence_rises_with_the_score(encoder):
    spec = encoder.spec
    if spec.confidence_scale is None:
        pytest.fail("the shipped weights are not calibrated")
    assert spec.confidence_bias is not None
    values = [spec.confidence_scale * score + spec.confidence_bias for score in (0.0, 0.2, 0.6)]
    assert all(low < high for low, high in pairwise(values))
    assert values[0] < 0 < values[-1]


def test_a_text_query_needs_neither_torch_nor_the_visual_weights():
    program = (
        "import sys; from vidseek.encoders.registry import create_encoder; "
        "encoder = create_encoder('builtin'); encoder.encode_text(['a dog']); "
        "assert not {'torch', 'transformers', 'PIL'} & set(sys.modules), sorted(sys.modules); "
        "assert list(encoder._sessions) == ['text']"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
