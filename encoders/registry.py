"""Encoders by name, or by the folder that `vidseek train` wrote.

encoder = create_encoder("builtin")
encoder = create_encoder("~/models/my-clips")
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from vidseek.encoders.base import Encoder
from vidseek.encoders.manifest import MANIFEST_NAME, WEIGHTS_FOLDER
from vidseek.storage.errors import UnknownEncoderError


def _builtin(threads: int | None) -> Encoder:
    from vidseek.encoders.builtin import BuiltinEncoder

    return BuiltinEncoder(threads=threads)


_FACTORIES: dict[str, Callable[[int | None], Encoder]] = {"builtin": _builtin}


def encoder_names() -> list[str]:
    """The names that ``create_encoder`` knows, sorted."""
    return sorted(_FACTORIES)


def model_folder(name: str) -> Path | None:
    """The folder of a model's files that a name means; None if it is neither known nor a folder.

    Raises:
        UnknownEncoderError: it can only be a folder, and there is no model in it.
    """
    if name == "builtin":
        return WEIGHTS_FOLDER
    folder = Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100 - links stay
    if (folder / MANIFEST_NAME).is_file():
        return folder
    if folder.is_dir():
        raise UnknownEncoderError(
            f"{folder} holds no model (no {MANIFEST_NAME}): give one that `vidseek train` wrote"
        )
    if len(Path(name).parts) > 1:
        raise UnknownEncoderError(
            f"there is no model at {folder}: if it was moved, put it back, or name its new place "
            "once with `vidseek index --model FOLDER PATH`; if it was deleted, index into a new "
            "library"
        )
    return None


def create_encoder(name: str = "builtin", *, threads: int | None = None) -> Encoder:
    """Make an encoder.

    Args:
        name: which one; see ``encoder_names()``. Or the folder of a fine-tuned model.
        threads: processor threads it may use; all cores if None.

    Raises:
        UnknownEncoderError: there is none of that name, or no model in that folder.
        WeightsError: its weights are missing or damaged.
    """
    factory = _FACTORIES.get(name)
    if factory is not None:
        return factory(threads)
    folder = model_folder(name)
    if folder is None:
        known = ", ".join(encoder_names())
        raise UnknownEncoderError(f"no encoder is called {name!r}; there is: {known}")
    from vidseek.encoders.builtin import BuiltinEncoder

    return BuiltinEncoder(folder, threads=threads)
