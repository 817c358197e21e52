"""``python -m vidseek.cli``: run the command if its script is not on the path."""

from vidseek.cli import main

main()
