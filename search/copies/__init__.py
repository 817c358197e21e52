"""Detect copies of library videos."""
