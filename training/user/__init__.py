"""What `vidseek train` runs: fine-tune the built-in model, or train a re-ranking head."""
