# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of the way in which an answer is written: each way of the sources, and nothing that is somebody's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._client import Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import SendCleanError
from ansible_collections.sendclean.email.plugins.module_utils._options import Connection
from ansible_collections.sendclean.email.plugins.plugin_utils._spelling import spelling
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, TOKEN, FakeClock
from hypothesis import given
from hypothesis import strategies as st
from simulator import RunningServer, Service, Settings

PLAIN = {
    "total_limit": {"integer": 1},
    "hourly_limit": {"integer": 1},
    "status": {'"Enable"': 1},
    "password_in": {"password": 1},
    "smtp_user_name": {"text": 1},
}


def listed(server: RunningServer, token: str = TOKEN) -> dict[str, Any]:
    """Return how the service writes its answer to a listing."""
    seen: list[dict[str, Any]] = []
    client = Client(
        Connection(server.base_url, OWNER, token, requests_per_minute=0),
        lambda content, http_status: seen.append(spelling(content, http_status)),
    )
    try:
        client.list_smtp()
    except SendCleanError:
        pass
    return seen[-1]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, PLAIN),
        ({"numeric_strings": True}, {"total_limit": {"text of an integer": 1}, "hourly_limit": {"text of an integer": 1}}),
        ({"integer_status": True}, {"status": {"1": 1}}),
        ({"password_key": "smtp_password"}, {"password_in": {"smtp_password": 1}}),
        ({"password_key": None}, {"password_in": {"none": 1}}),
        ({"listing_fields": {"smtp1": {"smtp_password": "both"}}}, {"password_in": {"password and smtp_password": 1}}),
        ({"listing_fields": {"smtp1": {"hourly_limit": -1}}}, {"hourly_limit": {"negative integer": 1}}),
        ({"listing_fields": {"smtp1": {"hourly_limit": 0}}}, {"hourly_limit": {"zero integer": 1}}),
        ({"listing_fields": {"smtp1": {"hourly_limit": None}}}, {"hourly_limit": {"null": 1}}),
        ({"listing_fields": {"smtp1": {"hourly_limit": ""}}}, {"hourly_limit": {"empty text": 1}}),
        ({"listing_fields": {"smtp1": {"hourly_limit": "1000.00"}}}, {"hourly_limit": {"text of a decimal": 1}}),
        ({"listing_fields": {"smtp1": {"hourly_limit": "-1"}}}, {"hourly_limit": {"text of a negative integer": 1}}),
        ({"listing_fields": {"smtp1": {"hourly_limit": "Unlimited"}}}, {"hourly_limit": {'"unlimited"': 1}}),
        ({"listing_fields": {"smtp1": {"hourly_limit": "Acme"}}}, {"hourly_limit": {"text": 1}}),
        ({"listing_fields": {"smtp1": {"hourly_limit": True}}}, {"hourly_limit": {"true": 1}}),
        ({"listing_fields": {"smtp1": {"hourly_limit": 2.5}}}, {"hourly_limit": {"decimal": 1}}),
        ({"listing_fields": {"smtp1": {"status": "Acme"}}}, {"status": {"text": 1}}),
        ({"listing_fields": {"smtp1": {"status": {}}}}, {"status": {"object": 1}}),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_the_fields_of_users(settings: dict[str, Any], told: dict[str, Any], service: Service, server: RunningServer) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    service.settings = Settings(**settings)
    answer = listed(server)
    assert answer["users"] == {**PLAIN, **told}
    assert (answer["http_status"], answer["body"], answer["status"], answer["listed"]) == (200, "object", "success", 1)


@pytest.mark.parametrize(
    ("settings", "smtp_list", "number"),
    [
        ({}, "array", 1),
        ({"listing_shape": "text"}, "text", 1),
        ({"listing_shape": "object"}, "object", 1),
        ({"empty_listing": "null"}, "null", 0),
        ({"empty_listing": "object"}, "object", 0),
        ({"empty_listing": "missing"}, "missing", 0),
        ({"empty_listing": "text"}, "empty text", 0),
    ],
)
def test_the_list(settings: dict[str, Any], smtp_list: str, number: int, service: Service, server: RunningServer) -> None:
    for _index in range(number):
        service.create_user(OWNER)
    service.settings = Settings(**settings)
    answer = listed(server)
    assert (answer["smtp_list"], answer["listed"]) == (smtp_list, number)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, {}),
        ({"kind_key": "type"}, {"kind_in": ["type"]}),
        ({"kind_object": True}, {"kind_in": ["type.name"]}),
        ({"omit_code": True}, {"code": "missing"}),
        ({"http_error_codes": True}, {"http_status": 401}),
        ({"message_list": True}, {"message": "array"}),
        ({"error_array": True}, {"body": "array"}),
        ({"latin_1": True}, {"encoding": "not UTF-8"}),
    ],
    ids=str,
)
def test_errors(settings: dict[str, Any], told: dict[str, Any], service: Service, server: RunningServer) -> None:
    service.settings = Settings(**settings)
    plain = {"http_status": 200, "encoding": "ASCII", "body": "object", "status": "error", "kind": "AuthenticationError"}
    plain |= {"kind_in": ["name"], "code": "integer", "message": "text", "unknown_path": False}
    assert listed(server, token="a wrong token") == {**plain, **told}


