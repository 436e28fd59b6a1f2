"""A proxy before an emulator, for what the service does and its emulator does not."""

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

Answer = tuple[int, Mapping[str, str], bytes]


class Judge(Protocol):
    """Answers a request, by asking the emulator or instead of it."""

    def __call__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer: ...


def ask(port: int, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
    """Asks a server of this machine."""
    # Closed also when the emulator hangs up, as it does at its end: a socket left to the collector fails a later test.
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()


@contextmanager
def serve(judge: Judge) -> Iterator[str]:
    """Serves what `judge` answers; gives the address."""

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
            """Judges keep their own log."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
