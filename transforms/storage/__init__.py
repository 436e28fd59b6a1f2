"""Store files in a local folder or a Google Cloud Storage prefix."""
