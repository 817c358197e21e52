"""The manifest of a model in the built-in format: its files, their hashes and its spec.

    manifest = read_manifest()
    blob = manifest.read("text")        # bytes, checked against the manifest's SHA-256

To replace weights, write new files and a new manifest; no code changes. The source of a model
outside the package is the path of its folder. The copy descriptor and trained heads check their own
hashes (``copies/descriptor.py``, ``hub/xpool.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidseek.core.errors import Hint, WeightsError
from vidseek.core.paths import absolute_path, hash_file
from vidseek.core.types import EncoderSpec

WEIGHTS_FOLDER = Path(__file__).resolve().parent / "weights"
MANIFEST_NAME = "manifest.json"
FORMAT = 1
"""Version of the manifest and of the names of the networks' inputs and outputs."""
PARTS = ("text", "vision", "temporal")
VISUAL_PARTS = ("vision", "temporal")
"""The parts that stored vectors depend on."""
HEAD = "cross_modal"
"""Optional part: the re-ranking head. The model in the package has none; others may have one."""
HUBNESS = "hubness"
"""Optional part: a bank of sentence vectors from the model's text encoder."""
FILES = {**{name: f"{name}.onnx" for name in (*PARTS, HEAD)}, HUBNESS: f"{HUBNESS}.npz"}


@dataclass(frozen=True)
class Part:
    """One file of weights."""

    file: str
    sha256: str
    revision: str


@dataclass(frozen=True)
class EarlierRevision:
    """A revision whose libraries the same files can search and extend."""

    spec: EncoderSpec
    hubness: dict[str, Any]
    """Fields of its ``HubnessCorrection`` that differ; empty if none does."""
    has_names: bool
    """False if its frame vectors lack the names of classes and its clips are means of frames."""


@dataclass(frozen=True)
class Manifest:
    """Everything known about a model without loading it."""

    folder: Path
    spec: EncoderSpec
    parts: dict[str, Part]
    rerank: bool
    """True if there is a re-ranking head, and it was measured to improve the first stage."""
    earlier: tuple[EarlierRevision, ...] = ()
    """Revisions with the same text vectors, and frame vectors that these files compute, too."""
    same_frames: tuple[str, ...] = ()
    """Fingerprints of revisions with the same vision file: they differ in clip vectors alone."""

    def read(self, name: str) -> bytes:
        """Read the file of a part.

        Raises:
            WeightsError: the file is missing, or its hash differs from the manifest's.
        """
        part = self.parts[name]
        path = self.folder / part.file
        try:
            blob = path.read_bytes()
        except OSError as error:
            raise WeightsError(
                f"{path}: cannot be read ({error.strerror})", hint=weights_hint(self.folder)
            ) from error
        found = hashlib.sha256(blob).hexdigest()
        if found != part.sha256:
            raise WeightsError(
                f"{path}: these are not the {name} weights that {MANIFEST_NAME} names "
                f"(SHA-256 expected {part.sha256}, found {found}, {len(blob)} bytes): the file is "
                "damaged or belongs to another version",
                hint=weights_hint(self.folder),
            )
        return blob


def read_manifest(folder: Path = WEIGHTS_FOLDER) -> Manifest:
    """Read the manifest of the model in a folder.

    Raises:
        WeightsError: the manifest is missing, damaged or of another version.
    """
    path = folder / MANIFEST_NAME
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read ({error.strerror})", hint=weights_hint(folder)
        ) from error
    except ValueError as error:
        raise WeightsError(f"{path}: is not JSON ({error})", hint=weights_hint(folder)) from error
    try:
        if table["format"] != FORMAT:
            raise WeightsError(
                f"{path}: format {table['format']}, this vidseek reads {FORMAT}; "
                "install the version of vidseek that the weights were made for"
            )
        named = [name for name in FILES if name in PARTS or name in table["parts"]]
        parts = {name: Part(**table["parts"][name]) for name in named}
        facts = {**table["spec"], "vision_hash": _visual_hash(parts)}
        if folder.resolve() != WEIGHTS_FOLDER:
            # A library finds the model that it was indexed with by this name.
            facts["name"] = str(absolute_path(folder))
        spec = EncoderSpec.from_document(facts)
        return Manifest(
            folder,
            spec,
            parts,
            bool(table["rerank"]) and HEAD in parts,
            _read_earlier(table),
            tuple(map(str, table.get("same_frames", []))),
        )
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path}: incomplete ({error})", hint=weights_hint(folder)) from error


def _read_earlier(table: dict[str, Any]) -> tuple[EarlierRevision, ...]:
    facts = table.get("earlier") or []
    return tuple(
        EarlierRevision(
            EncoderSpec.from_document(each["spec"]),
            dict(each["hubness"]),
            has_names=bool(each.get("has_names", False)),
        )
        # Revision 4 had a single one, without names.
        for each in (facts if isinstance(facts, list) else [facts])
    )


def write_manifest(
    folder: Path,
    *,
    spec: dict[str, Any],
    revisions: dict[str, str],
    rerank: bool,
    earlier: Sequence[EarlierRevision] = (),
    same_frames: Sequence[str] = (),
) -> Manifest:
    """Write the manifest of the files in a folder and read it back.

    Args:
        folder: contains the files.
        spec: ``EncoderSpec.to_document`` without the hash.
        revisions: revision by part; the bank of sentences takes the text encoder's. Without one
            for the re-ranking head the model has none.
        rerank: whether the re-ranking head is used.
        earlier: revisions whose libraries the files can search and extend.
        same_frames: fingerprints of revisions with the same vision file.
    """
    parts = {}
    for name, file in FILES.items():
        if name == HUBNESS and not (folder / file).exists():
            continue
        if name == HEAD and name not in revisions:
            continue
        parts[name] = {
            "file": file,
            "sha256": hash_file(folder / file),
            "revision": revisions["text" if name == HUBNESS else name],
        }
    table = {"format": FORMAT, "spec": spec, "rerank": rerank, "parts": parts}
    if earlier:
        table["earlier"] = [
            {
                "spec": each.spec.to_document(),
                "hubness": each.hubness,
                "has_names": each.has_names,
            }
            for each in earlier
        ]
    if same_frames:
        table["same_frames"] = list(same_frames)
    path = folder / MANIFEST_NAME
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return read_manifest(folder)


def weights_hint(folder: Path) -> Hint:
    """How to get the files of a model back: with the package, or with the folder's own copy."""
    if folder.resolve() == WEIGHTS_FOLDER:
        return Hint("reinstall_package", {"package": "vidseek"})
    return Hint("restore_weights", {"folder": str(folder)})


def _visual_hash(parts: dict[str, Part]) -> str:
    joined = "".join(parts[name].sha256 for name in VISUAL_PARTS)
    return hashlib.sha256(joined.encode()).hexdigest()
