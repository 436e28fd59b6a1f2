"""Run a stream and compute its progress."""
