# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A value is what it looks like in YAML, or is refused by name: null, numbers for text, text for numbers, what nobody sees."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._module import TEXT
from ansible_collections.sendclean.email.plugins.module_utils._options import text_problem, text_problems, twins
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    ModuleResult,
    RunModule,
    hidden,
    read_bindings,
    write_bindings,
)
from hypothesis import given
from hypothesis import strategies as st
from simulator import RunningServer, Service

BY_NAME = {"smtp_user_name": "smtp1"}
LIMITS = {"total_limit": 5, "hourly_limit": 5}

# Each option that must be text, with what its module needs beside it; {} is where the value goes.
SHARED = ["owner_id", "token", "app_domain", "api_url", "ca_path", "bindings_path"]
TEXTS: list[tuple[str, str, dict[str, Any]]] = [
    *(("smtp_user_info", option, {option: {}}) for option in SHARED),
    ("smtp_user", "alias", {"alias": {}, "bindings_path": "PATH"}),
    ("smtp_user", "smtp_user_name", {"smtp_user_name": {}}),
    ("smtp_users", "users[1].alias", {"users": [BY_NAME, {"alias": {}}], "bindings_path": "PATH"}),
    ("smtp_users", "users[0].smtp_user_name", {"users": [{"smtp_user_name": {}}]}),
    ("smtp_users", "users[0].renamed_from", {"users": [{**BY_NAME, "alias": "a", "renamed_from": {}}], "bindings_path": "PATH"}),
    ("smtp_bindings", "unbind[0]", {"unbind": [{}], "bindings_path": "PATH"}),
    ("smtp_bindings", "acknowledge[0]", {"acknowledge": [{}], "bindings_path": "PATH"}),
    ("smtp_bindings", "bindings[a]", {"bindings": {"a": {}}, "bindings_path": "PATH"}),
    ("smtp_users", "purge_exclude[1]", {"users": [BY_NAME], "purge": True, "purge_exclude": ["a", {}]}),
    ("smtp_user_info", "aliases[0]", {"aliases": [{}], "bindings_path": "PATH"}),
    ("smtp_user_info", "smtp_user_names[0]", {"smtp_user_names": [{}]}),
    ("smtp_password_reset", "alias", {"alias": {}, "bindings_path": "PATH"}),
    ("smtp_password_reset", "smtp_user_name", {"smtp_user_name": {}}),
    ("smtp_password_reset", "current_password", {**BY_NAME, "current_password": {}}),
]
SECRETS = ("token", "current_password")
every_text = pytest.mark.parametrize(("module_name", "place", "options"), TEXTS, ids=["-".join(text[:2]) for text in TEXTS])


@pytest.fixture
def run_module(run_module: RunModule, bindings_path: Path, service: Service) -> RunModule:
    """The same, for an account with one user, and with a path for PATH."""
    service.create_user(OWNER, smtp_user_name="smtp1")

    def run(module_name: str, **options: Any) -> ModuleResult:
        if options.get("bindings_path") == "PATH":
            options["bindings_path"] = str(bindings_path)
        return run_module(module_name, **options)

    return run


def put(options: Any, value: Any) -> Any:
    """Return options with the value in its place."""
    if options == {}:
        return value
    if isinstance(options, dict):
        return {name: put(inner, value) for name, inner in options.items()}
    return [put(inner, value) for inner in options] if isinstance(options, list) else options


def assert_unasked(service: Service, module_name: str) -> None:
    """See that no call was made, but for the listing with which smtp_users finds out what else is wrong."""
    assert {entry.call for entry in service.log} <= ({"listSmtp"} if module_name == "smtp_users" else set())


