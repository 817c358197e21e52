"""Understanding: labels of videos, from words or from examples."""
