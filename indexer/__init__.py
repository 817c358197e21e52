"""Keeping a library up to date: find files, decode and encode them, store the results."""

from vidseek.indexer.add_model import add_model
from vidseek.indexer.executor import Indexer
from vidseek.indexer.report import (
    FailedFile,
    FileNote,
    IndexOptions,
    IndexProgress,
    IndexReport,
    ModelReport,
)

__all__ = [
    "FailedFile",
    "FileNote",
    "IndexOptions",
    "IndexProgress",
    "IndexReport",
    "Indexer",
    "ModelReport",
    "add_model",
]
