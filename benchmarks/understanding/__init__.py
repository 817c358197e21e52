"""How well labels, summaries, unusual moments and recommendations fit; see ``__main__``."""
