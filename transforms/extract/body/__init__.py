"""Extract the article's text from the page's tree."""
