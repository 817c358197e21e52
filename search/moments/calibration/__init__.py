"""Fit the confidence of hits to one library."""
