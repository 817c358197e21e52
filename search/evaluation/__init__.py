"""How well a library is searched, measured with captions of its videos."""
