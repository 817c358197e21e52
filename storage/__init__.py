"""What is kept: metadata in SQL, vectors in FAISS; value types and the exception tree."""
