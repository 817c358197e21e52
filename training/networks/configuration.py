"""Shapes of the built-in model's parts, as configuration classes of transformers.

VisionConfig(num_hidden_layers=4).save_pretrained("checkpoint/vision")
"""

from __future__ import annotations

from huggingface_hub.dataclasses import strict
from transformers import BertConfig, ViTConfig

SENTENCE_DIMENSION = 384
"""Length of MiniLM's sentence vectors, and so of every vector in the shared space."""


@strict
class VisionConfig(ViTConfig):  # type: ignore[misc]
    """The hybrid ViT: Transformer layers over the stem's map, and the heads above them."""

    model_type = "vidseek_vision"

    hidden_size: int = 256
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 1024
    layer_norm_eps: float = 1e-6
    image_size: int = 260
    tokens_per_frame: int = 8
    token_dimension: int = 128
    head_width: int = 768
    head_dropout: float = 0.3
    class_names: int = 0
    """Classes whose names are added to a frame's vector; 0 for none."""
    projection_size: int = SENTENCE_DIMENSION


@strict
class TemporalConfig(ViTConfig):  # type: ignore[misc]
    """Attention over a clip's frame vectors."""

    model_type = "vidseek_temporal"

    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int = 512
    layer_norm_eps: float = 1e-6
    projection_size: int = SENTENCE_DIMENSION


@strict
class CrossModalConfig(BertConfig):  # type: ignore[misc]
    """The head in which text tokens attend over frame tokens."""

    model_type = "vidseek_cross_modal"

    vocab_size: int = 1
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int = 256
    use_cache: bool = False
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.0
    text_size: int = SENTENCE_DIMENSION
    token_dimension: int = 128
    aligned_size: int = 192
    """Length of the vectors in which words and frame tokens are compared."""
    largest_correction: float = 0.25
    """Largest value the head adds to a cosine; matched and mismatched pairs are 0.3 apart."""
