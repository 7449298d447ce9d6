# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client: what is repeated and what is not, waiting, pacing, errors, and what requests must not do by itself."""

from __future__ import annotations

import email.utils
import http.server
import json
import math
import os
import socket
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import responses
import yaml
from ansible_collections.sendclean.email.plugins.module_utils import _client
from ansible_collections.sendclean.email.plugins.module_utils._client import Client, Pace, pause_after_429
from ansible_collections.sendclean.email.plugins.module_utils._errors import CallError, Outcome
from ansible_collections.sendclean.email.plugins.module_utils._options import Connection
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, TOKEN, FakeClock
from hypothesis import given
from hypothesis import strategies as st
from simulator import Service, Settings

ELSEWHERE = "https://api.sendclean.invalid/v1.0"
LIST_URL = f"{ELSEWHERE}/settings/listSmtp"
EMPTY_LISTING = {"status": "success", "smtp_list": []}

Run = Callable[[Client], Any]
CALLS: dict[str, Run] = {
    "listSmtp": lambda client: client.list_smtp(),
    "editSmtp": lambda client: client.edit_smtp("smtp1", {"total_limit": 5}),
    "addSmtp": lambda client: client.add_smtp(5, 5),
    "resetSmtpPassword": lambda client: client.reset_smtp_password("smtp1"),
}
REPEATABLE = ["listSmtp", "editSmtp"]
ONCE = ["addSmtp", "resetSmtpPassword"]

LOST_OR_GENERAL = [
    "cut_before",
    "cut_after",
    "error_500_before",
    "bad_gateway_502_after",
    "truncated_after",
    "unreadable_after",
    "non_object_after",
    "empty_after",
    "general_error_before",
    "general_error_after",
    "unknown_kind_before",
    "missing_kind_after",
]
ANSWERS = {
    "as in the examples": Settings(),
    "with HTTP codes": Settings(http_error_codes=True, kind_key="type", message_list=True),
}
every_answer = pytest.mark.parametrize("settings", ANSWERS.values(), ids=ANSWERS)


@pytest.fixture
def client(connection: Connection, service: Service, fast: FakeClock) -> Client:
    """A client of an account with the user smtp1; waiting takes no time."""
    service.create_user(OWNER, smtp_user_name="smtp1")
    return Client(connection)


@pytest.fixture
def elsewhere(fast: FakeClock) -> Client:
    """A client whose requests are caught by the library responses."""
    return Client(Connection(ELSEWHERE, OWNER, TOKEN, requests_per_minute=0))


def failure(client: Client, call: str = "listSmtp") -> CallError:
    """Make a call that has to fail."""
    with pytest.raises(CallError) as caught:
        CALLS[call](client)
    assert caught.value.call == call
    return caught.value


# ---- what is repeated ------------------------------------------------------------------------------------------


@every_answer
@pytest.mark.parametrize("call", REPEATABLE)
@pytest.mark.parametrize("kind", LOST_OR_GENERAL)
def test_a_repeatable_call_is_made_four_times_within_ten_seconds_of_pauses(
    kind: str, call: str, settings: Settings, client: Client, service: Service, fast: FakeClock
) -> None:
    service.settings = settings
    service.add_fault(call, kind, times=100)
    failure(client, call)
    assert len(service.log) == 4
    assert len(fast.slept) == 3
    assert sum(fast.slept) < 10


@pytest.mark.parametrize("call", REPEATABLE)
@pytest.mark.parametrize("kind", LOST_OR_GENERAL)
def test_a_repeatable_call_succeeds_at_the_fourth_attempt(kind: str, call: str, client: Client, service: Service) -> None:
    service.add_fault(call, kind, times=3)
    CALLS[call](client)
    assert len(service.log) == 4


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    connection: Connection, service: Service, fast: FakeClock
) -> None:
    service.add_fault("listSmtp", "slow_before", seconds=1.0)
    assert Client(replace(connection, timeout=0.3)).list_smtp() == {}
    assert len(service.log) == 2


@pytest.mark.parametrize("call", ONCE)
@pytest.mark.parametrize("kind", LOST_OR_GENERAL)
def test_a_call_that_is_not_repeatable_is_made_once(kind: str, call: str, client: Client, service: Service) -> None:
    service.add_fault(call, kind, times=100)
    error = failure(client, call)
    answered = kind.endswith(("error_before", "error_after", "kind_before", "kind_after"))
    assert error.outcome is (Outcome.UNKNOWN if answered else Outcome.LOST)
    assert len(service.log) == 1


