"""Value types, errors and small helpers that every other room imports. Imports nothing of ours."""
