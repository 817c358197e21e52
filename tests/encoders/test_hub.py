"""Third-party models, each against the plain code of transformers."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hub_checkpoints import make_checkpoint, picture_processor

from vidseek.core.errors import WeightsError
from vidseek.core.types import FrameFeatures
from vidseek.encoders.base import Encoder
from vidseek.encoders.hub.families import FAMILIES
from vidseek.encoders.registry import create_encoder

pytestmark = pytest.mark.full

PICTURE_FAMILIES = [name for name, family in FAMILIES.items() if family.kind != "clips"]
"""Video models: test_hub_video.py."""
TEXTS = ["a dog runs on the grass and a man eats of the car", "The red red red car car", "a cat"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Checkpoints by family, made when first asked for."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = make_checkpoint(family, tmp_path_factory.mktemp(family))
        return made[family]

    return folder


def noise(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def blocks(seed: int) -> np.ndarray:
    """A picture of large coloured blocks: noise looks the same to a tower without training."""
    cells = np.random.default_rng(seed).choice([0, 255], (3, 4, 3)).astype(np.uint8)
    return cells.repeat(15, axis=0).repeat(18, axis=1)


def plain_vectors(family: str, folder: Path, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a user of transformers would write, in full precision."""
    import torch
    import transformers

    model_class = getattr(transformers, FAMILIES[family].model_class)
    model = model_class.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    siglip = family.startswith("siglip")
    tokens = tokenizer(
        [text.lower() for text in TEXTS],
        padding="max_length" if siglip else True,
        max_length=64 if siglip else None,
        return_tensors="pt",
    )
    inputs = {"input_ids": tokens["input_ids"]}
    if not siglip:
        inputs["attention_mask"] = tokens["attention_mask"]
    pictures = picture_processor(family)(images=list(frames), return_tensors="pt")
    with torch.no_grad():
        vectors = [
            model.get_image_features(**pictures).pooler_output.numpy(),
            model.get_text_features(**inputs).pooler_output.numpy(),
        ]
    seen, read = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in vectors)
    return seen, read


@pytest.mark.parametrize("family", PICTURE_FAMILIES)
def test_vectors_are_those_of_plain_transformers(family, folders):
    frames = np.stack([blocks(seed) for seed in range(3)])
    encoder = create_encoder(str(folders(family)))
    assert isinstance(encoder, Encoder)
    seen, read = plain_vectors(family, folders(family), frames)
    features = encoder.encode_frames(frames)
    assert features.vectors.shape == (3, encoder.spec.dimension)
    assert features.tokens.shape == (3, 0, 0)
    assert ((features.vectors * seen).sum(axis=1) >= 0.999).all()
    assert ((encoder.encode_text(TEXTS) * read).sum(axis=1) >= 0.999).all()
    # The comparison says something only where vectors differ.
    assert seen[0] @ seen[1] < 0.995
    assert read[0] @ read[1] < 0.995


@pytest.mark.parametrize("family", PICTURE_FAMILIES)
@pytest.mark.parametrize("shape", [(45, 70), (64, 32), (20, 90), (7, 5)])
def test_pictures_are_prepared_as_the_processor_does(family, folders, shape):
    frames = noise(2, *shape)
    encoder = create_encoder(str(folders(family)))
    expected = picture_processor(family)(images=list(frames), return_tensors="np")
    inputs = encoder._visual_inputs(encoder._rules.fit(frames))
    for name, values in inputs.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-5, err_msg=name)


def test_the_spec_says_what_vectors_depend_on(folders, tmp_path):
    import shutil

    spec = create_encoder(str(folders("clip"))).spec
    assert (spec.kind, spec.family, spec.revision) == ("third-party", "clip", "")
    assert spec.source == str(folders("clip"))
    assert (spec.dimension, spec.image_size, spec.tokens_per_frame) == (24, 32, 0)
    assert spec.confidence_scale is None
    moved = shutil.copytree(folders("clip"), tmp_path / "moved")
    assert create_encoder(str(moved)).spec.fingerprint == spec.fingerprint
    other = make_checkpoint("clip", tmp_path / "other", seed=1)
    assert create_encoder(str(other)).spec.fingerprint != spec.fingerprint
    rules = moved / "preprocessor_config.json"
    rules.write_text(rules.read_text().replace('"do_center_crop": true', '"do_center_crop": false'))
    rules.write_text(rules.read_text().replace('"shortest_edge": 32', '"height": 32, "width": 32'))
    assert create_encoder(str(moved)).spec.fingerprint != spec.fingerprint


def test_nothing_gives_nothing_and_wrong_frames_are_refused(folders):
    encoder = create_encoder(str(folders("clip")))
    assert encoder.encode_text([]).shape == (0, 24)
    nothing = encoder.encode_frames(np.empty((0, 8, 8, 3), np.uint8))
    assert nothing.vectors.shape == (0, 24)
    assert encoder.encode_clips(nothing, np.empty(0), []).shape == (0, 24)
    with pytest.raises(ValueError, match="empty"):
        encoder.encode_clips(nothing, np.empty(0), [slice(0, 0)])
    with pytest.raises(ValueError, match="float32"):
        encoder.encode_frames(np.zeros((1, 8, 8, 3), np.float32))


