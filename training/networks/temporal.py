"""Attention over the frames of a clip.

    temporal = Temporal(TemporalConfig())
    clips = temporal(vectors, seconds, mask)     # (B, F, 384), (B, F), (B, F) -> (B, 384)

The result is the mean of the frame vectors plus a term from attention, which starts at zero and is
exactly zero for a clip of one frame: a still's vector is its frame vector. Attention sees how the
frames differ from their mean, which is what moves: what all of them show is in the mean already.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.vit.modeling_vit import ViTLayer, ViTPreTrainedModel

from vidseek.training.networks.configuration import TemporalConfig

TIME_PERIODS_SECONDS = tuple(0.5 * 2.0**power for power in range(8))
"""0.5 to 64 s: from less than the gap between frames to more than the longest clip."""


TIME_FEATURES = 2 * len(TIME_PERIODS_SECONDS) + 1
SHORTEST_SECONDS = 1e-3
"""Frames with equal times are all at the beginning of their clip, instead of nowhere."""


def time_features(seconds: Tensor) -> Tensor:
    """(B, F) seconds from the clip's first frame to (B, F, 17) features.

    Sines and cosines, and the share of the clip that lies before the frame, -1 to 1: an action
    takes one second in one video and ten in another, and its beginning comes first in both.
    """
    periods = torch.tensor(TIME_PERIODS_SECONDS, dtype=seconds.dtype, device=seconds.device)
    phases = seconds[..., None] * (2.0 * math.pi / periods)
    longest = seconds.amax(1, keepdim=True).clamp(min=SHORTEST_SECONDS)
    share = 2.0 * seconds / longest - 1.0
    return torch.cat([phases.sin(), phases.cos(), share[..., None]], -1)


class Temporal(ViTPreTrainedModel):  # type: ignore[misc]
    """Maps frame vectors and their times to clip vectors."""

    config_class = TemporalConfig

    def __init__(self, config: TemporalConfig) -> None:
        super().__init__(config)
        self.input = nn.Linear(config.projection_size, config.hidden_size)
        self.time = nn.Linear(TIME_FEATURES, config.hidden_size)
        self.token = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.layers = nn.ModuleList([ViTLayer(config) for _ in range(config.num_hidden_layers)])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.output = nn.Linear(config.hidden_size, config.projection_size)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Do nothing: every layer initialises itself."""

    def attend(self, vectors: Tensor, seconds: Tensor, mask: Tensor) -> Tensor:
        """(B, H) the class token after attention over the frames; arguments as in ``forward``."""
        weights = mask / mask.sum(1, keepdim=True)
        mean = (vectors * weights[..., None]).sum(1, keepdim=True)
        moving = (vectors - mean) * math.sqrt(vectors.shape[-1])
        frames = self.input(moving) + self.time(time_features(seconds * mask))
        # Not `expand`: the export would fix the number of clips.
        token = self.token + torch.zeros_like(frames[:, :1])
        hidden = torch.cat([token, frames], 1)
        seen = torch.cat([torch.ones_like(mask[:, :1]), mask], 1)
        blocked = ((1.0 - seen) * -1e4)[:, None, None, :]
        for layer in self.layers:
            hidden = layer(hidden, blocked)
        attended: Tensor = self.layernorm(hidden[:, 0])
        return attended

    def forward(self, vectors: Tensor, seconds: Tensor, mask: Tensor) -> Tensor:
        """Encode clips.

        Args:
            vectors: (B, F, D) float32 frame vectors, padded.
            seconds: (B, F) float32 from each clip's first frame.
            mask: (B, F) float32, 1 for a frame and 0 for padding.

        Returns:
            (B, D) float32, L2-normalised.
        """
        weights = mask / mask.sum(1, keepdim=True)
        mean = (vectors * weights[..., None]).sum(1)
        attention_share = 1.0 - 1.0 / mask.sum(1, keepdim=True)
        added = self.output(self.attend(vectors, seconds, mask))
        return functional.normalize(mean + attention_share * added, dim=-1)
