"""Send one HTTP request, within limits of time and size.

`transforms.fetch.fetcher` handles redirects, retries and delays, because each needs the host's lock.
"""

import asyncio
import ssl
import time
from collections.abc import Container, Mapping
from dataclasses import dataclass
from types import TracebackType

import aiohttp
from yarl import URL

from transforms.fetch.config import FetchConfig
from transforms.fetch.http.address_guard import AddressGuard, PrivateAddress, match_host
from transforms.fetch.http.decompression import ACCEPT_ENCODING, Body
from transforms.schema.failures import Reason, Rejected
from transforms.schema.urls import host_of

GZIP_TYPE = "application/gzip"
"""Content type of gzip files that are accepted as bodies, such as compressed sitemaps."""

WITH_BODY = (200, 203)
"""Statuses of responses with a complete page."""

GZIP = b"\x1f\x8b"

_NO_TYPES: frozenset[str] = frozenset()
# First bytes of binary formats.
_BINARY = (
    b"%PDF-",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"PK\x03\x04",
    b"RIFF",
    b"ID3",
    b"OggS",
    GZIP,
    b"Rar!",
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# Control characters that do not occur in text; 0 and escape are not among them, as UTF-16 and ISO-2022 use them.
_CONTROLS = bytes({*range(1, 9), 11, *range(14, 27), *range(28, 32)})
_MAX_CONTROL_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class Response:
    """Response to one request. The body is read only for the statuses in `WITH_BODY`."""

    url: str
    status: int
    headers: Mapping[str, str]
    """Header names are case-insensitive."""
    body: bytes = b""
    elapsed_ms: int = 0


class Client:
    """An HTTP client for one event loop; an asynchronous context manager.

    It drops cookies, ignores proxies of the environment, verifies TLS, and checks every connection with `AddressGuard`.
    """

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        self._guard = AddressGuard(config)

    async def __aenter__(self) -> "Client":
        config = self._config
        self._session = aiohttp.ClientSession(
            # limit=0, because the session limits concurrency, including DNS lookups.
            connector=aiohttp.TCPConnector(
                resolver=self._guard, socket_factory=self._guard.open_socket, limit=0, ssl=_tls_context()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=config.total_timeout, connect=config.connect_timeout, sock_read=config.first_byte_timeout
            ),
            headers={"User-Agent": config.user_agent, "Accept-Encoding": ACCEPT_ENCODING},
            auto_decompress=False,
            middlewares=(_once,),
            trust_env=False,
            max_line_size=config.max_header_bytes,
            max_field_size=config.max_header_bytes,
            max_headers=config.max_headers,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._guard.close()

    async def get(
        self,
        url: str,
        accept: frozenset[str] = _NO_TYPES,
        *,
        limit: int | None = None,
        cut: bool = False,
        last: bool = False,
        headers: Mapping[str, str] | None = None,
        with_body: Container[int] = WITH_BODY,
    ) -> Response:
        """Request one URL, once.

        Args:
            url: a canonical URL.
            accept: content types whose body is read; empty: all.
            limit: maximum size of the body in bytes; None: `FetchConfig.max_body_bytes`.
            cut: truncate a larger body instead of rejecting it.
            last: this is the last request to the host, so its connection is closed.
            headers: additional headers, such as those of a conditional request.
            with_body: statuses whose body is read.

        Returns:
            The response, with any status.

        Raises:
            Rejected: there is no response, or its body is rejected.
        """
        self._guard.check(url)
        sent = {"Accept": ", ".join([*sorted(accept), "*/*;q=0.1"]) if accept else "*/*", **(headers or {})}
        if last:
            sent["Connection"] = "close"
        own = match_host(self._config.headers, URL(url).raw_host or "") or {}
        sent.update({name: value.get_secret_value() for name, value in own.items()})
        started = time.monotonic()
        try:
            async with self._session.get(URL(url, encoded=True), headers=sent, allow_redirects=False) as response:
                body = b""
                if response.status in with_body:
                    body = await self._read(response, accept, limit or self._config.max_body_bytes, cut)
                elapsed_ms = round((time.monotonic() - started) * 1000)
                return Response(url, response.status, response.headers, body, elapsed_ms)
        except Rejected:
            raise
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise _rejected(error, host_of(url)) from error

    async def _read(self, response: aiohttp.ClientResponse, accept: frozenset[str], limit: int, cut: bool) -> bytes:
        _check_type(response.headers.get("Content-Type", ""), accept)
        if (response.content_length or 0) > limit and not cut:
            raise Rejected(
                Reason.TOO_LARGE, f"Content-Length is {response.content_length:,} bytes, over the limit of {limit:,}."
            )
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            # aiohttp has the same timeout for the first byte and for the rest of the body.
            connection.protocol.read_timeout = self._config.read_timeout
            connection.protocol.start_timeout()
        encoding = ",".join(response.headers.getall("Content-Encoding", []))
        body = Body(encoding, limit, self._config.max_unpack_ratio, cut)
        try:
            while not body.full and (piece := await response.content.readany()):
                body.feed(piece)
        except aiohttp.ClientPayloadError as error:
            raise _broken(error) from error
        except aiohttp.ServerTimeoutError:
            raise
        except (aiohttp.ClientConnectionError, ConnectionError) as error:
            raise Rejected(Reason.TRUNCATED, "The connection closed before the body was complete.") from error
        data = body.finish()
        if GZIP_TYPE in accept and data.startswith(GZIP):
            return data
        if _looks_binary(data[:4096], "Content-Type" in response.headers):
            raise Rejected(Reason.UNSUPPORTED_TYPE, "The body is not text.")
        return data


def _tls_context() -> ssl.SSLContext:
    # aiohttp creates its own context at import, too early for the variables SSL_CERT_FILE and SSL_CERT_DIR.
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Prevent aiohttp from retrying a broken connection immediately, which would ignore the host's delay."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        host = host_of(str(request.url))
        raise Rejected(Reason.CONNECT, f"{host} closed the connection without a response.") from error


def _check_type(content_type: str, accept: frozenset[str]) -> None:
    media = content_type.replace(",", ";").partition(";")[0].strip().lower().partition(" ")[0]
    if accept and media and media not in accept:
        raise Rejected(
            Reason.UNSUPPORTED_TYPE,
            f"The content type {media[:80]} is not accepted; accepted are {', '.join(sorted(accept))}.",
        )


def _looks_binary(head: bytes, typed: bool) -> bool:
    zeros = b"\0" in head and not head.startswith(_UTF16)
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls > _MAX_CONTROL_SHARE * len(head) and not head.startswith(_UTF16):
        return True
    if typed:
        # A text may begin with the same letters as a binary format and contain a stray NUL.
        return head.startswith(b"%PDF-") or (zeros and head.startswith(_BINARY))
    return zeros or head.startswith(_BINARY)


def _broken(error: aiohttp.ClientPayloadError) -> Rejected:
    cause = str(error.__cause__ or error)
    if "Not enough data" in cause or "not completed" in cause:
        return Rejected(Reason.TRUNCATED, "The connection closed before the body was complete.")
    return Rejected(Reason.PROTOCOL, f"The body does not have valid HTTP framing: {cause[:200]}.")


def _rejected(error: Exception, host: str) -> Rejected:
    """Convert an exception of aiohttp into a `Rejected`; the order matters, since its classes overlap."""
    inner = getattr(error, "os_error", None) or error
    if isinstance(inner, PrivateAddress):
        return Rejected(Reason.PRIVATE_ADDRESS, str(inner))
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Rejected(Reason.TIMEOUT, f"{host} did not accept a connection in time (fetch.connect_timeout).")
    if isinstance(error, aiohttp.SocketTimeoutError):
        return Rejected(Reason.TIMEOUT, f"{host} sent no data in time (fetch.first_byte_timeout, fetch.read_timeout).")
    if isinstance(error, asyncio.TimeoutError):
        return Rejected(Reason.TIMEOUT, f"{host} did not finish its response in time (fetch.total_timeout).")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Rejected(Reason.DNS, f"The name {host} cannot be resolved: {_cause(inner)}.")
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)) or isinstance(inner, ssl.SSLError):
        return Rejected(Reason.TLS, f"TLS with {host} failed: {_cause(inner)}.")
    if isinstance(error, aiohttp.ClientResponseError):
        return _malformed(error, host)
    if isinstance(error, aiohttp.InvalidURL):
        return Rejected(Reason.INVALID_URL, f"The URL for {host} is not valid: {error}.")
    if isinstance(error, OSError):
        return Rejected(Reason.CONNECT, f"Cannot connect to {host}: {_cause(inner)}.")
    return Rejected(Reason.PROTOCOL, f"{host} did not return valid HTTP: {_cause(inner)}.")


def _malformed(error: aiohttp.ClientResponseError, host: str) -> Rejected:
    # aiohttp reports these with status 400, which did not come from the server.
    if "Got more than" in error.message or "Too many" in error.message:
        return Rejected(
            Reason.TOO_LARGE, f"{host} sent headers over the limit (fetch.max_headers, fetch.max_header_bytes)."
        )
    return Rejected(Reason.PROTOCOL, f"{host} did not return valid HTTP: {_cause(error)}.")


def _cause(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".")[:200]
