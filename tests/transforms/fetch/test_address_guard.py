"""Tests of the address guard: private addresses are blocked unless the configuration allows them."""

import asyncio
import socket

import pytest

from tests.support.addresses import CLOSED
from tests.support.http_server import Fetch, Server, respond
from transforms.fetch.config import FetchConfig
from transforms.fetch.http.address_guard import AddressGuard, PrivateAddress, is_public
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Page
from transforms.schema.urls import canonical_url

NAMES = ["localhost", "LOCALHOST", "localhost.", "metadata.google.internal", "intranet", "127.0.0.1.nip.example"]


@pytest.mark.parametrize("host", CLOSED)
def test_private_addresses(host: str) -> None:
    with pytest.raises(Rejected) as caught:
        AddressGuard(FetchConfig()).check(canonical_url(f"http://{host}/"))
    assert caught.value.reason is Reason.PRIVATE_ADDRESS


@pytest.mark.parametrize("host", ["user@127.0.0.1", "example.org:pw@10.0.0.1", "[fe80::1%25eth0]", "127.0.0.1:80:80"])
def test_invalid_hosts(host: str) -> None:
    with pytest.raises(Rejected) as caught:
        canonical_url(f"http://{host}/")
    assert caught.value.reason is Reason.INVALID_URL


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1%2"])
def test_names_with_private_addresses(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    _answer(monkeypatch, ["8.8.8.8", address])
    with pytest.raises(PrivateAddress):
        _resolve(FetchConfig(), canonical_url(f"http://{name}/").split("/")[2])


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert is_public(address)
    _answer(monkeypatch, [address, address])
    assert _resolve(FetchConfig(), "example.org") == [(address, 443)]


def test_invalid_address_is_not_public() -> None:
    assert not is_public("example.org")
    assert not is_public("")


def test_allowed_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    config = FetchConfig(allow_private_hosts=("*.intranet.example", "10.1.2.3"))
    _answer(monkeypatch, ["10.1.2.3"])
    assert _resolve(config, "wiki.intranet.example") == [("10.1.2.3", 443)]
    with pytest.raises(PrivateAddress):
        _resolve(config, "intranet.example.org")
    AddressGuard(config).check("http://10.1.2.3/")
    with pytest.raises(Rejected):
        AddressGuard(config).check("http://10.1.2.4/")


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"])
def test_metadata_address_is_never_allowed(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    config = FetchConfig(allow_private_hosts=("*",), resolve={"mapped.example": address})
    _answer(monkeypatch, [address])
    for name in ("named.example", "mapped.example"):
        with pytest.raises(PrivateAddress):
            _resolve(config, name)


def test_resolve_option_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _answer(monkeypatch, [])
    targets = {"a.example": "127.0.0.1:8080", "b.example": "8.8.8.8", "*": "[2606:4700::1111]:81"}
    config = FetchConfig(resolve=targets, allow_private_hosts=("a.example",))
    assert _resolve(config, "a.example") == [("127.0.0.1", 8080)]
    assert _resolve(config, "b.example") == [("8.8.8.8", 443)]
    assert _resolve(config, "c.example") == [("2606:4700::1111", 81)]
    with pytest.raises(PrivateAddress):
        _resolve(FetchConfig(resolve=targets), "a.example")


def test_ports() -> None:
    guard = AddressGuard(FetchConfig(resolve={"mapped.example": "8.8.8.8:8080", "*.example": "8.8.8.8"}))
    guard.check("https://example.org/")
    guard.check("http://mapped.example:22/")
    for url in ("http://example.org:22/", "http://plain.example:8080/"):
        with pytest.raises(Rejected) as caught:
            guard.check(url)
        assert caught.value.reason is Reason.PORT_NOT_ALLOWED


def test_socket_address_is_checked() -> None:
    guard = AddressGuard(FetchConfig())
    with pytest.raises(PrivateAddress):
        guard.open_socket((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80)))


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://[::1]/",
        "//169.254.169.254/latest/meta-data/",
        "http://closed.test/",
    ],
)
def test_redirect_to_a_private_address(
    server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    _answer(monkeypatch, ["127.0.0.1"])
    server.on("/a", respond(302, b"", {"Location": location}))
    (result,) = fetch("/a")
    assert (result.fetch.outcome, result.fetch.reason) == ("failed", "private_address")
    assert server.paths() == ["/robots.txt", "/a"]


def test_connection_uses_the_checked_address(server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def look_up(host: str, port: int, *_: object) -> list[object]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr("transforms.fetch.http.address_guard.socket.getaddrinfo", look_up)
    url = f"http://rebinding.test:{server.port}/a"
    (page,) = fetch(
        url, allow_private_hosts=("rebinding.test",), allowed_ports=(server.port,), resolve={}, obey_robots=False
    )
    assert isinstance(page, Page)
    assert asked == ["rebinding.test"]


def test_robots_txt_at_a_private_address(server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    _answer(monkeypatch, ["127.0.0.1"])
    (closed,) = fetch("http://closed.test/a", allowed_ports=(80, server.port))
    assert closed.fetch.reason == "private_address"
    server.on("/robots.txt", respond(302, b"", {"Location": "http://closed.test/robots.txt"}))
    (led,) = fetch("/a")
    assert (led.fetch.outcome, led.fetch.reason) == ("skipped", "robots_unreachable")
    assert server.paths() == ["/robots.txt"]


def test_allowed_host_does_not_allow_its_address(server: Server, fetch: Fetch) -> None:
    server.on("/a", respond(302, b"", {"Location": f"http://127.0.0.1:{server.port}/b"}))
    closed, page = fetch("/a", "/c", allowed_ports=(80, server.port))
    assert closed.fetch.reason == "private_address"
    assert isinstance(page, Page)


def _answer(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    """Resolve every name to these addresses."""

    def look_up(host: str, port: int, *_: object) -> list[object]:
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(families[":" in a], socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr("transforms.fetch.http.address_guard.socket.getaddrinfo", look_up)


def _resolve(config: FetchConfig, host: str) -> list[tuple[str, int]]:
    async def run() -> list[tuple[str, int]]:
        guard = AddressGuard(config)
        try:
            return [(r["host"], r["port"]) for r in await guard.resolve(host, 443)]
        finally:
            await guard.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::169.254.169.254]",
        "[::ffff:0:169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:1:2:3:4:5601:5601]",
        "[fe80::5efe:169.254.169.254]",
        "[fd00:ec2::254]",
    ],
)
def test_metadata_service_is_closed_in_any_notation(address: str) -> None:
    guard = AddressGuard(FetchConfig(allow_private_hosts=("*",)))
    with pytest.raises(Rejected) as refused:
        guard.check(canonical_url(f"http://{address}/"))
    assert refused.value.reason is Reason.PRIVATE_ADDRESS
