"""The built-in model's files: which there are, and whether they are the ones that belong together.

    manifest = read_manifest()
    blob = manifest.read("text")        # bytes, checked against the manifest's SHA-256

Weights are replaced without touching code: write the files and the manifest anew. A model in
another folder than the package's is called by the path of that folder.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidseek.core.errors import WeightsError
from vidseek.core.paths import absolute_path, hash_file
from vidseek.core.types import EncoderSpec

WEIGHTS_FOLDER = Path(__file__).resolve().parent / "weights"
MANIFEST_NAME = "manifest.json"
FORMAT = 1
"""Version of the manifest and of what the files' inputs and outputs are called."""
PARTS = ("text", "vision", "temporal", "cross_modal")
VISUAL_PARTS = ("vision", "temporal")
"""What a stored vector depends on."""
HUBNESS = "hubness"
"""The part that a model may do without: a bank of sentences by its text encoder."""
FILES = {**{name: f"{name}.onnx" for name in PARTS}, HUBNESS: f"{HUBNESS}.npz"}


@dataclass(frozen=True)
class Part:
    """One file of weights."""

    file: str
    sha256: str
    revision: str


@dataclass(frozen=True)
class Manifest:
    """All that is known of a model without loading it."""

    folder: Path
    spec: EncoderSpec
    parts: dict[str, Part]
    rerank: bool
    """True if the cross-modal head was measured to improve the first stage."""

    def read(self, name: str) -> bytes:
        """The bytes of one part's file.

        Raises:
            WeightsError: the file is missing or is not the one the manifest names.
        """
        part = self.parts[name]
        path = self.folder / part.file
        try:
            blob = path.read_bytes()
        except OSError as error:
            raise WeightsError(
                f"{path}: cannot be read ({error.strerror}); reinstall vidseek"
            ) from error
        found = hashlib.sha256(blob).hexdigest()
        if found != part.sha256:
            raise WeightsError(
                f"{path}: these are not the {name} weights that {MANIFEST_NAME} names "
                f"(SHA-256 expected {part.sha256}, found {found}, {len(blob)} bytes): the file is "
                "damaged or belongs to another version; reinstall vidseek"
            )
        return blob


def read_manifest(folder: Path = WEIGHTS_FOLDER) -> Manifest:
    """Read which files make up the model in a folder.

    Raises:
        WeightsError: there is no readable manifest of this version.
    """
    path = folder / MANIFEST_NAME
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read ({error.strerror}); reinstall vidseek"
        ) from error
    except ValueError as error:
        raise WeightsError(f"{path}: is no JSON ({error}); reinstall vidseek") from error
    try:
        if table["format"] != FORMAT:
            raise WeightsError(
                f"{path}: format {table['format']}, this vidseek reads {FORMAT}; "
                "install the version of vidseek that the weights were made for"
            )
        named = [*PARTS, *({HUBNESS} & set(table["parts"]))]
        parts = {name: Part(**table["parts"][name]) for name in named}
        facts = {**table["spec"], "vision_hash": _visual_hash(parts)}
        if folder.resolve() != WEIGHTS_FOLDER:
            # By this name a library finds the model again that it was indexed with.
            facts["name"] = str(absolute_path(folder))
        spec = EncoderSpec.from_document(facts)
        return Manifest(folder, spec, parts, bool(table["rerank"]))
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path}: incomplete ({error}); reinstall vidseek") from error


def write_manifest(
    folder: Path, *, spec: dict[str, Any], revisions: dict[str, str], rerank: bool
) -> Manifest:
    """Describe the files of a folder, and read the description back.

    Args:
        folder: where the files lie.
        spec: the fields of ``EncoderSpec`` but the hash.
        revisions: part -> its revision; a bank of sentences has that of the text encoder.
        rerank: whether the cross-modal head is used.
    """
    parts = {}
    for name, file in FILES.items():
        if name == HUBNESS and not (folder / file).exists():
            continue
        parts[name] = {
            "file": file,
            "sha256": hash_file(folder / file),
            "revision": revisions["text" if name == HUBNESS else name],
        }
    table = {"format": FORMAT, "spec": spec, "rerank": rerank, "parts": parts}
    path = folder / MANIFEST_NAME
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return read_manifest(folder)


def _visual_hash(parts: dict[str, Part]) -> str:
    joined = "".join(parts[name].sha256 for name in VISUAL_PARTS)
    return hashlib.sha256(joined.encode()).hexdigest()
