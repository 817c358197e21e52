"""Measure how far a confidence can be trusted: `python -m benchmarks.confidence`."""
