"""Unpacks a body as it comes, within limits: a few kilobytes can unfold to gigabytes."""

import zlib

from transforms.records import Reason, Rejected

ACCEPT_ENCODING = "gzip, deflate"
"""What `Body` can unpack, as a request says it."""

_STEP = 2**18
_RATIO_FROM = 2**20
_GZIP = b"\x1f\x8b"
_GZIP_WBITS, _ZLIB_WBITS, _RAW_WBITS = 31, 15, -15


class Body:
    """Collects one response body.

    Args:
        content_encoding: the header as it came (RFC 9110, section 8.4); empty for a body that is not packed.
        limit: largest size in bytes, on the wire and unpacked.
        ratio: how many times its size on the wire a body over 1 MiB may have.
        cut: whether a body over the limit ends there in place of being refused.

    Raises:
        Rejected: ``unsupported_type``, for an encoding that `ACCEPT_ENCODING` does not name.
    """

    def __init__(self, content_encoding: str, limit: int, ratio: int, cut: bool = False) -> None:
        codings = [c.strip().lower().removeprefix("x-") for c in content_encoding.split(",")]
        codings = [c for c in codings if c not in ("", "identity")]
        if codings and codings not in (["gzip"], ["deflate"]):
            raise Rejected(
                Reason.UNSUPPORTED_TYPE, f"The body is packed as {content_encoding[:60]}, which was not asked for."
            )
        self._coding = codings[0] if codings else ""
        self._limit, self._ratio, self._cut = limit, ratio, cut
        self._data = bytearray()
        self._wire = 0
        self._head = b""
        self._inflate: zlib._Decompress | None = None
        self._members = 0
        self.full = False
        """Whether the limit was reached and `cut` ended the body."""

    def feed(self, piece: bytes) -> None:
        """Takes the next piece from the wire.

        Raises:
            Rejected: ``too_large``, or ``protocol`` for packed data that is damaged.
        """
        self._wire += len(piece)
        if not self._coding:
            self._add(piece)
            return
        if self._wire > self._limit and not self._cut:
            raise self._too_large()
        try:
            self._unpack(self._head + piece)
        except zlib.error as error:
            raise Rejected(Reason.PROTOCOL, f"The packed body is damaged: {error}.") from error

    def finish(self) -> bytes:
        """The whole body.

        Raises:
            Rejected: ``truncated``, when packed data stops before its end.
        """
        if self._inflate is not None and not self.full:
            raise Rejected(Reason.TRUNCATED, "The packed body stops before its end.")
        if self._coding and not self._members and not self._inflate:
            self._add(self._head)
        return bytes(self._data)

    def _unpack(self, data: bytes) -> None:
        self._head = b""
        while not self.full:
            if self._inflate is None:
                if len(data) < 2:
                    self._head = data
                    return
                self._inflate = self._begin(data)
                if self._inflate is None:
                    return
            piece = self._inflate.decompress(data, _STEP)
            self._add(piece)
            if self._inflate.eof:
                data, self._inflate = self._inflate.unused_data, None
                self._members += 1
            else:
                data = self._inflate.unconsumed_tail
                if not data and len(piece) < _STEP:
                    return

    def _begin(self, data: bytes) -> "zlib._Decompress | None":
        """What unpacks a body, or a gzip member, that begins so; None where there is nothing to unpack."""
        if self._members:
            more = self._coding == "gzip" and data.startswith(_GZIP)
            return zlib.decompressobj(_GZIP_WBITS) if more else None
        if self._coding == "deflate":
            # By the RFC this is zlib's format, by many servers bare deflate.
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            return zlib.decompressobj(_ZLIB_WBITS if is_zlib else _RAW_WBITS)
        if data.startswith(_GZIP):
            return zlib.decompressobj(_GZIP_WBITS)
        # Said to be packed and is not: servers do that, and browsers show it.
        self._coding = ""
        self._add(data)
        return None

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
                f"The body unfolds to more than {self._ratio} times its size (fetch.max_unpack_ratio).",
            )

    def _too_large(self) -> Rejected:
        return Rejected(Reason.TOO_LARGE, f"The body is larger than {self._limit:,} bytes (fetch.max_body_bytes).")
