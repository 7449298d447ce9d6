# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each setting: the variants of the answers, and how the service behaves."""

from __future__ import annotations

import dataclasses
import email.utils
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock
from simulator import Service, Settings

Call = Callable[..., Any]
Post = Callable[..., requests.Response]


def only_user(call: Call) -> Any:
    (user,) = call("listSmtp")["smtp_list"]
    return user


def test_spelling_of_users(service: Service, call: Call) -> None:
    password = service.create_user("demo", total_limit=9, hourly_limit=8, smtp_user_name="smtp1").smtp_password
    service.settings = Settings(numeric_strings=True, integer_status=True, password_key="smtp_password")
    assert only_user(call) == {
        "smtp_user_name": "smtp1",
        "smtp_password": password,
        "status": 1,
        "total_limit": "9",
        "hourly_limit": "8",
    }
    service.update_user("demo", "smtp1", status="Disable")
    assert only_user(call)["status"] == 0
    service.settings = Settings(password_key=None)
    assert set(only_user(call)) == {"smtp_user_name", "status", "total_limit", "hourly_limit"}
    assert call("resetSmtpPassword", smtp_user_name="smtp1")["smtp_password"]


def test_extra_fields(service: Service, call: Call) -> None:
    service.create_user("demo")
    plain_user, plain_answer, plain_error = only_user(call), call("listSmtp"), call("addSmtp")
    service.settings = Settings(extra_fields=True)
    assert set(only_user(call)) > set(plain_user)
    assert set(call("listSmtp")) > set(plain_answer)
    assert set(call("addSmtp")) > set(plain_error)


def test_shuffle(service: Service, call: Call) -> None:
    names = [service.create_user("demo").smtp_user_name for unused in range(50)]
    assert [user["smtp_user_name"] for user in call("listSmtp")["smtp_list"]] == names
    service.settings = Settings(shuffle=True)
    shuffled = [user["smtp_user_name"] for user in call("listSmtp")["smtp_list"]]
    assert shuffled != names and sorted(shuffled) == sorted(names)


def test_spelling_of_errors(service: Service, call: Call) -> None:
    service.settings = Settings(kind_key="type", omit_code=True, message_list=True)
    assert call("listSmtp", token="x") == {
        "status": "error",
        "type": "AuthenticationError",
        "message": ["Token MissMatch"],
    }
    assert call("nope") == {"status": "error", "message": ["Page not found"]}


def test_http_error_codes(service: Service, post: Post) -> None:
    service.settings = Settings(http_error_codes=True)
    service.add_fault("listSmtp", "general_error_before")
    service.add_fault("listSmtp", "unknown_kind_before")
    answers = [
        (500, "GeneralError", "Unable to process your request", post("listSmtp")),
        (500, "SomethingNew", "Something new happened", post("listSmtp")),
        (401, "AuthenticationError", "Owner Id and Token MisMatch", post("listSmtp", token="x")),
        (400, "ValidationError", "smtp user required !!", post("editSmtp")),
    ]
    for status, kind, message, response in answers:
        assert response.status_code == status
        assert response.json() == {"status": "error", "code": -1, "name": kind, "message": message}
    unknown = post("nope")
    assert unknown.status_code == 404
    assert unknown.json() == {"status": "error", "type": "Invalid Request", "message": "Page Not Found"}
    assert post("listSmtp").status_code == 200


def test_errors_in_an_array_and_kinds_in_an_object(service: Service, call: Call, post: Post) -> None:
    service.settings = Settings(complete_edits=True)
    name = service.create_user("demo").smtp_user_name
    joined = call("editSmtp", smtp_user_name=name, total_limit=5)
    assert joined["message"] == "hourly_limit required !! || status required !!"
    service.settings = Settings(complete_edits=True, message_list=True)
    assert call("editSmtp", smtp_user_name=name, total_limit=5)["message"] == ["hourly_limit required !!", "status required !!"]
    service.settings = Settings(complete_edits=True, error_array=True, kind_object=True)
    assert call("editSmtp", smtp_user_name=name, total_limit=5) == [
        {"status": "error", "code": -1, "type": {"name": "ValidationError"}, "message": f"{field} required !!"}
        for field in ("hourly_limit", "status")
    ]
    assert call("editSmtp", smtp_user_name=name, total_limit=5, hourly_limit=5, status="Disable")["status"] == "success"
    service.settings = Settings(http_error_codes=True, kind_object=True)
    assert post("nope").json()["type"] == {"name": "Invalid Request"}


