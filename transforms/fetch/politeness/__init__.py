"""What a site allows: rate limits, robots.txt, TDM reservation."""
