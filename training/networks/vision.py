"""The hybrid ViT: a Transformer over the cells of the stem's map, beside the stem's own pooling.

    vision = Vision(VisionConfig(), load_imagenet_stem())
    output = vision(fine)                  # fine: (N, 120, 17, 17) from Stem.fine_map
    output.vectors, output.tokens          # (N, 384) and (N, 4, 128)

The Transformer's part of the frame vector starts at zero, so that training starts from a two-layer
head over pooled features, which is good within minutes, and the Transformer adds to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.vit.modeling_vit import ViTLayer, ViTPreTrainedModel

from vidseek.training.networks.class_names import ClassNames
from vidseek.training.networks.configuration import VisionConfig
from vidseek.training.networks.stem import (
    COARSE_CHANNELS,
    COARSE_SIDE,
    FINE_CHANNELS,
    POOLED_CHANNELS,
    Stem,
)


@dataclass(frozen=True)
class FrameOutput:
    """The model's output for N frames."""

    vectors: Tensor
    """(N, D) float32, L2-normalised."""
    tokens: Tensor
    """(N, M, T) float32."""
    pooled: Tensor
    """(N, 1280) the stem's pooled features, for the side loss."""
    plain: Tensor
    """(N, D) the vectors without names of classes; the same as ``vectors`` if it has none."""
    attentions: tuple[Tensor, ...] = ()
    """For each layer an (N, heads, 1 + M + cells, 1 + M + cells) tensor, if requested."""


class MapEmbeddings(nn.Module):
    """The stem's maps as a sequence: class token, M learned tokens, then one token per cell."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.coarse = nn.Linear(COARSE_CHANNELS, width)
        # The finer map is halved: a cell then sees its 3 x 3 neighbours, and the sequence stays at
        # 81 cells, a quarter of the attention's cost.
        self.fine = nn.Conv2d(FINE_CHANNELS, width, kernel_size=3, stride=2, padding=1)
        self.leading = nn.Parameter(torch.empty(1, 1 + config.tokens_per_frame, width))
        self.positions = nn.Parameter(torch.empty(1, width, COARSE_SIDE, COARSE_SIDE))
        nn.init.trunc_normal_(self.leading, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """(N, 120, H, W) and (N, 352, ceil(H / 2), ceil(W / 2)) to (N, 1 + M + cells, width)."""
        # Both maps have values of several units; scaled to about 1 they suit fresh layers.
        cells = self.coarse((coarse * 0.25).permute(0, 2, 3, 1))
        cells = cells + self.fine(fine * 0.1).permute(0, 2, 3, 1)
        positions: Tensor = self.positions
        if cells.shape[1:3] != positions.shape[2:4]:
            positions = functional.interpolate(
                positions, size=cells.shape[1:3], mode="bilinear", align_corners=False
            )
        cells = (cells + positions.permute(0, 2, 3, 1)).flatten(1, 2)
        leading = self.leading.expand(cells.shape[0], -1, -1)
        return torch.cat([leading.to(cells.dtype), cells], 1)


class Vision(ViTPreTrainedModel):  # type: ignore[misc]
    """Maps frames to vectors in the shared space and tokens for the cross-modal head."""

    config_class = VisionConfig

    def __init__(self, config: VisionConfig, stem: Stem | None = None) -> None:
        super().__init__(config)
        self.stem = Stem() if stem is None else stem
        self.embeddings = MapEmbeddings(config)
        self.layers = nn.ModuleList([ViTLayer(config) for _ in range(config.num_hidden_layers)])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.shortcut = nn.Linear(POOLED_CHANNELS, config.projection_size)
        self.head = nn.Sequential(
            nn.Linear(POOLED_CHANNELS, config.head_width),
            nn.GELU(),
            nn.Dropout(config.head_dropout),
            nn.Linear(config.head_width, config.projection_size),
        )
        self.transformer_output = nn.Linear(config.hidden_size, config.projection_size)
        self.token_output = nn.Linear(config.hidden_size, config.token_dimension)
        self.names: ClassNames | None = None
        if config.class_names:
            self.names = ClassNames(classes=config.class_names, dimension=config.projection_size)
        if stem is not None:  # fresh; from_pretrained fills in everything instead
            self._initialise()
        self.post_init()

    def _initialise(self) -> None:
        for layer in self.layers:
            for module in layer.modules():
                if isinstance(module, nn.Linear):
                    nn.init.trunc_normal_(module.weight, std=0.02)
                    nn.init.zeros_(module.bias)
        nn.init.zeros_(self.transformer_output.weight)
        nn.init.zeros_(self.transformer_output.bias)

    def _init_weights(self, module: nn.Module) -> None:
        """Do nothing: transformers' own initialisation would overwrite the stem."""

    def trained_modules(self) -> list[nn.Module]:
        """The stem's blocks that are trained; the others are frozen."""
        from vidseek.training.networks.stem import FINE_BLOCKS

        return [self.stem.blocks[FINE_BLOCKS:], self.stem.last]

    def add_names(self, names: ClassNames) -> None:
        """Add the names of classes to the vectors, in place of those that it has."""
        self.config.class_names = len(names.vectors)
        self.names = names

    def _drop_cells(self, hidden: Tensor, share: float) -> Tensor:
        leading = 1 + self.config.tokens_per_frame
        cells = hidden.shape[1] - leading
        visible = torch.rand(hidden.shape[0], cells, device=hidden.device).argsort(1)
        visible = visible[:, : max(1, round(cells * share))] + leading
        chosen = hidden.gather(1, visible[..., None].expand(-1, -1, hidden.shape[2]))
        return torch.cat([hidden[:, :leading], chosen], 1)

    def forward(
        self, fine: Tensor, *, output_attentions: bool = False, keep_cells: float = 1.0
    ) -> FrameOutput:
        """Encode frames from the stem's fine map.

        Args:
            fine: (N, 120, H, W) from ``Stem.fine_map``, the whole map (17 x 17) or a crop.
            keep_cells: share of the cells that the Transformer sees, drawn afresh for every frame.
            output_attentions: also return the attention weights (needs the ``eager`` attention
                implementation).
        """
        coarse = self.stem.coarse_map(fine)
        pooled = self.stem.pooled(coarse)
        hidden = self.embeddings(fine, coarse)
        if keep_cells < 1.0:
            hidden = self._drop_cells(hidden, keep_cells)
        attentions: list[Tensor] = []
        for layer in self.layers:
            if output_attentions:
                parts = cast(Any, layer)
                attentions.append(parts.attention(parts.layernorm_before(hidden))[1])
            hidden = layer(hidden)
        leading = self.layernorm(hidden[:, : 1 + self.config.tokens_per_frame])
        vectors = self.head(pooled) + self.shortcut(pooled) + self.transformer_output(leading[:, 0])
        plain = vectors = functional.normalize(vectors.float(), dim=-1)
        if self.names is not None:
            vectors = functional.normalize(plain + self.names(fine), dim=-1)
        return FrameOutput(
            vectors=vectors,
            tokens=self.token_output(leading[:, 1:]).float(),
            pooled=pooled,
            plain=plain,
            attentions=tuple(attentions),
        )
