"""Reading the lake: SQL, differences, crawl state."""
