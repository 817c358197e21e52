"""What can be wrong with a third-party model, and the next step in the message."""

from __future__ import annotations

import json
import shutil
import struct
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from vidseek.core.errors import (
    DownloadRefusedError,
    EncoderError,
    GatedModelError,
    Hint,
    MissingExtraError,
    ModelDownloadError,
    ModelNotFoundError,
    UnknownEncoderError,
    UnsupportedModelError,
    WeightsError,
)
from vidseek.encoders.hub import download
from vidseek.encoders.hub.catalogue import CATALOGUE, find_model
from vidseek.encoders.hub.checkpoint import read_checkpoint, weights_hash
from vidseek.encoders.hub.families import FAMILIES, OPEN_CLIP
from vidseek.encoders.hub.preprocessing import read_rules
from vidseek.encoders.model_ref import ModelRef
from vidseek.encoders.registry import create_encoder

CLIP = {"model_type": "clip", "architectures": ["CLIPModel"]}


def write_model(folder: Path, config: dict[str, object] | None = None) -> Path:
    """A folder in the form of a checkpoint, with a single number as weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config or CLIP))
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    blob = struct.pack("<Q", len(header)) + header + b"\0\0\0\0"
    (folder / "model.safetensors").write_bytes(blob)
    return folder


def test_names_of_the_catalogue_are_unique_and_of_known_families():
    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)
    for model in CATALOGUE:
        assert model.family in {*FAMILIES, OPEN_CLIP.name}
        assert ModelRef.parse(model.name).repository == model.repository
    assert find_model("no such") is None


@pytest.mark.parametrize(
    ("name", "repository", "revision"),
    [
        ("hf:openai/clip-vit-base-patch16", "openai/clip-vit-base-patch16", None),
        ("hf:a/b@refs/pr/4", "a/b", "refs/pr/4"),
        ("hf:a/b@0123abc", "a/b", "0123abc"),
    ],
)
def test_repositories_are_named_with_their_revision(name, repository, revision):
    source = ModelRef.parse(name)
    assert source.kind == "third-party"
    assert (source.repository, source.revision, source.folder) == (repository, revision, None)


@pytest.mark.parametrize("name", ["hf:", "hf:clip", "hf:a/b/c", "hf:a b/c"])
def test_a_name_that_is_none_is_refused_with_an_example(name):
    with pytest.raises(ModelNotFoundError):
        create_encoder(name)


def test_a_repository_without_its_prefix_is_recognised():
    with pytest.raises(ModelNotFoundError) as error:
        create_encoder("openai/clip-vit-base-patch16")
    hub_name = {"model": "hf:openai/clip-vit-base-patch16"}
    assert error.value.hint == Hint("try_hub_model", hub_name)


def test_an_unknown_word_names_the_ways_to_a_model():
    with pytest.raises(UnknownEncoderError) as error:
        create_encoder("clipp")
    assert error.value.hint == Hint("list_known_models")


def test_a_missing_extra_is_named_with_the_command(tmp_path, monkeypatch):
    write_model(tmp_path / "model")
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)
    with pytest.raises(MissingExtraError) as error:
        create_encoder(str(tmp_path / "model"))
    assert error.value.hint == Hint("install_extra", {"extra": "hub"})


def test_the_catalogue_knows_which_extra_a_model_needs(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)
    for name, extra in (("pe-core-base", "open-clip"), ("clip-base", "hub")):
        with pytest.raises(MissingExtraError) as error:
            create_encoder(name)
        assert error.value.hint == Hint("install_extra", {"extra": extra})


@pytest.mark.parametrize("name", ["./nope", "../models/nope"])
def test_a_folder_that_is_not_there_is_not_taken_for_a_repository(name):
    with pytest.raises(ModelNotFoundError) as error:
        create_encoder(name)
    assert error.value.hint is not None
    assert error.value.hint.action == "restore_model"


def test_a_model_without_a_name_is_refused():
    with pytest.raises(UnknownEncoderError):
        create_encoder(" ")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "bert", "vocab_size": 9}, "encodes only text"),
        ({"model_type": "clip_text_model", "vocab_size": 9}, "encodes only text"),
        ({"model_type": "vit", "image_size": 224}, "encodes only pictures"),
        ({"model_type": "siglip_vision_model", "image_size": 224}, "encodes only pictures"),
        ({"model_type": "blip", "text_config": {}, "vision_config": {}}, "not a dual encoder"),
        ({**CLIP, "architectures": ["CLIPForImageClassification"]}, "not a dual encoder"),
        ({"hello": 1}, "not a dual encoder"),
    ],
)
def test_models_of_other_kinds_are_refused(tmp_path, config, message):
    with pytest.raises(UnsupportedModelError, match=message) as error:
        read_checkpoint(write_model(tmp_path / "model", config))
    assert error.value.hint == Hint("list_known_models")


def test_open_clip_models_are_distinguished_from_transformers_models(tmp_path):
    folder = write_model(tmp_path / "model")
    described = {"model_cfg": {"embed_dim": 4, "vision_cfg": {}, "text_cfg": {}}}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    (folder / "preprocessor_config.json").write_text("{}")
    assert read_checkpoint(folder).family.name == "clip"
    with pytest.raises(WeightsError, match=r"no open_clip_model\.safetensors"):
        read_checkpoint(folder, open_clip=True)
    (folder / "preprocessor_config.json").unlink()  # config.json alone may be that of timm
    assert read_checkpoint(folder).family.name == "open_clip"
    (folder / "config.json").unlink()
    checkpoint = read_checkpoint(folder)
    assert [path.name for path in checkpoint.weights] == ["model.safetensors"]
    shutil.copy(checkpoint.weights[0], folder / "open_clip_model.safetensors")
    assert read_checkpoint(folder).weights == (folder / "open_clip_model.safetensors",)


def test_names_of_open_clip_are_read_without_the_package():
    name = "open_clip:ViT-B-32/laion2b_s34b_b79k@c0ffee"
    source = ModelRef.parse(name)
    assert source.kind == "third-party"
    assert (source.open_clip, source.revision) == ("ViT-B-32/laion2b_s34b_b79k", "c0ffee")
    assert (source.repository, source.folder) == (None, None)
    with pytest.raises(ModelNotFoundError):
        ModelRef.parse("open_clip:ViT-B-32")


def test_pickles_are_refused(tmp_path):
    folder = write_model(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsupportedModelError, match=r"pytorch_model.bin.*model.safetensors"):
        read_checkpoint(folder)


def test_half_a_download_is_reported(tmp_path):
    folder = write_model(tmp_path / "model")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-2])
    with pytest.raises(WeightsError, match="download is not complete"):
        read_checkpoint(folder)
    weights.write_bytes(whole[:20])
    with pytest.raises(WeightsError, match="fetch the model again"):
        read_checkpoint(folder)
    weights.unlink()
    with pytest.raises(WeightsError, match="download is not complete"):
        read_checkpoint(folder)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-1.safetensors").write_bytes(whole)
    with pytest.raises(WeightsError, match=r"1 of 2 weight files.*model-2"):
        read_checkpoint(folder)
    (folder / "model-2.safetensors").write_bytes(whole)
    assert len(read_checkpoint(folder).weights) == 2


def test_an_empty_folder_and_damaged_json_are_reported(tmp_path):
    with pytest.raises(WeightsError, match=r"has no config.json"):
        read_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="fetch the model again"):
        read_checkpoint(tmp_path)


def test_the_hash_is_of_the_weights_and_remembered_while_they_stay(tmp_path):
    checkpoint = read_checkpoint(write_model(tmp_path / "model"))
    cache = tmp_path / "cache"
    first = weights_hash(checkpoint, cache=cache)
    (remembered,) = (cache / "weights").iterdir()
    remembered.write_text("f" * 64)
    assert weights_hash(checkpoint, cache=cache) == "f" * 64
    remembered.write_text("")
    assert weights_hash(checkpoint, cache=cache) == first
    path = checkpoint.weights[0]
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    assert weights_hash(checkpoint, cache=cache) != first


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path):
    checkpoint = read_checkpoint(write_model(tmp_path / "model"))
    (tmp_path / "file").write_text("")
    assert len(weights_hash(checkpoint, cache=tmp_path / "file")) == 64


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        (None, WeightsError),
        ({"size": {"shortest_edge": 8}, "do_center_crop": False}, UnsupportedModelError),
        ({"size": {"shortest_edge": 8, "longest_edge": 9}}, UnsupportedModelError),
        ({"do_flip_channel_order": True}, UnsupportedModelError),
    ],
)
def test_rules_that_nobody_can_follow_are_refused(tmp_path, rules, error):
    if rules is not None:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(rules))
    with pytest.raises(error, match="preprocessor_config"):
        read_rules(tmp_path)


def test_rules_of_old_checkpoints_are_understood(tmp_path):
    old = {"feature_extractor_type": "CLIPFeatureExtractor", "size": 8, "crop_size": 8}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(old))
    rules = read_rules(tmp_path)
    assert (rules.resize, rules.crop, rules.resample) == ("short side", (8, 8), 3)
    pixels = rules.pixels(rules.fit(np.zeros((1, 9, 20, 3), np.uint8)))
    assert pixels.shape == (1, 3, 8, 8)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The hub's package with a repository in a folder instead of a network behind it."""
    pytest.importorskip("huggingface_hub")
    import huggingface_hub

    state = types.SimpleNamespace(error=None, asked=[], cached=False, downloads=0)
    folder = tmp_path / "models--a--b" / "snapshots" / "c0ffee"

    def snapshot_download(repository, *, local_files_only=False, **_):
        if local_files_only:
            if not state.cached:
                raise huggingface_hub.errors.LocalEntryNotFoundError("not here")
            return str(folder)
        if state.error is not None:
            raise state.error
        state.downloads += 1
        write_model(folder)
        for name in ("tokenizer.json", "preprocessor_config.json"):
            (folder / name).write_text("{}")
        return str(folder)

    class Api:
        def model_info(self, repository, **_):
            if state.error is not None:
                raise state.error
            sizes = {"config.json": 10, "model.safetensors": 1000, "pytorch_model.bin": 5000}
            files = [types.SimpleNamespace(rfilename=name, size=sizes[name]) for name in sizes]
            return types.SimpleNamespace(siblings=files, sha="c0ffee")

    def confirm(repository, size_bytes):
        state.asked.append((repository, size_bytes))
        return True

    state.confirm = confirm
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return state


