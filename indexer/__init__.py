"""Keeping a library up to date: find files, decode and encode them, write what was found."""

from vidseek.indexer.indexer import Indexer
from vidseek.indexer.report import FailedFile, IndexOptions, IndexProgress, IndexReport

__all__ = ["FailedFile", "IndexOptions", "IndexProgress", "IndexReport", "Indexer"]
