"""Keeping a library up to date: find files, decode and encode them, write what was found."""
