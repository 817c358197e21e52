"""Training of the shipped built-in model: `python -m vidseek.training.lab --help`.

Needs the extra `train` and the data folder beside the checkout.
"""
