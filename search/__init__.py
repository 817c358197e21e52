"""Answering: text, image and video queries; filters; merging clips into moments."""
