"""Models that put pictures into words, each against the plain code of transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from caption_checkpoints import make_caption_checkpoint
from colour_encoder import ColourEncoder
from hub_checkpoints import make_checkpoint
from PIL import Image

import vidseek
from vidseek.core.errors import UnsupportedModelError, WeightsError
from vidseek.demo.clips import Scene, make_clip
from vidseek.encoders.hub import captioner as captioner_module
from vidseek.encoders.hub.captioner import CAPTION_PROMPT, MAX_NEW_TOKENS, create_captioner

pytestmark = pytest.mark.full

QUESTION = "how many dog ?"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Checkpoints by family, made when first asked for."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = make_caption_checkpoint(family, tmp_path_factory.mktemp(family))
        return made[family]

    return folder


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(captioner_module, "best_dtype", lambda _: torch.float32)


def frames(count: int, seed: int = 0) -> np.ndarray:
    """Pictures of large coloured blocks."""
    cells = np.random.default_rng(seed).choice([0, 255], (count, 4, 4, 3)).astype(np.uint8)
    return cells.repeat(12, axis=1).repeat(16, axis=2)


def plain_tokens(family: str, folder: Path, shown: np.ndarray, question: str | None) -> list[int]:
    """What a user of transformers would write."""
    import torch
    import transformers

    classes = {"blip-vqa": "BlipForQuestionAnswering"}
    model_class = getattr(transformers, classes.get(family, "AutoModelForImageTextToText"))
    model = model_class.from_pretrained(folder, dtype=torch.float32).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    pictures = [Image.fromarray(frame) for frame in shown]
    options = {"max_new_tokens": MAX_NEW_TOKENS, "do_sample": False}
    with torch.no_grad():
        if family == "llava":
            prompt = question or CAPTION_PROMPT
            text = "user " + "<image> " * len(pictures) + f"{prompt} assistant "
            inputs = processor(images=pictures, text=text, return_tensors="pt")
            said = model.generate(**inputs, **options)[0]
            return said[inputs["input_ids"].shape[1] :].tolist()
        if family.startswith("git"):
            pixels = processor.image_processor(images=pictures, return_tensors="pt").pixel_values
            if family == "git-video":
                pixels = pixels[None]
            if question is None:
                return model.generate(pixel_values=pixels, **options)[0].tolist()
            asked = processor.tokenizer(question, add_special_tokens=False).input_ids
            asked = torch.tensor([[processor.tokenizer.cls_token_id, *asked]])
            said = model.generate(pixel_values=pixels, input_ids=asked, **options)[0]
            return said[asked.shape[1] :].tolist()
        inputs = processor(images=pictures, text=question, return_tensors="pt")
        return model.generate(**inputs, **options)[0].tolist()


@pytest.mark.parametrize(
    ("family", "count", "question"),
    [
        ("blip", 1, None),
        ("blip-vqa", 1, QUESTION),
        ("git", 1, None),
        ("git", 1, QUESTION),
        ("git-video", 4, None),
        ("llava", 1, None),
        ("llava", 3, QUESTION),
    ],
)
def test_tokens_are_those_of_plain_transformers(family, count, question, folders) -> None:
    captioner = create_captioner(str(folders(family)))
    said = []
    for seed in (0, 1, 2):
        shown = frames(count, seed)
        prompt = CAPTION_PROMPT if captioner.kind == "chat" and question is None else question
        tokens = captioner.tokens(shown, prompt)
        assert tokens == plain_tokens(family, folders(family), shown, question)
        said.append(tuple(tokens))
    assert any(said)


def test_what_each_model_can_do(folders) -> None:
    blip, answers = (
        create_captioner(str(folders("blip"))),
        create_captioner(str(folders("blip-vqa"))),
    )
    assert isinstance(blip.caption(frames(5)), str)
    assert isinstance(answers.answer(frames(2), QUESTION), str)
    with pytest.raises(UnsupportedModelError):
        blip.answer(frames(1), QUESTION)
    with pytest.raises(UnsupportedModelError):
        answers.caption(frames(1))
    assert create_captioner(str(folders("git-video"))).pictures_at_once == 4


def test_other_models_are_refused(tmp_path: Path, folders) -> None:
    with pytest.raises(UnsupportedModelError):
        create_captioner("builtin")
    with pytest.raises(UnsupportedModelError):
        create_captioner(str(make_checkpoint("clip", tmp_path / "clip")))
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text(json.dumps({"model_type": "blip"}))
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(UnsupportedModelError):
        create_captioner(str(pickled))
    cut = tmp_path / "cut"
    cut.mkdir()
    for path in folders("blip").iterdir():
        (cut / path.name).write_bytes(path.read_bytes())
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError):
        create_captioner(str(cut))


def test_a_library_is_described_and_asked(folders, tmp_path: Path) -> None:
    video = tmp_path / "chelsea.mp4"
    make_clip(video, [Scene("chelsea.png", 2), Scene("coffee.png", 2)])
    with vidseek.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        library.index([video])
        blip = library.load_captioner(str(folders("blip")))
        captions = library.describe(video, blip, labels=0).captions
        assert len(captions) >= 1
        assert {each.source for each in captions} == {str(folders("blip"))}
        for name in ("blip-vqa", "git", "git-video", "llava"):
            answer = library.ask(video, QUESTION, library.load_captioner(str(folders(name))))
            assert answer.frames
            assert 0 < answer.votes <= 1
