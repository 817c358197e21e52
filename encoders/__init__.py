"""From pixels and words to vectors: reading video, clips, encoders, training."""
