"""Benchmark of copy detection: edited copies of videos, what they show, how finding is scored.

python -m benchmarks.copies generate --out FOLDER --sources VIDEOS ...
"""