def test_further_fields_are_named_where_they_can_be_nothing_else(service: Service, server: RunningServer) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    service.settings = Settings(listing_fields={"smtp1": {"created_on": 1, "smtp7": 2, "x y": 3}})
    assert listed(server)["further_fields"] == ["created_on", "2 others"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<html>Acme Ltd.</html>", {"body": "no JSON"}),
        (b"", {"body": "no JSON"}),
        (b"[" * 100_000, {"body": "no JSON"}),
        (b"[]", {"body": "array"}),
        (b'"Acme"', {"body": "text"}),
        (b"{}", {"body": "object", "status": "missing"}),
        (b'{"status": "Acme"}', {"body": "object", "status": "text"}),
        (
            b'{"status": "success", "smtp_list": "Acme"}',
            {"body": "object", "status": "success", "smtp_list": "text", "further_keys": []},
        ),
        ('{"status": "é"}'.encode(), {"body": "object", "status": "text", "encoding": "UTF-8"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_answer_of_the_api(content: bytes, told: dict[str, Any]) -> None:
    assert spelling(content, 200) == {"http_status": 200, "encoding": "ASCII", **told}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"status": "error", "message": "Page not found"}, {"kind": "unknown", "kind_in": [], "unknown_path": True}),
        ({"status": "error", "name": "Acme", "message": "a || b"}, {"kind": "unknown", "message": "texts with ||"}),
        ({"status": "error", "name": "", "type": "GeneralError"}, {"kind": "GeneralError", "message": "missing"}),
    ],
)
def test_unknown_errors(body: dict[str, Any], told: dict[str, Any]) -> None:
    answer = spelling(json.dumps(body).encode(), 404)
    assert {key: answer[key] for key in told} == told


SECRET = "Sq7-Acme"
json_with_secrets = st.recursive(
    st.sampled_from([SECRET, None, 1, -2.5, True, "", "Enable", "12"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["smtp_user_name", "status", "password", "total_limit", "name", "type", "message", "code", SECRET]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(
    smtp_list=json_with_secrets,
    more=st.dictionaries(st.sampled_from(["status", "name", "type", "code", "message"]), json_with_secrets),
)
def test_nothing_of_the_servers_is_told(smtp_list: Any, more: dict[str, Any]) -> None:
    for status in ("success", "error"):
        for body in (
            {**more, "status": status, "smtp_list": smtp_list},
            {"smtp_list": smtp_list, **more},
            [{"status": status, **more}],
        ):
            assert SECRET not in json.dumps(spelling(json.dumps(body).encode(), 200))


def test_an_answer_that_is_refused_for_the_quota_is_told_too(service: Service, server: RunningServer, fast: FakeClock) -> None:
    service.add_fault("listSmtp", "rate_limited", times=50)
    assert listed(server)["http_status"] == 429


def test_users_are_counted_by_the_ways_in_which_they_are_written() -> None:
    one = {
        "smtp_user_name": "s1",
        "total_limit": 1,
        "hourly_limit": "1",
        "status": "Enable",
        "password": "",
        "smtp_password": "x",
    }
    users = [{**one, "theirs": 1}, {**one, "ours": 1}, {}, {"hourly_limit": "\u0661"}]
    body = {"status": "success", "message": "ok", "more": 1, "smtp_list": users}
    told = spelling(json.dumps(body).encode(), 200)
    assert told["users"] == {
        "total_limit": {"integer": 2, "missing": 2},
        "hourly_limit": {"missing": 1, "text": 1, "text of an integer": 2},
        "status": {'"Enable"': 2, "missing": 2},
        "password_in": {"none": 2, "smtp_password": 2},
        "smtp_user_name": {"missing": 2, "text": 2},
    }
    assert (told["listed"], told["further_keys"], told["further_fields"]) == (4, ["more"], ["ours", "theirs"])


@pytest.mark.parametrize(("http_status", "told"), [(400, {"body": "array", "status": "missing"}), (200, {"body": "array"})])
def test_whether_an_array_is_an_error_is_said_by_its_code_too(http_status: int, told: dict[str, Any]) -> None:
    found = spelling(b'[{"message": "x"}]', http_status)
    assert {name: found[name] for name in ("body", "status") if name in found} == told
