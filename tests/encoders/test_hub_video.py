"""Third-party video models, each against the plain code of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_checkpoints import CLIP_PICTURES, SIDE, make_checkpoint, picture_processor

from vidseek.encoders.base import Encoder, VideoEncoder
from vidseek.encoders.hub.families import FAMILIES
from vidseek.encoders.registry import create_encoder

pytestmark = pytest.mark.full

TEXTS = ["a dog runs on the grass", "the red car", "a cat"]


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


def moving(seed: int, count: int, height: int = 45, width: int = 70) -> np.ndarray:
    """Frames of large coloured blocks that shift from frame to frame."""
    cells = np.random.default_rng(seed).choice([0, 255], (3, 4, 3)).astype(np.uint8)
    picture = cells.repeat(-(-height // 3), axis=0).repeat(-(-width // 4), axis=1)
    picture = picture[:height, :width]
    return np.stack([np.roll(picture, 9 * step, axis=1) for step in range(count)])


def plain_model(family: str, folder: Path) -> Any:
    import torch
    import transformers

    model_class = getattr(transformers, FAMILIES[family].model_class)
    return model_class.from_pretrained(folder, dtype=torch.float32).eval()


def plain_pixels(family: str, frames: np.ndarray) -> Any:
    """(1, T, 3, h, w): as the processor of the family prepares them."""
    import torch
    from PIL import Image

    if family == "xclip":
        return picture_processor(family)(list(frames), return_tensors="pt")["pixel_values"]
    # VideoPrismProcessor wants torchvision; these are its settings: one size, 0 to 1.
    resized = [Image.fromarray(frame).resize((SIDE, SIDE), 3) for frame in frames]
    pixels = np.stack([np.asarray(one) for one in resized]).transpose(0, 3, 1, 2) / 255
    return torch.from_numpy(pixels.astype(np.float32))[None]


def plain_clip(model: Any, family: str, frames: np.ndarray) -> np.ndarray:
    import torch

    name = "pixel_values" if family == "xclip" else "pixel_values_videos"
    with torch.no_grad():
        output = model.get_video_features(**{name: plain_pixels(family, frames)})
    vector = output.pooler_output[0].flatten().numpy()
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("family", CLIP_PICTURES)
def test_clip_vectors_are_those_of_plain_transformers(family, folders):
    wanted = CLIP_PICTURES[family]
    encoder = create_encoder(str(folders(family)))
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder, VideoEncoder)
    assert encoder.pictures_per_clip == wanted
    model = plain_model(family, folders(family))
    clips = [moving(seed, wanted) for seed in range(3)]
    clips.append(clips[0][::-1])
    expected = np.stack([plain_clip(model, family, clip) for clip in clips])
    vectors = encoder.encode_pictures(encoder.fit(clip) for clip in clips)
    assert vectors.shape == (4, encoder.spec.dimension)
    assert ((vectors * expected).sum(axis=1) >= 0.999).all()
    # The comparison says something only where vectors differ, and time is seen.
    assert expected[0] @ expected[1] < 0.99
    assert expected[0] @ expected[3] < 0.9999
    assert encoder.encode_pictures(iter([])).shape == (0, encoder.spec.dimension)


@pytest.mark.parametrize("family", CLIP_PICTURES)
def test_text_vectors_are_those_of_plain_transformers(family, folders):
    import torch
    import transformers

    encoder = create_encoder(str(folders(family)))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders(family))
    prism = family == "videoprism"
    tokens = tokenizer(
        [f"{text}." if prism else text for text in TEXTS],
        padding="max_length" if prism else True,
        max_length=64 if prism else None,
        return_tensors="pt",
    )
    with torch.no_grad():
        output = plain_model(family, folders(family)).get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
    read = output.pooler_output.numpy()
    read /= np.linalg.norm(read, axis=1, keepdims=True)
    assert ((encoder.encode_text(TEXTS) * read).sum(axis=1) >= 0.999).all()
    assert read[0] @ read[1] < 0.995


def test_videoprism_reads_sentences_as_its_makers_write_them(folders):
    encoder = create_encoder(str(folders("videoprism")))
    np.testing.assert_allclose(
        encoder.encode_text(["A  dog, on the GRASS!"]), encoder.encode_text(["a dog on the grass"])
    )


def test_a_frame_of_xclip_is_the_clip_of_its_copies(folders):
    encoder = create_encoder(str(folders("xclip")))
    model = plain_model("xclip", folders("xclip"))
    frames = moving(5, 3)
    still = np.stack(
        [plain_clip(model, "xclip", np.repeat(frame[None], 8, axis=0)) for frame in frames]
    )
    vectors = encoder.encode_frames(frames).vectors
    assert ((vectors * still).sum(axis=1) >= 0.999).all()
    # The tower is as before: a clip afterwards is a clip.
    clip = moving(6, 8)
    again = encoder.encode_pictures([encoder.fit(clip)])[0]
    assert again @ plain_clip(model, "xclip", clip) >= 0.999


def test_a_frame_of_videoprism_is_a_clip_of_one(folders):
    import torch

    encoder = create_encoder(str(folders("videoprism")))
    model = plain_model("videoprism", folders("videoprism"))
    frames = moving(5, 3)
    pixels = plain_pixels("videoprism", frames)[0][:, None]
    with torch.no_grad():
        output = model.get_video_features(pixel_values_videos=pixels, interpolate_pos_encoding=True)
    single = output.pooler_output.flatten(1).numpy()
    single /= np.linalg.norm(single, axis=1, keepdims=True)
    assert ((encoder.encode_frames(frames).vectors * single).sum(axis=1) >= 0.999).all()


@pytest.mark.parametrize("family", CLIP_PICTURES)
def test_pictures_are_fitted_once(family, folders):
    encoder = create_encoder(str(folders(family)))
    frames = moving(1, 2)
    fitted = encoder.fit(frames)
    assert fitted.shape == (2, SIDE, SIDE, 3)
    np.testing.assert_array_equal(encoder.fit(fitted), fitted)
    np.testing.assert_array_equal(
        encoder.encode_frames(fitted).vectors, encoder.encode_frames(frames).vectors
    )
    pixels = encoder._visual_inputs(fitted)["pixel_values"]
    np.testing.assert_allclose(pixels, plain_pixels(family, frames)[0].numpy(), atol=1e-5)


@pytest.mark.parametrize("family", CLIP_PICTURES)
def test_a_library_is_searched_with_a_video_model(family, folders, tmp_path):
    from videos import make_video, picture

    import vidseek
    from vidseek.encoders.pipeline import encode_video
    from vidseek.video import DecodeJob, DecodePool, SamplingPlan

    films = tmp_path / "films"
    films.mkdir()
    for place in range(2):
        make_video(films / f"{place}.mp4", [picture(place), picture(place + 7)])
    model = str(folders(family))
    encoder = create_encoder(model)
    with DecodePool(workers=1, short_side=encoder.spec.image_size) as pool:
        job = DecodeJob(films / "0.mp4", SamplingPlan())
        for decoded in pool.read([job]):
            encoded = encode_video(decoded, encoder)
        for decoded in pool.read([job]):
            frames = np.concatenate([batch.data.copy() for batch in decoded.batches()])
    # Each clip is seen whole, its frames repeated where they are too few.
    plain = plain_model(family, folders(family))
    done = 0
    for clip in encoded.clips:
        count = len(clip.frame_seconds)
        rows = ((np.arange(CLIP_PICTURES[family]) + 0.5) * count / CLIP_PICTURES[family]).astype(
            int
        )
        expected = plain_clip(plain, family, frames[done + rows])
        assert clip.vector @ expected >= 0.998
        done += count
    assert done == len(frames)

    with vidseek.open(tmp_path / "library", encoder=model) as library:
        assert library.index(films).indexed == 2
        hits = library.search("a red car", k=5, copies=True)
        assert {hit.video.path.name for hit in hits} == {"0.mp4", "1.mp4"}
        assert all(hit.frames for hit in hits)
        alike = library.similar(films / "0.mp4", k=5)
        assert max(hit.score for hit in alike if hit.video.path.name == "0.mp4") > 0.999
        part = library.similar(films / "0.mp4", span=vidseek.TimeSpan(0.0, 1.0), k=5)
        assert part
    with vidseek.open(tmp_path / "later", encoder="builtin") as library:
        library.index(films)
        library.models.add(model)
    with vidseek.open(tmp_path / "later") as library:
        added = library.search("a red car", k=5, copies=True)
    # The same clips as the built-in model's; where both models cut alike, the same scores.
    assert {hit.video.path.name for hit in added} == {"0.mp4", "1.mp4"}
    assert all(np.isfinite(hit.score) for hit in added)
