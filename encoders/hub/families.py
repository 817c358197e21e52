"""The supported families of dual encoders and their peculiarities.

All are plain classes of transformers or models of open_clip; code that comes with a checkpoint is
never run.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vidseek.core.errors import Hint, UnsupportedModelError

_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SPACED_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " "))
SIGLIP_VOCABULARY = 32_000
"""Words of SigLIP 1, which was trained without punctuation; SigLIP 2 has eight times as many."""
SIGLIP_TEXT_TOKENS = 64


@dataclass(frozen=True)
class Family:
    """How the models of an architecture are called."""

    name: str
    """``model_type`` in config.json, with ``-`` as ``_``."""
    title: str
    model_class: str
    """Class of transformers; empty for open_clip."""
    kind: Literal["pictures", "patches", "clips"] = "pictures"
    """Input of the visual tower: pictures of one size, patches of pictures of any shape, or the
    pictures of a clip together."""
    pads_to_full_length: bool = False
    """True if the text tower was trained with padding that it attends to."""
    masks_padding: bool = True
    """False where the text tower takes no attention mask."""


_ALL = (
    Family("clip", "CLIP", "CLIPModel"),
    Family(
        "siglip",
        "SigLIP and SigLIP 2 of fixed size",
        "SiglipModel",
        pads_to_full_length=True,
        masks_padding=False,
    ),
    Family(
        "siglip2",
        "SigLIP 2 NaFlex",
        "Siglip2Model",
        kind="patches",
        pads_to_full_length=True,
        masks_padding=False,
    ),
    Family("metaclip_2", "MetaCLIP 2", "MetaClip2Model"),
    Family("altclip", "AltCLIP", "AltCLIPModel"),
    Family("chinese_clip", "Chinese-CLIP", "ChineseCLIPModel"),
    Family(
        "vision_text_dual_encoder",
        "VisionTextDualEncoder",
        "VisionTextDualEncoderModel",
    ),
    Family("xclip", "X-CLIP", "XCLIPModel", kind="clips"),
    Family(
        "videoprism",
        "VideoPrism LvT",
        "VideoPrismClipModel",
        kind="clips",
        pads_to_full_length=True,
    ),
)
FAMILIES = {family.name: family for family in _ALL}
OPEN_CLIP = Family("open_clip", "open_clip", "", masks_padding=False)
"""Any model of the package open_clip: recognised by its configuration, not a ``model_type``."""


def family_of(config: Mapping[str, Any], *, where: str) -> Family:
    """The family of a checkpoint.

    Args:
        config: its config.json.
        where: the folder or repository, for messages.

    Raises:
        UnsupportedModelError: it belongs to no supported family, or is only half a dual encoder.
    """
    model_type = str(config.get("model_type", ""))
    classes = [str(name) for name in config.get("architectures") or []]
    family = FAMILIES.get(model_type.replace("-", "_"))
    if family is not None and (not classes or family.model_class in classes):
        return family
    kind = f"{classes[0]} ({model_type})" if classes else model_type or "of an unstated type"
    wanted = ", ".join(one.title for one in _ALL)
    needed = f"Use a model whose image and text encoders share a space, of these kinds: {wanted}"
    hint = Hint("list_known_models")
    reads, sees = _towers(config)
    if family is None and reads != sees:
        half, other = ("text", "pictures") if reads else ("pictures", "text")
        raise UnsupportedModelError(
            f"{where} encodes only {half} ({kind}), not {other}. {needed}", hint=hint
        )
    raise UnsupportedModelError(
        f"{where} is {kind}, which is not a dual encoder that vidseek supports. {needed}", hint=hint
    )


def _towers(config: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether a model reads text, and whether it sees."""
    reads = "text_config" in config or "vocab_size" in config
    sees = any(key in config for key in ("vision_config", "image_size", "patch_size"))
    model_type = str(config.get("model_type", ""))
    if "text_config" not in config and "vision_config" not in config:
        if "text" in model_type:
            return True, False
        if "vision" in model_type:
            return False, True
    return reads, sees


def dimension_of(family: Family, config: Any) -> int:
    """Length of the vectors of both towers.

    Args:
        config: the transformers configuration, with its defaults filled in.
    """
    if family.name in ("siglip", "siglip2"):
        size = getattr(config.text_config, "projection_size", None)
        return int(size or config.text_config.hidden_size)
    if family.name == "videoprism":
        return int(config.vision_config.hidden_size)
    return int(config.projection_dim)


def text_token_limit(family: Family, config: Any) -> int:
    """Tokens that the text tower has positions for."""
    text = config.text_config
    positions = int(getattr(text, "max_position_embeddings", 512))
    if family.name.startswith("siglip"):
        return min(positions, SIGLIP_TEXT_TOKENS)
    described = f"{family.name} {getattr(text, 'model_type', '')}".replace("-", "_")
    if any(kind in described for kind in ("roberta", "camembert", "altclip")):
        # Positions of this kind begin after the number of the padding token.
        return positions - int(getattr(text, "pad_token_id", 1) or 0) - 1
    return positions


def fixed_rules(family: Family, picture_side: int) -> dict[str, Any]:
    """Settings that a family's processor fixes, overriding the checkpoint's file."""
    if family.name != "videoprism":
        return {}
    size = {"height": picture_side, "width": picture_side}
    return {"size": size, "do_normalize": False, "do_center_crop": False}


def clean_for(family: Family, config: Any, text: str) -> str:
    """A sentence as the text tower was taught to read it."""
    if family.name == "videoprism":
        # Its authors' own code writes every sentence this way, with the full stop.
        return " ".join(text.translate(_SPACED_PUNCTUATION).lower().split()) + "."
    if not family.name.startswith("siglip"):
        return text
    text = text.lower()
    if int(config.text_config.vocab_size) <= SIGLIP_VOCABULARY:
        text = text.translate(_WITHOUT_PUNCTUATION)
    return " ".join(text.split())
