"""Models of the package open_clip: by the names that it knows, their towers and vocabulary.

    found = find_pretrained("ViT-B-32/laion2b_s34b_b79k")     # where its weights are
    model = load_model(checkpoint, torch.float32)
    rows = token_rows_of(load_tokenizer(checkpoint), ["a dog catching a frisbee"])

The package is imported here and nowhere else, and downloads nothing: that is left to ``download``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from vidseek.core.errors import Hint, ModelNotFoundError, UnsupportedModelError, WeightsError
from vidseek.encoders.hub.checkpoint import Checkpoint, reason_of
from vidseek.encoders.hub.file_names import OPEN_CLIP_CONFIG
from vidseek.encoders.hub.open_clip_config import checked_config
from vidseek.encoders.hub.sentences import TokenRows, has_words, token_rows


class Pretrained(NamedTuple):
    """What open_clip knows about a pretrained name."""

    repository: str
    """``ORG/NAME`` on the hub."""
    preprocess: Mapping[str, Any]
    """How pictures are prepared, where that is not the default."""


def find_pretrained(name: str) -> Pretrained:
    """The hub repository of an open_clip model name.

    Args:
        name: ``ARCHITECTURE/PRETRAINED``, both of ``open_clip.list_pretrained()``.

    Raises:
        ModelNotFoundError: open_clip has no such model.
        UnsupportedModelError: it is not on the hub, or needs files from another repository.
    """
    import difflib

    open_clip = _package()
    architecture, _, tag = name.partition("/")
    facts = open_clip.get_pretrained_cfg(architecture, tag)
    if not facts:
        known = ["/".join(each) for each in open_clip.list_pretrained()]
        near = [each for each in known if each.startswith(f"{architecture}/")]
        near = near or difflib.get_close_matches(name, known, 3, 0.4)
        raise ModelNotFoundError(
            f"open_clip {open_clip.__version__} has no model {name}; near to it: "
            f"{', '.join(near) or 'none'}. open_clip.list_pretrained() lists all models"
        )
    # Check before downloading gigabytes; the repository's own file is checked later.
    described = {"model_cfg": open_clip.get_model_config(architecture)}
    checked_config(described, f"open_clip:{architecture}")
    organisation, _, rest = str(facts.get("hf_hub") or "").partition("/")
    repository = rest.partition("/")[0]
    if not repository:
        raise UnsupportedModelError(
            f"open_clip:{name}: its weights are not on the hub but at "
            f"{facts.get('url') or 'no stated place'}, as a pickle. Loading a pickle can run "
            "arbitrary code; choose another PRETRAINED from open_clip.list_pretrained()"
        )
    steps = ("mean", "std", "interpolation", "resize_mode")
    return Pretrained(
        f"{organisation}/{repository}", {key: facts[key] for key in steps if facts.get(key)}
    )


class OpenClipTowers:
    """A model of open_clip behind the interface of a transformers model."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def to(self, device: str) -> OpenClipTowers:
        """Move it."""
        self._model.to(device)
        return self

    def eval(self) -> OpenClipTowers:
        """Drop the parts needed for training only."""
        self._model.eval()
        return self

    def get_image_features(self, pixel_values: Any) -> Any:
        """(N, D) from (N, 3, h, w)."""
        return self._model.encode_image(pixel_values)

    def get_text_features(self, input_ids: Any) -> Any:
        """(N, D) from (N, L)."""
        return self._model.encode_text(input_ids)


def load_model(checkpoint: Checkpoint, dtype: Any) -> OpenClipTowers:
    """A model with its weights.

    Args:
        checkpoint: in the format of open_clip.
        dtype: of torch, for all of it: CoCa cannot have some layers in full precision.

    Raises:
        WeightsError: the weights do not fit the configuration.
    """
    import torch

    open_clip = _package()
    (weights,) = checkpoint.weights
    precision = {torch.bfloat16: "pure_bf16", torch.float16: "pure_fp16"}.get(dtype, "fp32")
    try:
        with _quiet():
            # Load the weights separately: given the folder, open_clip might choose a pickle.
            model = open_clip.create_model(
                f"local-dir:{checkpoint.folder}",
                precision=precision,
                load_weights=False,
                pretrained_image=False,
                pretrained_text=False,
            )
            open_clip.load_checkpoint(model, str(weights), strict=True)
    except Exception as error:  # open_clip, timm, torch and safetensors have no common base
        raise WeightsError(
            f"{weights}: cannot be loaded as {OPEN_CLIP_CONFIG} says: {reason_of(error)}; "
            "fetch the model again, or upgrade open_clip",
            hint=Hint("upgrade_package", {"package": "open_clip_torch"}),
        ) from error
    return OpenClipTowers(model)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load a model's open_clip tokenizer.

    Raises:
        WeightsError: it cannot be read.
    """
    assert checkpoint.open_clip is not None
    open_clip = _package()
    options: dict[str, bool] = {}
    if checkpoint.open_clip["model_cfg"]["text_cfg"].get("hf_tokenizer_name"):
        options = {"local_files_only": True, "trust_remote_code": False}
    step = "fetch the model again, with tokenizer.json and tokenizer_config.json"
    try:
        with _quiet():
            tokenizer = open_clip.get_tokenizer(f"local-dir:{checkpoint.folder}", **options)
    except Exception as error:  # transformers raises many types for damaged files
        raise WeightsError(
            f"{checkpoint.folder}: its vocabulary cannot be read ({reason_of(error)}); {step}"
        ) from error
    if options and not has_words(tokenizer.tokenizer):
        raise WeightsError(
            f"{checkpoint.folder}: its vocabulary is missing or has no words; {step}"
        )
    return tokenizer


def token_rows_of(tokenizer: Any, texts: Sequence[str]) -> TokenRows:
    """Tokenise sentences as open_clip does, but cut between characters where they are too long.

    Args:
        tokenizer: of ``load_tokenizer``.
        texts: at least one.
    """
    limit = int(tokenizer.context_length)
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is not None:
        cleaned = [tokenizer.clean_fn(text) for text in texts]
        rows = token_rows(inner, cleaned, limit=limit, to_full_length=True)
        if tokenizer.strip_sep_token:
            rows.ids[rows.ids == inner.sep_token_id] = 0
        return rows
    ids = tokenizer(list(texts)).numpy()
    cut = []
    for place, text in enumerate(texts):
        tokens = tokenizer.encode(text)
        if len(tokens) <= limit - 2:
            continue
        cut.append(place)
        kept = tokens[: limit - 2]
        # A token may be one of the several bytes of a character; drop incomplete characters.
        while kept and tokenizer.decode(kept).endswith("\ufffd"):
            kept.pop()
        ids[place] = 0
        ids[place, : len(kept) + 2] = [tokenizer.sot_token_id, *kept, tokenizer.eot_token_id]
    return TokenRows(ids, (ids != 0).astype(np.int64), tuple(cut))


def _package() -> Any:
    with _quiet():
        import open_clip

    return open_clip


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip from the root logger, which it writes to, and sets up where nobody has.

    It would say of every model that it was initialised randomly.
    """
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addFilter(_nothing)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False
