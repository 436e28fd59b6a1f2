"""Starting a stream and following it."""
