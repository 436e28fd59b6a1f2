"""Language-neutral functions on text that several packages share."""