@every_answer
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("kind", "name"), [("validation_error", "ValidationError"), ("authentication_error", "AuthenticationError")]
)
def test_a_final_error_is_not_repeated(
    kind: str, name: str, call: str, settings: Settings, client: Client, service: Service
) -> None:
    service.settings = settings
    service.add_fault(call, kind, times=100)
    error = failure(client, call)
    assert (error.name, error.outcome) == (name, Outcome.REFUSED)
    assert len(service.log) == 1


UNKNOWN_PATHS = [
    {"message": "Page not found"},
    {"message": "Page Not Found"},
    {"message": ["Page Not Found"]},
    {"type": "Invalid Request", "message": "Page Not Found"},
    {"name": "Invalid Request", "message": ""},
]


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("body", UNKNOWN_PATHS)
@responses.activate
def test_an_unknown_path_is_final_however_it_is_told(body: dict[str, Any], status: int, elsewhere: Client) -> None:
    responses.post(LIST_URL, json={"status": "error", **body}, status=status)
    error = failure(elsewhere)
    assert error.outcome is Outcome.REFUSED
    assert "api_url" in str(error)
    assert len(responses.calls) == 1


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500, 503])
@pytest.mark.parametrize("kind", ["ValidationError", "AuthenticationError"])
@responses.activate
def test_a_final_kind_weighs_more_than_the_http_code(kind: str, status: int, elsewhere: Client) -> None:
    responses.post(LIST_URL, json={"status": "error", "name": kind, "message": "x"}, status=status)
    assert failure(elsewhere).name == kind
    assert len(responses.calls) == 1


# ---- answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 400, 404, 500])
@responses.activate
def test_a_success_is_a_success_whatever_the_http_code(status: int, elsewhere: Client) -> None:
    responses.post(LIST_URL, json=EMPTY_LISTING, status=status)
    assert elsewhere.list_smtp() == {}
    assert len(responses.calls) == 1


@pytest.mark.parametrize("status", [200, 400, 500])
@responses.activate
def test_an_error_is_an_error_whatever_the_http_code(status: int, elsewhere: Client) -> None:
    responses.post(LIST_URL, json={**EMPTY_LISTING, "status": "error", "name": "GeneralError"}, status=status)
    assert failure(elsewhere).http_status == status


KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "name": ({"name": "ValidationError"}, "ValidationError"),
    "type": ({"type": "ValidationError"}, "ValidationError"),
    "both": ({"name": "ValidationError", "type": "ValidationError"}, "ValidationError"),
    "neither": ({}, "GeneralError"),
    "null": ({"name": None, "type": None}, "GeneralError"),
    "empty name": ({"name": "", "type": "ValidationError"}, "ValidationError"),
    "not a string": ({"name": 5}, "GeneralError"),
    "of the vendor's clients": ({"name": "Invalid_Key"}, "Invalid_Key"),
    "new": ({"type": "SomethingNew"}, "SomethingNew"),
}


@pytest.mark.parametrize(("fields", "name"), KINDS.values(), ids=KINDS)
@responses.activate
def test_the_kind_of_an_error_is_its_name_or_its_type(fields: dict[str, Any], name: str, elsewhere: Client) -> None:
    responses.post(LIST_URL, json={"status": "error", "message": "So it is", **fields})
    error = failure(elsewhere)
    assert error.name == name
    assert "So it is" in str(error)


@pytest.mark.parametrize(
    ("fields", "message", "code"),
    [
        ({"message": "One", "code": -1}, "One", -1),
        ({"message": ["One", "Two"]}, "One; Two", None),
        ({"message": []}, "", None),
        ({}, "", None),
        ({"message": None, "code": None}, "", None),
        ({"message": {"a": 1}, "code": "E1"}, "{'a': 1}", None),
    ],
)
@responses.activate
def test_what_a_task_says_of_an_error(fields: dict[str, Any], message: str, code: int | None, elsewhere: Client) -> None:
    responses.post(LIST_URL, json={"status": "error", "name": "ValidationError", **fields}, status=400)
    assert failure(elsewhere).details() == {
        "error": {"call": "listSmtp", "name": "ValidationError", "code": code, "message": message, "http_status": 400}
    }


@pytest.mark.parametrize("body", [{}, {"status": "ok"}, {"status": None}, {"smtp_list": []}, {"status": ["success"]}])
@responses.activate
def test_an_object_that_is_neither_success_nor_error_makes_no_sense(body: dict[str, Any], elsewhere: Client) -> None:
    responses.post(LIST_URL, json=body)
    assert failure(elsewhere).name == "ProtocolError"


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"1", b'"success"', b"<html>", b"\xff\xfe", b"[" * 100_000, b'{"status": "success"']
)
@responses.activate
def test_what_is_no_json_object_makes_no_sense(body: bytes, elsewhere: Client) -> None:
    responses.post(LIST_URL, body=body, content_type="application/json")
    error = failure(elsewhere)
    assert (error.name, error.http_status) == ("ProtocolError", 200)


