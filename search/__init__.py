"""Answering: text, image and video queries; filters; merging clips into moments."""

from vidseek.search.confidence import CONFIDENT, confident_hits
from vidseek.search.engine import SearchEngine

__all__ = ["CONFIDENT", "SearchEngine", "confident_hits"]
