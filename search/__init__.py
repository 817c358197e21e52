"""Answering: text, image and video queries; filters; merging clips into moments."""

from vidseek.search.moments.confidence import CONFIDENT, confident_hits
from vidseek.search.moments.engine import SearchEngine

__all__ = ["CONFIDENT", "SearchEngine", "confident_hits"]
