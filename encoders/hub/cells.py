"""Vectors of the patches of a picture, from the visual towers of Hugging Face's dual encoders.

    vectors = patch_vectors(family, model, {"pixel_values": pixels})     # (N, P, D)

In the last layer each patch attends to itself only, so that it keeps what it shows instead of what
the whole picture shows; then the model's own pooling and projection read it alone. That is MaskCLIP
(Zhou, Loy and Dai, ECCV 2022) without its refinements.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidseek.encoders.hub.families import Family

_PICTURE_KINDS = ("pictures", "patches")


def has_patches(family: Family, model: Any) -> bool:
    """True if ``patch_vectors`` can read a model: its visual tower is a Transformer over patches.

    Args:
        family: of the model.
        model: a dual encoder of transformers or open_clip.
    """
    tower = getattr(model, "vision_model", None)
    if family.kind not in _PICTURE_KINDS or tower is None or _layers(tower) is None:
        return False
    return _pooling(tower) is not None


def patch_vectors(family: Family, model: Any, inputs: Mapping[str, Any]) -> Any:
    """Encode the patches of N pictures.

    Args:
        family: of the model.
        model: a dual encoder of transformers for which ``has_patches`` is True.
        inputs: tensors that its visual tower takes.

    Returns:
        A tensor (N, P, D), not normalised; the patches by rows, padding of NaFlex models included.
    """
    tower = model.vision_model
    before_last = tower(**inputs, output_hidden_states=True).hidden_states[-2]
    tokens = _without_mixing(_layers(tower)[-1], before_last)
    pooling = _pooling(tower)
    if not family.name.startswith("siglip"):
        tokens = tokens[:, 1:]  # the class token
    vectors = pooling(tokens)
    projection = getattr(model, "visual_projection", None)
    return vectors if projection is None else projection(vectors)


def _layers(tower: Any) -> Any:
    """The layers of a Transformer; None if it has none that are known."""
    encoder = getattr(tower, "encoder", tower)
    return getattr(encoder, "layers", None)


def _pooling(tower: Any) -> Any:
    """What makes the tower's vector, for each token (N, P, width) alone; None if it is unknown."""
    norm = getattr(tower, "post_layernorm", None)
    if norm is not None:
        head = getattr(tower, "head", None)
        return norm if head is None else lambda tokens: _each_alone(head, norm(tokens))
    norm, pooler = getattr(tower, "layernorm", None), getattr(tower, "pooler", None)
    if norm is not None and pooler is not None:
        return lambda tokens: _each_alone(pooler, norm(tokens))
    return None


def _each_alone(pool: Any, tokens: Any) -> Any:
    """What a pooling of sequences makes of each token as a sequence of its own."""
    count, length, width = tokens.shape
    return pool(tokens.reshape(count * length, 1, width)).reshape(count, length, -1)


def _without_mixing(layer: Any, hidden: Any) -> Any:
    """A layer of a Transformer in which each token attends to itself only."""
    import torch

    length = hidden.shape[1]
    blocked = torch.finfo(hidden.dtype).min
    mask = torch.full((length, length), blocked, dtype=hidden.dtype, device=hidden.device)
    output = layer(hidden, attention_mask=mask.fill_diagonal_(0)[None, None])
    return output[0] if isinstance(output, tuple) else output
