"""Libraries of the revisions before this one: comparable vectors from the current weights."""

from __future__ import annotations

import numpy as np
import pytest

from vidseek.encoders.base import (
    LimitedTextEncoder,
    MonolingualEncoder,
    RevisedEncoder,
    TimeAttentionEncoder,
)
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import read_manifest

FRAMES = np.random.default_rng(0).integers(0, 256, (2, 90, 120, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def encoder() -> BuiltinEncoder:
    return BuiltinEncoder()


def stood_in_for(encoder, *, has_names):
    (revision,) = [each for each in read_manifest().earlier if each.has_names is has_names]
    found = encoder.earlier(revision.spec.fingerprint)
    assert found is not None
    return found


@pytest.fixture(scope="module", params=[False, True], ids=["nameless", "with names"])
def earlier(encoder, request):
    return stood_in_for(encoder, has_names=request.param)


def test_only_the_earlier_revisions_are_stood_in_for(encoder, earlier):
    assert isinstance(encoder, RevisedEncoder)
    assert earlier.spec.revision < encoder.spec.revision
    assert earlier.spec.kind == "builtin"
    assert earlier.spec.fingerprint != encoder.spec.fingerprint
    assert encoder.earlier(encoder.spec.fingerprint) is None
    assert encoder.earlier("0123456789abcdef") is None


def test_frames_without_names_make_clips_that_are_means(encoder):
    earlier = stood_in_for(encoder, has_names=False)
    now, before = encoder.encode_frames(FRAMES), earlier.encode_frames(FRAMES)
    assert before.vectors.shape == now.vectors.shape
    np.testing.assert_allclose(np.linalg.norm(before.vectors, axis=1), 1, atol=1e-5)
    assert np.abs(now.vectors - before.vectors).max() > 1e-3
    mean = before.vectors.mean(0)
    (clip,) = earlier.encode_clips(before, np.array([0.0, 1.0]), [slice(0, 2)])
    np.testing.assert_allclose(clip, mean / np.linalg.norm(mean), atol=1e-5)


def test_the_revision_with_names_has_the_current_frames_clips_and_attention(encoder):
    earlier = stood_in_for(encoder, has_names=True)
    now, before = encoder.encode_frames(FRAMES), earlier.encode_frames(FRAMES)
    np.testing.assert_array_equal(before.vectors, now.vectors)
    times, clips = np.array([0.0, 1.0]), [slice(0, 2)]
    np.testing.assert_array_equal(
        earlier.encode_clips(before, times, clips), encoder.encode_clips(now, times, clips)
    )
    assert isinstance(earlier, TimeAttentionEncoder)
    attention, own = (each.attend_over_time(now, times) for each in (earlier, encoder))
    np.testing.assert_array_equal(attention.heads, own.heads)


def test_it_reads_texts_as_the_current_revision_does(encoder, earlier):
    texts = ["a dog runs", "a lion"]
    np.testing.assert_array_equal(earlier.encode_text(texts), encoder.encode_text(texts))
    assert isinstance(earlier, MonolingualEncoder)
    assert isinstance(earlier, LimitedTextEncoder)
    assert not earlier.understands("собака")
    assert not earlier.reads_whole("a dog " * 100)
    assert earlier.hubness is not None
    assert not earlier.reranks
