"""The tasks of a pass over videos: index, re-encode, backfill copy descriptors."""
