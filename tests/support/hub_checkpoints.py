"""Checkpoints in the format of Hugging Face, small enough to be made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORDS = ("a", "the", "of", "and", "dog", "cat", "runs", "red", "car", "on", "grass", "man", "eats")
SIDE = 32
CLIP_PICTURES = {"xclip": 8, "videoprism": 4}
"""How many pictures the video models see together."""
_VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_PICTURES = {"image_size": SIDE, "patch_size": 8}


def make_checkpoint(
    family: str,
    folder: Path,
    *,
    seed: int = 0,
    tokenizer: Any | None = None,
    vocabulary_size: int | None = None,
) -> Path:
    """Write a whole model of a family: configuration, weights, vocabulary, preprocessing."""
    import torch

    torch.manual_seed(seed)
    tokenizer = tokenizer or word_tokenizer(family)
    model = _MAKERS[family](_text_sizes(tokenizer, vocabulary_size))
    for name, parameter in model.named_parameters():
        # As they are initialised, every picture and text would come out nearly the same.
        if parameter.ndim >= 2 and "position" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if family == "videoprism":
        # Its processor wants torchvision; the file is what it would write.
        rules = {"video_processor_type": "LlavaOnevisionVideoProcessor", "resample": 3}
        (folder / "video_preprocessor_config.json").write_text(json.dumps(rules))
    else:
        picture_processor(family).save_pretrained(folder)
    return folder


def picture_processor(family: str) -> Any:
    """The transformers processor that the checkpoint is made with."""
    from transformers.models.chinese_clip.image_processing_pil_chinese_clip import (
        ChineseCLIPImageProcessorPil,
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil
    from transformers.models.videomae.image_processing_pil_videomae import (
        VideoMAEImageProcessorPil,
    )
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    square = {"height": SIDE, "width": SIDE}
    if family == "siglip":
        return SiglipImageProcessorPil(size=square)
    if family == "siglip2":
        return Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    if family == "xclip":
        return VideoMAEImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square)
    if family == "vision_text_dual_encoder":
        return ViTImageProcessorPil(size=square)
    kind = ChineseCLIPImageProcessorPil if family == "chinese_clip" else CLIPImageProcessorPil
    return kind(size={"shortest_edge": SIDE}, crop_size=square)


def word_tokenizer(family: str) -> Any:
    """A vocabulary of the few words above."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "<unk>"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS, "</s>"])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(word, vocabulary[word]) for word in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        model_max_length=64 if family.startswith(("siglip", "videoprism")) else 16,
    )


def _text_sizes(tokenizer: Any, vocabulary_size: int | None) -> dict[str, int]:
    """What the text tower must know of its vocabulary."""
    return {
        **_VISION,
        "vocab_size": vocabulary_size or len(tokenizer) + 8,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _clip(text: dict[str, int]) -> Any:
    from transformers import CLIPConfig, CLIPModel

    text = {**text, "max_position_embeddings": 16, "projection_dim": 24}
    vision = {**_VISION, **_PICTURES, "projection_dim": 24}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))


def _metaclip_2(text: dict[str, int]) -> Any:
    from transformers import MetaClip2Config, MetaClip2Model

    text = {**text, "max_position_embeddings": 16, "projection_dim": 24}
    vision = {**_VISION, **_PICTURES, "projection_dim": 24}
    return MetaClip2Model(
        MetaClip2Config(text_config=text, vision_config=vision, projection_dim=24)
    )


def _siglip(text: dict[str, int]) -> Any:
    from transformers import SiglipConfig, SiglipModel

    text = {**text, "max_position_embeddings": 64, "projection_size": 32}
    return SiglipModel(SiglipConfig(text_config=text, vision_config={**_VISION, **_PICTURES}))


def _siglip2(text: dict[str, int]) -> Any:
    from transformers import Siglip2Config, Siglip2Model

    text = {**text, "max_position_embeddings": 64, "projection_size": 32}
    vision = {**_VISION, "patch_size": 8, "num_patches": 16}
    return Siglip2Model(Siglip2Config(text_config=text, vision_config=vision))


def _altclip(text: dict[str, int]) -> Any:
    from transformers import AltCLIPConfig, AltCLIPModel

    text = {**text, "max_position_embeddings": 20, "project_dim": 32}
    vision = {**_VISION, **_PICTURES, "projection_dim": 24}
    return AltCLIPModel(AltCLIPConfig(text_config=text, vision_config=vision, projection_dim=24))


def _chinese_clip(text: dict[str, int]) -> Any:
    from transformers import ChineseCLIPConfig, ChineseCLIPModel

    text = {**text, "max_position_embeddings": 16}
    vision = {**_VISION, **_PICTURES, "projection_dim": 24}
    return ChineseCLIPModel(
        ChineseCLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    )


def _vision_text_dual_encoder(text: dict[str, int]) -> Any:
    from transformers import (
        BertConfig,
        VisionTextDualEncoderConfig,
        VisionTextDualEncoderModel,
        ViTConfig,
    )

    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        ViTConfig(**_VISION, **_PICTURES),
        BertConfig(**text, max_position_embeddings=16),
        projection_dim=24,
    )
    return VisionTextDualEncoderModel(config)


def _xclip(text: dict[str, int]) -> Any:
    from transformers import XCLIPConfig, XCLIPModel

    text = {**text, "max_position_embeddings": 16}
    vision = {
        **_VISION,
        **_PICTURES,
        "num_frames": CLIP_PICTURES["xclip"],
        "mit_hidden_size": 24,
        "mit_intermediate_size": 48,
        "mit_num_attention_heads": 4,
    }
    return XCLIPModel(
        XCLIPConfig(
            text_config=text,
            vision_config=vision,
            projection_dim=24,
            prompt_num_attention_heads=4,
        )
    )


def _videoprism(text: dict[str, int]) -> Any:
    from transformers import VideoPrismClipModel, VideoPrismConfig

    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "tubelet_size": (1, 8, 8),
        "num_frames": CLIP_PICTURES["videoprism"],
        "num_spatial_layers": 2,
        "num_temporal_layers": 1,
        "num_auxiliary_layers": 1,
    }
    return VideoPrismClipModel(VideoPrismConfig(text_config=text, vision_config=vision))


_MAKERS = {
    "clip": _clip,
    "siglip": _siglip,
    "siglip2": _siglip2,
    "metaclip_2": _metaclip_2,
    "altclip": _altclip,
    "chinese_clip": _chinese_clip,
    "vision_text_dual_encoder": _vision_text_dual_encoder,
    "xclip": _xclip,
    "videoprism": _videoprism,
}
