"""Measure retrieval with the built-in encoder: `python -m benchmarks.retrieval`."""
