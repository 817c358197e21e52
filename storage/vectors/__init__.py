"""Vector indexes behind one protocol."""
