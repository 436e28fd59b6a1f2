"""Where bytes lie: a local folder or a Google Cloud Storage prefix."""
