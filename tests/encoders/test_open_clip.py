"""Models in the format of open_clip, each against the package's own code."""

from __future__ import annotations

import json
import logging
import shutil
import types
from pathlib import Path

import numpy as np
import pytest
from captioned_films import write_captioned_films
from hub_checkpoints import word_tokenizer
from torchvision_stand_in import import_open_clip

from vidseek.core.errors import (
    DownloadRefusedError,
    MissingExtraError,
    ModelNotFoundError,
    UnsupportedModelError,
    WeightsError,
)
from vidseek.encoders.base import Encoder
from vidseek.encoders.model_ref import ModelRef
from vidseek.encoders.registry import create_encoder

pytestmark = pytest.mark.full

TEXTS = [
    "a dog runs on the grass and a man eats",
    "the red red red car car",
    "a cat",
    "Ein Hündchen",
]
COMMIT = "c0ffee"
_TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2}
_WORDS = {"vocab_size": 24, "hf_tokenizer_name": "not/on-the-hub"}
_TIMM = {"timm_model_name": "test_vit", "timm_model_pretrained": False, "image_size": 160}
MODELS = {
    "native": {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 32,
            "head_width": 8,
            "patch_size": 8,
        },
        "text_cfg": _TEXT,
    },
    "timm": {
        "embed_dim": 24,
        "vision_cfg": {**_TIMM, "timm_pool": "avg", "timm_proj": "linear"},
        "text_cfg": {**_TEXT, "no_causal_mask": True},
        "custom_text": True,
    },
    # The visual towers of MobileCLIP2-S0 and of the smallest PE-Core, as their makers built them.
    "mobileclip": {
        "embed_dim": 64,
        "vision_cfg": {
            "timm_model_name": "fastvit_mci0",
            "timm_pool": "avg",
            "timm_proj": None,
            "image_size": 256,
        },
        "text_cfg": {**_TEXT, "no_causal_mask": True},
        "custom_text": True,
    },
    "pe": {
        "embed_dim": 64,
        "vision_cfg": {
            "timm_model_name": "vit_pe_core_tiny_patch16_384",
            "timm_pool": "map",
            "timm_proj": None,
            "image_size": 384,
        },
        "text_cfg": _TEXT,
        "custom_text": True,
    },
    "siglip": {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "vision_cfg": {**_TIMM, "timm_pool": "map", "timm_proj": "none"},
        "text_cfg": {
            **_TEXT,
            **_WORDS,
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        },
        "custom_text": True,
    },
    "coca": {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 32,
            "head_width": 8,
            "patch_size": 8,
            "attentional_pool": True,
            "attn_pooler_heads": 4,
            "output_tokens": True,
        },
        "text_cfg": {**_TEXT, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**_TEXT, "dim_head": 8, "n_queries": 8, "attn_pooler_heads": 4},
        "custom_text": True,
    },
}
RULES = {
    "native": {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]},
    "timm": {
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "interpolation": "bilinear",
        "resize_mode": "squash",
    },
    "mobileclip": {"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear"},
    "pe": {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"},
    "siglip": {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "longest"},
    "coca": {},
}


