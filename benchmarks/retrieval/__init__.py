"""Measure what the built-in encoder finds: `python -m benchmarks.retrieval`."""
