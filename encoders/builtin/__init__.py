"""The built-in model, run without torch."""
