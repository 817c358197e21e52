"""Benchmark of copy detection: edited copies of videos, their ground truth, and scoring.

python -m benchmarks.copies generate --out FOLDER --sources VIDEOS ...
"""
