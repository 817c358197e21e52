"""Third-party models that put pictures into words: captions of frames, answers about them.

    captioner = create_captioner("hf:Salesforce/blip-image-captioning-base", confirm_download=ask)
    captioner.caption(frames)                        # frames of one moment: (N, H, W, 3) uint8 RGB
    captioner.answer(frames, "how many people?")

Any image-text-to-text model of transformers: BLIP, GIT, encoder-decoders, and chat models that take
several pictures. Code that comes with a checkpoint is never run, and only safetensors are read.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import Hint, UnsupportedModelError, WeightsError
from vidseek.core.spacing import evenly_spaced
from vidseek.encoders.hub.checkpoint import read_weights, reason_of
from vidseek.encoders.hub.download import ConfirmDownload, fetch, require_hub
from vidseek.encoders.hub.towers import best_dtype, quiet_transformers
from vidseek.encoders.inputs import check_frames
from vidseek.encoders.model_ref import ModelRef

MAX_NEW_TOKENS = 48
"""Of a caption or an answer: a sentence or two."""
MAX_CHAT_PICTURES = 8
"""A chat model reads hundreds of tokens for each picture."""
CAPTION_PROMPT = "Describe what happens in these pictures in one sentence."
_ANSWER_ONLY = frozenset({"BlipForQuestionAnswering"})
_CAPTION_ONLY = frozenset({"BlipForConditionalGeneration", "VisionEncoderDecoderModel"})

CaptionerKind = Literal["captions", "answers", "text", "chat"]
"""What a model can do: only one of the two, continue a text after a picture, or follow a chat."""


def create_captioner(
    name: str, *, threads: int | None = None, confirm_download: ConfirmDownload | None = None
) -> HubCaptioner:
    """Load a model that puts pictures into words.

    Args:
        name: ``hf:ORG/NAME``, with ``@REVISION`` if wanted, or a folder.
        threads: processor threads that torch may use, for the whole process; all cores if None.
        confirm_download: asked with repository and size before a download; None refuses it.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelDownloadError: the model is not here and cannot be fetched.
        UnsupportedModelError: it does not put pictures into words, or its weights are pickles.
        WeightsError: files of it are missing or damaged.
    """
    folder, source = fetch_captioner(name, confirm_download)
    return HubCaptioner(folder, source=source, threads=threads)


def fetch_captioner(name: str, confirm_download: ConfirmDownload | None) -> tuple[Path, str]:
    """The folder of a model and its name with its commit; see ``create_captioner``."""
    ref = ModelRef.parse(name)
    if ref.kind == "unknown":
        raise ref.not_found()
    if ref.kind != "third-party" or ref.open_clip is not None:
        raise _unsuitable(name)
    require_hub()
    if ref.folder is not None:
        return ref.folder, ref.source
    assert ref.repository is not None
    folder, commit = fetch(
        ref.repository, ref.revision, confirm=confirm_download, is_complete=_is_complete
    )
    return folder, ref.at(commit)


class HubCaptioner:
    """A model that puts pictures into words. Safe to use from several threads, one at a time."""

    def __init__(self, folder: Path, *, source: str, threads: int | None = None) -> None:
        """Load the weights; see ``create_captioner``."""
        import torch

        read_weights(folder)
        if threads is not None:
            torch.set_num_threads(threads)
        self._source = source
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._dtype = best_dtype(self._device)
        self._lock = threading.Lock()
        self._model = _load_model(folder, source, self._dtype).to(self._device).eval()
        self._processor = _load_processor(folder)
        self.kind: CaptionerKind = _kind_of(self._model, self._processor)
        """What the model can do."""

    @property
    def source(self) -> str:
        """Name and commit of the model."""
        return self._source

    @property
    def pictures_at_once(self) -> int:
        """How many pictures of a moment the model sees together."""
        if self.kind == "chat":
            return MAX_CHAT_PICTURES
        return int(getattr(self._model.config, "num_image_with_embedding", None) or 1)

    def caption(self, frames: NDArray[np.uint8]) -> str:
        """Describe a moment in a sentence.

        Args:
            frames: (N, H, W, 3) uint8 RGB, in order of time; N at least 1. A model that sees fewer
                at once gets evenly spaced frames, a single one from the middle.

        Raises:
            UnsupportedModelError: the model only answers questions.
        """
        if self.kind == "answers":
            raise UnsupportedModelError(f"{self.source} answers questions, it makes no captions")
        prompt = CAPTION_PROMPT if self.kind == "chat" else None
        return self._decode(self.tokens(frames, prompt))

    def answer(self, frames: NDArray[np.uint8], question: str) -> str:
        """Answer a question about pictures.

        Args:
            frames: as for ``caption``.
            question: a sentence.

        Raises:
            UnsupportedModelError: the model only makes captions.
        """
        if self.kind == "captions":
            raise UnsupportedModelError(f"{self.source} makes captions, it answers no questions")
        return self._decode(self.tokens(frames, question))

    def tokens(self, frames: NDArray[np.uint8], prompt: str | None) -> list[int]:
        """The tokens that the model says, without the prompt's, greedily chosen."""
        import torch
        from PIL import Image

        check_frames(frames)
        chosen = frames[_spread(len(frames), self.pictures_at_once)]
        pictures = [Image.fromarray(frame) for frame in chosen]
        with self._lock, torch.inference_mode(), quiet_transformers():
            inputs = {
                name: self._tensor(value) for name, value in self._inputs(pictures, prompt).items()
            }
            said = self._model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        found = [int(token) for token in said[0]]
        asked = inputs.get("input_ids")
        before = [] if asked is None else [int(token) for token in asked[0]]
        # Models without a decoder of their own repeat what they were asked.
        return found[len(before) :] if before and found[: len(before)] == before else found

    def _inputs(self, pictures: list[Any], prompt: str | None) -> dict[str, Any]:
        if self.kind == "chat":
            content: list[dict[str, Any]] = [
                {"type": "image", "image": picture} for picture in pictures
            ]
            content.append({"type": "text", "text": prompt})
            return dict(
                self._processor.apply_chat_template(
                    [{"role": "user", "content": content}],
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=True,
                    return_tensors="pt",
                )
            )
        image_processor = getattr(self._processor, "image_processor", self._processor)
        inputs = dict(image_processor(images=pictures, return_tensors="pt"))
        if len(pictures) > 1:
            inputs["pixel_values"] = inputs["pixel_values"][None]  # frames of one video
        if prompt is not None:
            inputs |= self._asked(prompt)
        return inputs

    def _asked(self, prompt: str) -> dict[str, Any]:
        """A question as the model was trained to read it."""
        import torch

        tokenizer = self._processor.tokenizer
        if self._model.config.model_type == "git":
            ids = tokenizer(prompt, add_special_tokens=False).input_ids
            rows = torch.tensor([[tokenizer.cls_token_id, *ids]])
            return {"input_ids": rows, "attention_mask": torch.ones_like(rows)}
        return dict(tokenizer([prompt], return_tensors="pt", return_token_type_ids=False))

    def _tensor(self, value: Any) -> Any:
        moved = value.to(self._device)
        return moved.to(self._dtype) if moved.is_floating_point() else moved

    def _decode(self, tokens: Sequence[int]) -> str:
        tokenizer = getattr(self._processor, "tokenizer", self._processor)
        text = tokenizer.decode(tokens, skip_special_tokens=True)
        return " ".join(str(text).split())