@every_text
@pytest.mark.parametrize("value", [342391, True, False, 0, 1.5, [["a"]], {"a": "b"}], ids=repr)
def test_what_is_no_text_in_yaml_is_refused_by_name(
    value: Any, module_name: str, place: str, options: dict[str, Any], service: Service, run_module: RunModule
) -> None:
    failed = run_module(module_name, **put(options, value))
    if place == "owner_id" and value in (342391, 0) and value is not False:
        assert failed["error"]["name"] == "AuthenticationError"
        return
    assert failed.msg.startswith(f"{place} must be a string")
    assert failed.msg.endswith(": put it in quotes")
    assert ("342391" in failed.msg) == (value == 342391 and place not in SECRETS)
    assert "exception" not in failed.result
    assert_unasked(service, module_name)


def test_an_owner_id_may_be_an_integer(run_module: RunModule, service: Service) -> None:
    service.add_account("1001", TOKEN)
    assert not run_module("smtp_user_info", owner_id=1001).failed


@pytest.mark.parametrize("option", ["smtp_user_names", "purge_exclude"])
def test_one_value_for_a_list_is_no_more_converted_than_in_a_list(option: str, run_module: RunModule) -> None:
    name, more = ("smtp_users", {"users": [BY_NAME]}) if option == "purge_exclude" else ("smtp_user_info", {})
    assert run_module(name, **more, **{option: False}).msg == f"{option}[0] must be a string, not false: put it in quotes"
    assert run_module(name, **more, **{option: 17}).msg == f"{option}[0] must be a string, not 17: put it in quotes"
    # As Ansible reads a list in a line.
    assert "purge" in option or run_module(name, **{option: "smtp8,smtp9"})["missing"] == ["smtp8", "smtp9"]


# ---- null ------------------------------------------------------------------------------------------------------


def test_null_counts_as_not_given(
    service: Service, server: RunningServer, bare_run: RunModule, monkeypatch: pytest.MonkeyPatch, bindings_path: Path
) -> None:
    """In every option: the environment where it has a variable, else the default."""
    account = {"OWNER_ID": OWNER, "TOKEN": TOKEN, "API_URL": server.base_url, "BINDINGS_PATH": str(bindings_path)}
    for name, value in account.items():
        monkeypatch.setenv(f"SENDCLEAN_{name}", value)
    shared = dict.fromkeys([*SHARED, "validate_certs", "timeout", "requests_per_minute", "retry_timeout"])
    user = {"alias": "billing", "smtp_user_name": None, "state": None, **LIMITS}
    made = bare_run("smtp_user", {**shared, **user, "include_password": None})
    assert made["smtp_user"]["alias"] == "billing"
    assert "smtp_password" not in made["smtp_user"]
    others = {"purge": None, "purge_exclude": None, "include_passwords": None}
    rows = [{**user, "total_limit": None, "hourly_limit": None}]
    assert bare_run("smtp_users", {**shared, **others, "users": rows})["summary"]["unchanged"] == 1
    asked = dict.fromkeys(["smtp_user_names", "aliases", "status", "include_passwords"])
    assert len(bare_run("smtp_user_info", {**shared, **asked})["smtp_users"]) == 1
    guards = {"current_password": None, "max_age_days": None, "smtp_user_name": None}
    assert bare_run("smtp_password_reset", {**shared, **guards, "alias": "billing"})["changed"]


@pytest.mark.parametrize(
    ("module_name", "options", "says"),
    [
        ("smtp_user", {"owner_id": None, **BY_NAME}, "missing required arguments: owner_id"),
        ("smtp_user", {"alias": None, "smtp_user_name": None}, "one of the following is required: alias, smtp_user_name"),
        ("smtp_users", {"users": None}, "missing required arguments: users"),
        ("smtp_users", {"users": [{"alias": None}]}, "users[0] needs an alias or a smtp_user_name"),
        ("smtp_user_info", {"aliases": [None]}, "aliases[0] is empty"),
    ],
)
def test_null_for_what_is_needed_is_missing(
    module_name: str,
    options: dict[str, Any],
    says: str,
    bare_run: RunModule,
    server: RunningServer,
    service: Service,
    bindings_path: Path,
) -> None:
    paths = {"bindings_path": str(bindings_path)}
    failed = bare_run(module_name, {"owner_id": OWNER, "token": TOKEN, "api_url": server.base_url, **paths, **options})
    assert says in failed.msg
    assert_unasked(service, module_name)


