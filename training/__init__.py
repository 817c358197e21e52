"""Training: networks, `vidseek train` (user), and the runs behind the shipped weights (lab)."""
