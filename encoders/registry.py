"""Encoders by name, or by the folder that `vidseek train` wrote.

encoder = create_encoder("builtin")
encoder = create_encoder("~/models/my-clips")
encoder = create_encoder("hf:openai/clip-vit-base-patch16", confirm_download=ask)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vidseek.core.errors import UnknownEncoderError
from vidseek.core.paths import absolute_path
from vidseek.core.types import EncoderSpec
from vidseek.encoders.base import Encoder
from vidseek.encoders.manifest import MANIFEST_NAME, WEIGHTS_FOLDER


def _builtin(threads: int | None) -> Encoder:
    from vidseek.encoders.builtin.encoder import BuiltinEncoder

    return BuiltinEncoder(threads=threads)


_FACTORIES: dict[str, Callable[[int | None], Encoder]] = {"builtin": _builtin}


_MIN_DIGITS = 4
"""So many digits of a fingerprint must be given to name a model by them."""


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
    folder = absolute_path(name)
    if (folder / MANIFEST_NAME).is_file():
        return folder
    if folder.is_dir():
        raise UnknownEncoderError(
            f"{folder} holds no model: neither {MANIFEST_NAME} or xpool.json of one that `vidseek "
            "train` wrote nor config.json or open_clip_config.json of one of others"
        )
    if len(Path(name).parts) > 1:
        raise UnknownEncoderError(
            f"there is no model at {folder}: if it was moved, put it back, or name its new place "
            "once with `vidseek index --model FOLDER PATH` or `vidseek model add FOLDER`; if it "
            "was deleted, search with another model of the library (`vidseek model list`), or add "
            "one"
        )
    return None


def is_hub_model(name: str) -> bool:
    """True if a name means a model of others, whether or not it is there."""
    from vidseek.encoders.hub.open_clip_config import CONFIG
    from vidseek.encoders.hub.source import is_model_source

    folder = Path(name).expanduser()
    theirs = any((folder / one).is_file() for one in ("config.json", CONFIG))
    ours = folder.is_dir() and not theirs
    return name not in _FACTORIES and is_model_source(name) and not ours


def name_of(spec: EncoderSpec) -> str:
    """What ``create_encoder`` makes the encoder of a spec from.

    A model of others is known by where it lies, which is no part of what its vectors depend on.
    """
    return spec.revision if spec.name.startswith("hub:") else spec.name


def find_specs(name: str, specs: Sequence[EncoderSpec]) -> list[EncoderSpec]:
    """Those of some encoders that a name means; nothing is loaded or downloaded.

    Args:
        name: what ``create_encoder`` takes, or a fingerprint or its first digits.
        specs: the encoders of a library.

    Returns:
        None, one, or several: a folder whose weights were replaced, two commits of a repository.
    """
    folder = str(absolute_path(name))
    exact = [spec for spec in specs if name_of(spec) in (name, folder)]
    if exact:
        return exact
    from vidseek.encoders.hub.catalogue import find_model
    from vidseek.encoders.hub.source import OPEN_CLIP_PREFIX, PREFIX

    known = find_model(name)
    wanted = name if known is None else f"{PREFIX}{known.repository}"
    if wanted.startswith((PREFIX, OPEN_CLIP_PREFIX)):
        repository, _, revision = wanted.partition("@")
        return [
            spec
            for spec in specs
            if name_of(spec).partition("@")[0] == repository
            and name_of(spec).partition("@")[2].startswith(revision)
        ]
    digits = len(name) >= _MIN_DIGITS
    return [spec for spec in specs if digits and spec.fingerprint.startswith(name.lower())]


def create_encoder(
    name: str = "builtin",
    *,
    threads: int | None = None,
    confirm_download: Callable[[str, int], bool] | None = None,
) -> Encoder:
    """Make an encoder.

    Args:
        name: one of ``encoder_names()``; the folder of a fine-tuned model, or of a head for a model
            of others; or such a model: ``hf:ORG/NAME``, ``open_clip:ARCHITECTURE/PRETRAINED``, a
            folder, a short name of ``vidseek models``.
        threads: processor threads it may use; all cores if None.
        confirm_download: asked with a repository and a size in bytes before a model is downloaded;
            without it nothing is.

    Raises:
        UnknownEncoderError: there is none of that name, or no model in that folder.
        WeightsError: its weights are missing or damaged.
        EncoderError: it cannot be fetched or used; the subclass says why.
    """
    if not name.strip():
        raise UnknownEncoderError("a model with no name was asked for: `vidseek models` lists some")
    factory = _FACTORIES.get(name)
    if factory is not None:
        return factory(threads)
    from vidseek.encoders.hub.xpool import create_attending_encoder, is_head

    folder = Path(name).expanduser()
    if is_head(folder):
        return create_attending_encoder(
            folder,
            lambda base: create_encoder(base, threads=threads, confirm_download=confirm_download),
        )
    if is_hub_model(name):
        from vidseek.encoders.hub.encoder import create_hub_encoder

        return create_hub_encoder(name, threads=threads, confirm_download=confirm_download)
    trained = model_folder(name)
    if trained is None:
        known = ", ".join(encoder_names())
        raise UnknownEncoderError(
            f"no encoder is called {name!r}; there is: {known}. `vidseek models` lists models to "
            "download; hf:ORG/NAME, open_clip:ARCHITECTURE/PRETRAINED or a folder names any other"
        )
    from vidseek.encoders.builtin.encoder import BuiltinEncoder

    return BuiltinEncoder(trained, threads=threads)
