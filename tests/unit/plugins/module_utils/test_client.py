# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client: what is repeated and what is not, and how answers and errors are read."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import responses
from ansible_collections.sendclean.email.plugins.module_utils._client import Client, Pace
from ansible_collections.sendclean.email.plugins.module_utils._errors import CallError, Outcome
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
from simulator import Service, Settings

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
    assert [0.5 <= pause / (0.5 * 2**number) <= 1.5 for number, pause in enumerate(fast.slept)] == 3 * [True]
    assert sum(fast.slept) < 10


@pytest.mark.parametrize("call", REPEATABLE)
@pytest.mark.parametrize("kind", LOST_OR_GENERAL)
def test_a_repeatable_call_succeeds_at_the_fourth_attempt(kind: str, call: str, client: Client, service: Service) -> None:
    service.add_fault(call, kind, times=3)
    CALLS[call](client)
    assert len(service.log) == 4


@pytest.mark.parametrize("kind", ["slow_before", "dripping_after"])
def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    kind: str, connection: Connection, service: Service, fast: FakeClock
) -> None:
    service.add_fault("listSmtp", kind, seconds=3.0)
    assert Client(replace(connection, timeout=1.0)).list_smtp() == {}
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


# ---- an edit of which the server wants all fields --------------------------------------------------------------

EDITED = {"smtp_user_name": "smtp1", "total_limit": 5}
ALL = {"total_limit": 5, "hourly_limit": 100, "status": "Enable"}


def edits(service: Service) -> list[Any]:
    return [entry.parameters for entry in service.calls("editSmtp")]


def test_an_edit_that_is_refused_is_made_once_more_with_all_fields(client: Client, service: Service) -> None:
    service.settings = Settings(complete_edits=True)
    client.edit_smtp("smtp1", {"total_limit": 5}, client.list_smtp()["smtp1"])
    assert edits(service) == [EDITED, {"smtp_user_name": "smtp1", **ALL}]
    assert service.users(OWNER)[0].total_limit == 5


@pytest.mark.parametrize(
    ("kind", "calls"), [("validation_error", 2), ("error_array", 2), ("echo_request", 2), ("general_error_before", 4)]
)
def test_only_a_validation_error_is_taken_for_missing_fields(kind: str, calls: int, client: Client, service: Service) -> None:
    listed = client.list_smtp()["smtp1"]
    service.add_fault("editSmtp", kind, times=100)
    with pytest.raises(CallError):
        client.edit_smtp("smtp1", {"total_limit": 5}, listed)
    assert len(edits(service)) == calls


def test_the_error_of_the_second_edit_is_the_one_that_counts(client: Client, service: Service) -> None:
    listed = client.list_smtp()["smtp1"]
    service.add_fault("editSmtp", "validation_error")
    service.add_fault("editSmtp", "authentication_error")
    with pytest.raises(CallError) as caught:
        client.edit_smtp("smtp1", {"total_limit": 5}, listed)
    assert caught.value.name == "AuthenticationError"


@pytest.mark.parametrize(
    ("fields", "parameters", "second"),
    [
        ({"hourly_limit": None}, {"total_limit": 5}, {"total_limit": 5, "status": "Enable"}),
        ({"hourly_limit": 0, "status": "?"}, {"total_limit": 5}, None),
        ({}, ALL, None),
        ({}, {"status": "Disable"}, {"total_limit": 1000, "hourly_limit": 100, "status": "Disable"}),
    ],
)
def test_what_cannot_be_added_is_not_sent(
    fields: dict[str, Any], parameters: dict[str, Any], second: dict[str, Any] | None, client: Client, service: Service
) -> None:
    service.settings = Settings(listing_fields={"smtp1": fields})
    service.add_fault("editSmtp", "validation_error", times=100)
    with pytest.raises(CallError):
        client.edit_smtp("smtp1", parameters, client.list_smtp()["smtp1"])
    assert edits(service)[1:] == ([{"smtp_user_name": "smtp1", **second}] if second else [])


UNKNOWN_PATHS = [
    {"message": "Page not found"},
    {"message": "Page Not Found"},
    {"message": ["Page Not Found"]},
    {"type": "Invalid Request", "message": "Page Not Found"},
    {"name": "Invalid Request", "message": ""},
    {"type": {"name": "Invalid Request"}, "message": "Page Not Found"},
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


@pytest.mark.parametrize("status", [400, 404, 500])
@responses.activate
def test_an_http_error_with_an_object_is_an_error_answer(status: int, elsewhere: Client) -> None:
    responses.post(f"{ELSEWHERE}/settings/addSmtp", json={"message": "So it is"}, status=status)
    error = failure(elsewhere, "addSmtp")
    assert (error.name, error.message, error.outcome) == ("GeneralError", "So it is", Outcome.UNKNOWN)


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
    "an object": ({"type": {"name": "ValidationError"}}, "ValidationError"),
    "an object as name": ({"name": {"name": "ValidationError"}}, "ValidationError"),
    "an object without name": ({"name": {}, "type": {"name": ""}}, "GeneralError"),
    "an object beside a name": ({"name": "ValidationError", "type": {"name": "x"}}, "ValidationError"),
    "with the token": ({"name": f"Unknown {TOKEN}"}, "Unknown ********"),
}


@pytest.mark.parametrize(("fields", "name"), KINDS.values(), ids=KINDS)
@responses.activate
def test_the_kind_of_an_error_is_its_name_or_its_type(fields: dict[str, Any], name: str, elsewhere: Client) -> None:
    responses.post(LIST_URL, json={"status": "error", "message": "So it is", **fields})
    error = failure(elsewhere)
    assert error.name == name
    assert "So it is" in str(error)
    assert TOKEN not in str(error)


