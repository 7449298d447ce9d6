# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carry requests to the service without a network, as fast as thousands of runs in one process need it."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import requests

from .app import call_name
from .service import Service

BASE_URL = "http://127.0.0.1:1/v1.0"


@contextlib.contextmanager
def wired(service: Service, clock: Any = time, base_url: str = BASE_URL) -> Iterator[str]:
    """Bring what this process sends to the base URL's host to the service. Everything else goes its usual way."""
    wire, usual, origin = Wire(service, clock), requests.Session.get_adapter, base_url.removesuffix("/v1.0")

    def get_adapter(session: requests.Session, url: str) -> Any:
        return wire if url.startswith(f"{origin}/") else usual(session, url)

    with mock.patch.object(requests.Session, "get_adapter", get_adapter):
        yield base_url


class Wire(requests.adapters.BaseAdapter):
    """Ends as a connection to the server ends, whatever the answer is."""

    def __init__(self, service: Service, clock: Any) -> None:
        """`clock` stands for the module time; one that can be set is set back when a client gives up."""
        super().__init__()
        self._service = service
        self._clock = clock

    def send(self, request: requests.PreparedRequest, *args: Any, timeout: Any = None, **kwargs: Any) -> requests.Response:
        """Have the service answer, or fail."""
        began = self._clock.monotonic()
        body = request.body.decode() if isinstance(request.body, bytes) else str(request.body or "")
        name = call_name(str(request.method), urlsplit(str(request.url)).path.removeprefix("/"))
        answer = self._service.handle(name, body, request.headers["User-Agent"])
        if answer.seconds:
            self._clock.sleep(answer.seconds)
        if timeout is not None and self._clock.monotonic() > began + timeout:
            if self._clock is not time:
                # What the slow call did has its time in the future by now, and shows in a listing only then.
                self._clock.now = began + timeout
            raise requests.ReadTimeout()
        return self.receive(request, answer)

    def receive(self, request: requests.PreparedRequest, answer: Any) -> requests.Response:
        """Bring an answer back."""
        if answer.cut:
            raise requests.ConnectionError("Connection aborted")
        if answer.missing_bytes:
            raise requests.exceptions.ChunkedEncodingError("Connection broken")
        response = requests.Response()
        response.status_code, response.request, response.url = answer.status, request, str(request.url)
        response.raw, response._content = io.BytesIO(), answer.body
        response.headers.update({"Content-Type": answer.content_type, **dict(answer.headers)})
        return response

    def close(self) -> None:
        """Nothing is open."""
