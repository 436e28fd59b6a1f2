"""Report on a run: a self-contained HTML page (`page`) with figures (`queries`), sample articles and advice."""
