"""A run's report: in the terminal (`terminal`), and as one HTML page that stands alone (`page`)."""
