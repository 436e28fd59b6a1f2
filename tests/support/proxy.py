"""A proxy before an emulator, which adds behaviour of the real service."""

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

Answer = tuple[int, Mapping[str, str], bytes]


class Judge(Protocol):
    """Handles a request itself or forwards it to the emulator."""

    def __call__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer: ...


def ask(port: int, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
    """Send a request to a local server."""
    # Closed even if the emulator disconnects at its end: a leaked socket would fail a later test.
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()


@contextmanager
def serve(judge: Judge) -> Iterator[str]:
    """Serve the responses of `judge`; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = judge(self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "date", "server", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing; judges keep their own log."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
