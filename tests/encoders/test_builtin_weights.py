"""Weight files that are missing, damaged or from different models."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from reranking_model import add_head

from vidseek.core.errors import WeightsError
from vidseek.core.types import FrameFeatures
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.manifest import (
    FILES,
    HEAD,
    MANIFEST_NAME,
    PARTS,
    WEIGHTS_FOLDER,
    read_manifest,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped weights to damage."""
    copied = tmp_path / "weights"
    copied.mkdir()
    parts = read_manifest().parts
    for name in (MANIFEST_NAME, *(part.file for part in parts.values())):
        shutil.copy(WEIGHTS_FOLDER / name, copied / name)
    return copied


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def edit_manifest(folder: Path, change) -> None:
    table = json.loads((folder / MANIFEST_NAME).read_text())
    change(table)
    (folder / MANIFEST_NAME).write_text(json.dumps(table))


def test_the_shipped_files_are_those_of_the_manifest():
    manifest = read_manifest()
    for part in PARTS:
        assert manifest.read(part)


def test_the_shipped_files_leave_room_in_the_repository():
    total = sum(path.stat().st_size for path in WEIGHTS_FOLDER.glob("*"))
    assert total <= 38e6


def test_truncated_weights_are_refused_with_the_file_and_both_hashes(folder):
    path = folder / "text.onnx"
    blob = path.read_bytes()[:-1000]
    path.write_bytes(blob)
    encoder = BuiltinEncoder(folder)
    with pytest.raises(WeightsError) as caught:
        encoder.encode_text(["a dog"])
    message = str(caught.value)
    assert str(path) in message
    assert read_manifest(folder).parts["text"].sha256 in message
    assert hashlib.sha256(blob).hexdigest() in message


