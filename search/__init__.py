"""Search: moments that answer a query (moments), and copies of library videos (copies)."""

from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE, filter_confident
from vidseek.search.moments.engine import SearchEngine

__all__ = ["DEFAULT_MIN_CONFIDENCE", "SearchEngine", "filter_confident"]
