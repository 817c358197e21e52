"""Keeping a library up to date: find files, decode and encode them, write what was found."""

from vidseek.indexer.models import add_model
from vidseek.indexer.report import (
    FailedFile,
    IndexOptions,
    IndexProgress,
    IndexReport,
    ModelReport,
)
from vidseek.indexer.tasks.index import Indexer

__all__ = [
    "FailedFile",
    "IndexOptions",
    "IndexProgress",
    "IndexReport",
    "Indexer",
    "ModelReport",
    "add_model",
]
