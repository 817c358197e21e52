"""Answer text, image and video queries with moments."""
