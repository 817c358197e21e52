"""An encoder made from a model in open_clip format."""

from __future__ import annotations

from collections.abc import Sequence

from vidseek.encoders.hub.encoder import HubEncoder
from vidseek.encoders.hub.file_names import OPEN_CLIP_CONFIG
from vidseek.encoders.hub.open_clip_config import picture_rules
from vidseek.encoders.hub.open_clip_model import load_tokenizer, token_rows_of
from vidseek.encoders.hub.sentences import TokenRows


class OpenClipEncoder(HubEncoder):
    """A third-party model that runs in the package open_clip. Safe to use from several threads."""

    def _read(self) -> int:
        config = self._checkpoint.open_clip
        assert config is not None
        self._rules = picture_rules(config, self._checkpoint.folder / OPEN_CLIP_CONFIG)
        self._tokenizer = load_tokenizer(self._checkpoint)
        self._text_tokens = int(self._tokenizer.context_length)
        return int(config["model_cfg"]["embed_dim"])

    def _token_rows(self, texts: Sequence[str]) -> TokenRows:
        return token_rows_of(self._tokenizer, texts)
