"""Measure how well hits match scenes in time: `python -m benchmarks.moments`."""
