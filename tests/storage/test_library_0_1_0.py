"""A library that vidseek 0.1.0 wrote gives the same hits and scores, and can be written to.

``data/library_0_1_0.sql`` is its database, dumped by sqlite3; ``data/library_0_1_0.json`` is what
0.1.0 itself found in it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from library_samples import SPEC, clips, unit_vectors, video

from vidseek.core.types import (
    Calibration,
    CopyFrames,
    CopyMatch,
    EncoderSpec,
    TimeSpan,
    VideoFilter,
    VideoState,
)
from vidseek.storage.store import LibraryStore

DATA = Path(__file__).with_name("data")
EXPECTED: dict[str, Any] = json.loads((DATA / "library_0_1_0.json").read_text("utf-8"))
IDS: dict[str, int] = EXPECTED["ids"]
HEAD_HASH = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LibraryStore]:
    folder = tmp_path / "library"
    folder.mkdir()
    with sqlite3.connect(folder / "library.db") as connection:
        connection.executescript((DATA / "library_0_1_0.sql").read_text("utf-8"))
    connection.close()
    with LibraryStore.open(folder) as opened:
        yield opened
        assert opened.find_problems() == []


def specs(store: LibraryStore) -> dict[str, EncoderSpec]:
    sample, third_party, trained = store.encoders.specs()
    return {"sample": sample, "third-party": third_party, "trained": trained}


def test_models_and_calibrations_are_the_same(store: LibraryStore) -> None:
    stored = specs(store)
    fingerprints = {name: spec.fingerprint for name, spec in stored.items()}
    assert fingerprints == EXPECTED["fingerprints"]
    assert stored["sample"] == SPEC == store.encoders.active()
    assert stored["third-party"].source == "openai/clip@0123abc"
    assert stored["third-party"].head_hash == HEAD_HASH
    assert stored["trained"].source == "/models/mine"
    assert stored["trained"].confidence_scale == 2.0
    models = {model.spec.fingerprint: model for model in store.encoders.models()}
    assert models[fingerprints["sample"]].is_complete
    assert models[fingerprints["third-party"]].encoded_videos == 2
    assert store.encoders.calibration(fingerprints["sample"]) == Calibration(
        3.0, -1.0, "queries", 150, "1", hubness=b"bank"
    )
    calibration = store.encoders.calibration(fingerprints["third-party"])
    assert calibration is not None
    assert calibration.head_hash == HEAD_HASH


@pytest.mark.parametrize("name", ["sample", "third-party"])
def test_hits_and_scores_are_the_same(store: LibraryStore, name: str) -> None:
    spec = specs(store)[name]
    assert list(store.clip_vectors.position()) == EXPECTED["positions"]
    index = store.vector_index(spec)
    index.refresh()
    scores, ids = index.search(unit_vectors(2, 5, dimension=spec.dimension), 5)
    assert ids.tolist() == EXPECTED["hits"][name]["ids"]
    assert np.allclose(scores, EXPECTED["hits"][name]["scores"], atol=1e-6)
    assert index.verify(repair=False) == []


def test_videos_and_copies_are_the_same(store: LibraryStore) -> None:
    states = {video.path.stem: video.state for video in store.videos.select()}
    assert states == {
        **dict.fromkeys("abcd", VideoState.INDEXED),
        "f": VideoState.MISSING,
        "notes": VideoState.FAILED,
    }
    (match,) = store.copy_matches.read()
    assert match == CopyMatch(
        video_id=IDS["b"],
        other_id=IDS["a"],
        span=TimeSpan(0.0, 4.0),
        other_span=TimeSpan(1.0, 5.0),
        speed=1.0,
        score=0.9,
        mirrored=False,
    )
    (block,) = store.reference_index("descriptor").blocks()
    assert set(block.video_ids) == {IDS["a"], IDS["b"], IDS["d"]}
    assert store.copy_matches.videos_to_compare("descriptor") == [IDS["a"], IDS["d"]]
    (waiting,) = store.videos.without_copy_descriptors("descriptor")
    assert waiting.id == IDS["c"]


def test_it_can_be_written_to(store: LibraryStore) -> None:
    stored = specs(store)
    index = store.vector_index(SPEC)
    index.refresh()
    with store.lease():
        added = store.videos.add(
            video("/v/new.mp4"),
            clips(3, 40),
            fingerprint=SPEC.fingerprint,
            copies=frames(5, 1),
            copies_fingerprint="descriptor",
        )
        assert added.id > max(IDS.values()) + 1, "the id of a removed video is not used again"
        found = store.videos.clips(IDS["c"])
        made = clips(4, 41, spec=stored["third-party"])
        encoded = {clip.id: each for clip, each in zip(found, made, strict=True)}
        third_party = stored["third-party"].fingerprint
        assert store.clip_vectors.add(IDS["c"], encoded, fingerprint=third_party)
        described = replace(frames(4, 2), video_id=IDS["c"])
        assert store.copy_descriptors.add(described, "descriptor")
    assert store.remove_videos([IDS["a"]]) == 1
    assert store.videos.relocate(Path("/v"), Path("/w")) == 6
    assert store.encoders.set_calibration(third_party, None)
    store.encoders.activate(third_party)
    index.refresh()
    assert index.count(where=VideoFilter(path_glob="/w/new.mp4")) == 3
    assert index.count() == 4 * 3 + 3
    blocks = list(store.reference_index("descriptor").blocks())
    assert {i for block in blocks for i in block.video_ids} == {
        IDS["b"],
        IDS["c"],
        IDS["d"],
        added.id,
    }
    assert store.copy_matches.read() == []
    assert store.drop_model(stored["trained"].fingerprint) >= 0


def frames(count: int, seed: int) -> CopyFrames:
    random = np.random.default_rng(seed)
    return CopyFrames(0, np.arange(count) * 1.0, random.integers(-20, 21, (count, 16), np.int8))
