"""Names of models: every way to name one, parsed in one place.

    ModelRef.parse("builtin")                                # the model that ships with vidseek
    ModelRef.parse("~/models/my-clips")                      # a folder with a model or a head
    ModelRef.parse("hf:openai/clip-vit-base-patch16@c0ffee") # a repository, maybe at a revision
    ModelRef.parse("open_clip:ViT-B-32/laion2b_s34b_b79k")   # as open_clip names it
    ModelRef.parse("clip-base")                              # a short name of the catalogue
    ModelRef.parse("d670ca").find(specs)                     # by fingerprint, of a library's models

Parsing looks at folders, but reads no weights and never uses the network.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from vidseek.core.errors import EncoderError, Hint, ModelNotFoundError, UnknownEncoderError
from vidseek.core.paths import absolute_path
from vidseek.core.types import EncoderSpec
from vidseek.encoders.hub.file_names import HEAD_FACTS, OPEN_CLIP_CONFIG
from vidseek.encoders.manifest import MANIFEST_NAME

BUILTIN = "builtin"
_HUB_PREFIX = "hf:"
_OPEN_CLIP_PREFIX = "open_clip:"
_REPOSITORY = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)
_MIN_FINGERPRINT_DIGITS = 4

ModelKind = Literal["builtin", "trained", "head", "third-party", "unknown"]
"""``trained`` and ``head`` are folders that training wrote; ``unknown`` matches no known model."""


@dataclass(frozen=True)
class ModelRef:
    """A model's name and what it refers to.

    Of ``folder``, ``repository`` and ``open_clip`` at most one is set; none for the built-in model
    and for a single word that names no known model.
    """

    name: str
    """As given."""
    kind: ModelKind
    folder: Path | None = None
    """Absolute."""
    repository: str | None = None
    """``ORG/NAME`` on the hub."""
    open_clip: str | None = None
    """``ARCHITECTURE/PRETRAINED``, for which open_clip knows the repository."""
    revision: str | None = None
    """Branch, tag or commit of a repository; None for the newest."""

    @classmethod
    def parse(cls, name: str) -> Self:
        """Parse a name.

        A folder with a model that vidseek trained takes precedence over a short name of the
        catalogue, and that over any other folder.

        Raises:
            UnknownEncoderError: the name is empty.
            ModelNotFoundError: it has the prefix of a repository name but not its form.
        """
        if not name.strip():
            raise UnknownEncoderError("a model's name is empty", hint=Hint("list_known_models"))
        if name == BUILTIN:
            return cls(name, "builtin")
        if name.startswith((_HUB_PREFIX, _OPEN_CLIP_PREFIX)):
            return cls._parse_repository(name)
        from vidseek.encoders.hub.catalogue import find_model  # not needed by a cold query

        folder = absolute_path(name)
        if (folder / HEAD_FACTS).is_file():
            return cls(name, "head", folder=folder)
        if (folder / MANIFEST_NAME).is_file():
            return cls(name, "trained", folder=folder)
        if (known := find_model(name)) is not None:
            return cls(name, "third-party", repository=known.repository)
        if any((folder / config).is_file() for config in ("config.json", OPEN_CLIP_CONFIG)):
            return cls(name, "third-party", folder=folder)
        is_path = "/" in name or "\\" in name or name.startswith((".", "~")) or folder.is_dir()
        return cls(name, "unknown", folder=folder if is_path else None)

    @classmethod
    def _parse_repository(cls, name: str) -> Self:
        prefix, _, rest = name.partition(":")
        match = _REPOSITORY.fullmatch(rest)
        if match is None:
            form = "ORG/NAME" if prefix == "hf" else "ARCHITECTURE/PRETRAINED"
            raise ModelNotFoundError(
                f"{name!r} is not a model name: expected {prefix}:{form}",
                hint=Hint("list_known_models"),
            )
        repository, revision = match["repository"], match["revision"]
        if prefix == "hf":
            return cls(name, "third-party", repository=repository, revision=revision)
        return cls(name, "third-party", open_clip=repository, revision=revision)

    @property
    def source(self) -> str:
        """The name in the form of ``EncoderSpec.source``, with a revision only if one was given."""
        if self.folder is not None:
            return str(self.folder)
        revision = "" if self.revision is None else f"@{self.revision}"
        if self.repository is not None:
            return f"{_HUB_PREFIX}{self.repository}{revision}"
        if self.open_clip is not None:
            return f"{_OPEN_CLIP_PREFIX}{self.open_clip}{revision}"
        return self.name

    def at(self, commit: str) -> str:
        """The source of the repository at a commit."""
        return f"{self.source.partition('@')[0]}@{commit}"

    def find(self, specs: Sequence[EncoderSpec]) -> list[EncoderSpec]:
        """Find the model among a library's encoders, without loading or downloading anything.

        Args:
            specs: the encoders of a library.

        Returns:
            Every match, possibly none. Several match if a folder's weights were replaced, if two
            commits of a repository are registered, or if fingerprints share a prefix.
        """
        # A custom encoder's source may look like a path; a trained model's folder may be missing.
        names = {self.source, self.name, str(absolute_path(self.name))}
        exact = [spec for spec in specs if spec.source in names]
        if exact:
            return exact
        if self.repository is not None or self.open_clip is not None:
            repository, _, revision = self.source.partition("@")
            return [
                spec
                for spec in specs
                if spec.source.partition("@")[0] == repository
                and spec.source.partition("@")[2].startswith(revision)
            ]
        if len(self.name) < _MIN_FINGERPRINT_DIGITS:
            return []
        return [spec for spec in specs if spec.fingerprint.startswith(self.name.lower())]

    def not_found(self) -> EncoderError:
        """The error for a name of kind ``unknown``."""
        if self.folder is None:
            return UnknownEncoderError(
                f"no model is named {self.name!r}", hint=Hint("list_known_models")
            )
        if self.folder.is_dir():
            return UnknownEncoderError(
                f"{self.folder} contains no model: it has no {MANIFEST_NAME} or {HEAD_FACTS} "
                f"(written by vidseek), and no config.json or {OPEN_CLIP_CONFIG} (third-party "
                "models)"
            )
        if _REPOSITORY.fullmatch(self.name) and not self.name.startswith("."):
            hint = Hint("try_hub_model", {"model": f"{_HUB_PREFIX}{self.name}"})
        else:
            hint = Hint("restore_model", {"model": str(self.folder)})
        return ModelNotFoundError(f"there is no model at {self.folder}", hint=hint)
