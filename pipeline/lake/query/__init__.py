"""Queries on a lake: SQL views, comparisons and the crawl state; nothing here changes the lake."""
