"""Resolve pronouns to the persons of a text."""
