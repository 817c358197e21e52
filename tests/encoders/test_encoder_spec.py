"""Specs and calibrations as vidseek 0.1.0 stored them: read, compared and written back."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from vidseek.core.types import Calibration, EncoderSpec
from vidseek.search.moments.confidence import is_usable
from vidseek.storage.store import LibraryStore


@dataclass(frozen=True)
class Stored:
    """What 0.1.0 stored of an encoder and of a calibration made with it."""

    document: str
    fingerprint: str
    noted: str
    """In the column ``encoder_revision`` of the calibration."""


STORED = {
    "builtin": Stored(
        '{"confidence_bias": -5.8039020425690175, '
        '"confidence_scale": 15.452454583505114, "dimension": 384, "head_hash": null, '
        '"image_size": 260, "name": "builtin", '
        '"preprocessing": "RGB; whole frame squashed to the square by Pillow '
        'bicubic with antialiasing (reducing_gap 3); (x - 127) / 128", '
        '"revision": "3", "token_dimension": 128, "tokens_per_frame": 8, '
        '"vision_hash": "e819b7fe21b4bfe8da24e2ed777c50aaab206f63b5847c305a4d21e666b88ba0"}',
        fingerprint="d670caeec6f65dca",
        noted="3",
    ),
    "trained": Stored(
        '{"confidence_bias": -5.8039020425690175, '
        '"confidence_scale": 15.452454583505114, "dimension": 384, "head_hash": null, '
        '"image_size": 260, "name": "/models/tuned", '
        '"preprocessing": "RGB; whole frame squashed to the square by Pillow '
        'bicubic with antialiasing (reducing_gap 3); (x - 127) / 128", '
        '"revision": "3-0123456789abcdef", "token_dimension": 128, '
        '"tokens_per_frame": 8, '
        '"vision_hash": "e819b7fe21b4bfe8da24e2ed777c50aaab206f63b5847c305a4d21e666b88ba0"}',
        fingerprint="54e01d8e84af6e1c",
        noted="3-0123456789abcdef",
    ),
    "third-party folder": Stored(
        '{"confidence_bias": null, "confidence_scale": null, "dimension": 24, '
        '"head_hash": null, "image_size": 32, "name": "hub:clip", '
        '"preprocessing": "resize short side 32x32 filter 3, crop (32, 32), '
        "scale 0.0039215686 mean (0.48145466, 0.4578275, 0.40821073) std (0.26862954, "
        '0.26130258, 0.27577711), patches 0 of 0", "revision": "/models/clip", '
        '"token_dimension": 0, "tokens_per_frame": 0, '
        '"vision_hash": "9f7c3bd1cab69d708c3f12a79132cdec1b33744f49060f3a6a8f77c116db2879"}',
        fingerprint="ec2433c031bba25e",
        noted="/models/clip",
    ),
    "hf": Stored(
        '{"confidence_bias": null, "confidence_scale": null, "dimension": 24, '
        '"head_hash": null, "image_size": 32, "name": "hub:clip", '
        '"preprocessing": "resize short side 32x32 filter 3, crop (32, 32), '
        "scale 0.0039215686 mean (0.48145466, 0.4578275, 0.40821073) std (0.26862954, "
        '0.26130258, 0.27577711), patches 0 of 0", '
        '"revision": "hf:openai/clip-vit-base-patch16@c0ffee0123456789c0ffee0123456789c0ffee01", '
        '"token_dimension": 0, "tokens_per_frame": 0, '
        '"vision_hash": "9f7c3bd1cab69d708c3f12a79132cdec1b33744f49060f3a6a8f77c116db2879"}',
        fingerprint="ec2433c031bba25e",
        noted="hf:openai/clip-vit-base-patch16@c0ffee0123456789c0ffee0123456789c0ffee01",
    ),
    "open_clip": Stored(
        '{"confidence_bias": null, "confidence_scale": null, "dimension": 24, '
        '"head_hash": null, "image_size": 32, "name": "hub:open_clip", '
        '"preprocessing": "resize short side 32x32 filter 3, crop (32, 32), '
        "scale 0.0039215686 mean (0.48, 0.46, 0.41) std (0.27, 0.26, 0.28), "
        'patches 0 of 0, middle rounded", '
        '"revision": "open_clip:ViT-B-32/laion2b_s34b_b79k'
        '@c0ffee0123456789c0ffee0123456789c0ffee01", '
        '"token_dimension": 0, "tokens_per_frame": 0, '
        '"vision_hash": "12bc98602b5676865b32cba8566387ce31b5f59fd88d5b62b50a59cfb698aa60"}',
        fingerprint="58f8261da4b09255",
        noted="open_clip:ViT-B-32/laion2b_s34b_b79k@c0ffee0123456789c0ffee0123456789c0ffee01",
    ),
    "head": Stored(
        '{"confidence_bias": null, "confidence_scale": null, "dimension": 24, '
        '"head_hash": "ed88c96181af9776de63c571b4db91e2af0c4f16b3f1d1f900bb112948806683", '
        '"image_size": 32, "name": "hub:clip", '
        '"preprocessing": "resize short side 32x32 filter 3, crop (32, 32), '
        "scale 0.0039215686 mean (0.48145466, 0.4578275, 0.40821073) std (0.26862954, "
        '0.26130258, 0.27577711), patches 0 of 0", "revision": "/models/head", '
        '"token_dimension": 0, "tokens_per_frame": 0, '
        '"vision_hash": "9f7c3bd1cab69d708c3f12a79132cdec1b33744f49060f3a6a8f77c116db2879"}',
        fingerprint="ec2433c031bba25e",
        noted="head ed88c96181af9776de63c571b4db91e2af0c4f16b3f1d1f900bb112948806683",
    ),
    "custom": Stored(
        '{"confidence_bias": null, "confidence_scale": null, "dimension": 48, '
        '"head_hash": null, "image_size": 256, "name": "colours", '
        '"preprocessing": "mean colours of a 4 x 4 grid", "revision": "1", '
        '"token_dimension": 48, "tokens_per_frame": 1, '
        '"vision_hash": "0000000000000000000000000000000000000000000000000000000000000000"}',
        fingerprint="ee5a0e53e3332ad0",
        noted="1",
    ),
}

COMMIT = "c0ffee0123456789c0ffee0123456789c0ffee01"
FIELDS = {
    "builtin": ("builtin", "builtin", "3", None),
    "trained": ("/models/tuned", "trained", "3-0123456789abcdef", None),
    "third-party folder": ("/models/clip", "third-party", "", "clip"),
    "hf": (f"hf:openai/clip-vit-base-patch16@{COMMIT}", "third-party", COMMIT, "clip"),
    "open_clip": (
        f"open_clip:ViT-B-32/laion2b_s34b_b79k@{COMMIT}",
        "third-party",
        COMMIT,
        "open_clip",
    ),
    "head": ("/models/head", "third-party", "", "clip"),
    "custom": ("colours", "custom", "1", None),
}
"""Source, kind, revision, family."""

every_kind = pytest.mark.parametrize("kind", STORED)


def stored_spec(kind: str) -> EncoderSpec:
    return EncoderSpec.from_document(json.loads(STORED[kind].document))


@every_kind
def test_a_document_of_0_1_0_is_read_with_the_same_fingerprint(kind: str) -> None:
    spec = stored_spec(kind)
    assert (spec.source, spec.kind, spec.revision, spec.family) == FIELDS[kind]
    assert spec.fingerprint == STORED[kind].fingerprint


@every_kind
def test_a_document_is_written_as_0_1_0_wrote_it(kind: str) -> None:
    assert json.dumps(stored_spec(kind).to_document(), sort_keys=True) == STORED[kind].document


def test_fields_of_a_newer_vidseek_are_ignored() -> None:
    document = json.loads(STORED["hf"].document) | {"audio_hash": "0"}
    assert EncoderSpec.from_document(document) == stored_spec("hf")


def test_a_head_changes_no_fingerprint() -> None:
    assert stored_spec("head").head_hash is not None
    assert stored_spec("head").fingerprint == stored_spec("third-party folder").fingerprint


@pytest.mark.parametrize(("kind", "family"), [("third-party", None), ("builtin", "clip")])
def test_a_family_belongs_to_a_third_party_model(kind, family) -> None:
    with pytest.raises(ValueError, match="family"):
        replace(stored_spec("custom"), kind=kind, family=family)


@pytest.fixture
def library_of_0_1_0(tmp_path: Path):
    """A library whose rows of one encoder and its calibration are those that 0.1.0 wrote."""

    def make(kind: str) -> LibraryStore:
        stored = STORED[kind]
        with LibraryStore.open(tmp_path / "library", create=True):
            pass
        with sqlite3.connect(tmp_path / "library" / "library.db") as database:
            database.execute(
                "INSERT INTO encoders (id, fingerprint, spec) VALUES (1, ?, ?)",
                (stored.fingerprint, stored.document),
            )
            database.execute("UPDATE library SET active_encoder = ?", (stored.fingerprint,))
            database.execute(
                "INSERT INTO calibrations (encoder_id, scale, bias, method, clips,"
                " encoder_revision) VALUES (1, 3.0, -1.0, 'queries', 150, ?)",
                (stored.noted,),
            )
        database.close()
        return LibraryStore.open(tmp_path / "library")

    return make


@every_kind
def test_a_calibration_of_0_1_0_is_used_and_stored_again(kind: str, library_of_0_1_0) -> None:
    with library_of_0_1_0(kind) as store:
        spec = store.encoders.active()
        calibration = store.encoders.calibration(spec.fingerprint)
        assert (calibration.scale, calibration.bias) == (3.0, -1.0)
        assert is_usable(spec, calibration)
        store.encoders.set_calibration(spec.fingerprint, calibration)
        assert store.encoders.calibration(spec.fingerprint) == calibration


def test_a_calibration_of_other_scores_is_not_used() -> None:
    plain, head = stored_spec("third-party folder"), stored_spec("head")
    with_head = Calibration(3.0, -1.0, "queries", 150, "", head_hash=head.head_hash)
    without = Calibration(3.0, -1.0, "queries", 150, "")
    assert is_usable(head, with_head)
    assert is_usable(plain, without)
    assert not is_usable(head, without)
    assert not is_usable(plain, with_head)
    assert not is_usable(head, replace(with_head, head_hash="0" * 64))
    older = Calibration(3.0, -1.0, "queries", 150, "2")
    assert not is_usable(stored_spec("builtin"), older)
