"""The two runtimes of the visual part give the same result."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from vidseek.encoders import runtime
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import read_manifest
from vidseek.encoders.preprocessing import squash
from vidseek.encoders.runtime import OpenVinoSession, visual_runtime, visual_session


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    from skimage import data

    some = (data.cat(), data.coffee(), data.astronaut(), data.rocket(), data.chelsea()[:200])
    return np.concatenate([squash(picture[None], 260) for picture in some])


@pytest.fixture(scope="module")
def openvino_session() -> OpenVinoSession:
    pytest.importorskip("openvino")
    return OpenVinoSession(read_manifest().read("vision"), threads=2)


def test_both_runtimes_see_the_same(pictures):
    pytest.importorskip("openvino")
    plain = BuiltinEncoder(runtime="onnxruntime").encode_frames(pictures)
    fast = BuiltinEncoder(runtime="openvino").encode_frames(pictures)
    assert (plain.vectors * fast.vectors).sum(1).min() > 0.99
    np.testing.assert_allclose(np.linalg.norm(fast.vectors, axis=1), 1.0, atol=1e-5)
    size = np.linalg.norm(plain.tokens, axis=-1) * np.linalg.norm(fast.tokens, axis=-1)
    assert ((plain.tokens * fast.tokens).sum(-1) / size).min() > 0.98


def test_batches_of_any_size_follow_each_other(openvino_session, pictures):
    names = ["vectors", "tokens"]
    whole, tokens = openvino_session.run(names, {"pictures": pictures})
    assert tokens.dtype == np.float32
    kept = whole.copy()
    for count in (1, 4, 2, 5):
        vectors, _ = openvino_session.run(names, {"pictures": pictures[:count]})
        assert vectors.shape == (count, 384)
        assert (vectors * whole[:count]).sum(1).min() > 0.999
    np.testing.assert_array_equal(whole, kept, "a later batch wrote over an earlier result")


def test_several_threads_get_their_own_results(openvino_session, pictures):
    expected, _ = openvino_session.run(["vectors", "tokens"], {"pictures": pictures})
    wrong: list[int] = []

    def work(place: int) -> None:
        for _ in range(5):
            vectors, _ = openvino_session.run(
                ["vectors", "tokens"], {"pictures": pictures[place : place + 1]}
            )
            if float((vectors[0] * expected[place]).sum()) < 0.999:
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_without_openvino_onnx_runtime_computes(monkeypatch, pictures):
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    assert visual_runtime() == "onnxruntime"
    session = visual_session(read_manifest().read("vision"), threads=1)
    (vectors,) = session.run(["vectors"], {"pictures": pictures[:2]})
    assert vectors.shape == (2, 384)
    assert not isinstance(session, OpenVinoSession)
