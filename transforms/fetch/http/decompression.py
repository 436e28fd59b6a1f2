"""Decompress response bodies in a stream with size limits, because a few kilobytes can expand to gigabytes."""

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli
import zstandard

from transforms.schema.failures import Reason, Rejected

ACCEPT_ENCODING = "gzip, deflate, br, zstd"
"""Value of the header Accept-Encoding: the codings that `Body` can decompress."""

_STEP = 2**18
_RATIO_FROM = 2**20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_GZIP_WBITS, _ZLIB_WBITS, _RAW_WBITS = 31, 15, -15
_ZSTD_WINDOW = 2**23  # the largest window that a decoder of HTTP bodies must support (RFC 9659)
# zstandard cannot limit the output of a call. A block has at least 4 bytes and expands to 128 KiB: 8 MiB a call.
_ZSTD_PIECE = 256


class _Decoder(Protocol):
    rest: bytes | None
    """Bytes after the compressed data; None before its end."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Decompress the next bytes in small pieces."""


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._decoder = zlib.decompressobj(wbits)
        self.rest: bytes | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while self.rest is None:
            piece = self._decoder.decompress(data, _STEP)
            yield piece
            data = self._decoder.unconsumed_tail
            if self._decoder.eof:
                self.rest = self._decoder.unused_data
            elif not data and len(piece) < _STEP:
                return


class _Brotli:
    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()
        self.rest: bytes | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while self.rest is None:
            yield self._decoder.process(data, output_buffer_limit=_STEP)
            data = b""
            if self._decoder.is_finished():
                self.rest = b""
            elif self._decoder.can_accept_more_data():
                return


class _Zstandard:
    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self.rest: bytes | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_PIECE):
            yield self._decoder.decompress(data[at : at + _ZSTD_PIECE])
            if self._decoder.eof:
                self.rest = self._decoder.unused_data + data[at + _ZSTD_PIECE :]
                return


# First bytes of compressed data, for the codings with a magic number.
_MAGIC = {"gzip": _GZIP, "zstd": _ZSTD}
_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": lambda: _Zlib(_GZIP_WBITS),
    "br": _Brotli,
    "zstd": _Zstandard,
}


class Body:
    """Collect and decompress one response body.

    Args:
        content_encoding: the header (RFC 9110, section 8.4); empty if the body is not compressed.
        limit: maximum size in bytes, compressed and decompressed.
        ratio: maximum ratio of decompressed to compressed size, for bodies over 1 MiB.
        cut: truncate a body over the limit instead of rejecting it.

    Raises:
        Rejected: ``unsupported_type``, for a coding that is not in `ACCEPT_ENCODING`.
    """

    def __init__(self, content_encoding: str, limit: int, ratio: int, cut: bool = False) -> None:
        codings = [c.strip().lower().removeprefix("x-") for c in content_encoding.split(",")]
        codings = [c for c in codings if c not in ("", "identity")]
        if codings and codings not in ([known] for known in ACCEPT_ENCODING.split(", ")):
            raise Rejected(
                Reason.UNSUPPORTED_TYPE,
                f"The Content-Encoding {content_encoding[:60]} is not supported; supported are {ACCEPT_ENCODING}.",
            )
        self._coding = codings[0] if codings else ""
        self._limit, self._ratio, self._cut = limit, ratio, cut
        self._data = bytearray()
        self._wire = 0
        self._head = b""
        self._decoder: _Decoder | None = None
        self._members = 0
        self.full = False
        """Whether the body was truncated at the limit."""

    def feed(self, piece: bytes) -> None:
        """Add the next piece of the response.

        Raises:
            Rejected: ``too_large``, or ``protocol`` for damaged compressed data.
        """
        self._wire += len(piece)
        if not self._coding:
            self._add(piece)
            return
        if self._wire > self._limit and not self._cut:
            raise self._too_large()
        try:
            self._unpack(self._head + piece)
        except (zlib.error, brotli.error, zstandard.ZstdError) as error:
            if self._wire == len(piece) and not self._data and piece.lstrip().startswith(b"<"):
                self._plain(piece)
                return
            raise Rejected(Reason.PROTOCOL, f"The compressed body is damaged: {error}.") from error

    def finish(self) -> bytes:
        """Return the complete body.

        Raises:
            Rejected: ``truncated``, if the compressed data is incomplete.
        """
        if self._decoder is not None and not self.full:
            raise Rejected(Reason.TRUNCATED, "The compressed body is incomplete.")
        if self._coding and not self._members and not self._decoder:
            self._add(self._head)
        return bytes(self._data)

    def _unpack(self, data: bytes) -> None:
        self._head = b""
        while True:
            if self._decoder is None:
                if len(data) < len(_MAGIC.get(self._coding, b"ab")):
                    self._head = data
                    return
                self._decoder = self._begin(data)
                if self._decoder is None:
                    return
            for piece in self._decoder.pieces(data):
                self._add(piece)
                if self.full:
                    return
            if self._decoder.rest is None:
                return
            data, self._decoder = self._decoder.rest, None
            self._members += 1

    def _begin(self, data: bytes) -> _Decoder | None:
        """Return a decoder for a body or its next member, which begins with `data`; None if it is not compressed."""
        magic = _MAGIC.get(self._coding)
        if self._members:
            return _DECODERS[self._coding]() if magic and data.startswith(magic) else None
        if self._coding == "deflate":
            # RFC 9110 defines this coding as the zlib format, but many servers send raw deflate.
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            return _Zlib(_ZLIB_WBITS if is_zlib else _RAW_WBITS)
        if magic is None or data.startswith(magic):
            return _DECODERS[self._coding]()
        self._plain(data)
        return None

    def _plain(self, data: bytes) -> None:
        """Handle an uncompressed body with a Content-Encoding header, as some servers send it."""
        self._coding, self._decoder = "", None
        self._add(data)

    def _add(self, data: bytes) -> None:
        self._data += data
        size = len(self._data)
        if size > self._limit:
            if not self._cut:
                raise self._too_large()
            del self._data[self._limit :]
            self.full = True
        if self._coding and size > _RATIO_FROM and size > self._ratio * self._wire:
            raise Rejected(
                Reason.TOO_LARGE,
                f"The body expands to more than {self._ratio} times its size (fetch.max_unpack_ratio).",
            )

    def _too_large(self) -> Rejected:
        return Rejected(Reason.TOO_LARGE, f"The body is larger than {self._limit:,} bytes (fetch.max_body_bytes).")
