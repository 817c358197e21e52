"""The cross-modal head: text tokens attend over a clip's stored frame vectors and tokens.

    head = CrossModal(CrossModalConfig())
    scores = head(text, text_mask, vectors, tokens, frame_mask, first_stage)     # (K,)

Its score is the first stage's plus a correction that starts at zero and is bounded, so that the
result stays on the scale of a cosine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.models.bert.modeling_bert import BertEncoder, BertPreTrainedModel

from vidseek.encoders.model.configuration import CrossModalConfig


class CrossModal(BertPreTrainedModel):  # type: ignore[misc]
    """A small BERT whose layers also attend to frames."""

    config_class = CrossModalConfig

    def __init__(self, config: CrossModalConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.text_input = nn.Linear(config.text_size, width)
        self.text_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.vector_input = nn.Linear(config.text_size, width)
        self.token_input = nn.Linear(config.token_dimension, width)
        self.memory_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.encoder = BertEncoder(config)
        self.score_input = nn.Linear(1, width)
        self.score_hidden = nn.Linear(width, width)
        self.score_output = nn.Linear(width, 1)
        nn.init.zeros_(self.score_output.weight)
        nn.init.zeros_(self.score_output.bias)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Every layer initialises itself."""

    def forward(
        self,
        text: Tensor,
        text_mask: Tensor,
        vectors: Tensor,
        tokens: Tensor,
        frame_mask: Tensor,
        first_stage: Tensor,
    ) -> Tensor:
        """Score K pairs of a sentence and a clip.

        Args:
            text: (K, L, 384) last hidden states of the text encoder.
            text_mask: (K, L) float32, 1 for a token and 0 for padding.
            vectors: (K, F, 384) frame vectors.
            tokens: (K, F, M, T) frame tokens.
            frame_mask: (K, F) float32, 1 for a frame and 0 for padding.
            first_stage: (K,) cosine of clip and sentence.

        Returns:
            (K,) float32 scores.
        """
        count, frames, per_frame, _ = tokens.shape
        scale = float(vectors.shape[-1]) ** 0.5
        memory = torch.cat(
            [self.vector_input(vectors * scale)[:, :, None], self.token_input(tokens)], 2
        ).reshape(count, frames * (1 + per_frame), -1)
        memory = self.memory_norm(memory)
        memory_mask = frame_mask[:, :, None].expand(-1, -1, 1 + per_frame).flatten(1)
        hidden = self.encoder(
            self.text_norm(self.text_input(text)),
            attention_mask=((1.0 - text_mask) * -1e4)[:, None, None, :],
            encoder_hidden_states=memory,
            encoder_attention_mask=((1.0 - memory_mask) * -1e4)[:, None, None, :],
        ).last_hidden_state
        weights = text_mask / text_mask.sum(1, keepdim=True)
        pooled = hidden[:, 0] + (hidden * weights[..., None]).sum(1)
        pooled = pooled + self.score_input(first_stage[:, None])
        correction: Tensor = self.score_output(torch.tanh(self.score_hidden(pooled)))[:, 0]
        bound = float(self.config.largest_correction)
        return first_stage + bound * torch.tanh(correction)
