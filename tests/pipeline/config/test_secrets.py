"""Keys and passwords of a configuration are not printed, logged or written."""

import json
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.config.errors import ConfigError
from pipeline.config.load import load_config
from pipeline.demo.server import Site
from tests.support.golden_tables import onrecord
from transforms.schema.urls import without_secrets

HEADER, TOKEN, PASSWORD = "h34der-k3y", "t0ken-of-feed", "pa55word"
SECRETS = (HEADER, TOKEN, PASSWORD)
HOST = "http://www.harbour-gazette.example"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ann:pa55@site.example/a@b?x=1", "https://***@site.example/a@b?x=1"),
        ("//ann:p@55@site.example/", "//***@site.example/"),
        (r"http:\\ann:pa55@site.example", r"http:\\***@site.example"),
        (
            "see https://a@b.example/ and https://c:d@e.example/",
            "see https://***@b.example/ and https://***@e.example/",
        ),
        ("https://site.example/?api_key=abc&page=2", "https://site.example/?api_key=***&page=2"),
        ("https://site.example/?page=2&Access_Token=a.b-c#top", "https://site.example/?page=2&Access_Token=***#top"),
        ("https://site.example/?X-Amz-Signature=0a1b'", "https://site.example/?X-Amz-Signature=***'"),
        ("https://site.example//@user?monkey=1&keys=2", "https://site.example//@user?monkey=1&keys=2"),
        ("mail ann@site.example", "mail ann@site.example"),
    ],
)
def test_secrets_in_addresses_are_replaced(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A feed with a key in its address, one with a password, headers, and a list with a password."""
    for name, value in (("HEADER", HEADER), ("TOKEN", TOKEN), ("PASSWORD", PASSWORD)):
        monkeypatch.setenv(name, value)
    (tmp_path / "urls.txt").write_text(f"http://ann:{PASSWORD}@wire.example/2025/mayor-race\n")
    file = tmp_path / "own.yaml"
    feeds = [f"{HOST}/feed.xml?token=${{TOKEN}}", "http://ann:${PASSWORD}@www.harbour-gazette.example/feed.xml"]
    options = {
        "name": "own",
        "lake": str(tmp_path / "lake"),
        "sources": [{"type": "urls", "path": str(tmp_path / "urls.txt")}, {"type": "feeds", "urls": feeds}],
        "fetch": {"allow_private_hosts": ["*.example"], "delay_seconds": 0, "max_attempts": 1},
        "annotate": {"enabled": False},
    }
    options["fetch"]["headers"] = {"*.example": {"X-Key": "${HEADER}"}}  # type: ignore[index]
    file.write_text(json.dumps(options))
    return file


def test_check_prints_no_secret(config: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(config)])
    assert done.exit_code == 0
    assert not [secret for secret in SECRETS if secret in done.output]
    assert "X-Key: '**********'" in done.stdout
    assert done.stdout.count(f"{HOST}/feed.xml?token=***") == 2
    assert done.stdout.count("http://***@www.harbour-gazette.example/feed.xml") == 2


@pytest.mark.parametrize(
    "override",
    [
        f"fetch.headers={{'*.example': {PASSWORD}}}",
        f"fetch.headers={{'*.example': {{X-Key: [{PASSWORD}]}}}}",
        f'fetch.headers={{"*.example": {{X-Key: "{PASSWORD}\\u0001"}}}}',
        f"fetch.headers.{PASSWORD}",
        f"sources=[{{type: feeds, urls: 'http://ann:{PASSWORD}@a.example/'}}]",
        f"fetch.headers={{{PASSWORD}",
        f"name.x={PASSWORD}",
    ],
)
def test_error_message_contains_no_secret(config: Path, override: str) -> None:
    with pytest.raises(ConfigError) as rejected:
        load_config(str(config), [override])
    assert PASSWORD not in str(rejected.value).replace(f"fetch.headers.{PASSWORD}: expected key=value", "")


def test_run_writes_no_secret(config: Path) -> None:
    with Site() as site:
        run = onrecord(
            site,
            "run",
            str(config),
            "--run-id",
            "own",
            "-v",
            "--set",
            f"fetch.resolve={{'*.example': '{site.address}'}}",
        )
        requests = [entry for entry in site.log if "feed.xml" in entry.path]
    assert run.returncode == 0, run.stderr
    assert [(entry.path, entry.headers["X-Key"]) for entry in requests] == [(f"/feed.xml?token={TOKEN}", HEADER)]
    lake = config.parent / "lake"
    written = {str(path): path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    tables = [path for path in written if path.endswith(".parquet")]
    cells = "".join(str(duckdb.execute("FROM read_parquet(?)", [path]).fetchall()) for path in tables)
    plain = b"".join(data for path, data in written.items() if path not in tables)
    assert f"{HOST}/feed.xml?token=***" in cells
    assert "http://***@wire.example/2025/mayor-race" in cells
    for secret in SECRETS:
        assert secret not in run.stdout + run.stderr + cells
        assert secret.encode() not in plain
