"""Training: networks, what `vidseek train` runs (user), and what made the shipped weights (lab)."""
