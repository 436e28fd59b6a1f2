"""The command `onrecord demo`: its site and its configuration."""

import http.client
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from pipeline.config.load import load_config
from pipeline.demo.files import CONFIG, URLS, write_config

ROOT = Path(__file__).parents[3]
DEMO = [sys.executable, "-m", "onrecord", "demo"]


def free_port() -> int:
    """A port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_site_is_served_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    (tmp_path / URLS).write_text("http://wire.example/mine\n")
    with subprocess.Popen([*DEMO, "--port", str(port)], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(3)]
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/2025/storm-gates", headers={"Host": "wire.example"})
            with connection.getresponse() as response:
                assert response.status == 200
        process.send_signal(number)
        assert process.wait(30) == 0
    assert f"127.0.0.1:{port} until Ctrl-C" in lines[0]
    assert lines[1:] == ["Wrote demo.yaml.\n", "In another terminal: onrecord run demo.yaml\n"]
    assert (tmp_path / URLS).read_text() == "http://wire.example/mine\n"
    assert yaml.safe_load((tmp_path / CONFIG).read_text())["fetch"]["resolve"] == {"*.example": f"127.0.0.1:{port}"}


def test_used_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = subprocess.run([*DEMO, "--port", str(port)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"onrecord: --port {port} cannot be used: Address already in use; choose another port\n"


def test_configuration_is_that_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "127.0.0.1:4444"
    assert write_config(tmp_path, address) == [CONFIG, URLS]
    assert write_config(tmp_path, address) == []
    monkeypatch.setenv("ONRECORD_DEMO", address)
    written, shipped = (load_config(str(file)).model_dump() for file in (tmp_path / CONFIG, ROOT / "configs/demo.yaml"))
    assert written["sources"][0].pop("path") == URLS
    assert shipped["sources"][0].pop("path") == "configs/demo-urls.txt"
    assert written == shipped
    assert (tmp_path / URLS).read_text() == (ROOT / "configs" / URLS).read_text()
