"""Starting a run on an engine and following it."""
