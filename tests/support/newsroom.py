"""A changing news site: every host name on one loopback port, each with a feed and a sitemap index."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SHOWN = 100
"""Number of items in a feed, the newest."""
PER_SITEMAP = 3
"""Number of items per sitemap."""


_SITEMAPS = "http://www.sitemaps.org/schemas/sitemap/0.9"


@dataclass(frozen=True, slots=True)
class Request:
    """One received request."""

    host: str
    path: str
    at: float
    """Seconds of the monotonic clock."""
    status: int


@dataclass(slots=True)
class Newsroom:
    """Published items, settings of hosts, and received requests."""

    port: int = 0
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    """Paths by host, in order, each with its time of publication (seconds since 1970)."""
    log: list[Request] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    """Hosts with feeds that respond with 500."""
    robots: dict[str, str] = field(default_factory=dict)
    """robots.txt by host; other hosts have none."""
    pauses: dict[str, float] = field(default_factory=dict)
    """Delay of responses by host, in seconds."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def publish(self, host: str) -> str:
        """Add an item to a host's feed; return its URL."""
        with self.lock:
            items = self.published.setdefault(host, {})
            path = f"/news/{len(items)}"
            items[path] = time.time()
        return f"http://{host}{path}"

    @property
    def urls(self) -> dict[str, float]:
        """URLs of all items, with their times of publication."""
        with self.lock:
            return {f"http://{host}{path}": at for host, items in self.published.items() for path, at in items.items()}


def feed_of(newsroom: Newsroom, host: str) -> bytes:
    """Current feed of a host."""
    with newsroom.lock:
        items = list(newsroom.published.get(host, {}).items())[-SHOWN:]
    entries = "".join(
        f"<item><title>News of {host}{path}</title><link>http://{host}{path}</link>"
        f"<pubDate>{formatdate(at, usegmt=True)}</pubDate></item>"
        for path, at in reversed(items)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>{host}</title>{entries}</channel></rss>'.encode()


def sitemap_of(newsroom: Newsroom, host: str, number: int) -> bytes:
    """One sitemap of a host; all but the last have `PER_SITEMAP` items."""
    with newsroom.lock:
        items = list(newsroom.published.get(host, {}))[number * PER_SITEMAP : (number + 1) * PER_SITEMAP]
    entries = "".join(f"<url><loc>http://{host}{path}</loc></url>" for path in items)
    return f'<?xml version="1.0"?><urlset xmlns="{_SITEMAPS}">{entries}</urlset>'.encode()


def sitemap_index_of(newsroom: Newsroom, host: str) -> bytes:
    """Sitemap index of a host."""
    with newsroom.lock:
        number = -(-len(newsroom.published.get(host, {})) // PER_SITEMAP)
    entries = "".join(f"<sitemap><loc>http://{host}/sitemap-{n}.xml</loc></sitemap>" for n in range(number))
    return f'<?xml version="1.0"?><sitemapindex xmlns="{_SITEMAPS}">{entries}</sitemapindex>'.encode()


def page_of(host: str, path: str) -> bytes:
    """An article; its text depends only on its URL."""
    number = int(hashlib.sha256(f"{host}{path}".encode()).hexdigest()[:8], 16)
    town = ("Ashby", "Brackwell", "Corley", "Dunmere", "Eastham")[number % 5]
    paragraphs = [
        f"The council of {town} voted {number % 40} to {number // 40 % 40} on Tuesday to rebuild bridge {number}.",
        f'"We have waited {number % 97} years for the bridge," said Mayor Anna Keller, who has led {town} since 2019.',
        f"Work on part {number} begins in spring, and {number % 1000} people in {town} will have a shorter way.",
        f"According to the engineer Paul Novak, bridge {number} will carry {number % 300} buses on a working day.",
    ]
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f"<!doctype html><html lang=en><head><title>Bridge {number} in {town}</title>"
        f'<meta property="og:type" content="article"></head><body><article><h1>Bridge {number} in {town}</h1>'
        f"{body}</article></body></html>"
    ).encode()


def response_of(newsroom: Newsroom, host: str, path: str) -> tuple[int, bytes, str]:
    """Response of a host: status, body and content type."""
    if path == "/feed.xml":
        return 500 if host in newsroom.dead else 200, feed_of(newsroom, host), "application/rss+xml"
    if path == "/sitemap.xml":
        return 200, sitemap_index_of(newsroom, host), "application/xml"
    if (sitemap := re.fullmatch(r"/sitemap-(\d+)\.xml", path)) is not None:
        return 200, sitemap_of(newsroom, host, int(sitemap[1])), "application/xml"
    if path == "/robots.txt" and host in newsroom.robots:
        return 200, newsroom.robots[host].encode(), "text/plain"
    if path in newsroom.published.get(host, {}):
        return 200, page_of(host, path), "text/html"
    return 404, b"", "text/html"


@contextmanager
def open_newsroom() -> Iterator[Newsroom]:
    """Serve a newsroom until the block ends."""
    newsroom = Newsroom()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host = self.headers["Host"].partition(":")[0]
            status, body, kind = response_of(newsroom, host, self.path)
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if status == 200 and self.headers.get("If-None-Match") == tag:
                status, body = 304, b""
            newsroom.log.append(Request(host, self.path, time.monotonic(), status))
            time.sleep(newsroom.pauses.get(host, 0.0))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", tag)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    newsroom.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield newsroom
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