def test_latin_1(service: Service, call: Call, post: Post) -> None:
    service.settings = Settings(latin_1=True)
    for content in (post("addSmtp", total_limit=1, hourly_limit=1).content, post("addSmtp").content, post("nope").content):
        assert b" \xa1\xe9!" in content
    assert call("listSmtp")["status"] == "success"


SHAPES = {"array": [{}, {}], "text": "[{}, {}]", "object": {"1": {}, "2": {}}}
EMPTY = {
    "array": {"smtp_list": []},
    "null": {"smtp_list": None},
    "object": {"smtp_list": {}},
    "missing": {},
    "text": {"smtp_list": ""},
}


def test_shapes_of_the_listing(service: Service, call: Call) -> None:
    for shape, listing in SHAPES.items():
        service.settings = Settings(listing_shape=shape, listing_entries=[{}, {}])
        assert call("listSmtp")["smtp_list"] == listing
    for shape, fields in EMPTY.items():
        service.settings = Settings(empty_listing=shape)
        assert call("listSmtp") == {"status": "success", **fields}


def test_odd_users(service: Service, call: Call) -> None:
    service.create_user("demo", smtp_user_name="smtp1", smtp_password="x")
    service.create_user("demo", smtp_user_name="smtp2")
    service.settings = Settings(listing_fields={"smtp1": {"hourly_limit": -1, "more": None}}, listing_entries=[None])
    one, two, none = call("listSmtp")["smtp_list"]
    assert one == {**two, "smtp_user_name": "smtp1", "password": "x", "hourly_limit": -1, "more": None}
    assert none is None


def test_a_part_of_the_users(service: Service, call: Call) -> None:
    names = [service.create_user("demo").smtp_user_name for unused in range(4)]
    for changes, shown in (({"listing_most": 2}, names[:2]), ({"listing_hides": names[:1]}, names[1:])):
        service.settings = Settings().changed(changes)
        assert [user["smtp_user_name"] for user in call("listSmtp")["smtp_list"]] == shown


def test_a_clamp(service: Service, call: Call) -> None:
    service.settings = Settings(hourly_limit_most=100)
    for limit in (99, 101):
        call("addSmtp", total_limit=1000, hourly_limit=limit)
    assert [(user.total_limit, user.hourly_limit) for user in service.users("demo")] == [(1000, 99), (1000, 100)]


def test_lag_in_listings(service: Service, call: Call) -> None:
    service.settings = Settings(listing_lag_calls=2)
    service.create_user("demo", smtp_user_name="smtp1", smtp_password="before")
    call("listSmtp")
    new = call("resetSmtpPassword", smtp_user_name="smtp1")["smtp_password"]
    call("addSmtp", total_limit=1, hourly_limit=1)
    listings = [call("listSmtp")["smtp_list"] for unused in range(3)]
    assert [listing[0]["password"] for listing in listings] == ["before", "before", new]
    assert [len(listing) for listing in listings] == [1, 1, 2]
    assert len(call("listSmtp", "other")["smtp_list"]) == 0


def test_max_users(service: Service, call: Call) -> None:
    service.settings = Settings(max_users=1)
    assert call("addSmtp", total_limit=1, hourly_limit=1)["status"] == "success"
    assert call("addSmtp", total_limit=1, hourly_limit=1)["message"] == "You reached the max SMTP user"
    assert call("addSmtp", "other", total_limit=1, hourly_limit=1)["status"] == "success"


