"""Which model a name means: a folder, a repository of the hub, or a short name of the catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vidseek.core.errors import ModelNotFoundError
from vidseek.encoders.hub.catalogue import find_model
from vidseek.encoders.hub.open_clip_config import CONFIG

PREFIX = "hf:"
OPEN_CLIP_PREFIX = "open_clip:"
_REPOSITORY = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from: one of ``folder``, ``repository`` and ``open_clip`` is given."""

    folder: Path | None = None
    """Absolute."""
    repository: str | None = None
    """``ORG/NAME``."""
    open_clip: str | None = None
    """``ARCHITECTURE/PRETRAINED``, which open_clip knows the repository of."""
    revision: str | None = None
    """Branch, tag or commit; None for the newest."""


def is_model_source(name: str) -> bool:
    """True if a name of an encoder is meant for this package, whether or not the model is there."""
    return (
        name.startswith((PREFIX, OPEN_CLIP_PREFIX))
        or find_model(name) is not None
        or "/" in name
        or "\\" in name
        or name.startswith((".", "~"))
        or any((Path(name) / one).is_file() for one in ("config.json", CONFIG))
    )


def parse_source(name: str) -> ModelSource:
    """The model that is meant by ``hf:ORG/NAME[@REVISION]``, a folder, a short name, or
    ``open_clip:ARCHITECTURE/PRETRAINED[@REVISION]``.

    Raises:
        ModelNotFoundError: there is no such folder, or it is no name of a repository.
    """
    known = find_model(name)
    if known is not None:
        return ModelSource(repository=known.repository)
    if name.startswith(PREFIX):
        found = _REPOSITORY.fullmatch(name.removeprefix(PREFIX))
        if found is None:
            raise ModelNotFoundError(
                f"{name!r} is no name of a model: write hf:ORG/NAME, like "
                "hf:openai/clip-vit-base-patch16; `vidseek models` lists some"
            )
        return ModelSource(repository=found["repository"], revision=found["revision"])
    if name.startswith(OPEN_CLIP_PREFIX):
        found = _REPOSITORY.fullmatch(name.removeprefix(OPEN_CLIP_PREFIX))
        if found is None:
            raise ModelNotFoundError(
                f"{name!r} is no name of a model: write open_clip:ARCHITECTURE/PRETRAINED, like "
                "open_clip:ViT-B-32/laion2b_s34b_b79k; open_clip.list_pretrained() has all"
            )
        return ModelSource(open_clip=found["repository"], revision=found["revision"])
    folder = Path(name).expanduser().absolute()
    if not folder.is_dir():
        may_be_hub = _REPOSITORY.fullmatch(name) and not name.startswith(".")
        hint = f"; for a model of the hub write hf:{name}" if may_be_hub else ""
        raise ModelNotFoundError(
            f"{folder}: there is no such folder with a model{hint}. If it has moved, "
            "give its new place with `vidseek index --model` or `vidseek model add`; if it was "
            "deleted, `vidseek model list` shows which others the library can be searched with"
        )
    return ModelSource(folder=folder)
