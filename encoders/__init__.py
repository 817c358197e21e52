"""Encoders: from frames and sentences to vectors."""
