"""Libraries of the revision before this one: the same vectors from the current weights."""

from __future__ import annotations

import numpy as np
import pytest

from vidseek.encoders.base import LimitedTextEncoder, MonolingualEncoder, RevisedEncoder
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import read_manifest


@pytest.fixture(scope="module")
def encoder() -> BuiltinEncoder:
    return BuiltinEncoder()


@pytest.fixture(scope="module")
def earlier(encoder):
    revision = read_manifest().earlier
    assert revision is not None
    found = encoder.earlier(revision.spec.fingerprint)
    assert found is not None
    return found


def test_only_the_earlier_revision_is_stood_in_for(encoder, earlier):
    assert isinstance(encoder, RevisedEncoder)
    assert earlier.spec.revision == "3"
    assert earlier.spec.kind == "builtin"
    assert encoder.spec.revision == "4"
    assert earlier.spec.fingerprint != encoder.spec.fingerprint
    assert encoder.earlier(encoder.spec.fingerprint) is None
    assert encoder.earlier("0123456789abcdef") is None


def test_its_frames_lack_names_and_its_clips_are_means(encoder, earlier):
    frames = np.random.default_rng(0).integers(0, 256, (2, 90, 120, 3)).astype(np.uint8)
    now, before = encoder.encode_frames(frames), earlier.encode_frames(frames)
    assert before.vectors.shape == now.vectors.shape
    np.testing.assert_allclose(np.linalg.norm(before.vectors, axis=1), 1, atol=1e-5)
    assert np.abs(now.vectors - before.vectors).max() > 1e-3
    mean = before.vectors.mean(0)
    (clip,) = earlier.encode_clips(before, np.array([0.0, 1.0]), [slice(0, 2)])
    np.testing.assert_allclose(clip, mean / np.linalg.norm(mean), atol=1e-5)


def test_it_reads_texts_as_the_current_revision_does(encoder, earlier):
    texts = ["a dog runs", "a lion"]
    np.testing.assert_array_equal(earlier.encode_text(texts), encoder.encode_text(texts))
    assert isinstance(earlier, MonolingualEncoder)
    assert isinstance(earlier, LimitedTextEncoder)
    assert not earlier.understands("собака")
    assert not earlier.reads_whole("a dog " * 100)
    assert earlier.hubness is not None
    assert not earlier.reranks