def test_swapped_weights_are_refused_with_the_file_and_both_hashes(folder):
    vision, text = folder / "vision.onnx", folder / "text.onnx"
    kept = vision.read_bytes()
    vision.write_bytes(text.read_bytes())
    text.write_bytes(kept)
    encoder = BuiltinEncoder(folder)
    with pytest.raises(WeightsError, match="vision") as of_vision:
        encoder.encode_frames(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(WeightsError, match="text") as of_text:
        encoder.encode_text(["a dog"])
    hashes = [part.sha256 for part in map(read_manifest(folder).parts.get, ("vision", "text"))]
    for path, caught in ((vision, of_vision), (text, of_text)):
        assert str(path) in str(caught.value)
        assert all(each in str(caught.value) for each in hashes)


@pytest.mark.parametrize("part", PARTS)
def test_no_part_runs_with_a_changed_byte(folder, part):
    path = folder / f"{part}.onnx"
    blob = bytearray(path.read_bytes())
    blob[len(blob) // 2] ^= 1
    path.write_bytes(blob)
    frame = FrameFeatures(np.zeros((1, 384), np.float32), np.zeros((1, 8, 128), np.float32))
    encoder = BuiltinEncoder(folder)
    actions = {
        "text": lambda: encoder.encode_text(["a dog"]),
        "vision": lambda: encoder.encode_frames(np.zeros((1, 8, 8, 3), np.uint8)),
        "temporal": lambda: encoder.encode_clips(frame, np.zeros(1), [slice(0, 1)]),
    }
    with pytest.raises(WeightsError) as caught:
        actions[part]()
    for said in (str(path), read_manifest(folder).parts[part].sha256, sha256(path)):
        assert said in str(caught.value)


def test_files_swapped_under_a_manifest_of_their_hashes_are_refused(folder):
    """A rewritten manifest cannot hide that the vision file is not the vision network."""
    shutil.copy(folder / "text.onnx", folder / "vision.onnx")
    edit_manifest(
        folder,
        lambda table: table["parts"]["vision"].update(sha256=sha256(folder / "vision.onnx")),
    )
    with pytest.raises(WeightsError, match=r"vision\.onnx: .*'pictures'"):
        BuiltinEncoder(folder).encode_frames(np.zeros((1, 8, 8, 3), np.uint8))


def test_weights_of_other_sizes_than_the_manifests_are_refused(folder):
    edit_manifest(folder, lambda table: table["spec"].update(tokens_per_frame=5))
    with pytest.raises(WeightsError, match=r"vision\.onnx: .*5"):
        BuiltinEncoder(folder).encode_frames(np.zeros((1, 8, 8, 3), np.uint8))


def test_a_damaged_part_leaves_the_others_usable(folder):
    (folder / "vision.onnx").unlink()
    encoder = BuiltinEncoder(folder)
    assert encoder.encode_text(["a dog"]).shape == (1, 384)
    with pytest.raises(WeightsError, match=r"vision\.onnx: cannot be read"):
        encoder.encode_frames(np.zeros((1, 8, 8, 3), np.uint8))


def test_right_hash_of_a_file_that_is_no_model_is_a_clear_error(folder):
    (folder / "temporal.onnx").write_bytes(b"no model")

    def accept(table):
        table["parts"]["temporal"]["sha256"] = hashlib.sha256(b"no model").hexdigest()

    edit_manifest(folder, accept)
    encoder = BuiltinEncoder(folder)
    features = encoder.encode_frames(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(WeightsError, match=r"temporal\.onnx: cannot be loaded"):
        encoder.encode_clips(features, np.zeros(1), [slice(0, 1)])


def test_missing_manifest_is_a_weights_error(tmp_path):
    with pytest.raises(WeightsError, match=r"manifest\.json: cannot be read"):
        BuiltinEncoder(tmp_path)


@pytest.mark.full
def test_a_head_is_part_of_a_model_that_has_one(tmp_path):
    """As in folders that earlier versions wrote; it does not change the vectors' fingerprint."""
    folder = add_head(tmp_path / "model")
    manifest = read_manifest(folder)
    assert manifest.rerank
    assert set(manifest.parts) - set(read_manifest().parts) == {HEAD}
    # The name of the folder is part of the fingerprint.
    spec, revisions = manifest.spec.to_document(), dict.fromkeys(PARTS, "4")
    del spec["vision_hash"]
    without = write_manifest(folder, spec=spec, revisions=revisions, rerank=True)
    assert not without.rerank
    assert HEAD not in without.parts
    assert without.spec.fingerprint == manifest.spec.fingerprint
    write_manifest(folder, spec=spec, revisions=revisions | {HEAD: "4"}, rerank=True)
    path = folder / FILES[HEAD]
    path.write_bytes(path.read_bytes()[:-1])
    frame = FrameFeatures(np.zeros((1, 384), np.float32), np.zeros((1, 8, 128), np.float32))
    with pytest.raises(WeightsError, match=r"cross_modal\.onnx"):
        BuiltinEncoder(folder).rerank("a", [frame], np.zeros(1, np.float32))


def test_garbage_and_incomplete_manifests_are_weights_errors(folder):
    (folder / MANIFEST_NAME).write_text("{")
    with pytest.raises(WeightsError, match="is not JSON"):
        BuiltinEncoder(folder)
    (folder / MANIFEST_NAME).write_text('{"format": 1, "parts": {}}')
    with pytest.raises(WeightsError, match="incomplete"):
        BuiltinEncoder(folder)


def test_weights_of_another_format_say_so(folder):
    edit_manifest(folder, lambda table: table.update(format=99))
    with pytest.raises(WeightsError, match="format 99"):
        BuiltinEncoder(folder)


def test_fingerprint_follows_the_visual_parts_only(folder):
    before = read_manifest(folder).spec.fingerprint

    def revise(part):
        def change(table):
            table["parts"][part]["sha256"] = "0" * 64

        edit_manifest(folder, change)
        return read_manifest(folder).spec.fingerprint

    assert revise("text") == before
    changed = revise("temporal")
    assert changed != before
    assert revise("vision") not in {before, changed}


def test_a_manifest_is_read_as_it_was_written(folder):
    manifest = read_manifest(folder)
    spec = json.loads((folder / MANIFEST_NAME).read_text())["spec"]
    revisions = dict.fromkeys(PARTS, "next")
    written = write_manifest(
        folder, spec=spec | {"revision": "next"}, revisions=revisions, rerank=False
    )
    assert written.spec.fingerprint == manifest.spec.fingerprint
    assert written.spec.revision == "next"
    assert {part.revision for part in written.parts.values()} == {"next"}


def test_revisions_with_the_same_vision_file_share_their_frames(folder):
    spec = json.loads((folder / MANIFEST_NAME).read_text())["spec"]
    encoder = BuiltinEncoder(folder)
    assert not encoder.shares_frames("0123456789abcdef")
    write_manifest(
        folder,
        spec=spec,
        revisions=dict.fromkeys(PARTS, "next"),
        rerank=False,
        same_frames=["0123456789abcdef"],
    )
    encoder = BuiltinEncoder(folder)
    assert encoder.shares_frames("0123456789abcdef")
    assert not encoder.shares_frames(encoder.spec.fingerprint)


def rewrite_manifest(folder: Path) -> None:
    manifest = read_manifest(folder)
    spec = json.loads((folder / MANIFEST_NAME).read_text())["spec"]
    write_manifest(folder, spec=spec, revisions=dict.fromkeys(PARTS, "1"), rerank=manifest.rerank)


def test_the_bank_of_sentences_is_a_part_that_may_be_missing(folder):
    bank = np.eye(4, 384, dtype=np.float32)
    (folder / "hubness.npz").write_bytes(
        HubnessCorrection(bank, 2, weight=0.5, usual=0.1).to_bytes()
    )
    rewrite_manifest(folder)
    found = BuiltinEncoder(folder).hubness
    assert found is not None
    assert (found.neighbours, found.weight) == (2, 0.5)
    np.testing.assert_allclose(found.bank, bank)
    (folder / "hubness.npz").unlink()
    with pytest.raises(WeightsError, match=r"hubness\.npz"):
        BuiltinEncoder(folder).hubness  # noqa: B018 - the file is read when it is asked for
    rewrite_manifest(folder)
    assert BuiltinEncoder(folder).hubness is None


def test_a_bank_of_sentences_that_is_none_is_refused(folder):
    (folder / "hubness.npz").write_bytes(b"something else")
    rewrite_manifest(folder)
    with pytest.raises(WeightsError, match=r"hubness\.npz: no bank of sentences"):
        BuiltinEncoder(folder).hubness  # noqa: B018 - the file is read when it is asked for


def test_other_scripts_are_not_understood_and_accents_are():
    encoder = BuiltinEncoder()
    assert all(map(encoder.understands, ["a café by the sea", "", "2024"]))
    assert not encoder.understands("собака")
