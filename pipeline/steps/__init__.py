"""The transforms that only a run has."""