@pytest.mark.full
def test_a_download_is_asked_for_with_its_exact_size(hub):
    folder, commit = download.fetch("a/b", None, confirm=hub.confirm)
    assert hub.asked == [("a/b", 1010)]
    assert commit == "c0ffee"
    assert (folder.parent.parent / "refs" / "main").read_text() == "c0ffee"


@pytest.mark.full
def test_nothing_is_downloaded_without_a_yes(hub):
    for confirm in (None, lambda *_: False):
        with pytest.raises(DownloadRefusedError):
            download.fetch("a/b", None, confirm=confirm)
    assert hub.downloads == 0


@pytest.mark.full
def test_what_is_in_the_cache_needs_neither_network_nor_question(hub):
    folder, _ = download.fetch("a/b", None, confirm=hub.confirm)
    hub.cached, hub.error = True, ConnectionError("no network")
    assert download.fetch("a/b", None, confirm=None) == (folder, "c0ffee")
    (folder / "tokenizer.json").unlink()  # as a broken download leaves it
    with pytest.raises(ModelDownloadError, match="not wholly"):
        download.fetch("a/b", None, confirm=None)


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("GatedRepoError", GatedModelError, "agree there"),
        ("RepositoryNotFoundError", ModelNotFoundError, "is private"),
        ("RevisionNotFoundError", ModelNotFoundError, "no revision"),
        ("HfHubHTTPError", ModelDownloadError, "cannot be reached"),
        ("OfflineModeIsEnabled", ModelDownloadError, "cannot be reached"),
    ],
)
def test_what_the_hub_says_becomes_a_next_step(hub, name, kind, message):
    from huggingface_hub import errors

    made = getattr(errors, name)
    hub.error = made.__new__(made)
    with pytest.raises(kind, match=message) as caught:
        download.fetch("a/b", "main", confirm=hub.confirm)
    assert isinstance(caught.value, EncoderError)
    assert hub.downloads == 0


@pytest.mark.full
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["README.md", "model.safetensors"], r"no config\.json"),
        (["config.json", "pytorch_model.bin"], r"no model\.safetensors.*refs/pr"),
    ],
)
def test_a_repository_without_what_is_needed_is_refused_before_the_question(names, message):
    with pytest.raises(UnsupportedModelError, match=message):
        download._wanted("a/b", names)


def test_asking_for_the_catalogue_imports_neither_torch_nor_transformers():
    import subprocess

    program = (
        "import sys; from vidseek.cli.app import app; import vidseek.encoders.hub.catalogue, "
        "vidseek.encoders.model_ref, vidseek.encoders.registry; "
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=240)
