# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client: what requests must not do by itself."""

from __future__ import annotations

import concurrent.futures
import http.server
import json
import os
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
import yaml
from ansible_collections.sendclean.email.plugins.module_utils._client import Client
from ansible_collections.sendclean.email.plugins.module_utils._options import Connection
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    CALLS,
    ELSEWHERE,
    EMPTY_LISTING,
    LIST_URL,
    OWNER,
    TOKEN,
    FakeClock,
    failure,
)
from simulator import Service


def closed_port() -> Iterator[str]:
    """The address of a port that nobody listens on, and nobody else gets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


nobody = pytest.fixture(closed_port)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_is_never_used_for_loopback(
    name: str, nobody: str, connection: Connection, monkeypatch: pytest.MonkeyPatch, fast: FakeClock
) -> None:
    monkeypatch.setenv(name, nobody)
    assert Client(connection).list_smtp() == {}


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_is_used_for_everything_else(name: str, elsewhere: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        asked: list[bytes] = []

        def listen() -> None:
            for _attempt in range(4):
                taken, _address = proxy.accept()
                with taken:
                    asked.append(taken.recv(1000).splitlines()[0])

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert failure(elsewhere).name == "TransportError"
        thread.join(timeout=10)
    assert [line.rpartition(b" ")[0] for line in asked] == 4 * [b"CONNECT api.sendclean.invalid:443"]


@responses.activate
def test_netrc_is_not_used(elsewhere: Client) -> None:
    netrc = Path(os.environ["HOME"]) / ".netrc"
    netrc.write_text("machine api.sendclean.invalid login somebody password secret\ndefault login x password y\n")
    netrc.chmod(stat.S_IRUSR)
    responses.post(LIST_URL, json=EMPTY_LISTING)
    elsewhere.list_smtp()
    assert "Authorization" not in responses.calls[0].request.headers


@responses.activate
def test_the_request_is_as_the_api_wants_it(elsewhere: Client) -> None:
    responses.post(f"{ELSEWHERE}/settings/editSmtp", json={"status": "success"})
    elsewhere.edit_smtp("smtp1", {"status": "Disable"})
    request = responses.calls[0].request
    assert json.loads(request.body or "") == {"owner_id": OWNER, "token": TOKEN, "smtp_user_name": "smtp1", "status": "Disable"}
    assert request.headers["Content-Type"] == "application/json"
    assert TOKEN not in str(request.headers) + str(request.url)


def test_the_user_agent_has_the_version_of_galaxy_yml(client: Client, service: Service) -> None:
    galaxy = yaml.safe_load((Path(__file__).resolve().parents[4] / "galaxy.yml").read_text())
    client.list_smtp()
    assert service.log[0].user_agent.startswith(f"sendclean.email/{galaxy['version']} ")


def sent_with(option: str) -> Any:
    """What requests was told beside the first request."""
    request: Any = responses.calls[0].request
    return request.req_kwargs[option]


@pytest.mark.parametrize(("verify", "bundle"), [(False, True), ("/ca.pem", True), (True, False), (False, False)])
@responses.activate
def test_certificates_are_verified_as_the_options_say(
    verify: bool | str, bundle: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: FakeClock
) -> None:
    if bundle:
        (tmp_path / "bundle.pem").touch()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "bundle.pem"))
    responses.post(LIST_URL, json=EMPTY_LISTING)
    Client(Connection(ELSEWHERE, OWNER, TOKEN, verify=verify)).list_smtp()
    assert sent_with("verify") == verify


@responses.activate
def test_both_connecting_and_reading_have_a_timeout(fast: FakeClock) -> None:
    responses.post(LIST_URL, json=EMPTY_LISTING)
    Client(Connection(ELSEWHERE, OWNER, TOKEN, timeout=3.5)).list_smtp()
    assert sent_with("timeout") in (3.5, (3.5, 3.5))


def test_no_alarm_outlives_a_request(client: Client, service: Service) -> None:
    """One that rings later would end something else; the handler may be that of whoever runs the module."""
    before = signal.getsignal(signal.SIGALRM)
    service.add_fault("editSmtp", "cut_before", times=4)
    client.list_smtp()
    failure(client, "editSmtp")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_client_works_in_a_thread_where_no_signal_can_be_handled(client: Client) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        assert list(threads.submit(client.list_smtp).result()) == ["smtp1"]


class OneRequestPerConnection(http.server.BaseHTTPRequestHandler):
    """Promises to keep the connection, and closes it when the next request comes: as a server does that was about to."""

    protocol_version = "HTTP/1.1"
    answered = False
    lost: list[str] = []

    def do_POST(self) -> None:
        """Answer the first request of a connection."""
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.answered:
            self.lost.append(self.path)
            self.close_connection = True
            return
        self.answered = True
        answer = {"smtp_user_name": "smtp1", "smtp_password": "p", "smtp_list": []}
        body = json.dumps({"status": "success", **answer}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize("call", ["addSmtp", "resetSmtpPassword"])
def test_a_kept_connection_that_has_gone_stale_does_not_lose_the_answer_of_a_call_that_is_not_repeatable(
    call: str, fast: FakeClock
) -> None:
    OneRequestPerConnection.lost.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OneRequestPerConnection) as stale:
        threading.Thread(target=stale.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        client = Client(Connection(f"http://127.0.0.1:{stale.server_port}/v1.0", OWNER, TOKEN, requests_per_minute=0))
        client.list_smtp()
        CALLS[call](client)
        stale.shutdown()
    assert OneRequestPerConnection.lost == []
