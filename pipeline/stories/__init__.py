"""Group near-duplicate articles into stories at commit."""
