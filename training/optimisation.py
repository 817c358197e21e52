"""What the training loops share: contrastive loss, precision, learning rate, checkpoints."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def symmetric_infonce(logits: Tensor) -> Tensor:
    """InfoNCE in both directions over (B, B) logits whose diagonal has the matching pairs."""
    target = torch.arange(len(logits), device=logits.device)
    return 0.5 * (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    )


def choose_device() -> torch.device:
    """A GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 here; processors without it emulate it slowly."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def encoding_precision(device: torch.device) -> torch.autocast:
    """Encode in bfloat16 where the processor has it.

    It halves the time, and the vectors agree to 0.999. A processor with AVX2 alone emulates it, and
    takes seven times as long as in float32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))


def rate_factor(used: float, *, warm_up: float) -> float:
    """Factor on the peak learning rate: a linear warm-up, then a cosine to zero.

    Args:
        used: share of the budget used up, 0 to 1.
        warm_up: share of the budget for the warm-up.
    """
    if used < warm_up:
        return max(used / warm_up, 0.02)
    return 0.5 * (1.0 + math.cos(math.pi * (used - warm_up) / (1.0 - warm_up)))


def parameter_groups(
    parameters: Iterable[nn.Parameter], *, peak: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Parameter groups for AdamW; biases, norms and scalars get no weight decay."""
    trained = list(parameters)
    return [
        {
            "params": [p for p in trained if p.dim() >= 2],
            "peak": peak,
            "weight_decay": weight_decay,
        },
        {"params": [p for p in trained if p.dim() < 2], "peak": peak, "weight_decay": 0.0},
    ]


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to its peak times the factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint atomically: after a crash either the old or the new file is there."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)  # noqa: PTH105 - the atomic form, spelled as such
