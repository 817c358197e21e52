"""Measure the spans of hits: `python -m benchmarks.moments`."""
