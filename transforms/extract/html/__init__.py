"""Decode, check and normalise pages."""
