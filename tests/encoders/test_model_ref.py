"""Every way to name a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidseek.core.errors import ModelNotFoundError, UnknownEncoderError
from vidseek.core.types import EncoderSpec
from vidseek.encoders.model_ref import ModelRef

COMMIT = "c0ffee0123456789c0ffee0123456789c0ffee01"


def spec(source: str, **fields) -> EncoderSpec:
    return EncoderSpec(source, "1", 4, 32, 0, 0, fields.pop("vision_hash", ""), "", **fields)


def third_party(source: str, **fields) -> EncoderSpec:
    return spec(source, kind="third-party", family="clip", **fields)


def folder_with(folder: Path, file: str) -> Path:
    folder.mkdir(parents=True)
    (folder / file).write_text("{}")
    return folder


def test_the_builtin_model():
    assert ModelRef.parse("builtin") == ModelRef("builtin", "builtin")


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("manifest.json", "trained"),
        ("xpool.json", "head"),
        ("config.json", "third-party"),
        ("open_clip_config.json", "third-party"),
        ("notes.txt", "unknown"),
    ],
)
def test_a_folder_is_what_its_files_say(tmp_path, monkeypatch, file, kind):
    folder = folder_with(tmp_path / "models" / "mine", file)
    ref = ModelRef.parse(str(folder))
    assert (ref.kind, ref.folder, ref.source) == (kind, folder, str(folder))
    monkeypatch.chdir(tmp_path)
    for name in ("models/mine", "./models/mine", "models/../models/mine"):
        assert ModelRef.parse(name) == ModelRef(name, kind, folder=folder)
    monkeypatch.chdir(tmp_path / "models")
    assert ModelRef.parse("mine") == ModelRef("mine", kind, folder=folder)


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    folder_with(tmp_path / "mine", "manifest.json")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ModelRef.parse("~/mine").folder == tmp_path / "mine"


def test_a_repository_with_and_without_revision():
    ref = ModelRef.parse("hf:a/b@main")
    assert (ref.kind, ref.repository, ref.revision) == ("third-party", "a/b", "main")
    assert ref.source == "hf:a/b@main"
    assert ref.at(COMMIT) == f"hf:a/b@{COMMIT}"
    assert ModelRef.parse("hf:a/b").source == "hf:a/b"
    ref = ModelRef.parse("open_clip:ViT-B-32/openai@c0ffee")
    assert (ref.open_clip, ref.revision, ref.repository) == ("ViT-B-32/openai", "c0ffee", None)
    assert ref.at(COMMIT) == f"open_clip:ViT-B-32/openai@{COMMIT}"


def test_a_short_name_of_the_catalogue(tmp_path, monkeypatch):
    ref = ModelRef.parse("clip-base")
    assert (ref.kind, ref.source) == ("third-party", "hf:openai/clip-vit-base-patch16")
    # Only a folder that vidseek wrote a model into is preferred.
    monkeypatch.chdir(tmp_path)
    folder_with(tmp_path / "clip-base", "config.json")
    assert ModelRef.parse("clip-base") == ref
    folder_with(tmp_path / "clip-large", "manifest.json")
    assert ModelRef.parse("clip-large").kind == "trained"


@pytest.mark.parametrize("name", ["hf:", "hf:clip", "hf:a/b/c", "open_clip:ViT-B-32"])
def test_a_malformed_repository_is_refused(name):
    with pytest.raises(ModelNotFoundError) as error:
        ModelRef.parse(name)
    assert error.value.code == "model_not_found"


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_refused(name):
    with pytest.raises(UnknownEncoderError):
        ModelRef.parse(name)


def test_an_unknown_name_says_what_may_be_meant(tmp_path):
    errors = {
        name: ModelRef.parse(name).not_found()
        for name in ("clipp", "openai/clip", "./gone", str(tmp_path))
    }
    codes = {name: error.code for name, error in errors.items()}
    assert codes == {
        "clipp": "unknown_encoder",
        "openai/clip": "model_not_found",
        "./gone": "model_not_found",
        str(tmp_path): "unknown_encoder",
    }
    assert errors["openai/clip"].hint.values == {"model": "hf:openai/clip"}
    assert errors["./gone"].hint.values == {"model": str(Path.cwd() / "gone")}


def test_a_models_name_finds_it_in_a_library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = spec(str(tmp_path / "mine"), kind="trained")
    first, second = (
        third_party(f"hf:openai/clip-vit-base-patch16@{digit * 40}", vision_hash=digit)
        for digit in "12"
    )
    named = third_party(f"open_clip:ViT-B-32/openai@{COMMIT}", vision_hash="3")
    custom = spec("team/colours")
    specs = [trained, first, second, named, custom]

    def found(name: str) -> list[EncoderSpec]:
        return ModelRef.parse(name).find(specs)

    assert found(str(tmp_path / "mine")) == [trained]
    assert found("mine") == [trained]  # although its folder is gone
    assert found("clip-base") == [first, second]
    assert found("hf:openai/clip-vit-base-patch16") == [first, second]
    assert found("hf:openai/clip-vit-base-patch16@11") == [first]
    assert found(second.source) == [second]
    assert found("open_clip:ViT-B-32/openai") == [named]
    assert found("open_clip:ViT-B-32/laion400m_e32") == []
    assert found("team/colours") == [custom]
    assert found(custom.fingerprint) == found(custom.fingerprint[:4].upper()) == [custom]
    assert found(custom.fingerprint[:3]) == []
    assert found("builtin") == []
