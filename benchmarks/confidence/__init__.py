"""Measure how reliable confidences are: `python -m benchmarks.confidence`."""
