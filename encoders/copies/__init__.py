"""The copy descriptor: one small vector a frame for copy detection."""
