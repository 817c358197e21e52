"""The copy descriptor: one small vector per frame for copy detection."""
