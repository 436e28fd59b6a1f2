"""Render the files under ``pages/`` into the documents of the site.

``pages/<host>/template.html`` is a publisher's page (`string.Template`). Beside it, ``<path>.md`` is the article at
``/<path>``: front matter between two ``---`` lines, then plain text in paragraphs parted by a blank line; one that
begins with ``## `` is a sub-headline. Any other file is sent as it is; ``index.html`` answers for its folder.
"""

import hashlib
import html
import json
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from string import Template

PAGES = Path(__file__).with_name("pages")
LAST_CHANGE = datetime(2025, 3, 17, 12, 0, tzinfo=timezone.utc)
"""Last-Modified of documents without a date."""

_LEAD = 3  # paragraphs before the advertisement or newsletter box in the middle of an article
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/feed+json",
    ".pdf": "application/pdf",
    ".txt": "text/plain; charset=utf-8",
}
_XML_TYPES = {
    "atom.xml": "application/atom+xml",
    "feed.xml": "application/rss+xml; charset=utf-8",
    "news-sitemap.xml": "application/xml",
}


@dataclass(frozen=True)
class Document:
    """Successful response of one URL."""

    body: bytes
    content_type: str
    modified: datetime

    @property
    def etag(self) -> str:
        """Entity tag, without the quotes of the header."""
        return hashlib.blake2b(self.body, digest_size=8).hexdigest()


def load_documents(charsets: dict[str, str]) -> dict[str, Document]:
    """Return all documents of the site by URL.

    Args:
        charsets: URL -> encoding of the pages that are not UTF-8; their Content-Type names no charset, their meta does.
    """
    documents = {}
    for file in sorted(PAGES.rglob("*")):
        path = file.relative_to(PAGES).as_posix()
        if file.is_dir() or path.endswith("/template.html"):
            continue
        if file.suffix == ".md":
            url = f"http://{path.removesuffix('.md')}"
            documents[url] = _article(file, url, charsets.get(url))
        else:
            content_type = _XML_TYPES.get(file.name) or _TYPES[file.suffix]
            document = Document(file.read_bytes(), content_type, LAST_CHANGE)
            documents[f"http://{path.removesuffix('index.html')}"] = document
    return documents


def _article(file: Path, url: str, charset: str | None) -> Document:
    _, front, text = file.read_text(encoding="utf-8").split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in front.splitlines())
    published = datetime.fromisoformat(fields["published"])
    paragraphs = [_block(paragraph) for paragraph in text.strip().split("\n\n")]
    fields = {
        "language": "en",
        "url": url,
        "charset": charset or "utf-8",
        "day": f"{published.day} {published:%B %Y}",
        "iso_day": f"{published:%Y-%m-%d}",
        **fields,
    }
    values = {key: html.escape(value) for key, value in fields.items()}
    values |= {f"{key}_json": json.dumps(value, ensure_ascii=False) for key, value in fields.items()}
    values |= {
        "description_raw": fields["description"],
        "tag_metas": "\n".join(
            f'<meta property="article:tag" content="{tag}" />' for tag in values["tags"].split(", ")
        ),
        "lead": "\n".join(paragraphs[:_LEAD]),
        "rest": "\n".join(paragraphs[_LEAD:]),
    }
    host = file.relative_to(PAGES).parts[0]
    page = Template((PAGES / host / "template.html").read_text(encoding="utf-8")).substitute(values)
    document = Document(page.encode(charset or "utf-8"), _TYPES[".html"], datetime.fromisoformat(fields["modified"]))
    return replace(document, content_type="text/html") if charset else document


def _block(paragraph: str) -> str:
    if paragraph.startswith("## "):
        return f"<h2>{html.escape(paragraph[3:], quote=False)}</h2>"
    return f"<p>{html.escape(paragraph, quote=False)}</p>"
