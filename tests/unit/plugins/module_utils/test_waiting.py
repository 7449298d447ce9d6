# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client: how it waits after HTTP 429, keeps its pace, and lists again and again."""

from __future__ import annotations

import email.utils
import math
from collections import deque
from dataclasses import replace

import pytest
import responses
from ansible_collections.sendclean.email.plugins.module_utils import _client
from ansible_collections.sendclean.email.plugins.module_utils._client import Client, Pace, backoff, pause_after_429
from ansible_collections.sendclean.email.plugins.module_utils._errors import CallError, Outcome
from ansible_collections.sendclean.email.plugins.module_utils._options import Connection
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import CALLS, LIST_URL, OWNER, FakeClock, failure
from hypothesis import given
from hypothesis import strategies as st
from simulator import Service

# ---- HTTP 429 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
def test_a_refused_call_is_repeated_until_it_is_carried_out_once(call: str, client: Client, service: Service) -> None:
    service.add_fault(call, "rate_limited", times=7)
    CALLS[call](client)
    assert len(service.log) == 8
    assert sum(entry.carried_out for entry in service.log) == 1


@pytest.mark.parametrize("style", ["seconds", "date"])
def test_retry_after_is_obeyed(style: str, client: Client, service: Service, fast: FakeClock) -> None:
    service.add_fault("listSmtp", "rate_limited", retry_after=style, seconds=7)
    client.list_smtp()
    # A date is only exact to the second, and some time passes until it is read.
    assert 6 <= sum(fast.slept) <= 8 * 1.1


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
    assert (error.name, error.http_status, error.code, error.outcome) == ("RateLimitError", 429, -1, Outcome.REFUSED)
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


def test_after_the_burst_calls_are_evenly_spaced(monkeypatch: pytest.MonkeyPatch) -> None:
    times = times_of_calls(60, [0.0] * 60, monkeypatch)
    gaps = [later - earlier for earlier, later in zip(times, times[1:]) if later > earlier]
    assert len(gaps) >= 50
    assert max(gaps) - min(gaps) < 1e-6


def test_pauses_between_attempts_are_no_rhythm_that_many_clients_share() -> None:
    assert len({backoff(1) for unused in range(20)}) > 1


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


# ---- listings ---------------------------------------------------------------------------------------------------


def test_listings_go_on_for_the_seconds_asked_for(client: Client, fast: FakeClock) -> None:
    times = [fast.now for _listing in client.listings(20.0)]
    assert times[-1] - times[0] >= 20
    assert 4 <= len(times) <= 12


def test_however_slow_the_answers_the_last_listing_is_begun_so_late(client: Client, service: Service, fast: FakeClock) -> None:
    begun: list[float] = []

    def answer_late(call: str, owner_id: str) -> None:
        begun.append(fast.now)
        fast.now += 1 if len(begun) == 1 else 9

    service.before_call = answer_late
    assert len(list(client.listings(30.0))) == len(begun)
    assert begun[-1] - begun[0] >= 30
