# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each kind of fault, seen by a client, and what it leaves behind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock
from simulator import FAULT_KINDS, Fault, RunningServer, Service
from simulator.wire import wired

Call = Callable[..., Any]
Post = Callable[..., requests.Response]

# What a client of addSmtp sees: HTTP status and beginning of the body, or the exception.
EXPECTED: dict[str, tuple[int, str] | type[Exception]] = {
    "cut_before": requests.ConnectionError,
    "cut_after": requests.ConnectionError,
    "error_500_before": (500, "<html>"),
    "bad_gateway_502_after": (502, "<html>"),
    "truncated_after": requests.exceptions.ChunkedEncodingError,
    "unreadable_after": (200, '{"status": "succ<<<'),
    "non_object_after": (200, '[{"status": "success"'),
    "empty_after": (200, ""),
    "general_error_before": (200, '{"status": "error", "code": -1, "name": "GeneralError"'),
    "general_error_after": (200, '{"status": "error", "code": -1, "name": "GeneralError"'),
    "unknown_kind_before": (200, '{"status": "error", "code": -1, "name": "SomethingNew"'),
    "unknown_kind_after": (200, '{"status": "error", "code": -1, "name": "SomethingNew"'),
    "missing_kind_before": (200, '{"status": "error", "code": -1, "message"'),
    "missing_kind_after": (200, '{"status": "error", "code": -1, "message"'),
    "authentication_error": (200, '{"status": "error", "code": -1, "name": "AuthenticationError"'),
    "validation_error": (200, '{"status": "error", "code": -1, "name": "ValidationError"'),
    "slow_before": (200, '{"status": "success"'),
    "slow_after": (200, '{"status": "success"'),
    "dripping_after": (200, '{"status": "success"'),
    "ignored": (200, '{"status": "success", "message": "SMTP User Created", "smtp_user_name": "smtp'),
    "rate_limited": (429, '{"status": "error"'),
    "redirect": (307, "<html>"),
    "html_404": (404, "<html>"),
    "echo_request": (200, '{"status": "error", "code": -1, "name": "ValidationError"'),
    "error_array": (400, '[{"status": "error", "code": -1, "name": "ValidationError", "message": "total_limit'),
    "error_array_after": (200, '[{"status": "error", "code": -1, "name": "GeneralError"'),
    "latin_1_error_after": (200, '{"status": "error", "code": -1, "name": "GeneralError"'),
    "broken_bytes_after": (200, '{"note": "'),
    "with_settings": (200, '{"status": "success"'),
}
CARRIED_OUT = {kind for kind in FAULT_KINDS if kind.endswith("_after") or kind in ("slow_before", "with_settings")}
NEEDS: dict[str, dict[str, Any]] = {
    "redirect": {"location": "http://127.0.0.1:1/"},
    "with_settings": {"value": {"hourly_limit_most": 100}},
}


def add(post: Post) -> requests.Response:
    return post("addSmtp", total_limit=5, hourly_limit=1)


@pytest.fixture(params=["network", "wire"])
def way(request: pytest.FixtureRequest, service: Service, server: RunningServer) -> Iterator[None]:
    """Over HTTP, and as tests in one process have it: to a client there is no difference."""
    with wired(service, base_url=server.base_url) if request.param == "wire" else contextlib.nullcontext():
        yield


@pytest.mark.parametrize("kind", [kind for kind in FAULT_KINDS if kind != "wrong_listing"])
def test_every_kind(service: Service, post: Post, way: None, capfd: pytest.CaptureFixture[str], kind: str) -> None:
    service.add_fault("addSmtp", kind, **NEEDS.get(kind, {}))
    expected = EXPECTED[kind]
    if isinstance(expected, type):
        with pytest.raises(expected):
            add(post)
    else:
        response = add(post)
        assert response.status_code == expected[0]
        assert response.text.startswith(expected[1])
        assert bool(response.text) == bool(expected[1])
    assert len(service.users("demo")) == (kind in CARRIED_OUT)
    (entry,) = service.log
    assert (entry.fault, entry.carried_out) == (kind, kind in CARRIED_OUT)
    assert (entry.http_status is None) == kind.startswith("cut")
    # Only this one call was hit, and the service goes on without a word.
    assert add(post).json()["status"] == "success"
    assert service.faults == []
    assert capfd.readouterr().err == ""


def test_wrong_listing(service: Service, call: Call) -> None:
    for value in ([{"smtp_user_name": 7}], None, "no list"):
        service.add_fault("listSmtp", "wrong_listing", value=value)
        assert call("listSmtp") == {"status": "success", "smtp_list": value}
    service.add_fault("listSmtp", "wrong_listing", value=[])
    assert call("listSmtp", token="x")["name"] == "AuthenticationError"


def test_bodies_that_are_no_utf_8(service: Service, post: Post, way: None) -> None:
    service.add_fault("addSmtp", "latin_1_error_after")
    service.add_fault("addSmtp", "broken_bytes_after")
    for text in (b"Unable to process your request \xa1\xe9!", b"\xff\xfe\xe9"):
        content = add(post).content
        assert text in content
        with pytest.raises(UnicodeDecodeError):
            content.decode()


