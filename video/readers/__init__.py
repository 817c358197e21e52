"""Video readers behind one protocol: PyAV, and decord as an extra."""
