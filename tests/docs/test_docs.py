"""Every command and snippet of the README and the documentation runs here, with the demo's publishers as the internet.

What a page's fenced blocks do, in order, in a folder of the page's own that holds the demo's lake:

* ``console``: each ``$ `` line runs; what is shown below it must come (``...`` stands for anything).
* ``bash``: runs whole. ``python``: runs; ``print(...)  # this`` must print this.
* ``yaml``: must be a configuration or a part of one. ``sql``: must find rows in the lake.
* a block with a title, such as ``yaml title="daily.yaml"``, is written to that file first.
* after ``<!-- not run: why -->`` a block is only parsed, and the options of `onrecord` in it must exist.
"""

import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from typer.exceptions import TyperException

from pipeline.config.load import check_reachable, load_config
from pipeline.config.models import RunConfig
from pipeline.lake.query.catalog import open_lake
from tests.site.server import Site
from tests.support.command_line import check_call
from tests.support.reference_pages import FOLDER, NOTE, PAGES
from transforms.storage.open import open_store

ROOT = Path(__file__).parents[2]
WRITTEN = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")})
SHOWN_ONLY = {"text", "csv", "json", "html", "xml", "toml", "mermaid", "dockerfile"}
SHIM = """#!/bin/sh
# The command as it is, but for the internet: every host name leads to the demo's publishers.
if [ "$1" = run ] && [ -z "$ONRECORD_DEMO" ]; then
  shift
  set -- run --set 'fetch.resolve={{"*": "{address}"}}' --set 'fetch.allow_private_hosts=["*"]' \
    --set fetch.delay_seconds=0 "$@"
fi
exec "{real}" "$@"
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    place: str
    """Page and line, for a reader of the failure."""
    line: int
    language: str
    title: str | None
    text: str
    comment: str
    """The HTML comment right before it."""


@dataclass(frozen=True)
class Sandbox:
    """A folder as a reader of the page has it: the checkout's files of use, its environment, the demo's lake."""

    path: Path
    ran: dict[str, str]
    """Commands that were run when it was made, and what they printed."""

    def shell(self, command: str) -> tuple[int, str, str]:
        """Runs a command; gives its exit code, what it printed, and what it said on standard error."""
        environment = {"PATH": f"{self.path}/.venv/bin:/usr/bin:/bin", "HOME": str(self.path), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", command],
            cwd=self.path,
            env=environment,
            capture_output=True,
            timeout=150,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    comment = ""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        place = f"{page.relative_to(ROOT)}:{token.map[0] + 1 if token.map else 0}"
        assert token.type != "code_block", f"{place}: an indented block says no language; use a fence"
        if token.type == "html_block":
            comment = token.content.strip()
        elif token.type == "fence":
            assert token.map
            language, _, info = token.info.partition(" ")
            title = re.search(r'title="([^"]+)"', info)
            yield Block(place, token.map[0] + 2, language, title[1] if title else None, token.content, comment)
            comment = ""
        elif token.type != "inline":
            comment = ""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The folder after the README's first command."""
    folder = tmp_path_factory.mktemp("docs") / "onrecord"
    with Site() as site:
        folder.mkdir()
        for name in ("configs", "tests", "pipeline", "transforms", "onrecord"):
            (folder / name).symlink_to(ROOT / name)
        for name in ("Makefile", "pyproject.toml", "requirements.txt"):
            shutil.copy(ROOT / name, folder)
        environment = folder / ".venv"
        (environment / "bin").mkdir(parents=True)
        for entry in Path(sys.prefix).iterdir():
            if entry.name != "bin":
                (environment / entry.name).symlink_to(entry)
        for entry in Path(sys.prefix, "bin").iterdir():
            (environment / "bin" / entry.name).symlink_to(entry)
        for stamp in (".python", ".installed"):  # make finds them newer than what they are made of
            (environment / stamp).unlink(missing_ok=True)
            (environment / stamp).touch()
        real = environment / "bin" / "onrecord"
        real.unlink()
        real.write_text(SHIM.format(address=site.address, real=Path(sys.prefix, "bin", "onrecord")))
        real.chmod(0o755)
        made = Sandbox(folder, {})
        code, printed, said = made.shell("make run")
        assert code == 0, said
        made.ran["make run"] = printed
        yield made


