"""Tokens of frames are stored only for an encoder that re-ranks, and may be missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from colour_videos import write_colours
from palette_encoder import HeadlessEncoder, PaletteEncoder
from reranking_model import add_head

import vidseek
from vidseek.core.types import FrameFeatures
from vidseek.encoders.builtin.encoder import BuiltinEncoder


@pytest.mark.parametrize("encoder_class", [PaletteEncoder, HeadlessEncoder])
def test_tokens_are_stored_for_an_encoder_that_reranks(tmp_path, encoder_class) -> None:
    encoder = encoder_class()
    write_colours(tmp_path / "films" / "a.mp4", ["red", "blue"])
    with vidseek.open(tmp_path / "library", encoder=encoder) as library:
        library.index(tmp_path / "films")
        store = library._store
        (video,) = library.videos()
        ids = [clip.id for clip in store.videos.clips(video.id)]
        stored = store.clip_vectors.frame_features(ids, encoder.spec.fingerprint)
        assert {frames.tokens.shape[1] for frames in stored} == {int(encoder.reranks)}
        assert store.find_problems() == []
        assert library.search("red")


@pytest.mark.full
def test_a_head_leaves_the_scores_of_clips_without_tokens(tmp_path: Path) -> None:
    """For a library that was encoded while the head was switched off."""
    encoder = BuiltinEncoder(add_head(tmp_path / "model"))
    random = np.random.default_rng(0)
    features = encoder.encode_frames(random.integers(0, 256, (4, 40, 40, 3), np.uint8))
    clips = [features[:2], features[2:].without_tokens()]
    first = np.array([0.2, 0.3], np.float32)
    scores = encoder.rerank("a dog", clips, first)
    assert scores[1] == first[1]
    assert scores[0] == encoder.rerank("a dog", clips[:1], first[:1])[0]
    bare = [FrameFeatures.without_tokens(clip) for clip in clips]
    assert np.array_equal(encoder.rerank("a dog", bare, first), first)
