"""The SQL database: videos, clips, vectors and copy matches."""