@pytest.fixture(scope="module", autouse=True)
def open_clip():
    return import_open_clip()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def folders(tmp_path_factory, open_clip):
    """Checkpoints by kind, made when first asked for."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = make_checkpoint(open_clip, kind, tmp_path_factory.mktemp("made") / kind)
        return made[kind]

    return folder


def make_checkpoint(open_clip, kind: str, folder: Path) -> Path:
    """A model with random weights, built by open_clip from its registry of architectures."""
    import torch
    from safetensors.torch import save_model

    folder.mkdir()
    architecture = folder.parent / f"tiny-{kind}.json"
    architecture.write_text(json.dumps(MODELS[kind]))
    open_clip.add_model_config(architecture)
    torch.manual_seed(0)
    model = open_clip.create_model(architecture.stem)
    for name, parameter in model.named_parameters():
        # As they are initialised, every picture and text would come out nearly the same.
        if parameter.ndim >= 2 and "position" not in name:
            torch.nn.init.normal_(parameter, std=0.2)
    save_model(model, str(folder / "open_clip_model.safetensors"))
    if "hf_tokenizer_name" in MODELS[kind]["text_cfg"]:
        word_tokenizer("siglip").save_pretrained(folder)
    document = {"model_cfg": MODELS[kind], "preprocess_cfg": RULES[kind]}
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    return folder


def blocks(seed: int) -> np.ndarray:
    """A picture of large coloured blocks: noise looks the same to a tower without training."""
    cells = np.random.default_rng(seed).choice([0, 255], (3, 4, 3)).astype(np.uint8)
    return cells.repeat(15, axis=0).repeat(18, axis=1)


def plain_vectors(open_clip, folder: Path, pixels: np.ndarray) -> list[np.ndarray]:
    """What a user of open_clip would write, in full precision."""
    import torch

    model = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.no_grad():
        return [
            model.encode_image(torch.from_numpy(pixels), normalize=True).numpy(),
            model.encode_text(tokenizer(TEXTS), normalize=True).numpy(),
        ]


@pytest.mark.parametrize("kind", MODELS)
def test_vectors_are_those_of_plain_open_clip(kind, folders, open_clip, monkeypatch):
    import torch

    monkeypatch.setattr("vidseek.encoders.hub.towers.best_dtype", lambda _: torch.float32)
    frames = np.stack([blocks(seed) for seed in range(3)])
    encoder = create_encoder(str(folders(kind)))
    assert isinstance(encoder, Encoder)
    pixels = encoder._rules.pixels(encoder._rules.fit(frames))
    seen, read = plain_vectors(open_clip, folders(kind), pixels)
    features = encoder.encode_frames(frames)
    assert features.vectors.shape == (3, encoder.spec.dimension)
    assert ((features.vectors * seen).sum(axis=1) >= 0.999).all()
    assert ((encoder.encode_text(TEXTS) * read).sum(axis=1) >= 0.999).all()
    # The comparison says something only where vectors differ.
    assert seen[0] @ seen[1] < 0.995
    assert read[0] @ read[1] < 0.995


@pytest.mark.parametrize("kind", ["native", "timm", "pe", "siglip", "coca"])
def test_half_precision_is_near_to_full(kind, folders, open_clip, monkeypatch):
    import torch

    frames = np.stack([blocks(seed) for seed in range(3)])
    encoders = []
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr("vidseek.encoders.hub.towers.best_dtype", lambda _, one=dtype: one)
        encoders.append(create_encoder(str(folders(kind))))
        encoders[-1].encode_text(["a dog"])
    full, half = (
        [each.encode_frames(frames).vectors, each.encode_text(TEXTS)] for each in encoders
    )
    for exact, near in zip(full, half, strict=True):
        assert 0.98 < (exact * near).sum(axis=1).min() < 0.9999999
    assert encoders[1]._loaded().dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("shape", "resized", "corner"),
    [
        ((45, 70), (32, 49), (0, 8)),  # 17 pixels too wide: 8.5 is rounded to even
        ((70, 45), (49, 32), (8, 0)),
        ((32, 67), (32, 67), (0, 18)),  # 35 too wide: 17.5, up
        ((7, 5), (44, 32), (6, 0)),
    ],
)
def test_the_short_side_is_fitted_and_the_middle_kept(folders, shape, resized, corner):
    """Numbers are by hand from torchvision's Resize and CenterCrop, which open_clip calls."""
    from PIL import Image

    frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    rules = create_encoder(str(folders("native")))._rules
    whole = np.asarray(Image.fromarray(frame).resize(resized[::-1], Image.Resampling.BICUBIC))
    expected = whole[corner[0] : corner[0] + 32, corner[1] : corner[1] + 32]
    np.testing.assert_array_equal(rules.fit(frame[None])[0], expected)
    pixels = (expected / 255 - RULES["native"]["mean"]) / RULES["native"]["std"]
    np.testing.assert_allclose(
        rules.pixels(expected[None])[0], pixels.transpose(2, 0, 1), atol=1e-5
    )


@pytest.mark.parametrize("shape", [(45, 70), (70, 45), (160, 160), (7, 5), (333, 640)])
def test_the_long_side_is_fitted_and_the_rest_black(folders, open_clip, shape):
    from open_clip.transform import ResizeKeepRatio
    from PIL import Image

    frame = np.random.default_rng(0).integers(1, 256, (*shape, 3), np.uint8)
    rules = create_encoder(str(folders("siglip")))._rules
    picture = Image.fromarray(frame)
    height, width = ResizeKeepRatio.get_params(picture, (160, 160), longest=1.0)
    expected = np.zeros((160, 160, 3), np.uint8)
    top, left = (160 - height) // 2, (160 - width) // 2
    resized = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
    expected[top : top + height, left : left + width] = resized
    np.testing.assert_array_equal(rules.fit(frame[None])[0], expected)


