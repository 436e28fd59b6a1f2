"""Read title, authors, dates and other metadata of a page."""
