"""Files of a checkpoint, checked before torch is imported."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidseek.core.errors import UnsupportedModelError, WeightsError
from vidseek.encoders.hub.families import OPEN_CLIP, Family, family_of
from vidseek.encoders.hub.file_names import OPEN_CLIP_CONFIG
from vidseek.encoders.hub.open_clip_config import (
    checked_config,
    is_open_clip,
    weights_name,
)

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_BLOCK_BYTES = 1 << 22
_LONGEST_REASON = 300
"""Characters: torch names every tensor that is missing."""


@dataclass(frozen=True)
class Checkpoint:
    """A folder with a complete dual encoder."""

    folder: Path
    family: Family
    weights: tuple[Path, ...]
    """Its safetensors files, sorted by name."""
    open_clip: Mapping[str, Any] | None = None
    """Its configuration, if it is in the format of open_clip."""


def read_checkpoint(folder: Path, *, open_clip: bool = False) -> Checkpoint:
    """Read which files a checkpoint has and check them.

    Args:
        folder: contains its files.
        open_clip: prefer the format of open_clip if the folder has both.

    Raises:
        WeightsError: files are missing or cut short.
        UnsupportedModelError: it is not a dual encoder, or its weights are pickles.
    """
    names = [path.name for path in folder.iterdir()]
    if open_clip or is_open_clip(names):
        return _read_open_clip(folder, names)
    config = _read_json(folder / "config.json", folder)
    family = family_of(config, where=str(folder))
    return Checkpoint(folder, family, read_weights(folder))


def _read_open_clip(folder: Path, names: list[str]) -> Checkpoint:
    path = folder / OPEN_CLIP_CONFIG
    config = checked_config(_read_json(path, folder), path)
    name = weights_name(names)
    if name is None:
        _refuse_pickles(
            folder,
            "Take a revision with open_clip_model.safetensors, or write its tensors there once "
            "with safetensors.torch.save_file",
        )
        raise WeightsError(
            f"{folder}: has no open_clip_model.safetensors: the download is not complete, or this "
            "is another folder; fetch the model again"
        )
    _check_length(folder / name)
    return Checkpoint(folder, OPEN_CLIP, (folder / name,), config)


def _read_json(path: Path, folder: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(
            f"{folder}: has no {path.name}, so it is not a complete model; give the folder "
            "that contains config.json and model.safetensors"
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}); fetch the model again") from error
    if not isinstance(document, dict):
        raise WeightsError(f"{path}: is not a JSON object; fetch the model again")
    return document


def read_weights(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a folder in the format of transformers, checked to be whole.

    Raises:
        WeightsError: files are missing or cut short.
        UnsupportedModelError: its weights are pickles.
    """
    weights = _weights(folder)
    for path in weights:
        _check_length(path)
    return weights


def _weights(folder: Path) -> tuple[Path, ...]:
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    if (folder / WEIGHTS_INDEX).is_file():
        index = _read_json(folder / WEIGHTS_INDEX, folder)
        names = sorted(set(index.get("weight_map", {}).values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing or not names:
            raise WeightsError(
                f"{folder}: {len(missing)} of {len(names)} weight files are missing "
                f"({', '.join(missing[:3])}): the download is not complete; fetch the model again"
            )
        return tuple(folder / name for name in names)
    _refuse_pickles(
        folder,
        "Take a revision with model.safetensors (often hf:ORG/NAME@refs/pr/N), or convert it once "
        "with transformers' save_pretrained",
    )
    raise WeightsError(
        f"{folder}: has no {WEIGHTS}: the download is not complete, or this is another folder; "
        "fetch the model again"
    )


def _refuse_pickles(folder: Path, step: str) -> None:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise UnsupportedModelError(
            f"{folder}: its only weights are {pickles[0]}, a pickle. Loading a pickle can run "
            f"arbitrary code, so vidseek does not read it. {step}"
        )


def _check_length(path: Path) -> None:
    """Refuse a file that is shorter or longer than its own header says."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            if header_bytes > size:
                raise ValueError("its header is cut off")
            header = json.loads(file.read(header_bytes))
        ends = [int(entry["data_offsets"][1]) for key, entry in header.items() if key[:2] != "__"]
        expected = 8 + header_bytes + max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WeightsError(
            f"{path}: is not a safetensors file, or is cut off ({error}); fetch the model again"
        ) from error
    if size != expected:
        raise WeightsError(
            f"{path}: has {size:,} bytes of {expected:,}: the download is not complete; fetch the "
            "model again"
        )


def weights_hash(checkpoint: Checkpoint, *, cache: Path | None = None) -> str:
    """SHA-256 over the weights, cached until the files change.

    Args:
        checkpoint: whose weights.
        cache: folder of cached hashes; the user's cache folder if None. If it cannot be written
            to, hashing is repeated.
    """
    if cache is None:
        from platformdirs import user_cache_dir

        cache = Path(user_cache_dir("vidseek", appauthor=False))
    stamps = []
    for path in checkpoint.weights:
        status = path.stat()
        stamps.append([str(path.resolve()), status.st_size, status.st_mtime_ns])
    key = hashlib.sha256(json.dumps(stamps).encode()).hexdigest()[:32]
    remembered = cache / "weights" / key
    try:
        found = remembered.read_text(encoding="ascii")
        if len(found) == 64:
            return found
    except (OSError, ValueError):
        pass
    digest = hashlib.sha256()
    for path in checkpoint.weights:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    _remember(remembered, digest.hexdigest())
    return digest.hexdigest()


def reason_of(error: Exception) -> str:
    """Another package's error message on a single line, shortened."""
    reason = " ".join(str(error).split())
    return f"{reason[:_LONGEST_REASON]}..." if len(reason) > _LONGEST_REASON else reason


def _remember(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Through a separate temporary file: two processes may hash the same weights.
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError:
        return
