"""Align two frame sequences in time."""
