# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of an answer in whatever shape, what is null of an odd user, and what makes no sense as a whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._answers import (
    Oddities,
    body_of,
    is_error,
    is_unknown_path,
    kind_of,
    name_in,
    new_password_in,
    password_in,
    replaced,
    text_of,
    users_in,
    warnings_of,
)
from ansible_collections.sendclean.email.plugins.module_utils._model import User

SECRET = "S3CRET"
ENTRY = {"smtp_user_name": "smtp1", "password": SECRET, "status": "Enable", "total_limit": 1, "hourly_limit": 2}
USER = User("smtp1", "Enable", 1, 2, SECRET)
OTHER = {**ENTRY, "smtp_user_name": "smtp2"}


def listed(value: Any, odd: Oddities | None = None) -> dict[str, User]:
    return users_in({"status": "success", "smtp_list": value}, {} if odd is None else odd)


# ---- the listing as a whole ------------------------------------------------------------------------------------

EMPTY: dict[str, dict[str, Any]] = {
    "missing": {},
    **{repr(value): {"smtp_list": value} for value in ([], None, {}, "", " \n", "[]", "{}", "null", " [] ")},
}
FULL: dict[str, Any] = {
    "array": [ENTRY, OTHER],
    "numbers as keys": {"3": ENTRY, "12": OTHER},
    "text": json.dumps([ENTRY, OTHER]),
    "text with numbers as keys": json.dumps({"0": ENTRY, "1": OTHER}),
}


@pytest.mark.parametrize("fields", EMPTY.values(), ids=EMPTY)
def test_an_account_without_users(fields: dict[str, Any]) -> None:
    assert users_in({"status": "success", **fields}, {}) == {}


@pytest.mark.parametrize("value", FULL.values(), ids=FULL)
def test_every_shape_of_a_listing(value: Any) -> None:
    odd: Oddities = {}
    users = listed(value, odd)
    assert list(users) == ["smtp1", "smtp2"]
    assert users["smtp1"] == USER
    assert odd == {}


NONSENSE: dict[str, Any] = {
    "a word": "smtp1",
    "a number": 1,
    "false": False,
    "names": ["smtp1", "smtp2"],
    "by name": {"smtp1": ENTRY},
    "one user": ENTRY,
    "a text in a text": json.dumps(json.dumps([ENTRY])),
    "a number in a text": "17",
    "a word in a text": '"smtp1"',
    "cut off": json.dumps([ENTRY])[:-1],
    "deep": "[" * 100_000,
    "lists": [[ENTRY]],
    "nothing but null": [None],
}


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE)
def test_a_listing_that_makes_no_sense_is_refused_and_not_quoted(value: Any) -> None:
    with pytest.raises(ValueError) as caught:
        listed(value)
    assert str(caught.value) in (
        "smtp_list is not a list",
        "smtp_list is a text that is not JSON",
        "no entry of smtp_list is a user",
    )
    assert SECRET not in str(caught.value)


# ---- one user --------------------------------------------------------------------------------------------------

LIMITS = [(" 7 ", 7), (7.0, 7), (0, 0), ("0", 0), ("1000.00", 1000), (1e3, 1000), ("1e3", 1000), ("2.147483648e+10", 21474836480)]
NO_LIMITS = (
    *("", " ", "-1", -1, -0.5, 1.5, "1.5", "Unlimited", "many", True, False, [], [1], {}, {"password": SECRET}),
    *("\xb2", "\u0663", "1_000", "1,000", "0x1F", "NaN", "9e99", "9" * 5000, 10**400, 1e300, float("inf"), float("nan")),
    *(SECRET, f"x{SECRET}x", "a" * 500, "\ud800"),
)


@pytest.mark.parametrize("key", ["total_limit", "hourly_limit"])
@pytest.mark.parametrize(("sent", "read"), [*LIMITS, (None, None)])
def test_a_limit_in_another_spelling_is_read(sent: Any, read: int | None, key: str) -> None:
    odd: Oddities = {}
    assert getattr(listed([{**ENTRY, key: sent}], odd)["smtp1"], key) == read
    assert odd == {}


@pytest.mark.parametrize("key", ["total_limit", "hourly_limit"])
def test_a_limit_that_is_absent_is_null(key: str) -> None:
    odd: Oddities = {}
    assert getattr(listed([{name: value for name, value in ENTRY.items() if name != key}], odd)["smtp1"], key) is None
    assert odd == {}


STATUSES = {
    **dict.fromkeys(["Enable", "enable", " ENABLE ", "Enabled", 1, "1", True], "Enable"),
    **dict.fromkeys(["Disable", "Disabled", 0, "0", False, "false"], "Disable"),
}


@pytest.mark.parametrize(("sent", "read"), [*STATUSES.items(), (True, "Enable"), (False, "Disable")])
def test_a_status_in_another_spelling_is_read(sent: Any, read: str) -> None:
    odd: Oddities = {}
    assert listed([{**ENTRY, "status": sent}], odd)["smtp1"].status == read
    assert odd == {}