@pytest.mark.parametrize("call", ONCE)
@pytest.mark.parametrize(
    "body", [{}, {"smtp_user_name": None}, {"smtp_user_name": 5, "smtp_password": 5}, {"smtp_user_name": ""}]
)
@responses.activate
def test_a_success_without_what_it_must_hold_is_a_lost_answer(body: dict[str, Any], call: str, elsewhere: Client) -> None:
    responses.post(f"{ELSEWHERE}/settings/{call}", json={"status": "success", **body})
    error = failure(elsewhere, call)
    assert (error.name, error.outcome) == ("ProtocolError", Outcome.LOST)


def test_ten_thousand_users_are_listed(service: Service, connection: Connection) -> None:
    for number in range(10_000):
        service.create_user(OWNER, smtp_user_name=f"smtp{number}", total_limit=number + 1)
    listing = Client(connection).list_smtp()
    assert len(listing) == 10_000
    assert all(listing[f"smtp{number}"].total_limit == number + 1 for number in range(10_000))


# ---- HTTP 429 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
def test_a_refused_call_is_repeated_until_it_is_carried_out_once(call: str, client: Client, service: Service) -> None:
    service.add_fault(call, "rate_limited", times=7)
    CALLS[call](client)
    assert len(service.log) == 8
    assert sum(entry.carried_out for entry in service.log) == 1


@pytest.mark.parametrize(("seconds", "style"), [(7.0, "seconds"), (7.0, "date")])
def test_retry_after_is_obeyed(seconds: float, style: str, client: Client, service: Service, fast: FakeClock) -> None:
    service.add_fault("listSmtp", "rate_limited", retry_after=style, seconds=seconds)
    client.list_smtp()
    # A date is only exact to the second, and some time passes until it is read.
    assert seconds - 1 <= sum(fast.slept) <= (seconds + 1) * 1.1


@pytest.mark.parametrize("header", ["0", "Thu, 01 Jan 1970 00:00:00 GMT", "-5", "soon", "", "1.5", "nan"])
def test_a_strange_retry_after_makes_neither_a_storm_nor_a_crash(
    header: str, client: Client, service: Service, fast: FakeClock
) -> None:
    service.add_fault("listSmtp", "rate_limited", retry_after=header, times=3)
    client.list_smtp()
    assert len(fast.slept) == 3
    assert min(fast.slept) >= 0.4
    assert sum(fast.slept) < 10