def test_overlong_and_odd_texts_are_cut_with_a_warning(folders, caplog):
    encoder = create_encoder(str(folders("clip")))
    with caplog.at_level(logging.WARNING):
        vectors = encoder.encode_text(["a dog and " * 500, "", "собака 🎉"])
    assert "1 of 3 texts are longer than 16 tokens" in caplog.text
    assert np.isfinite(vectors).all()
    caplog.clear()
    encoder.encode_text(["a dog"])
    assert "longer" not in caplog.text


@pytest.mark.parametrize("family", ["clip", "siglip2", "videoprism", "chinese_clip"])
def test_a_missing_vocabulary_is_reported(family, folders, tmp_path):
    # Transformers makes one without words in its place: all sentences would be the same.
    half = tmp_path / "half"
    shutil.copytree(folders(family), half)
    for words in ("tokenizer*", "vocab*", "merges*", "spiece*"):
        for path in half.glob(words):
            path.unlink()
    with pytest.raises(WeightsError, match=r"vocabulary .*fetch the model again"):
        create_encoder(str(half))


def test_a_clip_is_the_mean_of_its_frames(folders):
    encoder = create_encoder(str(folders("clip")))
    features = encoder.encode_frames(noise(3, 40, 40))
    clips = encoder.encode_clips(features, np.arange(3.0), [slice(0, 3), slice(2, 3)])
    mean = features.vectors.mean(axis=0)
    np.testing.assert_allclose(clips[0], mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(clips[1], features.vectors[2], atol=1e-6)


def test_the_second_look_is_off_and_prefers_the_fitting_frame_when_on(folders):
    encoder = create_encoder(str(folders("clip")))
    text = encoder.encode_text(["a dog"])[0]
    other = np.roll(text, 1)
    fitting = FrameFeatures(np.stack([text, other]), np.empty((2, 0, 0), np.float32))
    unfit = FrameFeatures(np.stack([other, other]), np.empty((2, 0, 0), np.float32))
    first = np.array([0.3, 0.3], np.float32)
    np.testing.assert_array_equal(encoder.rerank("a dog", [fitting, unfit], first), first)
    encoder.reranks = True
    scores = encoder.rerank("a dog", [fitting, unfit], first)
    assert scores[0] > scores[1]
    assert scores[0] <= 1.0
    assert encoder.rerank("a dog", [], first[:0]).shape == (0,)


def test_out_of_memory_halves_the_batch_with_a_warning(folders, caplog, monkeypatch):
    import torch

    encoder = create_encoder(str(folders("clip")))
    frames = noise(5, 40, 40)
    expected = encoder.encode_frames(frames).vectors
    towers = encoder._loaded()
    real = towers._model.get_image_features

    def small(pixel_values, **others):
        if len(pixel_values) > 2:
            raise torch.OutOfMemoryError("no")
        return real(pixel_values=pixel_values, **others)

    monkeypatch.setattr(towers._model, "get_image_features", small)
    with caplog.at_level(logging.WARNING):
        vectors = encoder.encode_frames(frames).vectors
    assert towers.batch == 2
    assert "batches of 2" in caplog.text
    np.testing.assert_allclose(vectors, expected, atol=2e-2)


def test_a_library_is_indexed_and_searched_with_a_model_from_a_folder(folders, tmp_path):
    import shutil

    from videos import make_video, picture

    import vidseek

    for place in range(2):
        film = tmp_path / "films" / f"{place}.mp4"
        film.parent.mkdir(exist_ok=True)
        make_video(film, [picture(place), picture(place + 7)])
    model = shutil.copytree(folders("clip"), tmp_path / "model")
    with vidseek.open(tmp_path / "library", encoder=str(model)) as library:
        assert library.index(tmp_path / "films").indexed == 2
        hits = library.search("a red car", k=5, copies=True)
    assert {hit.video.path.name for hit in hits} == {"0.mp4", "1.mp4"}
    assert all(hit.confidence is None for hit in hits)
    with vidseek.open(tmp_path / "library") as library:  # it remembers its model
        assert [
            hit.score for hit in library.search("a red car", k=5, copies=True)
        ] == pytest.approx([hit.score for hit in hits], abs=1e-3)
        alike = library.similar(tmp_path / "films" / "0.mp4", k=5)
        assert max(hit.score for hit in alike if hit.video.path.name == "0.mp4") > 0.999
    with (
        vidseek.open(tmp_path / "library", encoder="builtin") as library,
        pytest.raises(vidseek.EncoderError, match=re.escape(str(model))),
    ):
        library.search("a red car")
    model.rename(tmp_path / "elsewhere")
    with (
        vidseek.open(tmp_path / "library") as library,
        pytest.raises(vidseek.ModelNotFoundError, match=re.escape(str(model))),
    ):
        library.search("a red car")
    with vidseek.open(tmp_path / "library", encoder=str(tmp_path / "elsewhere")) as library:
        assert library.index(tmp_path / "films").unchanged == 2
    with vidseek.open(tmp_path / "library") as library:
        assert library.search("a red car", k=5, copies=True)
