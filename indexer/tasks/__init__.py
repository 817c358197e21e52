"""What an index run does: index, re-encode, backfill copy descriptors."""
