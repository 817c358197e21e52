"""The cross-modal head: words attend over a clip's frames, and the head scores how well they fit.

    head = CrossModal(CrossModalConfig())
    scores = head(text, text_mask, vectors, tokens, frame_mask, first_stage)     # (K,)

Words and frame tokens are projected into one space, where a word attends to the nearest frame
tokens (SCAN, Lee et al. 2018). The head then reads not the word and the frames themselves but how
they *agree*, component by component (SGRAF, Diao et al. 2021): a Transformer over these similarity
vectors has little to memorise. The score is the first stage's plus a bounded correction that starts
at zero, so that the result stays on the scale of a cosine.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.bert.modeling_bert import BertEncoder, BertPreTrainedModel

from vidseek.training.networks.configuration import CrossModalConfig


@dataclass(frozen=True)
class Alignment:
    """The words of K sentences and the vector that each attended to in K clips."""

    words: Tensor
    """(K, L, A) unit vectors of words."""
    found: Tensor
    """(K, L, A) unit vectors of the frame tokens that each word attended to."""
    attention: Tensor
    """(K, L, F * (1 + M)) attention weights: for each frame its vector, then its M tokens."""

    def scores(self, text_mask: Tensor) -> Tensor:
        """(K,) mean cosine of each word and the tokens it attended to."""
        agreement = (self.words * self.found).sum(-1)
        return (agreement * text_mask).sum(1) / text_mask.sum(1)


class CrossModal(BertPreTrainedModel):  # type: ignore[misc]
    """Attention of words over frames, then a small Transformer over their agreement."""

    config_class = CrossModalConfig

    def __init__(self, config: CrossModalConfig) -> None:
        super().__init__(config)
        width, aligned = config.hidden_size, config.aligned_size
        self.word_input = nn.Linear(config.text_size, aligned)
        self.vector_input = nn.Linear(config.text_size, aligned)
        self.token_input = nn.Linear(config.token_dimension, aligned)
        self.log_sharpness = nn.Parameter(torch.tensor(2.2))
        self.word_agreement = nn.Linear(2 * aligned, width)
        self.sentence_agreement = nn.Linear(config.text_size + 2, width)
        self.agreement_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.encoder = BertEncoder(config)
        self.score_output = nn.Linear(width, 1)
        nn.init.zeros_(self.score_output.weight)
        nn.init.zeros_(self.score_output.bias)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Do nothing: every layer initialises itself."""

    def memory(self, vectors: Tensor, tokens: Tensor) -> Tensor:
        """(K, F, 384) vectors and (K, F, M, T) tokens to (K, F * (1 + M), A) unit vectors."""
        of_frame = self.vector_input(vectors * float(vectors.shape[-1]) ** 0.5)
        memory = torch.cat([of_frame[:, :, None], self.token_input(tokens)], 2).flatten(1, 2)
        return functional.normalize(memory.float(), dim=-1)

    def words(self, text: Tensor) -> Tensor:
        """(K, L, 384) hidden states to (K, L, A) unit vectors."""
        return functional.normalize(self.word_input(text).float(), dim=-1)

    def align(self, words: Tensor, memory: Tensor, memory_mask: Tensor) -> Alignment:
        """Compute the attention of words over frames.

        Args:
            words: (K, L, A) of ``words``.
            memory: (K, E, A) of ``memory``.
            memory_mask: (K, E), 1 for an entry and 0 for padding.
        """
        logits = self.log_sharpness.exp() * words @ memory.transpose(1, 2)
        attention = (logits + ((1.0 - memory_mask) * -1e4)[:, None, :]).softmax(-1)
        found = functional.normalize(attention @ memory, dim=-1)
        return Alignment(words, found, attention)

    def all_pairs(self, words: Tensor, text_mask: Tensor, memory: Tensor) -> Tensor:
        """(Q, N) mean word agreement of Q sentences with N stills, for training.

        Args:
            words: (Q, L, A) unit vectors.
            text_mask: (Q, L).
            memory: (N, E, A) unit vectors of stills.
        """
        cosines = torch.einsum("qla,nea->qlne", words, memory)
        attention = (self.log_sharpness.exp() * cosines).softmax(-1)
        gram = memory @ memory.transpose(1, 2)
        squares = (torch.einsum("qlne,nef->qlnf", attention, gram) * attention).sum(-1)
        agreement = (attention * cosines).sum(-1) * torch.rsqrt(squares.clamp(min=1e-6))
        return (agreement * text_mask[:, :, None]).sum(1) / text_mask.sum(1)[:, None]

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
        per_frame = 1 + tokens.shape[2]
        memory_mask = frame_mask[:, :, None].expand(-1, -1, per_frame).flatten(1)
        alignment = self.align(self.words(text), self.memory(vectors, tokens), memory_mask)
        words, found = alignment.words, alignment.found
        scale = float(words.shape[-1])
        each = self.word_agreement(
            torch.cat([words * found * scale, (words - found).square() * scale], -1)
        )
        weights = text_mask / text_mask.sum(1, keepdim=True)
        sentence = functional.normalize((text * weights[..., None]).sum(1).float(), dim=-1)
        shares = frame_mask / frame_mask.sum(1, keepdim=True)
        clip = (vectors * shares[..., None]).sum(1)
        whole = self.sentence_agreement(
            torch.cat(
                [
                    sentence * clip * float(sentence.shape[-1]),
                    first_stage[:, None] * 8.0,
                    alignment.scores(text_mask)[:, None] * 8.0,
                ],
                -1,
            )
        )
        hidden = self.agreement_norm(torch.cat([whole[:, None], each], 1))
        mask = torch.cat([torch.ones_like(text_mask[:, :1]), text_mask], 1)
        hidden = self.encoder(
            hidden, attention_mask=((1.0 - mask) * -1e4)[:, None, None, :]
        ).last_hidden_state
        correction: Tensor = self.score_output(hidden[:, 0])[:, 0]
        bound = float(self.config.largest_correction)
        return first_stage + bound * torch.tanh(correction.float())
