"""Obey the rules of a site: rate limits, robots.txt, TDM reservations."""