def test_squashed_pictures_lose_their_shape(folders):
    from PIL import Image

    frame = blocks(0)
    rules = create_encoder(str(folders("timm")))._rules
    expected = Image.fromarray(frame).resize((160, 160), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(rules.fit(frame[None])[0], np.asarray(expected))


@pytest.mark.parametrize("kind", ["native", "siglip"])
def test_overlong_texts_are_cut_between_characters_with_a_warning(kind, folders, caplog):
    encoder = create_encoder(str(folders(kind)))
    with caplog.at_level(logging.WARNING):
        vectors = encoder.encode_text(["a dog and " * 50, "", "a cat"])
    limit = MODELS[kind]["text_cfg"]["context_length"]
    assert f"1 of 3 texts are longer than {limit} tokens" in caplog.text
    assert np.isfinite(vectors).all()
    caplog.clear()
    encoder.encode_text(["a dog"])
    assert "longer" not in caplog.text


def test_a_missing_vocabulary_is_reported(folders, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(folders("siglip"), half, ignore=shutil.ignore_patterns("tokenizer*", "vocab*"))
    with pytest.raises(WeightsError, match=r"vocabulary .*fetch the model again"):
        create_encoder(str(half))


def test_of_a_character_of_several_tokens_none_stays_alone(folders, open_clip):
    encoder = create_encoder(str(folders("native")))
    tokenizer = encoder._tokenizer
    word = "\U00013000\U00013001" * 8  # hieroglyphs: bytes are all that the vocabulary has of them
    tokens = tokenizer.encode(word)
    assert len(tokens) > 14
    assert tokenizer.decode(tokens[:14]).endswith("\ufffd")
    rows = encoder._token_rows([word, "a dog"])
    assert rows.cut == (0,)
    kept = [token for token in rows.ids[0] if token not in (0, *tokenizer.all_special_ids)]
    assert 10 <= len(kept) < 14
    assert tokenizer.decode(kept) == word[: len(tokenizer.decode(kept))]
    assert rows.ids[0][0] == tokenizer.sot_token_id
    assert rows.ids[0][len(kept) + 1] == tokenizer.eot_token_id
    np.testing.assert_array_equal(rows.ids[1], tokenizer(["a dog"])[0].numpy())


def test_loading_says_nothing_and_leaves_the_root_logger_alone(folders, capfd):
    root = logging.getLogger()
    before = list(root.handlers), list(root.filters)
    create_encoder(str(folders("native"))).encode_text(["a dog"])
    assert (root.handlers, root.filters) == before
    assert "randomly" not in capfd.readouterr().err


def test_the_spec_says_what_vectors_depend_on(folders, tmp_path):
    spec = create_encoder(str(folders("native"))).spec
    assert (spec.family, spec.source) == ("open_clip", str(folders("native")))
    assert (spec.dimension, spec.image_size) == (24, 32)
    moved = shutil.copytree(folders("native"), tmp_path / "moved")
    assert create_encoder(str(moved)).spec.fingerprint == spec.fingerprint
    document = json.loads((moved / "open_clip_config.json").read_text())
    document["preprocess_cfg"]["resize_mode"] = "squash"
    (moved / "open_clip_config.json").write_text(json.dumps(document))
    assert create_encoder(str(moved)).spec.fingerprint != spec.fingerprint


def test_a_library_is_indexed_and_searched_with_a_model_of_open_clip(folders, tmp_path):
    from videos import make_video, picture

    import vidseek

    for place in range(2):
        film = tmp_path / "films" / f"{place}.mp4"
        film.parent.mkdir(exist_ok=True)
        make_video(film, [picture(place), picture(place + 7)])
    with vidseek.open(tmp_path / "library", encoder=str(folders("timm"))) as library:
        assert library.index(tmp_path / "films").indexed == 2
        hits = library.search("a red car", k=5, copies=True)
    assert {hit.video.path.name for hit in hits} == {"0.mp4", "1.mp4"}
    with vidseek.open(tmp_path / "library") as library:  # it remembers its model
        assert [
            hit.score for hit in library.search("a red car", k=5, copies=True)
        ] == pytest.approx([hit.score for hit in hits], abs=1e-3)
        alike = library.similar(tmp_path / "films" / "0.mp4", k=5)
        assert max(hit.score for hit in alike if hit.video.path.name == "0.mp4") > 0.999


@pytest.fixture
def hub(monkeypatch, tmp_path, folders):
    """The hub's package with the folder of a model instead of a network behind it."""
    import huggingface_hub

    state = types.SimpleNamespace(names=None, asked=[], listed=[], downloads=0)
    folder = tmp_path / "models--a--b" / "snapshots" / COMMIT

    def snapshot_download(repository, *, local_files_only=False, allow_patterns, **_):
        if local_files_only:
            if not folder.is_dir():
                raise huggingface_hub.errors.LocalEntryNotFoundError("not here")
            return str(folder)
        state.downloads += 1
        shutil.copytree(
            folders("native"),
            folder,
            ignore=lambda _, names: [name for name in names if name not in allow_patterns],
        )
        return str(folder)

    class Api:
        def model_info(self, repository, **_):
            state.listed.append(repository)
            names = state.names or [path.name for path in folders("native").iterdir()]
            files = [types.SimpleNamespace(rfilename=name, size=100) for name in names]
            return types.SimpleNamespace(siblings=files, sha=COMMIT)

    def confirm(repository, size_bytes):
        state.asked.append((repository, size_bytes))
        return True

    state.confirm = confirm
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return state


def test_a_name_of_open_clip_is_fetched_after_a_yes_and_found_again(hub):
    name = "open_clip:ViT-B-32/laion2b_s34b_b79k"
    with pytest.raises(DownloadRefusedError):
        create_encoder(name)
    encoder = create_encoder(name, confirm_download=hub.confirm)
    repository = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert hub.asked == [(repository, 200)]
    assert encoder.spec.source == f"{name}@{COMMIT}"
    again = create_encoder(encoder.spec.source)  # from the cache, without a question
    assert again.spec == encoder.spec
    assert np.isfinite(again.encode_text(["a dog"])).all()
    assert (hub.downloads, len(hub.asked)) == (1, 1)
    assert ModelRef.parse(name).find([encoder.spec]) == [encoder.spec]
    assert ModelRef.parse(encoder.spec.source).find([encoder.spec]) == [encoder.spec]
    assert ModelRef.parse("open_clip:ViT-B-32/openai").find([encoder.spec]) == []


def test_a_head_is_trained_for_a_model_that_has_a_name_of_open_clip(hub, tmp_path):
    from vidseek.training.user.train_head import train_head
    from vidseek.training.user.xpool import XPoolSettings

    base = create_encoder("open_clip:ViT-B-32/laion2b_s34b_b79k", confirm_download=hub.confirm)
    settings = XPoolSettings(seed=0, epochs=30, batch=10, learning_rate=3e-3)
    write_captioned_films(tmp_path, base)
    captions, folder = tmp_path / "captions.jsonl", tmp_path / "head"
    report = train_head(captions, folder, base, settings=settings)
    assert report.improved
    assert report.base == base.spec.source
    head = create_encoder(str(folder))  # the model is found by its name
    assert head.spec.fingerprint == base.spec.fingerprint
    clips = [base.encode_frames(blocks(seed)[None]) for seed in range(2)]
    first = np.zeros(2, np.float32)
    assert not np.allclose(head.rerank("a red car", clips, first), first)


def test_what_the_package_knows_of_pictures_wins(hub):
    """The repository here leaves out how to resize: the name's own way is to squash."""
    encoder = create_encoder("open_clip:PE-Core-B-16/meta", confirm_download=hub.confirm)
    assert hub.listed == ["timm/PE-Core-B-16"]
    assert (encoder._rules.resize, encoder._rules.resample) == ("exactly", 2)
    assert encoder._rules.mean == (0.5, 0.5, 0.5)


def test_a_repository_in_the_format_is_taken_by_its_own_name(hub):
    encoder = create_encoder("hf:a/b", confirm_download=hub.confirm)
    assert (encoder.spec.family, encoder.spec.source) == ("open_clip", f"hf:a/b@{COMMIT}")
    assert encoder._rules.resize == "short side"


def test_a_repository_in_both_formats_is_taken_in_the_one_that_was_asked_for():
    from vidseek.encoders.hub.download import _wanted

    both = ["config.json", "preprocessor_config.json", "model.safetensors", "vocab.json"]
    both += ["open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    assert "open_clip_model.safetensors" not in _wanted("a/b", both)
    assert "model.safetensors" in _wanted("a/b", both)
    assert "model.safetensors" not in _wanted("a/b", both, open_clip=True)
    assert "open_clip_model.safetensors" in _wanted("a/b", both, open_clip=True)
    both.remove("open_clip_model.safetensors")  # what is left is in the other format
    with pytest.raises(UnsupportedModelError, match="hf:a/b"):
        _wanted("a/b", both, open_clip=True)


def test_pickles_are_refused_before_the_question(hub, folders, tmp_path):
    hub.names = ["open_clip_config.json", "open_clip_pytorch_model.bin"]
    with pytest.raises(UnsupportedModelError, match=r"no open_clip_model\.safetensors"):
        create_encoder("open_clip:ViTamin-S/datacomp1b", confirm_download=hub.confirm)
    assert hub.asked == []
    folder = shutil.copytree(folders("native"), tmp_path / "model")
    weights = folder / "open_clip_model.safetensors"
    weights.rename(folder / "open_clip_pytorch_model.bin")
    with pytest.raises(UnsupportedModelError, match=r"open_clip_pytorch_model\.bin.*save_file"):
        create_encoder(str(folder))
    (folder / "open_clip_pytorch_model.bin").unlink()
    with pytest.raises(WeightsError, match="download is not complete"):
        create_encoder(str(folder))


def test_a_pickle_beside_the_weights_is_not_read(folders, tmp_path):
    folder = shutil.copytree(folders("native"), tmp_path / "model")
    (folder / "open_clip_model.safetensors").rename(folder / "model.safetensors")
    (folder / "open_clip_pytorch_model.bin").write_bytes(b"no weights")  # open_clip would take it
    expected = create_encoder(str(folders("native"))).encode_text(TEXTS)
    np.testing.assert_allclose(create_encoder(str(folder)).encode_text(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("open_clip:ViT-B-32/nothing", r"near to it: ViT-B-32/.*list_pretrained"),
        ("open_clip:PE-Core-B-17/meta", "PE-Core-B-16/meta"),
        ("open_clip:ViT-B-32", "open_clip:ARCHITECTURE/PRETRAINED"),
    ],
)
def test_unknown_names_are_answered_with_what_is_near(name, message):
    with pytest.raises(ModelNotFoundError, match=message):
        create_encoder(name)


def test_weights_that_are_not_on_the_hub_are_refused(open_clip, monkeypatch):
    from open_clip import pretrained

    elsewhere = {"url": "https://example.org/weights.pt", "hf_hub": ""}
    monkeypatch.setitem(pretrained._PRETRAINED["ViT-B-32"], "elsewhere", elsewhere)
    with pytest.raises(UnsupportedModelError, match=r"not on the hub but at https://example\.org"):
        create_encoder("open_clip:ViT-B-32/elsewhere")


def test_what_open_clip_would_fetch_on_its_own_is_refused_before_the_question(hub):
    with pytest.raises(UnsupportedModelError, match=r"roberta-base.*without a question"):
        create_encoder("open_clip:roberta-ViT-B-32/laion2b_s12b_b32k", confirm_download=hub.confirm)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("part", "change", "error", "message"),
    [
        ("text_cfg", {"hf_model_name": "xlm-roberta-base"}, UnsupportedModelError, "xlm-roberta"),
        ("vision_cfg", {"timm_model_name": "hf-hub:a/b"}, UnsupportedModelError, "hf-hub:a/b"),
        (
            "text_cfg",
            {"tokenizer_kwargs": {"trust_remote_code": True}},
            UnsupportedModelError,
            "sets trust_remote_code",
        ),
        ("text_cfg", {"tokenizer_mode": "clips"}, UnsupportedModelError, "sets tokenizer_mode"),
        ("vision_cfg", {"image_size": [32, 48]}, UnsupportedModelError, "resize_mode shortest"),
        ("vision_cfg", {"image_size": "large"}, WeightsError, "fetch the model again"),
        ("vision_cfg", {"width": 64}, WeightsError, r"cannot be loaded.*size mismatch"),
    ],
)
def test_configurations_that_nobody_can_follow_are_refused(
    folders, tmp_path, part, change, error, message
):
    folder = shutil.copytree(folders("native"), tmp_path / "model")
    document = json.loads((folder / "open_clip_config.json").read_text())
    document["model_cfg"][part].update(change)
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    with pytest.raises(error, match=message):
        create_encoder(str(folder)).encode_text(["a dog"])


@pytest.mark.parametrize("document", ["{}", '{"model_cfg": {"embed_dim": 3}}', "[]", "{"])
def test_damaged_configurations_are_reported(folders, tmp_path, document):
    folder = shutil.copytree(folders("native"), tmp_path / "model")
    (folder / "open_clip_config.json").write_text(document)
    with pytest.raises(WeightsError, match="fetch the model again"):
        create_encoder(str(folder))


def test_the_missing_package_is_named_with_the_command(hub, folders, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *rest: None if name == "open_clip" else real(name, *rest),
    )
    names = ["open_clip:ViT-B-32/laion2b_s34b_b79k", str(folders("native")), "hf:a/b"]
    for name in names:
        with pytest.raises(MissingExtraError, match="open_clip"):
            create_encoder(name, confirm_download=hub.confirm)
    assert hub.asked == []