def test_one_call_with_other_settings(service: Service, call: Call, clock: FakeClock) -> None:
    service.create_user("demo", smtp_user_name="smtp1", smtp_password="before")
    clock.now += 10
    service.update_user("demo", "smtp1", smtp_password="after")
    service.add_fault("listSmtp", "with_settings", value={"listing_age": 5})
    service.add_fault("listSmtp", "with_settings", value={"listing_age": 15})
    listings = [call("listSmtp")["smtp_list"] for unused in range(3)]
    assert [[user["password"] for user in listing] for listing in listings] == [["before"], [], ["after"]]
    with pytest.raises(ValueError, match="unknown setting age"):
        service.add_fault("listSmtp", "with_settings", value={"age": 5})


def test_echo_holds_the_token(service: Service, call: Call) -> None:
    service.add_fault("*", "echo_request")
    assert '"token": "demo-token"' in call("listSmtp")["message"]


def test_redirect_and_retry_after(service: Service, post: Post, way: None) -> None:
    service.add_fault("*", "redirect", location="http://127.0.0.1:1/elsewhere")
    assert post("listSmtp").headers["Location"] == "http://127.0.0.1:1/elsewhere"
    service.add_fault("*", "rate_limited")
    service.add_fault("*", "rate_limited", retry_after="soon")
    service.add_fault("*", "rate_limited", retry_after="seconds", seconds=1.5)
    assert [post("listSmtp").headers.get("Retry-After") for unused in range(3)] == [None, "soon", "2"]


@pytest.mark.parametrize(("kind", "users_at_timeout"), [("slow_before", 0), ("slow_after", 1)])
def test_slower_than_the_time_out(
    service: Service, server: Any, session: requests.Session, kind: str, users_at_timeout: int
) -> None:
    service.add_fault("addSmtp", kind, seconds=2)
    body = {"owner_id": "demo", "token": "demo-token", "total_limit": 5, "hourly_limit": 1}
    with pytest.raises(requests.ReadTimeout):
        session.post(f"{server.base_url}/settings/addSmtp", json=body, timeout=1)
    assert len(service.users("demo")) == users_at_timeout
    assert [entry.http_status for entry in service.log] == [None]
    time.sleep(1.5)
    assert len(service.users("demo")) == 1


@pytest.mark.parametrize("kind", ["slow_before", "slow_after"])
def test_on_the_wire_a_client_gives_up_at_its_time_out(service: Service, clock: FakeClock, kind: str) -> None:
    """And a listing shows only later what a slow call has done in the end."""
    body = {"owner_id": "demo", "token": "demo-token", "total_limit": 5, "hourly_limit": 1}
    service.add_fault("addSmtp", kind, seconds=8)
    shown = []
    with wired(service, clock) as base_url:
        with pytest.raises(requests.ReadTimeout):
            requests.post(f"{base_url}/settings/addSmtp", json=body, timeout=5)
        assert clock.now == 1005
        for later in (0, 4):
            clock.now += later
            shown.append(len(requests.post(f"{base_url}/settings/listSmtp", json=body).json()["smtp_list"]))
    assert shown == ([0, 1] if kind == "slow_before" else [1, 1])


def test_matching_skip_and_times(service: Service, call: Call) -> None:
    service.add_fault("listSmtp", "general_error_before", skip=1, times=2, owner_id="demo")
    call("addSmtp", total_limit=1, hourly_limit=1)
    call("listSmtp", "other")
    for unused in range(4):
        call("listSmtp")
    assert [entry.fault for entry in service.calls("listSmtp", "demo")] == [
        None,
        "general_error_before",
        "general_error_before",
        None,
    ]
    assert {entry.fault for entry in service.calls("addSmtp") + service.calls(owner_id="other")} == {None}


def test_the_queue_keeps_its_order(service: Service, call: Call) -> None:
    service.add_fault("listSmtp", "validation_error", skip=1)
    service.queue_fault(Fault("*", "authentication_error"))
    for unused in range(3):
        call("listSmtp")
    assert [entry.fault for entry in service.log] == ["authentication_error", "validation_error", None]


def test_a_call_over_quota_meets_no_fault(service: Service, call: Call) -> None:
    service.settings = service.settings.changed({"quota_calls": 0})
    service.add_fault("*", "cut_before")
    assert call("listSmtp")["message"] == "Too many requests"
    assert len(service.faults) == 1
    service.clear_faults()
    assert service.faults == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("listSmtp", "cut_twice"), "unknown fault kind 'cut_twice'; known: cut_before, cut_after, "),
        (("listSMTP", "cut_after"), "unknown call 'listSMTP'; known: "),
        (("*", "wrong_listing"), "wrong_listing is for listSmtp only"),
        (("*", "redirect"), "a redirect needs a location"),
        (("*", "with_settings"), "with_settings needs a value"),
    ],
)
def test_faults_that_could_not_work(service: Service, arguments: tuple[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("*", r"\*")):
        service.add_fault(*arguments)


@pytest.mark.parametrize("options", [{"times": 0}, {"skip": -1}, {"seconds": "1"}, {"owner": "demo"}, {"owner_id": 1}])
def test_options_that_are_wrong(service: Service, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        service.add_fault("*", "cut_after", **options)