@pytest.mark.parametrize("spell", [str, html.escape, quote_plus, json.dumps, lambda token: token.replace("/", "\\/")])
@responses.activate
def test_no_spelling_of_the_token_is_shown(spell: Callable[[str], str], fast: FakeClock) -> None:
    token = "Zq4/<Xw7>&Zq4"
    responses.post(LIST_URL, json={"status": "error", "name": "ValidationError", "message": f"Wrong: {spell(token)}!"})
    error = failure(Client(Connection(ELSEWHERE, OWNER, token)))
    assert error.message.strip('"') in ("Wrong: ********!", 'Wrong: "********"!')


@responses.activate
def test_no_token_that_cannot_be_decoded_is_shown(fast: FakeClock) -> None:
    token = "Zq4\xe9Xw7\xf6Zq4"
    body = f'{{"status": "error", "name": "ValidationError", "message": "Wrong: {token}"}}'
    for encoding in ("latin-1", "utf-8"):
        responses.reset()
        responses.post(LIST_URL, body=body.encode(encoding))
        assert failure(Client(Connection(ELSEWHERE, OWNER, token))).message == "Wrong: ********"


@responses.activate
def test_what_a_terminal_would_act_upon_is_shown_escaped(elsewhere: Client) -> None:
    responses.post(LIST_URL, json={"status": "error", "name": "ValidationError", "message": "a\x1b[2Jb\x9bc\u202ed\r"})
    assert "a\\x1b[2Jb\\x9bc\\u202ed" in str(failure(elsewhere))


@pytest.mark.parametrize(
    ("fields", "message", "code"),
    [
        ({"message": "One", "code": -1}, "One", -1),
        ({"message": ["One", "Two"]}, "One; Two", None),
        ({"message": "One || Two||Three"}, "One; Two; Three", None),
        ({"message": ["One || Two", None, "Three"]}, "One; Two; Three", None),
        ({"message": "", "code": True}, "", None),
        ({"message": "One", "code": 10**30}, "One", None),
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
    "body", [b"", b"null", b"[]", b"[[]]", b"1", b'"success"', b"<html>", b"\xff\xfe", b"[" * 100_000, b'{"status": "success"']
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
def test_a_success_without_what_it_must_hold_is_looked_up_and_not_repeated(
    body: dict[str, Any], call: str, elsewhere: Client
) -> None:
    responses.post(f"{ELSEWHERE}/settings/{call}", json={"status": "success", **body})
    error = failure(elsewhere, call)
    assert (error.name, error.outcome) == ("ProtocolError", Outcome.UNKNOWN)


@responses.activate
def test_warnings_are_collected_over_listings_and_mask_the_token(elsewhere: Client) -> None:
    odd = {"smtp_user_name": "smtp1\x1b", "status": "Enable", "total_limit": f"no {TOKEN}"}
    for more in ({}, {"hourly_limit": -1}):
        responses.post(LIST_URL, json={"status": "success", "smtp_list": [{**odd, **more}]})
    assert elsewhere.warnings() == []
    for unused in range(3):
        elsewhere.list_smtp()
    first, second = elsewhere.warnings()
    assert 'smtp1\\x1b with total_limit "no ********"' in first
    assert "hourly_limit -1" in second


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ["error_array_after", "latin_1_error_after", "error_array"])
def test_an_answer_in_an_odd_shape_is_no_lost_answer(kind: str, call: str, client: Client, service: Service) -> None:
    service.add_fault(call, kind, times=100)
    error = failure(client, call)
    assert error.outcome is (Outcome.REFUSED if kind == "error_array" else Outcome.UNKNOWN)
    assert error.message


@pytest.mark.parametrize("call", CALLS)
def test_a_success_with_bytes_that_are_no_utf_8_is_a_success(call: str, client: Client, service: Service) -> None:
    service.add_fault(call, "broken_bytes_after", times=100)
    CALLS[call](client)
    assert len(service.log) == 1


def test_ten_thousand_users_are_listed(service: Service, connection: Connection) -> None:
    for number in range(10_000):
        service.create_user(OWNER, smtp_user_name=f"smtp{number}", total_limit=number + 1)
    listing = Client(connection).list_smtp()
    assert len(listing) == 10_000
    assert all(listing[f"smtp{number}"].total_limit == number + 1 for number in range(10_000))


@pytest.mark.parametrize("token", ["a-token/of&some\\length", 'with "quotes" in it', "geheim-ä-geheim", "\\begins-and-ends&"])
def test_no_spelling_of_the_token_is_left_over(token: str, fast: FakeClock) -> None:
    scrub = Client(Connection(ELSEWHERE, OWNER, token))._scrub
    as_json = json.dumps(token)[1:-1]
    spellings = [token, as_json, as_json.replace("/", "\\/"), html.escape(token), quote(token, safe="")]
    assert [scrub(f"it was {spelling}!") for spelling in spellings] == ["it was ********!"] * len(spellings)


@pytest.mark.parametrize(("quota", "burst"), [(6, 1), (12, 1), (24, 2), (60, 5), (600, 5)])
def test_after_a_burst_calls_are_evenly_spaced(quota: int, burst: int, fast: FakeClock) -> None:
    pace = Pace(quota)
    for _call in range(burst):
        pace.wait()
    assert fast.slept == []
    for _call in range(3):
        pace.wait()
    assert fast.slept == pytest.approx([60 / 0.91 / quota] * 3)
    fast.now += 3600
    for _call in range(burst):
        pace.wait()
    assert len(fast.slept) == 3
