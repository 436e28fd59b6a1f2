"""Repair XML of feeds and sitemaps, in pieces: bare ampersands and a wrongly declared encoding."""

import re
from collections.abc import Iterator

EDGES = b"\xef\xbb\xbf \t\r\n"
"""Bytes before the beginning of a document that are skipped: byte order mark and white space."""

_BARE_AMPERSAND = re.compile(rb"&(?!#?\w{1,32};)")
_ENCODING = re.compile(rb"""(<\?xml[^>]{0,80}?)\s+encoding\s*=\s*["']utf-?16[^"']{0,8}["']""", re.IGNORECASE)
_PIECE = 1 << 16


def pieces(body: bytes) -> Iterator[bytes]:
    """Split a document into pieces."""
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]


def escaped(body: bytes) -> Iterator[bytes]:
    """Yield XML in pieces with bare ampersands escaped, because the parser drops the text after one.

    A declared encoding UTF-16 is removed if the bytes are not UTF-16; libraries that write strings declare it wrongly.
    """
    start = len(body) - len(body.lstrip(EDGES))
    head = _ENCODING.sub(rb"\1", body[start : start + 200])
    yield from _escaped_pieces(head, body, start + 200)


def _escaped_pieces(rest: bytes, body: bytes, position: int) -> Iterator[bytes]:
    is_cdata = False
    while rest or position < len(body):
        rest, position = rest + body[position : position + _PIECE], position + _PIECE
        is_last = position >= len(body)
        mark = b"]]>" if is_cdata else b"<![CDATA["
        at = rest.find(mark)
        if at >= 0:
            piece, rest = rest[: at + len(mark)], rest[at + len(mark) :]
        else:
            # An entity or the byte order mark may continue in the next piece.
            keep = 0 if is_last else min(len(rest), 40)
            piece, rest = rest[: len(rest) - keep], rest[len(rest) - keep :]
        yield piece if is_cdata else _BARE_AMPERSAND.sub(b"&amp;", piece)
        if at >= 0:
            is_cdata = not is_cdata
        elif is_last:
            return
