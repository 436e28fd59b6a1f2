"""From a tree to the article's text."""
