"""Run every command and snippet of the README and the documentation against the publishers of the demo.

Each page runs in a separate folder with the lake of the demo. Its fenced blocks run in order:

* ``console``: each ``$ `` line runs; the lines below it are the expected output (``...`` matches anything).
* ``bash``: runs as one script. ``python``: runs; ``print(...)  # this`` must print this.
* ``yaml``: must be a configuration or a part of one. ``sql``: must find rows in the lake.
* a block with a title, such as ``yaml title="daily.yaml"``, is written to that file first.
* after ``<!-- not run: reason -->`` a block is only parsed, and the options of `onrecord` in it must exist.
"""

import contextlib
import fcntl
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
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
from pipeline.demo.server import Site
from pipeline.lake.query.catalog import open_lake
from tests.support.command_line import check_call
from tests.support.reference_pages import FOLDER, NOTE, PAGES
from transforms.storage.open import open_store

ROOT = Path(__file__).parents[2]
FOLLOWED = (ROOT / "README.md", ROOT / "docs" / "tutorial.md")
"""Pages that are followed literally in an empty folder, without the shim."""
WRITTEN = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")} - {*FOLLOWED})
SHOWN_ONLY = {"text", "csv", "json", "html", "xml", "toml", "mermaid", "dockerfile"}
SHIM = """#!/bin/sh
# The real command, but every host name resolves to the publishers of the demo.
if [ "$1" = run ] && [ -z "$ONRECORD_DEMO" ]; then
  shift
  set -- run --set 'fetch.resolve={{"*": "{address}"}}' --set 'fetch.allow_private_hosts=["*"]' \
    --set fetch.delay_seconds=0 "$@"
fi
exec {real} "$@"
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    place: str
    """Page and line, for failure messages."""
    line: int
    language: str
    title: str | None
    text: str
    comment: str
    """The HTML comment directly before the block."""


@dataclass(frozen=True)
class Sandbox:
    """A copy of the checkout with its virtual environment and the lake of the demo."""

    path: Path

    def shell(self, command: str) -> tuple[int, str, str]:
        """Run a command; return its exit code, standard output and standard error."""
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
        assert token.type != "code_block", f"{place}: an indented block has no language; use a fenced block"
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
    """The folder after the first command of the README."""
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
        for marker in (".python", ".installed"):  # newer than their prerequisites, so that make keeps them
            (environment / marker).unlink(missing_ok=True)
            (environment / marker).touch()
        real = environment / "bin" / "onrecord"
        real.unlink()
        real.write_text(SHIM.format(address=site.address, real=f"{sys.executable} -m onrecord"))
        real.chmod(0o755)
        created = Sandbox(folder)
        with demo_port():
            code, _, errors = created.shell("make run")
        assert code == 0, errors
        yield created


@pytest.fixture
def sandbox(demo: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A copy of that folder for one page; also the working directory of Python code."""
    shutil.copytree(demo.path, tmp_path / "onrecord", symlinks=True)
    monkeypatch.chdir(tmp_path / "onrecord")
    monkeypatch.setenv("PATH", f"{tmp_path}/onrecord/.venv/bin:/usr/bin:/bin")
    return Sandbox(tmp_path / "onrecord")


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets(page: Path, sandbox: Sandbox) -> None:
    follow(page, sandbox)


def follow(page: Path, sandbox: Sandbox) -> None:
    """Run the blocks of a page in order."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        assert block.language in {*RUN, *SHOWN_ONLY}, f"{block.place}: unknown language {block.language}"
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text, encoding="utf-8")
        if block.language in SHOWN_ONLY:
            continue
        if not block.comment.startswith("<!-- not run: "):
            RUN[block.language](block, sandbox, names)
        else:
            parse(block)


@dataclass(frozen=True)
class Terminal(Sandbox):
    """An empty folder in which one shell runs all commands, so that jobs in the background last."""

    process: subprocess.Popen[str]

    def shell(self, command: str) -> tuple[int, str, str]:
        """Run a command; return its exit code, standard output and standard error."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{{ {command}\n}} >.out 2>.err </dev/null; echo $?\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return code, *((self.path / name).read_text(encoding="utf-8") for name in (".out", ".err"))  # type: ignore[return-value]


