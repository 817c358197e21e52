"""The built-in model's own maps."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from PIL import Image

from vidseek.encoders.base import CellEncoder, TimeAttentionEncoder
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.builtin.inner_tensors import (
    consumer,
    producer,
    read_nodes,
    with_outputs,
)
from vidseek.encoders.builtin.maps import FrameMaps
from vidseek.encoders.manifest import read_manifest
from vidseek.encoders.runtime import onnxruntime_session
from vidseek.search.understanding.explain import peak_of

PICTURES = ("chelsea", "coffee", "motorcycle", "rocket")


@pytest.fixture(scope="module")
def encoder() -> BuiltinEncoder:
    return BuiltinEncoder(threads=1)


def picture(name: str, side: int = 128) -> np.ndarray:
    if name == "motorcycle":
        pixels = skimage.data.stereo_motorcycle()[0]
    else:
        pixels = getattr(skimage.data, name)()
    return np.asarray(Image.fromarray(pixels[..., :3]).resize((side, side)))


def test_words_point_at_their_quarter_of_a_collage(encoder: BuiltinEncoder) -> None:
    first, second, third, fourth = (picture(name) for name in PICTURES)
    collage = np.vstack([np.hstack([first, second]), np.hstack([third, fourth])])
    cells = encoder.encode_cells(collage[None])
    assert cells is not None
    assert cells.area == (0, 0, 1, 1)
    words = encoder.encode_text(["cat", "cup of coffee", "motorcycle", "rocket"])
    found = [peak_of(cells.vectors[0] @ word, cells.area) for word in words]
    quarters = [(x > 0.5, y > 0.5) for x, y in found]
    assert quarters == [(False, False), (True, False), (False, True), (True, True)]


def test_cells_are_unit_vectors_of_each_frame(encoder: BuiltinEncoder) -> None:
    assert isinstance(encoder, CellEncoder)
    frames = np.stack([picture(name, 64) for name in (*PICTURES, "chelsea")])
    cells = encoder.encode_cells(frames)
    assert cells is not None
    assert cells.vectors.shape == (5, 9, 9, encoder.spec.dimension)
    np.testing.assert_allclose(np.linalg.norm(cells.vectors, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(cells.vectors[0], cells.vectors[4], atol=1e-4)


def test_a_revision_without_names_has_cells_without_them(encoder: BuiltinEncoder) -> None:
    (revision,) = [each for each in read_manifest().earlier if not each.has_names]
    earlier = encoder.earlier(revision.spec.fingerprint)
    assert isinstance(earlier, CellEncoder)
    frame = picture("chelsea")[None]
    now, before = encoder.encode_cells(frame), earlier.encode_cells(frame)
    assert now is not None
    assert before is not None
    assert now.vectors.shape == before.vectors.shape
    assert abs(now.vectors - before.vectors).max() > 0.01


def test_attention_over_time_is_that_of_the_clip(encoder: BuiltinEncoder) -> None:
    assert isinstance(encoder, TimeAttentionEncoder)
    features = encoder.encode_frames(np.stack([picture(name, 64) for name in PICTURES]))
    seconds = np.array([5.0, 6.0, 7.0, 8.0])
    attention = encoder.attend_over_time(features, seconds)
    assert attention is not None
    heads, frames = attention.heads.shape
    assert frames == 4
    assert heads > 1
    assert (attention.heads >= 0).all()
    assert (attention.heads.sum(axis=1) <= 1.001).all()
    single = encoder.attend_over_time(features[:1], seconds[:1])
    assert single is not None
    assert single.length == pytest.approx(1, abs=1e-3)


def test_inner_tensors_leave_the_outputs_as_they_are() -> None:
    blob = read_manifest().read("temporal")
    nodes = read_nodes(blob)
    inner = producer(nodes, "clips").inputs[0]
    assert "clips" in consumer(nodes, inner).outputs or inner in consumer(nodes, inner).inputs
    rng = np.random.default_rng(0)
    inputs = {
        "vectors": rng.normal(size=(2, 3, 384)).astype(np.float32),
        "seconds": np.tile(np.arange(3, dtype=np.float32), (2, 1)),
        "mask": np.ones((2, 3), np.float32),
    }
    plain = onnxruntime_session(blob, threads=1).run(["clips"], inputs)[0]
    tapped = onnxruntime_session(with_outputs(blob, [inner]), threads=1)
    clips, sums = tapped.run(["clips", inner], inputs)
    np.testing.assert_array_equal(clips, plain)
    np.testing.assert_allclose(sums / np.linalg.norm(sums, axis=1, keepdims=True), clips, atol=1e-5)


@pytest.mark.parametrize("part", ["temporal", "text"])
def test_a_network_of_another_form_is_told(part: str) -> None:
    with pytest.raises(LookupError):
        FrameMaps(read_manifest().read(part), threads=1, names=True)


@pytest.mark.parametrize("blob", [b"not a network", b"\x3a\xff", b"\x3b"])
def test_bytes_of_no_network_are_told(blob: bytes) -> None:
    with pytest.raises(LookupError):
        producer(read_nodes(blob), "clips")
