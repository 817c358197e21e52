"""Fetching a model from the hub: only the files needed, with consent, and completely.

    folder, commit = fetch("openai/clip-vit-base-patch16", None, confirm=ask)

Models in the cache are used without network access.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from vidseek.core.errors import (
    DownloadRefusedError,
    GatedModelError,
    Hint,
    MissingExtraError,
    ModelDownloadError,
    ModelNotFoundError,
    UnsupportedModelError,
    WeightsError,
)
from vidseek.encoders.hub.checkpoint import WEIGHTS, WEIGHTS_INDEX, Checkpoint, read_checkpoint
from vidseek.encoders.hub.file_names import OPEN_CLIP_CONFIG
from vidseek.encoders.hub.open_clip_config import is_open_clip, weights_name

ConfirmDownload: TypeAlias = Callable[[str, int], bool]
"""Called with the repository and the download's bytes; downloads only if it returns True."""

_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
"""Configuration and vocabulary. With the weights that is all: no pickle, no program, no weights for
other software."""

_WORDS = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model")
_RULES = (
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
)
"""Small files come in any order: the weights may be there and these not."""


def require_hub() -> None:
    """Check that the packages of the extra ``hub`` are installed.

    Raises:
        MissingExtraError: torch or transformers is not installed.
    """
    from importlib.util import find_spec

    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"third-party models need {' and '.join(missing)}, which are not installed",
            hint=Hint("install_extra", {"extra": "hub"}),
        )


def require_open_clip(model: str) -> None:
    """Check that the package open_clip is installed.

    Args:
        model: for the message.

    Raises:
        MissingExtraError: open_clip is not installed.
    """
    from importlib.util import find_spec

    if find_spec("open_clip") is None:
        raise MissingExtraError(
            f"{model} is in open_clip format, and the package open_clip is not installed",
            hint=Hint("install_extra", {"extra": "open-clip"}),
        )


def fetch(
    repository: str,
    revision: str | None,
    *,
    confirm: ConfirmDownload | None,
    open_clip: bool = False,
    is_complete: Callable[[Path], bool] | None = None,
) -> tuple[Path, str]:
    """The folder of a model, downloaded if it is not in the cache.

    Args:
        repository: ``ORG/NAME``.
        revision: branch, tag or commit; None for the default.
        confirm: asked before anything is downloaded; None refuses.
        open_clip: take it in the format of open_clip also where it is there in both.
        is_complete: tells whether a folder has everything, or raises as ``read_checkpoint`` does;
            None for a dual encoder.

    Returns:
        Folder and commit.

    Raises:
        ModelDownloadError: it is not here and cannot be fetched; the subclass says why.
        MissingExtraError: it is in the format of open_clip, which is not installed.
        UnsupportedModelError: its weights are pickles.
    """
    from huggingface_hub import snapshot_download

    cached = _cached(repository, revision, open_clip, is_complete)
    if cached is not None:
        return cached, cached.name
    siblings, commit = _listing(repository, revision)
    names = [name for name, _ in siblings]
    wanted = _wanted(repository, names, open_clip)
    if open_clip or is_open_clip(names):
        require_open_clip(repository)
    size_bytes = sum(size for name, size in siblings if name in wanted)
    if confirm is None or not confirm(repository, size_bytes):
        raise DownloadRefusedError(
            f"{repository} is not on this machine and was not downloaded "
            f"({size_bytes / 1e6:,.0f} MB)",
            hint=Hint("allow_download"),
        )
    try:
        folder = Path(snapshot_download(repository, revision=commit, allow_patterns=wanted))
    except Exception as error:
        raise _translated(error, repository, revision) from error
    if revision != commit:
        _note_revision(folder, revision or "main", commit)
    return folder, commit


def _cached(
    repository: str,
    revision: str | None,
    open_clip: bool,
    is_complete: Callable[[Path], bool] | None,
) -> Path | None:
    """The folder of a model that is completely in the cache."""
    from huggingface_hub import snapshot_download

    try:
        # Ask for one file only: huggingface_hub treats a snapshot as incomplete if it lacks any
        # repository file that matches a pattern, even a file not needed here.
        folder = Path(
            snapshot_download(
                repository, revision=revision, local_files_only=True, allow_patterns=["config.json"]
            )
        )
        if is_complete is not None:
            return folder if is_complete(folder) else None
        checkpoint = read_checkpoint(folder, open_clip=open_clip)
    except UnsupportedModelError:
        raise
    except (WeightsError, OSError, ValueError):
        # Not in the cache, or only partly: the download resumes where it stopped.
        return None
    small = _small_files(checkpoint)
    whole = all(any((folder / name).is_file() for name in names) for names in small)
    return folder if whole else None