@pytest.fixture
def sandbox(demo: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A page's own copy of that folder, which Python code stands in too."""
    shutil.copytree(demo.path, tmp_path / "onrecord", symlinks=True)
    monkeypatch.chdir(tmp_path / "onrecord")
    monkeypatch.setenv("PATH", f"{tmp_path}/onrecord/.venv/bin:/usr/bin:/bin")
    return Sandbox(tmp_path / "onrecord", demo.ran)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_snippet_holds(page: Path, sandbox: Sandbox) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        assert block.language in {*RUN, *SHOWN_ONLY}, f"{block.place}: no language that is known here"
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text, encoding="utf-8")
        if block.language in SHOWN_ONLY:
            continue
        if not block.comment.startswith("<!-- not run: "):
            RUN[block.language](block, sandbox, names)
        else:
            parse(block)


def run_console(block: Block, sandbox: Sandbox, _: dict[str, Any]) -> None:
    """Runs each command, and holds what it prints against what the page shows."""
    for command, shown in commands_of(block.text):
        code, printed, said = (0, sandbox.ran[command], "") if command in sandbox.ran else sandbox.shell(command)
        assert code == 0, f"{block.place}: exit code {code} of {command}\n{said}{printed}"
        assert any(is_as_shown(shown, whole) for whole in (printed, said + printed)), (
            f"{block.place}: {command} prints\n{said}{printed}\nwhere the page has\n{shown}"
        )


def is_as_shown(shown: str, printed: str) -> bool:
    """Whether that was printed, white space aside, with ``...`` for anything; nothing shown allows anything."""
    pieces = [re.escape(" ".join(piece.split())) for piece in shown.split("...")]
    return not shown or re.fullmatch(".*".join(pieces), " ".join(printed.split())) is not None


def commands_of(text: str) -> Iterator[tuple[str, str]]:
    """Commands of a console block, and what is shown below each."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = 1
        while lines[length - 1].endswith("\\"):
            length += 1
        yield "\n".join(lines[:length]), "".join(f"{line}\n" for line in lines[length:])


def run_bash(block: Block, sandbox: Sandbox, _: dict[str, Any]) -> None:
    """Runs the script."""
    code, printed, said = sandbox.shell(block.text)
    assert code == 0, f"{block.place}: exit code {code}\n{said}{printed}"


def run_python(block: Block, _: Sandbox, names: dict[str, Any]) -> None:
    """Runs the code, in the names of the page's earlier blocks, and holds what it prints against its comments."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile("\n" * (block.line - 1) + block.text, block.place.partition(":")[0], "exec"), names)  # noqa: S102
    printed = out.getvalue()
    for expected in re.findall(r"^ *print\(.*\)  # (.+)$", block.text, re.MULTILINE):
        assert expected in printed, f"{block.place}: {expected!r} is not in what it prints:\n{printed}"


def run_yaml(block: Block, sandbox: Sandbox, _: dict[str, Any]) -> None:
    """A whole configuration is checked with what it names; a part of one beside the least that must stand there."""
    given = yaml.safe_load(block.text)
    unknown = given.keys() - RunConfig.model_fields.keys()
    assert not unknown, f"{block.place}: {unknown} are no keys of a configuration"
    file = sandbox.path / "page.yaml"
    least = {"name": "page", "lake": "lake", "sources": [{"type": "feeds", "urls": ["http://wire.example/feed"]}]}
    file.write_text(yaml.safe_dump({**least, **given}), encoding="utf-8")
    check_reachable(load_config(str(file)))


