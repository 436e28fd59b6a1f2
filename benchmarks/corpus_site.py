"""Serve the invented corpus or write it as archives: python -m benchmarks.corpus_site PAGES [--hosts M] [--warc FOLDER]

Without a folder, all host names are served on one loopback port, which is printed, until standard input ends.
"""

import argparse
import asyncio
import gzip
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from benchmarks.corpus import FIRST_DAY, make_page, number_of

PAGES_PER_FILE = 1_000
"""Number of pages per WARC file."""


def write_warc(folder: Path, pages: int, hosts: int, seed: int = 1) -> int:
    """Write a corpus as WARC files of `PAGES_PER_FILE` pages each, and return their total size."""
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    numbers = iter(range(pages))
    for file in itertools.count():
        if not (batch := list(itertools.islice(numbers, PAGES_PER_FILE))):
            break
        with (folder / f"corpus-{file:05}.warc.gz").open("wb") as out:
            writer = WARCWriter(out, gzip=True)
            for number in batch:
                page = make_page(number, hosts, seed)
                body = page.html.encode()
                headers = StatusAndHeaders(
                    "200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1"
                )
                writer.write_record(
                    writer.create_warc_record(
                        page.url,
                        "response",
                        payload=BytesIO(body),
                        length=len(body),
                        http_headers=headers,
                        warc_headers_dict={"WARC-Date": f"{FIRST_DAY:%Y-%m-%dT%H:%M:%SZ}"},
                    )
                )
    return sum(file.stat().st_size for file in folder.iterdir())


async def serve(hosts: int, seed: int) -> None:
    """Serve the corpus until standard input ends; ``/_seen`` returns the time of the first request, and a count."""
    seen = {"first": 0.0, "requests": 0}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await reader.readuntil(b"\r\n\r\n"):
            path = asked.split(b" ", 2)[1].decode()
            if path == "/_seen":
                body = json.dumps(seen).encode()
            else:
                seen["first"] = seen["first"] or time.time()
                seen["requests"] += 1
                body = _response(path, hosts, seed)
            is_page = path.endswith(".html")
            kind = "text/html; charset=utf-8\r\nContent-Encoding: gzip" if is_page else "text/plain"
            sent = gzip.compress(body, 1) if is_page else body
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(sent)}\r\n\r\n".encode()
            writer.write(head + sent)
            await writer.drain()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def _response(path: str, hosts: int, seed: int) -> bytes:
    if path == "/robots.txt":
        return b"User-agent: *\nDisallow: /account/\n"
    return make_page(number_of(path), hosts, seed).html.encode() if path.endswith(".html") else b"nothing\n"


@contextmanager
def served(hosts: int, seed: int = 1) -> Iterator[int]:
    """Serve a corpus on loopback in a separate process; yield the port."""
    command = [sys.executable, "-m", "benchmarks.corpus_site", "0", "--hosts", str(hosts), "--seed", str(seed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the corpus cannot be served without pipes")
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def main() -> None:
    """Serve a corpus, or write it as WARC files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=int)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--warc", type=Path, help="write WARC files into this folder")
    options = parser.parse_args()
    if options.warc:
        options.warc.mkdir(parents=True, exist_ok=True)
        print(f"{write_warc(options.warc, options.pages, options.hosts, options.seed):,} bytes")
    else:
        asyncio.run(serve(options.hosts, options.seed))


if __name__ == "__main__":
    main()
