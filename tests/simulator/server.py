# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serve the simulated service on loopback, from a background thread."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from .answers import Answer
from .app import ANSWER, create_app
from .service import Service


@dataclass(frozen=True)
class RunningServer:
    """Where it listens."""

    base_url: str
    control_url: str


@contextlib.contextmanager
def serve(service: Service, host: str = "127.0.0.1", port: int = 0) -> Iterator[RunningServer]:
    """Serve until the block ends; then every connection is closed, kept-alive ones too."""
    server = _Server(host, port, create_app(service), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    origin = f"http://{f'[{host}]' if ':' in host else host}:{server.port}"
    try:
        yield RunningServer(f"{origin}/v1.0", f"{origin}/_control")
    finally:
        server.shutdown()
        thread.join()
        server.end_connections()


class _Server(ThreadedWSGIServer):
    """A threaded server that knows its open connections."""

    def __init__(self, *args: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    """Keeps connections alive (Werkzeug's own handler always closes) and can cut them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: else 40 ms each on a kept connection

    def run_wsgi(self) -> None:
        """Read the whole request, run the application, send its answer or cut the connection.

        Flask's answers here are small and whole: no streaming, so none of its machinery.
        """
        self.environ = environ = self.make_environ()
        source = environ["wsgi.input"]
        chunked = bool(environ.get("wsgi.input_terminated"))
        body = source.read() if chunked else source.read(int(environ.get("CONTENT_LENGTH") or 0))
        environ.update({"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            head[:] = [int(status.split()[0]), headers]

        chunks: Any = self.server.app(environ, start_response)
        with contextlib.closing(chunks):
            payload = b"".join(chunks)
        answer = environ.get(ANSWER, Answer())
        if answer.cut:
            self._end_connection()
            return
        self._send(head[0], head[1], payload, answer)

    def _send(self, status: int, headers: list[tuple[str, str]], payload: bytes, answer: Answer) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload) + answer.missing_bytes))
        self.end_headers()
        if answer.seconds:
            for byte in payload:
                time.sleep(answer.seconds / len(payload))
                self.wfile.write(bytes([byte]))
        elif self.command != "HEAD":
            self.wfile.write(payload)
        if answer.missing_bytes:
            self._end_connection()

    def _end_connection(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: there is a log in the service."""
