# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the shared options lead, and which certificate is trusted there. What is refused: modules/test_bad_input.py."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from ansible_collections.sendclean.email.plugins.module_utils._client import Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import CallError
from ansible_collections.sendclean.email.plugins.module_utils._module import CONNECTION_OPTIONS
from ansible_collections.sendclean.email.plugins.module_utils._options import connection_from
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, TOKEN, FakeClock

DEFAULTS = {
    "app_domain": "sendclean.net",
    "api_url": None,
    "validate_certs": True,
    "ca_path": None,
    "timeout": 30.0,
    "requests_per_minute": 60,
    "retry_timeout": 300.0,
}
GIVEN = {"owner_id": OWNER, "token": TOKEN, **DEFAULTS}


def test_the_defaults_are_those_of_the_contract() -> None:
    declared = {name: option.get("default") for name, option in CONNECTION_OPTIONS.items() if not option.get("required")}
    assert declared == DEFAULTS


@pytest.mark.parametrize(
    ("given", "base_url", "is_loopback"),
    [
        ({}, "https://api.sendclean.net/v1.0", False),
        ({"app_domain": "us1-mta1.sendclean.net"}, "https://api.us1-mta1.sendclean.net/v1.0", False),
        ({"app_domain": "Example.net:8443"}, "https://api.example.net:8443/v1.0", False),
        ({"api_url": "https://rapidemail.rmlconnect.net:443/v1.0/"}, "https://rapidemail.rmlconnect.net/v1.0", False),
        ({"api_url": "http://localhost:8000/v1.0"}, "http://localhost:8000/v1.0", True),
        ({"api_url": "http://[::1]:80/v1.0"}, "http://[::1]/v1.0", True),
    ],
)
def test_the_base_url_is_one_spelling_of_what_is_given(given: dict[str, Any], base_url: str, is_loopback: bool) -> None:
    connection = connection_from({**GIVEN, **given})
    assert (connection.base_url, connection.is_loopback) == (base_url, is_loopback)


def test_the_numbers_reach_the_connection() -> None:
    numbers = {"timeout": 1.5, "requests_per_minute": 7, "retry_timeout": 2.5}
    connection = connection_from({**GIVEN, **numbers})
    assert {name: getattr(connection, name) for name in numbers} == numbers


class EmptyAccount(http.server.BaseHTTPRequestHandler):
    """Answers listSmtp of an account that has no users."""

    def do_POST(self) -> None:
        """Answer whatever is asked."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "success", "smtp_list": []}')

    def log_message(self, *unused: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that no machine trusts by itself."""
    return trustme.CA()


@pytest.fixture(scope="module")
def https_url(authority: trustme.CA) -> Iterator[str]:
    """The base URL of a server with a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), EmptyAccount) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/v1.0"
        server.shutdown()
        thread.join()


# Who does not validate is warned, on stderr.
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("kind", ["none", "file", "folder", "hashed folder", "other"])
@pytest.mark.parametrize("validate_certs", [True, False])
def test_a_certificate_is_trusted_only_by_its_authority_or_if_none_is_validated(
    kind: str, validate_certs: bool, https_url: str, authority: trustme.CA, tmp_path: Path, fast: FakeClock
) -> None:
    bundle = tmp_path / "ca.pem"
    (trustme.CA() if kind == "other" else authority).cert_pem.write_to_path(str(bundle))
    # A folder is searched by hashes of names.
    if kind == "hashed folder":
        hashed = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", bundle], capture_output=True, text=True, check=True)
        bundle.rename(tmp_path / f"{hashed.stdout.strip()}.0")
    ca_path = None if kind == "none" else str(tmp_path if "folder" in kind else bundle)
    given = {"api_url": https_url, "ca_path": ca_path, "validate_certs": validate_certs}
    client = Client(connection_from({**GIVEN, **given}))
    if kind in ("file", "hashed folder") or not validate_certs:
        assert client.list_smtp() == {}
    else:
        with pytest.raises(CallError, match="certificate") as caught:
            client.list_smtp()
        assert caught.value.name == "TransportError"