# ---- numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["total_limit", "requests_per_minute", "timeout"])
@pytest.mark.parametrize("value", [7, "7", "007", " 7\n", "+7"])
def test_a_number_in_decimal_is_taken_as_a_number_or_as_text(
    option: str, value: Any, service: Service, run_module: RunModule
) -> None:
    done = run_module("smtp_user", **{**BY_NAME, option: value})
    assert not done.failed, done.msg
    assert option != "total_limit" or done["smtp_user"]["total_limit"] == 7


NO_NUMBERS = [True, False, "1_000", "0x10", "\u0665", "\u00a07", "five", "yes", "", "7;", [7], {"a": 7}, "nan", "9" * 5000]


@pytest.mark.parametrize(
    "option", ["total_limit", "hourly_limit", "requests_per_minute", "timeout", "retry_timeout", "max_age_days"]
)
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:20])
def test_what_is_no_number_in_decimal_is_refused_by_name(
    option: str, value: Any, service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    name = "smtp_password_reset" if option == "max_age_days" else "smtp_user"
    failed = run_module(name, **{**BY_NAME, "bindings_path": str(bindings_path), option: value})
    assert failed.msg.startswith(f"{option} must be ")
    assert service.log == []


@pytest.mark.parametrize("option", ["total_limit", "hourly_limit", "requests_per_minute"])
@pytest.mark.parametrize("value", [5.0, 5.5, "5.0", "1e3"])
def test_a_number_with_a_fraction_is_no_integer(option: str, value: Any, service: Service, run_module: RunModule) -> None:
    assert run_module("smtp_user", **{**BY_NAME, option: value}).msg.startswith(f"{option} must be ")
    assert service.log == []


def test_all_users_with_wrong_values_are_told_at_once(run_module: RunModule, service: Service) -> None:
    users = [{"alias": False}, {"smtp_user_name": "smtp1 ", "total_limit": "1_000"}, {"smtp_user_name": 5, "hourly_limit": [1]}]
    assert run_module("smtp_users", users=users, bindings_path="PATH").msg.splitlines() == [
        "users[0].alias must be a string, not false: put it in quotes",
        "users[1].smtp_user_name has white space (U+0020) at its end: take it out",
        'users[1].total_limit must be a positive integer, not "1_000"',
        "users[2].smtp_user_name must be a string, not 5: put it in quotes",
        "users[2].hourly_limit must be a positive integer, not [1]",
    ]
    assert {entry.call for entry in service.log} <= {"listSmtp"}


# ---- what nobody sees ------------------------------------------------------------------------------------------

STRAY = {
    " ": "white space", "\n": "a line break", "\r\n": "a line break", "\t": "a control character", "\u00a0": "white space",
    "\u3000": "white space", "\u2028": "a line break", "\u200b": "an invisible character", "\ufeff": "an invisible character",
    "\u00ad": "an invisible character", "\u200f": "an invisible character", "\U000e0041": "an invisible character",
    "\ufe0f": "an invisible character", "\u3164": "an invisible character", "\x7f": "a control character",
    "\x92": "a control character",
}  # fmt: skip


@every_text
@pytest.mark.parametrize(("stray", "kind"), STRAY.items(), ids=ascii)
def test_what_nobody_sees_at_an_end_is_refused_by_name(
    stray: str, kind: str, module_name: str, place: str, options: dict[str, Any], service: Service, run_module: RunModule
) -> None:
    for text, where in ((f"S3CRET{stray}", "end"), (f"{stray}S3CRET", "beginning")):
        failed = run_module(module_name, **put(options, text))
        assert failed.msg.startswith(f"{place} has {kind}")
        assert failed.msg.endswith(f"at its {where}: take it out")
        assert ("U+" in failed.msg) == (place not in SECRETS)
        assert place not in SECRETS or hidden("S3CRET", failed.output)
    assert_unasked(service, module_name)


@every_text
@pytest.mark.parametrize("stray", ["\n", "\0", "\x1b", "\x85", "\x92", "\u2029"], ids=ascii)
def test_a_control_character_is_refused_anywhere(
    stray: str, module_name: str, place: str, options: dict[str, Any], service: Service, run_module: RunModule
) -> None:
    failed = run_module(module_name, **put(options, f"S3{stray}CRET"))
    assert failed.msg.startswith(f"{place} has ")
    assert ("inside" if place in SECRETS else "as character 3") in failed.msg
    assert_unasked(service, module_name)


@pytest.mark.parametrize(
    "text",
    [
        "x", "-", "new york", "a\u00a0b", "\u05d0\u200f\u05d1", "\u0645\u06cc\u200c\u062e", "\U0001f468\u200d\U0001f469",
        "caf\u00e9", "cafe\u0301", "yes", "0123", "~",
    ],
    ids=ascii,
)  # fmt: skip
def test_text_that_is_meant_is_taken(text: str, service: Service, run_module: RunModule, bindings_path: Path) -> None:
    service.add_account("text", text)
    made = run_module("smtp_user", owner_id="text", token=text, alias=text, bindings_path=str(bindings_path), **LIMITS)
    assert not made.failed, made.msg
    again = run_module("smtp_users", owner_id="text", token=text, users=[{"alias": text}], bindings_path=str(bindings_path))
    assert again["summary"]["unchanged"] == 1


# A byte that is no UTF-8 comes from the environment as half of a surrogate pair.
@pytest.mark.parametrize("option", ["owner_id", "token", "app_domain", "api_url", "bindings_path"])
@pytest.mark.parametrize(
    ("value", "says"),
    [("1001 ", "white space (U+0020) at its end"), ("", "is empty"), ("1\udce9", "half of a surrogate pair (U+DCE9) at its end")],
)
def test_the_environment_is_judged_as_options_are_and_named(
    value: str, says: str, option: str, run_module: RunModule, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SENDCLEAN_{option.upper()}", value)
    failed = run_module("smtp_user_info", **{option: None})
    assert failed.msg.startswith(f"{option} ")
    assert failed.msg.endswith(f" (SENDCLEAN_{option.upper()})")
    assert (says.partition(" (U+")[0] if option == "token" else says) in failed.msg
    assert service.log == []


def told(value: Any, secret: bool = False) -> str:
    """What is wrong with a value."""
    return "".join(map(str, text_problem("token", value, secret)))


@given(st.text(min_size=1), st.characters(categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"]), st.text(min_size=1))
def test_no_such_character_passes_at_an_end_and_no_control_character_anywhere(before: str, stray: str, after: str) -> None:
    assert told(before + stray) and told(stray + after)
    if unicodedata.category(stray) not in ("Cf", "Zs"):
        assert told(before + stray + after)


@given(st.text(min_size=1))
def test_what_passes_is_kept_whole_by_whoever_trims_or_reads_lines(text: str) -> None:
    if not told(text):
        assert text == text.strip()
        assert text.splitlines() == [text]
        assert text.encode("utf-8").decode("utf-8-sig") == text


@given(st.text() | st.integers() | st.floats() | st.lists(st.text()))
def test_a_secret_is_never_quoted(value: Any) -> None:
    kinds = "a line break|a control character|half of a surrogate pair|white space|an invisible character"
    has = f"has ({kinds}) (at its beginning|at its end|inside): take it out"
    problem = f"is empty: give a value or leave it out|must be a string: put it in quotes|{has}"
    assert re.fullmatch(f"(token ({problem}))?", told(value, True))


# ---- two that look the same ------------------------------------------------------------------------------------

LOOKALIKES = [
    ("caf\u00e9", "cafe\u0301"), ("\u212b", "\u00c5"), ("\ufb01x", "fix"), ("a\u00adb", "ab"),
    ("a\u00a0b", "a b"), ("a\u200db", "ab"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), LOOKALIKES, ids=ascii)
def test_aliases_that_look_the_same_are_found(one: str, other: str) -> None:
    assert twins([one, "x"], [other, "y"]) == {one: other}
    assert twins([one, "x", other]) == {other: one}
    assert twins(["x"], [one, other]) == {}
    assert twins([one], [one]) == twins([one, one]) == {}


def test_aliases_that_look_different_are_not() -> None:
    aliases = ["cafe", "caf\u00e9", "Cafe", "caf", "e", "\u0435", "a b", "ab", "a-b", "stra\u00dfe", "strasse"]
    assert twins(aliases, aliases) == {}


def test_a_list_in_an_option_has_no_two_that_look_the_same() -> None:
    spec = {"aliases": {"type": "list", "elements": TEXT}}
    problems = text_problems(spec, {"aliases": ["caf\u00e9", "x", "cafe\u0301"]}, {"aliases"})
    assert [str(problem) for problem in problems] == [
        "aliases[2] 'cafe\\u0301' looks the same as 'caf\\xe9', which is another one: write both in the same way"
    ]


def test_an_alias_that_looks_like_one_of_the_file_gets_no_user_of_its_own(
    service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    for name in ("smtp7", "smtp8"):
        service.create_user(OWNER, smtp_user_name=name)
    options = {"bindings_path": str(bindings_path)}
    run_module("smtp_user", alias="caf\u00e9", smtp_user_name="smtp7", **options)
    written = bindings_path.read_bytes()
    service.clear_log()
    says = "alias 'cafe\\u0301' looks the same as 'caf\\xe9'"
    for name, asked in (
        ("smtp_user", {"alias": "cafe\u0301", **LIMITS}),
        ("smtp_user", {"alias": "cafe\u0301", "smtp_user_name": "smtp8"}),
        ("smtp_users", {"users": [{"alias": "x", **LIMITS}, {"alias": "cafe\u0301", **LIMITS}]}),
        ("smtp_bindings", {"bindings": {"cafe\u0301": "smtp8"}}),
    ):
        for check in (True, False):
            assert says in run_module(name, check=check, **asked, **options).msg
    twice = [{"alias": "e\u0301", **LIMITS}, {"alias": "\u00e9", **LIMITS}]
    assert "users[1]: alias '\\xe9' looks the same as 'e\\u0301'" in run_module("smtp_users", users=twice, **options).msg
    assert {entry.call for entry in service.log} == {"listSmtp"}
    assert bindings_path.read_bytes() == written
    # The way on.
    renamed = run_module("smtp_user", alias="cafe\u0301", renamed_from="caf\u00e9", **options)
    assert renamed["smtp_user"]["smtp_user_name"] == "smtp7"
    assert not run_module("smtp_user", alias="cafe\u0301", renamed_from="caf\u00e9", **options)["changed"]


def test_an_alias_that_nobody_could_ask_for_any_more_hinders_nobody_else(
    service: Service, run_module: RunModule, bindings_path: Path, server: RunningServer
) -> None:
    """It stands in the file from before, or by hand."""
    odd = ["a\x92", "b\x7f", " c ", "\ufeffd", "e\u0301", "\u00e9"]
    for index in range(len(odd)):
        service.create_user(OWNER, smtp_user_name=f"odd{index}")
    aliases = {alias: f"odd{index}" for index, alias in enumerate(odd)}
    write_bindings(bindings_path, server.base_url, aliases={**aliases, "fine": "smtp1"})
    options = {"bindings_path": str(bindings_path)}
    shown = {user["alias"] for user in run_module("smtp_user_info", **options)["smtp_users"]}
    assert shown == {*odd, "fine"}
    assert run_module("smtp_user", alias="fine", total_limit=3, **options)["changed"]
    assert run_module("smtp_users", users=[{"alias": "fine"}], **options)["summary"]["unchanged"] == 1
    assert run_module("smtp_password_reset", alias="fine", **options)["changed"]
    assert run_module("smtp_user", alias="new", total_limit=3, hourly_limit=2, **options)["changed"]
    assert aliases.items() <= read_bindings(bindings_path, server.base_url)["aliases"].items()