ODD: dict[str, tuple[str, tuple[Any, ...]]] = {
    "status": ("status", (None, "", "Suspended", 2, -1, ["Enable"], {}, "null", SECRET)),
    "total_limit": ("total_limit", NO_LIMITS),
    "hourly_limit": ("hourly_limit", NO_LIMITS),
    "password": ("password", (5, 0, False, True, ["x"], [], {}, {"x": SECRET}, "\udce9", f"{SECRET}\udcff")),
}


@pytest.mark.parametrize(
    ("key", "sent"),
    [pytest.param(key, sent, id=f"{key}-{sent!a:.40}") for key, values in ODD.values() for sent in values],
)
def test_what_makes_no_sense_is_null_and_told_and_spares_the_rest(key: str, sent: Any) -> None:
    odd: Oddities = {}
    users = listed([OTHER, {**ENTRY, key: sent}], odd)
    assert getattr(users["smtp1"], key) is None
    assert users["smtp1"].facts() == {**USER.facts(), **({} if key == "password" else {key: None})}
    assert users["smtp2"] == User("smtp2", "Enable", 1, 2, SECRET)
    (text,) = warnings_of(odd)
    assert "smtp1" in text
    assert "smtp2" not in text
    assert key in text
    assert SECRET not in text
    assert len(text) < 200
    text.encode()


@pytest.mark.parametrize("value", [None, ""])
def test_a_password_that_is_not_there_is_not_told(value: Any) -> None:
    odd: Oddities = {}
    assert listed([{**ENTRY, "password": value}], odd)["smtp1"].password is None
    assert odd == {}


@pytest.mark.parametrize("shown", [{"a": 1}, [1], "Unlimited", "", -1, 1.5, True])
def test_a_warning_says_what_was_there(shown: Any) -> None:
    odd: Oddities = {}
    listed([{**ENTRY, "hourly_limit": shown}], odd)
    told = {dict: "{...}", list: "[...]"}.get(type(shown), json.dumps(shown))
    assert f"hourly_limit {told}," in next(iter(warnings_of(odd)))


@pytest.mark.parametrize("name", [None, "", " ", 1, ["smtp1"], {}, "smtp\ud800"])
def test_an_entry_without_a_name_is_left_out_and_told(name: Any) -> None:
    odd: Oddities = {}
    assert list(listed([OTHER, {**ENTRY, "smtp_user_name": name}, None, [ENTRY], "smtp1"], odd)) == ["smtp2"]
    (text,) = warnings_of(odd)
    assert text == "SendClean lists smtp_list[1], smtp_list[2], smtp_list[3], smtp_list[4] with no smtp_user_name: left out"
    with pytest.raises(ValueError, match="^it has no smtp_user_name$"):
        name_in({"smtp_user_name": name})


def test_a_user_who_is_listed_twice() -> None:
    odd: Oddities = {}
    assert listed([ENTRY, {**ENTRY, "total_limit": "1.0", "status": "Enabled"}], odd) == {"smtp1": USER}
    assert odd == {}
    thrice = [ENTRY, {**ENTRY, "status": "Disable", "password": "S3CRET2"}, ENTRY]
    assert listed([*thrice, OTHER], odd)["smtp1"] == User("smtp1", None, 1, 2, None)
    (text,) = warnings_of(odd)
    assert "smtp1" in text
    assert "status and password" in text
    assert SECRET not in text


def test_many_users_make_one_warning_and_a_second_listing_none() -> None:
    odd: Oddities = {}
    entries = [{**ENTRY, "smtp_user_name": f"smtp{number}", "hourly_limit": -1} for number in range(100)]
    for unused in range(3):
        listed(entries, odd)
    (text,) = warnings_of(odd)
    assert "smtp19 and 80 more" in text


# ---- passwords -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "password"),
    [
        ({"password": "x"}, "x"),
        ({"smtp_password": "x"}, "x"),
        ({"smtp_password": None, "password": "x"}, "x"),
        ({"smtp_password": "x", "password": "x"}, "x"),
        ({"smtp_password": "x", "password": "y"}, None),
        ({"password": "\udce9"}, None),
        ({}, None),
    ],
)
def test_no_password_is_better_than_a_wrong_one(fields: dict[str, Any], password: str | None) -> None:
    assert password_in(fields) == password
    if password is None:
        with pytest.raises(ValueError, match="^it has no smtp_password$"):
            new_password_in(fields)


# ---- bytes -----------------------------------------------------------------------------------------------------

LATIN_1 = '{"status": "error", "name": "ValidationError", "message": "Sch\xf6n \xa1"}'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_encoding_of_json_is_read(encoding: str) -> None:
    assert text_of(body_of(LATIN_1.encode(encoding), 200) or {}) == "Sch\xf6n \xa1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32-be"])
