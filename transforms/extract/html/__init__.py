"""From bytes to a bounded, normalised tree."""