def _small_files(checkpoint: Checkpoint) -> tuple[tuple[str, ...], ...]:
    """Groups of file names; a model needs one file of each group."""
    if checkpoint.open_clip is None:
        return _WORDS, _RULES
    # Most models of open_clip share a vocabulary that is part of the package.
    own_words = checkpoint.open_clip["model_cfg"]["text_cfg"].get("hf_tokenizer_name")
    return (_WORDS,) if own_words else ()


def _note_revision(folder: Path, revision: str, commit: str) -> None:
    """Let the cache find this commit by the name of its branch, as a plain download would."""
    reference = folder.parent.parent / "refs" / revision
    reference.parent.mkdir(parents=True, exist_ok=True)
    reference.write_text(commit, encoding="ascii")


def _listing(repository: str, revision: str | None) -> tuple[list[tuple[str, int]], str]:
    """Names and sizes of a repository's files, and the commit they are of."""
    from huggingface_hub import HfApi

    try:
        info: Any = HfApi().model_info(repository, revision=revision, files_metadata=True)
    except Exception as error:
        raise _translated(error, repository, revision) from error
    files = [(str(file.rfilename), int(file.size or 0)) for file in info.siblings or []]
    return files, str(info.sha)


def _wanted(repository: str, names: Sequence[str], open_clip: bool = False) -> list[str]:
    """The files that are needed, among all of a repository."""
    top = [name for name in names if "/" not in name]
    if open_clip or is_open_clip(top):
        return _wanted_of_open_clip(repository, top)
    if "config.json" not in top:
        raise UnsupportedModelError(
            f"{repository} has no config.json, so it is not in transformers format",
            hint=Hint("list_known_models"),
        )
    if WEIGHTS not in top and WEIGHTS_INDEX not in top:
        raise UnsupportedModelError(
            f"{repository} has no {WEIGHTS}: its weights are in a format whose loading can run "
            "arbitrary code, so vidseek does not load it. Use a revision that has the file "
            f"(often hf:{repository}@refs/pr/N), or another model",
            hint=Hint("list_known_models"),
        )
    # Some repositories also have the weights in parts or in another precision.
    return _fitting(top, WEIGHTS if WEIGHTS in top else "model-*.safetensors")


def _wanted_of_open_clip(repository: str, top: Sequence[str]) -> list[str]:
    weights = weights_name(top)
    missing = OPEN_CLIP_CONFIG if OPEN_CLIP_CONFIG not in top else "open_clip_model.safetensors"
    if missing == OPEN_CLIP_CONFIG or weights is None:
        raise UnsupportedModelError(
            f"{repository} has no {missing}: vidseek reads open_clip models from "
            f"{OPEN_CLIP_CONFIG} and open_clip_model.safetensors, and no weights whose loading can "
            "run arbitrary code. Use a revision that has both files, another model, or "
            f"hf:{repository} if it is also in transformers format"
        )
    return _fitting(top, weights)


def _fitting(names: Sequence[str], weights: str) -> list[str]:
    from fnmatch import fnmatch

    return [name for name in names if any(fnmatch(name, each) for each in (*_FILES, weights))]


def _translated(
    error: Exception, repository: str, revision: str | None
) -> ModelDownloadError | Exception:
    """The hub package's error as a vidseek error, with the next step."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return GatedModelError(
            f"{repository}: its licence must be accepted first: open "
            f"https://huggingface.co/{repository} and agree there",
            hint=Hint("log_in_to_hub"),
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelNotFoundError(f"{repository} has no revision {revision!r}: leave out @...")
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return ModelNotFoundError(
            f"the hub has no model {repository}, or the model is private",
            hint=Hint("check_hub_name"),
        )
    if isinstance(error, OSError | errors.HfHubHTTPError) or _is_of_network(error):
        return ModelDownloadError(
            f"{repository} is not (or not wholly) on this machine, and the hub cannot be reached "
            f"({type(error).__name__}): connect and try again (a download goes on where it "
            "stopped), or copy the model's folder from another machine",
            hint=Hint("use_model_folder"),
        )
    return error


def _is_of_network(error: Exception) -> bool:
    return type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "requests")
