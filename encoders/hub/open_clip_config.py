"""The open_clip configuration format, checked before the package is imported.

    config = checked_config(json.loads(path.read_text()), path)
    rules = picture_rules(config, path)

open_clip fetches parts of some models on its own, and passes tokenizer settings on to code
that may run code beside it; models that need either are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from vidseek.core.errors import Hint, UnsupportedModelError, WeightsError
from vidseek.encoders.hub.file_names import OPEN_CLIP_CONFIG
from vidseek.encoders.hub.preprocessing import CLIP_MEAN, CLIP_STD, PictureRules

WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
)
"""The first that is there."""
_TOKENIZER_SETTINGS = {"clean", "strip_sep_token"}
_FILTERS = {"bicubic": 3, "random": 3, "bilinear": 2}
"""Numbers of Pillow's. Random is for training, and bicubic else."""


def is_open_clip(names: Collection[str]) -> bool:
    """True if a folder of these files is to be read in this format.

    Many models are there in both; then they are read in that of transformers. A config.json alone
    says little: that of timm describes the visual tower.
    """
    return OPEN_CLIP_CONFIG in names and not {"config.json", "preprocessor_config.json"} <= set(
        names
    )


def weights_name(names: Collection[str]) -> str | None:
    """The name of the safetensors weights file among these names; None without such a file."""
    # In a folder that also has transformers files, model.safetensors is in transformers format.
    mine = WEIGHTS if is_open_clip(names) else WEIGHTS[:-1]
    return next((name for name in mine if name in names), None)


def checked_config(document: Mapping[str, Any], path: Path | str) -> Mapping[str, Any]:
    """A configuration, checked to need no files from other repositories.

    Args:
        document: the content of open_clip_config.json.
        path: its file, or another name of its origin, for messages.

    Raises:
        WeightsError: it is not an open_clip configuration.
        UnsupportedModelError: it needs a feature that vidseek does not support.
    """
    model = document.get("model_cfg")
    model = model if isinstance(model, Mapping) else {}
    vision, text = model.get("vision_cfg"), model.get("text_cfg")
    both = isinstance(vision, Mapping) and isinstance(text, Mapping)
    if not (both and isinstance(model.get("embed_dim"), int)):
        raise WeightsError(
            f"{path}: has no model_cfg with embed_dim, vision_cfg and text_cfg; fetch the model "
            "again"
        )
    assert vision is not None
    assert text is not None
    elsewhere = text.get("hf_model_name") or ""
    if ":" in str(vision.get("timm_model_name") or ""):
        elsewhere = vision["timm_model_name"]
    if elsewhere:
        raise UnsupportedModelError(
            f"{path}: builds on {elsewhere}, which open_clip would download without a question",
            hint=Hint("list_known_models"),
        )
    settings = set(text.get("tokenizer_kwargs") or {}) - _TOKENIZER_SETTINGS
    if text.get("tokenizer_mode"):
        settings.add("tokenizer_mode")
    if settings:
        raise UnsupportedModelError(
            f"{path}: sets {', '.join(sorted(settings))} for the tokenizer, which vidseek does not "
            "support",
            hint=Hint("list_known_models"),
        )
    return document


def picture_rules(config: Mapping[str, Any], path: Path) -> PictureRules:
    """How pictures are prepared, as ``open_clip.image_transform`` does it.

    Args:
        config: as ``checked_config`` gives it.
        path: of the file, for messages.

    Raises:
        WeightsError: it cannot be understood.
        UnsupportedModelError: it asks for a step that vidseek does not know.
    """
    rules = config.get("preprocess_cfg") or {}
    side = config["model_cfg"]["vision_cfg"].get("image_size") or 224
    try:
        height, width = (side, side) if isinstance(side, int) else map(int, side)
        mean = _three(rules.get("mean"), CLIP_MEAN)
        std = _three(rules.get("std"), CLIP_STD)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be used ({error}); fetch the model again") from error
    resize = rules.get("resize_mode") or "shortest"
    interpolation = rules.get("interpolation") or "bicubic"
    how = {"shortest": "short side", "longest": "long side", "squash": "exactly"}.get(resize)
    wrong = [
        f"resize_mode {resize}"
        if how is None or (resize == "shortest" and height != width)
        else "",
        f"interpolation {interpolation}" if interpolation not in _FILTERS else "",
        f"fill_color {rules.get('fill_color')}" if rules.get("fill_color") else "",
    ]
    if any(wrong):
        raise UnsupportedModelError(
            f"{path}: asks for {', '.join(filter(None, wrong))} with pictures of {height} x "
            f"{width}, which vidseek does not support",
            hint=Hint("list_known_models"),
        )
    return PictureRules(
        how,  # type: ignore[arg-type]
        height,
        width,
        None if resize == "squash" else (height, width),
        resample=_FILTERS[interpolation],
        scale=1 / 255,
        mean=mean,
        std=std,
        middle="rounded",
    )


def _three(values: Any, default: tuple[float, float, float]) -> tuple[float, float, float]:
    if values is None:
        return default
    if isinstance(values, int | float):
        return (float(values),) * 3
    first, second, third = (float(value) for value in values)
    return first, second, third
