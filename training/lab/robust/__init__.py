"""Frame vectors that blur, compression, shrinking and noise do not change."""