@contextlib.contextmanager
def demo_port() -> Iterator[None]:
    """Reserve the default port of `onrecord demo` among the processes of the tests."""
    with Path(tempfile.gettempdir(), "onrecord-demo-port.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    """Start a shell in an empty folder, with the real command."""
    command = folder.with_name(f"{folder.name}-bin") / "onrecord"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m onrecord "$@"\n')
    command.chmod(0o755)
    folder.mkdir()
    path = f"{command.parent}:/usr/bin:/bin"
    with subprocess.Popen(
        ["/bin/bash", "-m"],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield Terminal(folder, process)
        finally:
            assert process.stdin
            process.stdin.write("kill $(jobs -p)\n")


@pytest.mark.timeout(400)
def test_readme_and_tutorial_are_followed_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with demo_port():
        for page in FOLLOWED:
            with terminal(tmp_path / page.stem) as shell:
                monkeypatch.chdir(shell.path)
                follow(page, shell)
                assert {"demo.yaml", "demo-urls.txt", "lake", "news"} <= {path.name for path in shell.path.iterdir()}


def run_console(block: Block, sandbox: Sandbox, _: dict[str, Any]) -> None:
    """Run each command and compare its output with the page."""
    for command, expected in commands_of(block.text):
        code, output, errors = sandbox.shell(command)
        assert code == 0, f"{block.place}: exit code {code} of {command}\n{errors}{output}"
        assert any(matches(expected, actual) for actual in (output, errors + output)), (
            f"{block.place}: {command} prints\n{errors}{output}\nbut the page has\n{expected}"
        )


def matches(expected: str, output: str) -> bool:
    """Whether the output matches, ignoring white space; ``...`` and an empty expectation match anything."""
    pieces = [re.escape(" ".join(piece.split())) for piece in expected.split("...")]
    return not expected or re.fullmatch(".*".join(pieces), " ".join(output.split())) is not None


def commands_of(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with its expected output."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = 1
        while lines[length - 1].endswith("\\"):
            length += 1
        yield "\n".join(lines[:length]), "".join(f"{line}\n" for line in lines[length:])


def run_bash(block: Block, sandbox: Sandbox, _: dict[str, Any]) -> None:
    """Run the script."""
    code, output, errors = sandbox.shell(block.text)
    assert code == 0, f"{block.place}: exit code {code}\n{errors}{output}"


def run_python(block: Block, _: Sandbox, names: dict[str, Any]) -> None:
    """Run the code with the names of the earlier blocks of the page, and compare its output with its comments."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile("\n" * (block.line - 1) + block.text, block.place.partition(":")[0], "exec"), names)  # noqa: S102
    printed = out.getvalue()
    for expected in re.findall(r"^ *print\(.*\)  # (.+)$", block.text, re.MULTILINE):
        assert expected in printed, f"{block.place}: {expected!r} is not in the output:\n{printed}"


def run_yaml(block: Block, sandbox: Sandbox, _: dict[str, Any]) -> None:
    """Check a configuration and its paths; a part of one is combined with the required keys."""
    given = yaml.safe_load(block.text)
    unknown = given.keys() - RunConfig.model_fields.keys()
    assert not unknown, f"{block.place}: {unknown} are not keys of a configuration"
    file = sandbox.path / "page.yaml"
    required = {"name": "page", "lake": "lake", "sources": [{"type": "feeds", "urls": ["http://wire.example/feed"]}]}
    file.write_text(yaml.safe_dump({**required, **given}), encoding="utf-8")
    check_reachable(load_config(str(file)))


def run_sql(block: Block, sandbox: Sandbox, _: dict[str, Any]) -> None:
    """Query the lake of the demo."""
    with open_lake(open_store(f"{sandbox.path}/lake")) as database:
        rows = database.execute(block.text).fetchall()
    assert rows or block.comment.startswith("<!-- may be empty"), (
        f"{block.place}: the query finds no row in the lake of the demo"
    )


RUN: dict[str, Callable[[Block, Sandbox, dict[str, Any]], None]] = {
    "console": run_console,
    "bash": run_bash,
    "python": run_python,
    "yaml": run_yaml,
    "sql": run_sql,
}


def parse(block: Block) -> None:
    """Check the syntax of a block, and that the commands and options of `onrecord` in it exist."""
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
def test_parse_rejects_unknown_commands_and_options(script: str) -> None:
    parse(Block("page:1", 1, "bash", None, "onrecord run a.yaml --set a=2 -- --runner=FlinkRunner > log", ""))
    with pytest.raises((TyperException, AssertionError, subprocess.CalledProcessError)):
        parse(Block("page:1", 1, "bash", None, script, ""))


def test_reference_pages_are_current() -> None:
    for name, page in PAGES.items():
        written = (FOLDER / name).read_text(encoding="utf-8")
        assert written == NOTE + page(), f"docs/reference/{name} is outdated: run `make docs`"


def test_links_of_top_level_pages() -> None:
    for page in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not re.match(r"https?:|mailto:", target):
                assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site; the strict build fails on a broken link or anchor."""
    folder = tmp_path_factory.mktemp("built")
    for source in [*ROOT.glob("*.md"), ROOT / "zensical.toml", ROOT / "transforms/annotate/model/CARD.md"]:
        (folder / source.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / source.relative_to(ROOT))
    shutil.copytree(ROOT / "docs", folder / "docs")
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_site_works_offline(built: Path) -> None:
    pages = list(built.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        html = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]+src=[\"']?(?:https?:)?//[^>]*>", html)
        loaded += re.findall(r"<link[^>]+rel=[\"']?(?:stylesheet|preconnect|preload|icon)[^>]+//[^>]*>", html)
        assert not loaded, f"{page.name} loads {loaded}"
        assert "assets/iframe-worker.js" in html, f"{page.name}: the search would not work from files"
        assert 'class="mermaid"' not in html, f"{page.name}: mermaid is loaded from a CDN; draw it as text"


def test_navigation_lists_every_page(built: Path) -> None:
    listed = set(re.findall(r'= "([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text(encoding="utf-8")))
    assert listed == {str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md")}
    found = {entry["location"].partition("#")[0] for entry in json.loads((built / "search.json").read_text())["items"]}
    assert {page.replace(".md", ".html") for page in listed} <= found
