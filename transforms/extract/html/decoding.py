"""Decode the bytes of a page into text."""

import codecs
import re
from collections.abc import Iterator

from charset_normalizer import from_bytes
from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom, resolve_encoding

_LATIN = frozenset({"cp1252", "iso8859-1", "latin-1"})
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff\ud800-\udfff]")
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
_TAGS = re.compile(rb"<[^>]{0,2000}>")
_SAMPLE = 20_000
_MIXED_SHARE = 0.1


def decode_html(body: bytes, content_type: str = "") -> str:
    """Decode a response body.

    In this order: a byte order mark; UTF-8, if the bytes are valid, because text in another encoding is hardly ever
    valid UTF-8; the first declared encoding, of HTTP header and page, that decodes without an error (read by the WHATWG
    Encoding Standard: latin-1 means windows-1252); detection. Servers often add latin-1 by default, so another
    encoding declared in the page precedes such a header.

    Args:
        body: the decompressed bytes.
        content_type: the Content-Type header; empty if missing.

    Returns:
        The text without NUL, other control characters and lone surrogates. Never raises.
    """
    return clean_characters(_decode(body, content_type))


def clean_characters(text: str) -> str:
    """Remove control characters, surrogates and byte order marks."""
    return text if _is_clean(text) else _UNWANTED.sub("", text)


def _is_clean(text: str) -> bool:
    """Whether the text has none of these characters; twenty times as fast as the regular expression."""
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return False
    return len(raw.translate(None, _CONTROLS)) == len(raw) and not any(mark in text for mark in "\ufeff\ufffe\uffff")


def _decode(body: bytes, content_type: str) -> str:
    bom, mark = read_bom(body)
    if bom and mark:
        return body[len(mark) :].decode(bom, "replace")
    labels = list(_labels(body, content_type))
    if b"\x1b" in body and (escaped := [label for label in labels if label.startswith("iso2022")]):
        return body.decode(escaped[0], "replace")
    for label in (*(wide for wide in labels if wide.startswith(("utf-16", "utf-32"))), "utf-8"):
        if (text := _strictly(body, label)) is not None:
            return text
    if _is_nearly_utf8(body):
        return body.decode("utf-8", "onrecord.cp1252")
    for label in labels:
        if (text := _strictly(body, label)) is not None:
            return text
    return _detected(body)


def _labels(body: bytes, content_type: str) -> Iterator[str]:
    header = http_content_type_encoding(content_type) if content_type else None
    declared = html_body_declared_encoding(body[:4096])
    names = [codecs.lookup(name).name for name in (header, declared) if name]
    if len(names) == 2 and names[0] in _LATIN and not names[1].startswith("utf"):
        names.reverse()
    yield from names


def _strictly(body: bytes, label: str) -> str | None:
    try:
        text = body.decode(label)
    except (UnicodeDecodeError, LookupError):
        return None
    if label.startswith(("utf-16", "utf-32")) and "<" not in text[:2000]:
        return None
    return text


def _is_nearly_utf8(body: bytes) -> bool:
    """Whether few non-ASCII bytes are invalid UTF-8, as in a UTF-8 page with one field in another encoding."""
    broken = body.decode("utf-8", "replace").count("\ufffd")
    characters = sum(1 for _ in re.finditer(rb"[\xc2-\xf4][\x80-\xbf]{1,3}", body))
    return characters > 0 and broken <= characters * _MIXED_SHARE


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("onrecord.cp1252", _as_windows_1252)


def _detected(body: bytes) -> str:
    words = _TAGS.sub(b" ", body)[:_SAMPLE]
    best = from_bytes(words).best()
    encoding = resolve_encoding(best.encoding) if best else None
    return body.decode(encoding or "cp1252", "replace")
