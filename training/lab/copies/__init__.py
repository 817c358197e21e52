"""Training of the copy descriptor by self-supervision, from pictures and frames alone."""
