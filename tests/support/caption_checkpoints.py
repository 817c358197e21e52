"""Models that put pictures into words, small enough to be made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hub_checkpoints import SIDE, WORDS

SPECIAL = ("<s>", "<pad>", "<unk>", "<image>", "user", "assistant", "how", "many", "what", "?")
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }} {% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}assistant {% endif %}"
)
_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_PICTURES = {"image_size": SIDE, "patch_size": 8}


def make_caption_checkpoint(family: str, folder: Path) -> Path:
    """Write a whole model: configuration, weights, vocabulary, preprocessing.

    Args:
        family: blip, blip-vqa, git, git-video or llava.
        folder: to write to.
    """
    import torch

    torch.manual_seed(0)
    tokenizer = _tokenizer()
    text = {
        **_SIZES,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "max_position_embeddings": 128,
    }
    model = {"blip": _blip, "blip-vqa": _blip, "llava": _llava}.get(family, _git)(text, family)
    for name, parameter in model.named_parameters():
        # As they are initialised, every picture would get the same words.
        if parameter.ndim >= 2 and "position" not in name:
            torch.nn.init.normal_(parameter, std=0.4)
    model.eval().save_pretrained(folder)
    _processor(family, tokenizer).save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS, "</s>"])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=["<image>"],
        model_max_length=128,
    )


def _processor(family: str, tokenizer: Any) -> Any:
    from transformers import BlipProcessor, GitProcessor, LlavaProcessor
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    square = {"height": SIDE, "width": SIDE}
    if family.startswith("blip"):
        return BlipProcessor(BlipImageProcessorPil(size=square), tokenizer)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square)
    if family == "llava":
        return LlavaProcessor(
            pictures,
            tokenizer,
            patch_size=8,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
            chat_template=CHAT_TEMPLATE,
        )
    return GitProcessor(pictures, tokenizer)


def _blip(text: dict[str, Any], family: str) -> Any:
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipForQuestionAnswering

    text = {**text, "encoder_hidden_size": 32, "sep_token_id": text["eos_token_id"]}
    config = BlipConfig(text_config=text, vision_config={**_SIZES, **_PICTURES}, projection_dim=24)
    answers = family == "blip-vqa"
    return (BlipForQuestionAnswering if answers else BlipForConditionalGeneration)(config)


def _git(text: dict[str, Any], family: str) -> Any:
    from transformers import GitConfig, GitForCausalLM

    frames = 4 if family == "git-video" else None
    vision = {**_SIZES, **_PICTURES}
    return GitForCausalLM(GitConfig(vision_config=vision, num_image_with_embedding=frames, **text))


def _llava(text: dict[str, Any], family: str) -> Any:
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    vision = CLIPVisionConfig(**_SIZES, **_PICTURES, projection_dim=24)
    config = LlavaConfig(vision_config=vision, text_config=LlamaConfig(**text), image_token_index=3)
    return LlavaForConditionalGeneration(config)