def run_sql(block: Block, sandbox: Sandbox, _: dict[str, Any]) -> None:
    """Asks the demo's lake."""
    with open_lake(open_store(f"{sandbox.path}/lake")) as database:
        rows = database.execute(block.text).fetchall()
    assert rows or block.comment.startswith("<!-- may be empty"), f"{block.place}: it finds nothing in the demo's lake"


RUN: dict[str, Callable[[Block, Sandbox, dict[str, Any]], None]] = {
    "console": run_console,
    "bash": run_bash,
    "python": run_python,
    "yaml": run_yaml,
    "sql": run_sql,
}


def parse(block: Block) -> None:
    """What can be known of a block without running it: its syntax, and that what it gives to `onrecord` exists."""
    if block.language == "yaml":
        yaml.safe_load(block.text)
    elif block.language == "python":
        compile(block.text, block.place, "exec")
    elif block.language in ("console", "bash"):
        scripts = [block.text] if block.language == "bash" else [command for command, _ in commands_of(block.text)]
        for script in scripts:
            subprocess.run(["/bin/bash", "-n", "-c", script], check=True)
            for call in calls_of_onrecord(script):
                check_call(call)


def calls_of_onrecord(script: str) -> Iterator[list[str]]:
    """The arguments of each call of `onrecord` in a shell script."""
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        command: list[str] = []
        for token in [*lexer, ";"]:
            if not re.fullmatch(r"[;&|<>()]+", token):
                command.append(token)
                continue
            if command and Path(command[0]).name == "onrecord":
                yield command[1:]
            command = []


@pytest.mark.parametrize(
    "script",
    [
        "cd /srv && .venv/bin/onrecord run a.yaml --no-such-option",
        "onrecord export nowhere",
        "onrecord check",
        "onrecord run a.yaml -- \\\n  --runner=FlinkRunner --no_such_option=1",
        "if true; then",
    ],
)
def test_what_a_page_does_not_run_is_still_held_against_the_command_line(script: str) -> None:
    parse(Block("page:1", 1, "bash", None, "onrecord run a.yaml --set a=2 -- --runner=FlinkRunner > log", ""))
    with pytest.raises((TyperException, AssertionError, subprocess.CalledProcessError)):
        parse(Block("page:1", 1, "bash", None, script, ""))


def test_reference_pages_are_current() -> None:
    for name, page in PAGES.items():
        written = (FOLDER / name).read_text(encoding="utf-8")
        assert written == NOTE + page(), f"docs/reference/{name} is not what the code says: run `make docs`"


def test_links_of_the_pages_beside_the_site_lead_somewhere() -> None:
    for page in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not re.match(r"https?:|mailto:", target):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a broken link or anchor fails."""
    folder = tmp_path_factory.mktemp("built")
    for source in [*ROOT.glob("*.md"), ROOT / "zensical.toml", ROOT / "transforms/annotate/model/CARD.md"]:
        (folder / source.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / source.relative_to(ROOT))
    shutil.copytree(ROOT / "docs", folder / "docs")
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_the_site_needs_no_network(built: Path) -> None:
    pages = list(built.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        html = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]+src=[\"']?(?:https?:)?//[^>]*>", html)
        loaded += re.findall(r"<link[^>]+rel=[\"']?(?:stylesheet|preconnect|preload|icon)[^>]+//[^>]*>", html)
        assert not loaded, f"{page.name} loads {loaded}"
        assert "assets/iframe-worker.js" in html, f"{page.name}: opened as a file, it would have no search"
        assert 'class="mermaid"' not in html, f"{page.name}: the site would load mermaid from a CDN; draw it as text"


def test_every_page_is_in_the_navigation(built: Path) -> None:
    listed = set(re.findall(r'= "([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text(encoding="utf-8")))
    assert listed == {str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md")}
    found = {entry["location"].partition("#")[0] for entry in json.loads((built / "search.json").read_text())["items"]}
    assert {page.replace(".md", ".html") for page in listed} <= found