def test_half_of_a_pair_spoils_nothing_else(encoding: str) -> None:
    body = body_of('{"status": "error", "message": "a\ud800"}'.encode(encoding, "surrogatepass"), 200)
    assert body and is_error(body, 200)
    assert replaced("a\ud800b") == "a\ufffdb"
    assert replaced("Num\udce9ro \xe9") == "Num\xe9ro \xe9"


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        ({"message": " Page not found! "}, True),
        ({"message": "page not found."}, True),
        ({"message": "page 5 not found"}, False),
        ({"name": "Invalid Request", "message": "x"}, True),
    ],
)
def test_a_path_that_the_server_does_not_know(body: dict[str, Any], unknown: bool) -> None:
    assert is_unknown_path(body) == unknown


def test_a_text_in_latin_1_spoils_nothing_else() -> None:
    body = body_of(LATIN_1.encode("latin-1"), 200) or {}
    assert is_error(body, 200)
    assert kind_of(body) == "ValidationError"


def test_a_password_in_latin_1_is_null_and_the_others_stay() -> None:
    listing = json.dumps({"status": "success", "smtp_list": [{**ENTRY, "password": "p\xe9"}, OTHER]}, ensure_ascii=False)
    users = users_in(body_of(listing.encode("latin-1"), 200) or {}, {})
    assert [users[name].password for name in ("smtp1", "smtp2")] == [None, SECRET]


@pytest.mark.parametrize("limit", ["NaN", "-Infinity", "1e999", "9" * 5000, "-" + "9" * 5000])
def test_a_number_of_any_size_spoils_one_field(limit: str) -> None:
    listing = json.dumps({"status": "success", "smtp_list": [{**ENTRY, "hourly_limit": "?"}, OTHER]}).replace('"?"', limit)
    users = users_in(body_of(listing.encode(), 200) or {}, {})
    assert [users[name].hourly_limit for name in ("smtp1", "smtp2")] == [None, 2]


@pytest.mark.parametrize("depth", [*range(1, 1000, 37), *range(900, 1000), 100_000])
def test_no_depth_is_too_much(depth: int) -> None:
    nested = f"{'[' * depth}1{']' * depth}"
    error = body_of(f'{{"status": "error", "message": {nested}}}'.encode(), 200)
    text_of(error or {})
    listing = body_of(f'{{"status": "success", "smtp_list": {nested}}}'.encode(), 200)
    if listing is not None:
        with pytest.raises(ValueError, match="smtp_list"):
            users_in(listing, {})
    assert depth > 900 or (error and listing)


def test_a_text_that_cannot_be_written_for_its_depth_is_left_out() -> None:
    """What the reader still takes may be too deep a moment later."""
    message: list[Any] = []
    # How deep that is depends on the version of Python.
    for unused in range(100_000):
        message = [message]
    assert text_of({"message": message}) == ""


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    assert body_of(b'{"status": "success", "status": "error"}', 200) == {"status": "error"}


# ---- errors in an array ----------------------------------------------------------------------------------------

ONE = {"status": "error", "code": -1, "name": "ValidationError", "message": "One"}
TWO = {"status": "error", "type": "GeneralError", "message": ["Two", "Three"]}
BARE = {"type": "ValidationError", "message": "Bare"}
ARRAYS: dict[str, tuple[list[Any], int, tuple[str, str] | None]] = {
    "one": ([ONE], 400, ("ValidationError", "One")),
    "one with HTTP 200": ([ONE], 200, ("ValidationError", "One")),
    "two": ([ONE, TWO], 400, ("ValidationError", "One; Two; Three")),
    "the other way round": ([TWO, ONE], 400, ("GeneralError", "Two; Three; One")),
    "without a kind": ([{"status": "error", "message": "x"}], 200, ("GeneralError", "x")),
    "without a status": ([BARE, BARE], 200, ("ValidationError", "Bare; Bare")),
    "without status and kind": ([{"message": "x"}], 400, ("GeneralError", "x")),
    "without status and kind, HTTP 200": ([{"message": "x"}], 200, None),
    "a success": ([{"status": "success"}], 200, None),
    "a success with HTTP 500": ([{"status": "success"}], 500, None),
    "an error and a success": ([ONE, {"status": "success"}], 200, None),
    "an error and a text": ([ONE, "x"], 400, None),
    "an array inside": ([[ONE]], 400, None),
    "nothing": ([], 400, None),
}


@pytest.mark.parametrize(("answer", "http_status", "error"), ARRAYS.values(), ids=ARRAYS)
def test_errors_in_an_array_are_one_error(answer: list[Any], http_status: int, error: tuple[str, str] | None) -> None:
    body = body_of(json.dumps(answer).encode(), http_status)
    if error is None:
        assert body is None
    else:
        assert body is not None
        assert is_error(body, http_status)
        assert (kind_of(body), text_of(body)) == error
