"""Sources without an end: watched feeds, queues, deduplication."""
