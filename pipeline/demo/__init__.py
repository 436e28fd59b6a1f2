"""The demo: a small news site of four invented publishers on this machine, and a configuration that reads it."""
