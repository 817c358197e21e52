"""Value types, errors and small helpers shared by all other packages, none of which it imports."""
