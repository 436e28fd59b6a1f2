"""Unbounded sources: watched feeds, queues and their deduplication."""
