"""Video readers: decord and PyAV behind one protocol."""
