"""Keep requests out of networks that are not public, against server-side request forgery (SSRF).

A list of URLs, a feed or a redirect must not make the pipeline send requests to its own network. Addresses are checked
where connections are made: the resolver returns only checked addresses, the connection uses one of these without a
second DNS lookup, and the socket factory checks the address again.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, TypeVar
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from transforms.fetch.config import FetchConfig, split_target
from transforms.schema.failures import Reason, Rejected

_DNS_THREADS = 32

# IANA's special-purpose registries, in full: `ipaddress.is_global` differs between releases of Python.
_CLOSED_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host agent has an address that looks public
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_NAT64 = IPv6Network("64:ff9b::/96")

METADATA = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "fd00:ec2::254"))
)
"""Metadata services, which return credentials of a cloud machine; no configuration can allow them."""


class PrivateAddress(OSError):  # noqa: N818 - an OSError, since aiohttp wraps these and keeps them
    """A host resolves to an address that it may not use."""


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """Whether an IP address belongs to the public internet.

    An address that embeds another one (IPv4-mapped, 6to4, NAT64) is public if the embedded address is.

    Args:
        address: an address or its text; a text that is not a valid address is not public.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    inner = _inner(ip)
    if inner is not None:
        return is_public(inner)
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _CLOSED_V4)
    return ip.scope_id is None and ip in _OPEN_V6 and not any(ip in network for network in _CLOSED_V6)


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address embeds and routes to, or None."""
    if isinstance(ip, IPv4Address):
        return None
    return ip.ipv4_mapped or ip.sixtofour or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)


def _embedded(ip: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """Yield every IPv4 address that some IPv6 transition mechanism may read from an address."""
    yield ip
    if isinstance(ip, IPv6Address):
        last = IPv4Address(int(ip) & 0xFFFFFFFF)
        yield last
        # Teredo stores the client inverted (RFC 4380); 6to4 has the address behind its prefix; so do RFC 6052's NAT64
        # prefixes of other lengths, around byte 8.
        yield IPv4Address(int(last) ^ 0xFFFFFFFF)
        packed = ip.packed
        for start in (2, 4, 5, 6, 7, 8, 9):
            yield IPv4Address(packed[start : start + 4])
            yield IPv4Address((packed[start:8] + packed[9:])[:4])


def _is_metadata(address: str) -> bool:
    """Whether an address is a metadata service in any IPv6 notation (mapped, compatible, translated, 6to4, Teredo,
    ISATAP, NAT64).
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    return any(each in METADATA for each in _embedded(ip))


_Value = TypeVar("_Value")


def match_host(patterns: Mapping[str, _Value], host: str) -> _Value | None:
    """Return the value of the first pattern (``*``, ``?``) that matches a host's name or address."""
    return next((value for pattern, value in patterns.items() if fnmatchcase(host, pattern.lower())), None)


class AddressGuard(AbstractResolver):
    """Decide which addresses one HTTP client may connect to; `resolve` and `open_socket` go to its connector.

    Args:
        config: its `allowed_ports`, `allow_private_hosts` and `resolve` apply.
    """

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        self._private = dict.fromkeys(config.allow_private_hosts, True)
        self._targets = {pattern: split_target(target) for pattern, target in config.resolve.items()}
        self._checked: set[str] = set()
        # Each DNS lookup blocks a thread; the loop's default pool is too small for a run with many hosts.
        self._threads = ThreadPoolExecutor(_DNS_THREADS, thread_name_prefix="dns")

    def check(self, url: str) -> None:
        """Check a URL before a connection: its port, and its host if it is an IP address.

        Args:
            url: a canonical URL, in which a numeric host has its standard form.

        Raises:
            Rejected: ``port_not_allowed`` or ``private_address``.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        mapped = match_host(self._targets, host)
        if port not in self._config.allowed_ports and not (mapped and mapped[1]):
            allowed = ", ".join(map(str, sorted(self._config.allowed_ports)))
            raise Rejected(Reason.PORT_NOT_ALLOWED, f"{url} has port {port}; fetch.allowed_ports allows {allowed}.")
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return
        try:
            self._approve(host, host)
        except PrivateAddress as error:
            raise Rejected(Reason.PRIVATE_ADDRESS, str(error)) from error

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve a host to checked addresses (called by aiohttp).

        Raises:
            PrivateAddress: an address is not public, and `allow_private_hosts` does not match the host.
            OSError: the name cannot be resolved.
        """
        mapped = match_host(self._targets, host)
        if mapped is not None:
            addresses = [(mapped[0], mapped[1] or port)]
        else:
            found = await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            )
            addresses = list(dict.fromkeys((str(info[4][0]), port) for info in found))
        for address, _ in addresses:
            self._approve(host, address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=to_port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address, to_port in addresses
        ]

    def open_socket(self, info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """Open a socket for a checked address (aiohttp's `socket_factory`, called for every connection).

        Raises:
            PrivateAddress: the address is not public and not allowed for any host.
        """
        family, kind, proto, _, address = info
        if str(address[0]) not in self._checked and not is_public(str(address[0])):
            raise PrivateAddress(f"The address {address[0]} is not public.")
        return socket.socket(family, kind, proto)

    async def close(self) -> None:
        """Shut down the DNS threads; a pending lookup ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _approve(self, host: str, address: str) -> None:
        if is_public(address):
            return
        if _is_metadata(address):
            raise PrivateAddress(f"{host} resolves to {address}, the metadata service of a cloud.")
        if not match_host(self._private, host):
            raise PrivateAddress(
                f"{host} resolves to {address}, which is not public; fetch.allow_private_hosts can allow it."
            )
        self._checked.add(address)