def test_latency(service: Service, call: Call, clock: FakeClock) -> None:
    service.settings = Settings(latency=0.2)
    call("listSmtp")
    assert clock.slept == [0.2]


def test_lag_hides_what_the_api_changed(service: Service, call: Call, clock: FakeClock) -> None:
    service.create_user("demo", total_limit=1, smtp_user_name="old", smtp_password="before")
    service.settings = Settings(listing_lag=3)
    call("addSmtp", total_limit=1, hourly_limit=1)
    call("editSmtp", smtp_user_name="old", total_limit=2)
    new = call("resetSmtpPassword", smtp_user_name="old")["smtp_password"]
    shown = only_user(call)
    assert (shown["total_limit"], shown["password"]) == (1, "before")
    assert len(service.users("demo")) == 2
    clock.now += 3
    listing = call("listSmtp")["smtp_list"]
    assert len(listing) == 2 and (listing[0]["total_limit"], listing[0]["password"]) == (2, new)


def test_lag_spares_colleagues_and_can_be_switched_off(service: Service, call: Call) -> None:
    service.settings = Settings(listing_lag=60)
    name = service.create_user("demo", total_limit=1).smtp_user_name
    service.update_user("demo", name, total_limit=3)
    call("editSmtp", smtp_user_name=name, total_limit=4)
    assert only_user(call)["total_limit"] == 3
    service.settings = Settings()
    assert only_user(call)["total_limit"] == 4


def test_quota_is_a_sliding_window(service: Service, post: Post, clock: FakeClock) -> None:
    service.settings = Settings(quota_calls=2, quota_seconds=60, retry_after="seconds")
    post("listSmtp", token="wrong")  # does not count
    assert post("listSmtp").status_code == 200
    clock.now += 20
    assert post("listSmtp").status_code == 200
    refused = post("addSmtp", total_limit=1, hourly_limit=1)
    assert refused.status_code == 429 and refused.headers["Retry-After"] == "40"
    assert refused.json() == {"status": "error", "code": -1, "name": "GeneralError", "message": "Too many requests"}
    assert service.users("demo") == [] and not service.log[-1].carried_out
    assert post("listSmtp", "other").status_code == 200
    clock.now += 40
    # The first call has left the window, the second has not: the window slides.
    assert [post("listSmtp").status_code for unused in range(2)] == [200, 429]


@pytest.mark.parametrize("style", [None, "soon", "-1"])
def test_literal_retry_after(service: Service, post: Post, style: str | None) -> None:
    service.settings = Settings(quota_calls=0, retry_after=style)
    assert post("listSmtp").headers.get("Retry-After") == style


def test_retry_after_as_a_date(service: Service, post: Post) -> None:
    service.settings = Settings(quota_calls=0, quota_seconds=30, retry_after="date")
    date = email.utils.parsedate_to_datetime(post("listSmtp").headers["Retry-After"])
    assert 29 <= date.timestamp() - time.time() <= 31


@pytest.mark.parametrize(
    "changes",
    [
        {"numeric_string": True},
        {"shuffle": 1},
        {"latency": "1"},
        {"latency": -1},
        {"listing_lag": True},
        {"max_users": -1},
        {"quota_calls": 1.5},
        {"password_key": "secret"},
        {"kind_key": None},
        {"retry_after": 3},
        {"listing_shape": "list"},
        {"empty_listing": None},
        {"listing_fields": {"smtp1": None}},
        {"listing_entries": "smtp1"},
        {"listing_hides": [1]},
        {"listing_most": -1},
        {"listing_lag_calls": None},
        {"hourly_limit_most": True},
    ],
)
def test_wrong_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        Settings().changed(changes)


def test_settings_start_and_reset() -> None:
    service = Service({"demo": "demo-token"}, Settings(shuffle=True))
    service.settings = dataclasses.replace(service.settings, latency=9.0)
    service.reset()
    assert service.settings == Settings(shuffle=True)