def _spread(count: int, wanted: int) -> NDArray[np.intp]:
    """Rows of frames to look at; the middle one if only one is wanted."""
    return np.array([count // 2]) if wanted == 1 else evenly_spaced(count, wanted)


def _is_complete(folder: Path) -> bool:
    read_weights(folder)
    return (folder / "preprocessor_config.json").is_file() or (
        folder / "processor_config.json"
    ).is_file()


def _unsuitable(name: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{name} does not put pictures into words. Use an image-to-text or image-text-to-text "
        "model of transformers, such as BLIP, GIT or a chat model that takes pictures"
    )


def _kind_of(model: Any, processor: Any) -> CaptionerKind:
    if getattr(processor, "chat_template", None):
        return "chat"
    name = type(model).__name__
    if name in _ANSWER_ONLY:
        return "answers"
    return "captions" if name in _CAPTION_ONLY else "text"


def _load_model(folder: Path, source: str, dtype: Any) -> Any:
    import transformers
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    )

    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet_transformers():
            config = transformers.AutoConfig.from_pretrained(folder, **options)
            allowed = _ANSWER_ONLY | _CAPTION_ONLY
            allowed |= set(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.values())
            name = next(iter(config.architectures or ()), None)
            if name not in allowed or not hasattr(transformers, str(name)):
                raise _unsuitable(source)
            model, report = getattr(transformers, name).from_pretrained(
                folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
            )
    except UnsupportedModelError:
        raise
    except Exception as error:  # torch, safetensors and transformers have no common base
        raise WeightsError(
            f"{folder}: cannot be loaded: {reason_of(error)}; fetch the model again"
        ) from error
    missing = sorted(name for name in report["missing_keys"] if "position_ids" not in name)
    if missing:
        raise WeightsError(
            f"{folder}: its weights lack {len(missing)} tensors ({missing[0]}, ...); "
            "fetch the model again"
        )
    return model


def _load_processor(folder: Path) -> Any:
    import transformers

    try:
        with quiet_transformers():
            return transformers.AutoProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except ImportError as error:
        raise UnsupportedModelError(
            f"{folder}: its preparation of pictures needs a package that is not installed: "
            f"{reason_of(error)}",
            hint=Hint("upgrade_package", {"package": "transformers"}),
        ) from error
    except Exception as error:
        raise WeightsError(
            f"{folder}: its vocabulary or its rules for pictures cannot be read "
            f"({reason_of(error)}); fetch the model again"
        ) from error