@pytest.mark.parametrize("header", ["86400", "9" * 30, "9" * 400, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_huge_retry_after_is_cut_to_retry_timeout(header: str, client: Client, service: Service, fast: FakeClock) -> None:
    service.add_fault("listSmtp", "rate_limited", retry_after=header)
    client.list_smtp()
    assert 0.4 <= sum(fast.slept) <= 300


@given(st.text() | st.integers().map(str) | st.datetimes().map(email.utils.format_datetime) | st.floats().map(str))
def test_any_retry_after_gives_a_pause(header: str) -> None:
    pause = pause_after_429(header, 0)
    assert pause >= 0.4
    assert not math.isnan(pause)


def test_without_retry_after_the_pauses_grow_exponentially(client: Client, service: Service, fast: FakeClock) -> None:
    service.add_fault("listSmtp", "rate_limited", times=6)
    client.list_smtp()
    assert [0.5 * 2**number <= pause <= 2.0 * 2**number for number, pause in enumerate(fast.slept)] == 6 * [True]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("retry_after", [None, "seconds", "86400", "0"])
@pytest.mark.parametrize("retry_timeout", [0.5, 40.0])
def test_in_the_end_it_is_a_rate_limit_error_within_retry_timeout(
    retry_timeout: float, retry_after: str | None, call: str, connection: Connection, service: Service, fast: FakeClock
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    service.add_fault(call, "rate_limited", retry_after=retry_after, seconds=7, times=10_000)
    error = failure(Client(replace(connection, retry_timeout=retry_timeout)), call)
    assert (error.name, error.http_status, error.outcome) == ("RateLimitError", 429, Outcome.REFUSED)
    assert "retry_timeout" in str(error)
    assert sum(fast.slept) <= retry_timeout + 1e-6
    assert sum(fast.slept) >= retry_timeout - 1e-6
    assert not any(entry.carried_out for entry in service.log)


def test_the_waits_of_all_attempts_count_together(connection: Connection, service: Service, fast: FakeClock) -> None:
    for unused in range(3):
        service.add_fault("listSmtp", "rate_limited", retry_after="seconds", seconds=50)
        service.add_fault("listSmtp", "general_error_before")
    service.add_fault("listSmtp", "rate_limited", retry_after="seconds", seconds=50, times=100)
    assert failure(Client(replace(connection, retry_timeout=100))).name == "RateLimitError"
    assert 100 <= sum(fast.slept) < 106


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"status": "success", "smtp_list": []}', b'{"status": "error", "name": "ValidationError"}']
)
@responses.activate
def test_http_429_is_one_whatever_its_body(body: bytes, elsewhere: Client) -> None:
    responses.post(LIST_URL, body=body, status=429)
    assert failure(elsewhere).name == "RateLimitError"


# ---- pacing ----------------------------------------------------------------------------------------------------


def times_of_calls(requests_per_minute: int, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make a call after each pause, and return when the pace let them go."""
    clock = FakeClock(now=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(_client, "time", clock)
        pace = Pace(requests_per_minute)
        times = []
        for pause in pauses:
            clock.now += pause
            pace.wait()
            times.append(clock.now)
    return times


def most_within(times: list[float], seconds: float) -> int:
    """The greatest number of calls in any window of that length."""
    window: deque[float] = deque()
    most = 0
    for moment in times:
        window.append(moment)
        while window[0] <= moment - seconds:
            window.popleft()
        most = max(most, len(window))
    return most


@given(requests_per_minute=st.integers(1, 1200), pauses=st.lists(st.sampled_from([0.0, 0.0, 0.05, 1.0, 20.0, 90.0]), max_size=30))
def test_no_minute_has_more_calls_than_the_quota(requests_per_minute: int, pauses: list[float]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        times = times_of_calls(requests_per_minute, [*pauses, *[0.0] * min(3 * requests_per_minute, 1500)], monkeypatch)
    assert most_within(times, 60.0) <= requests_per_minute
    burst = max(1.0, min(10.0, requests_per_minute / 6))
    assert times.count(times[-1]) <= burst
    assert most_within(times, 1e-6) <= burst


def test_600_a_minute_are_never_more_than_60_in_six_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    times = times_of_calls(600, [*[0.0] * 500, 60.0, *[0.0] * 500], monkeypatch)
    assert most_within(times, 6.0) <= 60


@pytest.mark.parametrize("requests_per_minute", [1, 10, 60, 600])
def test_the_pace_uses_most_of_the_quota(requests_per_minute: int, monkeypatch: pytest.MonkeyPatch) -> None:
    times = times_of_calls(requests_per_minute, [0.0] * (5 * requests_per_minute + 1), monkeypatch)
    assert times[-1] <= 5 * 60 / 0.9


def test_0_is_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    assert times_of_calls(0, [0.0] * 5000, monkeypatch)[-1] == 0.0


def test_every_attempt_is_paced(connection: Connection, service: Service, fast: FakeClock) -> None:
    times: list[float] = []
    service.before_call = lambda call, owner_id: times.append(fast.now)
    client = Client(replace(connection, requests_per_minute=6))
    service.add_fault("*", "general_error_after", times=3)
    for run in (*CALLS.values(), *CALLS.values()):
        try:
            run(client)
        except CallError:
            pass
    assert len(times) > 8
    assert most_within(times, 60.0) <= 6


# ---- what requests must not do by itself -----------------------------------------------------------------------


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


@pytest.mark.parametrize("call", CALLS)
def test_the_user_agent_has_the_version_of_galaxy_yml(call: str, client: Client, service: Service) -> None:
    galaxy = yaml.safe_load((Path(__file__).resolve().parents[4] / "galaxy.yml").read_text())
    CALLS[call](client)
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


@pytest.mark.parametrize("call", ONCE)
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


def test_listings_go_on_for_the_seconds_asked_for(client: Client, fast: FakeClock) -> None:
    times = [fast.now for _listing in client.listings(20.0)]
    assert times[-1] - times[0] >= 20
    assert 4 <= len(times) <= 12


def test_however_slow_the_answers_the_last_listing_is_begun_so_late(
    client: Client, service: Service, fast: FakeClock
) -> None:
    begun: list[float] = []

    def answer_late(call: str, owner_id: str) -> None:
        begun.append(fast.now)
        fast.now += 1 if len(begun) == 1 else 9

    service.before_call = answer_late
    assert len(list(client.listings(30.0))) == len(begun)
    assert begun[-1] - begun[0] >= 30
