"""Storage: metadata and vectors in a SQL database, vector indexes in FAISS, thumbnails."""
