"""``python -m vidseek.cli``: the command where its script is not on the path."""

from vidseek.cli import main

main()
