"""Extract the article of a page: text and metadata."""

from transforms.extract.article import EXTRACTOR_VERSION, extract_article, extract_page
from transforms.extract.config import ExtractConfig
from transforms.extract.jsonl import extract_line

__all__ = ["EXTRACTOR_VERSION", "ExtractConfig", "extract_article", "extract_line", "extract_page"]
