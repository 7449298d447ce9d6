# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tasks make of answers that nobody expects: one odd user among others, errors in an array, edits that must be complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import RefusedError
from ansible_collections.sendclean.email.plugins.modules import smtp_user_info
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    FakeClock,
    RunModule,
    held,
    made,
    read_bindings,
    write_bindings,
)
from simulator import RunningServer, Service, Settings
from simulator.model import EMPTY_LISTINGS

LIMITS = {"total_limit": 1000, "hourly_limit": 100}
ODD_FIELDS: dict[str, dict[str, Any]] = {
    "no limit as -1": {"hourly_limit": -1},
    "no limit as a word": {"total_limit": "Unlimited", "hourly_limit": ""},
    "no status": {"status": None},
    "a status of another kind": {"status": "Suspended"},
    "a password that is no text": {"password": 12345},
    "nothing as it should be": {"status": [], "total_limit": {}, "hourly_limit": True, "password": {}},
}
every_oddity = pytest.mark.parametrize("fields", ODD_FIELDS.values(), ids=ODD_FIELDS)


@pytest.fixture
def account(service: Service, server: RunningServer, bindings_path: Path, fast: FakeClock) -> Service:
    """smtp1 is billing, smtp2 is shop, smtp3 is somebody else's; waiting takes no time."""
    for number in (1, 2, 3):
        service.create_user(OWNER, smtp_user_name=f"smtp{number}", smtp_password=f"passw0rd{number}", **LIMITS)
    write_bindings(bindings_path, server.base_url, aliases={"billing": "smtp1", "shop": "smtp2"}, known=["smtp3"])
    return service


def warned(result: Any, *words: str) -> None:
    """The one warning of a task has these words, and no password."""
    (text,) = result["warnings"]
    assert all(word in text for word in words), text
    assert "passw0rd" not in text


# ---- one odd user ----------------------------------------------------------------------------------------------


@every_oddity
def test_an_odd_user_fails_nobody_else(
    fields: dict[str, Any], account: Service, run_module: RunModule, bindings_path: Path
) -> None:
    account.settings = Settings(listing_fields={"smtp3": fields})
    for module, options in (
        ("smtp_user", {"alias": "billing", "total_limit": 5}),
        ("smtp_users", {"users": [{"alias": "shop", "hourly_limit": 7}, {"alias": "new", **LIMITS}]}),
        ("smtp_password_reset", {"alias": "billing"}),
        ("smtp_user_info", {"include_passwords": True, "smtp_user_names": ["smtp3"]}),
    ):
        result = run_module(module, bindings_path=str(bindings_path), **options)
        assert not result.failed, result.msg
        assert [text for text in result["warnings"] if "smtp3" not in text] == []
        assert len(result["warnings"]) == len(fields)
        assert "passw0rd" not in str(result["warnings"])
    (shown,) = result["smtp_users"]
    as_it_is = {"smtp_password": "passw0rd3", "password_age_days": None, "standby_of": None, "status": "Enable", **LIMITS}
    assert shown == {"alias": None, "smtp_user_name": "smtp3", **as_it_is, **dict.fromkeys(_in_results(fields))}


def _in_results(fields: dict[str, Any]) -> list[str]:
    return [{"password": "smtp_password"}.get(name, name) for name in fields]


@pytest.mark.parametrize(("fields", "edited"), [({"hourly_limit": "Unlimited"}, 1), ({"total_limit": "Unlimited"}, 0)])
def test_what_is_not_shown_is_set(
    fields: dict[str, Any], edited: int, account: Service, run_module: RunModule, bindings_path: Path
) -> None:
    """And only what needs it fails: an alias without that limit is as it should be."""
    account.settings = Settings(listing_fields={"smtp1": fields})
    result = run_module("smtp_user", bindings_path=str(bindings_path), alias="billing", hourly_limit=100)
    assert made(account)["editSmtp"] == edited
    assert result.failed is bool(edited)
    warned(result, "smtp1", "Unlimited")


def test_a_purge_leaves_a_user_of_unknown_status_alone(account: Service, run_module: RunModule, bindings_path: Path) -> None:
    account.create_user(OWNER, smtp_user_name="smtp4", **LIMITS)
    account.settings = Settings(listing_fields={"smtp3": {"status": "Suspended"}})
    result = run_module(
        "smtp_users",
        bindings_path=str(bindings_path),
        users=[{"alias": "billing"}, {"alias": "shop"}],
        purge=True,
        purge_scope="account",
    )
    assert [operation["smtp_user_name"] for operation in result["operations"]] == ["smtp4"]
    assert held(account)["smtp3"][0] == "Enable"
    warned(result, "smtp3", "Suspended", "no purge disables the user")


@pytest.mark.parametrize(
    ("status", "names"), [("Enable", ["smtp2"]), ("Disable", ["smtp3"]), (None, ["smtp1", "smtp2", "smtp3"])]
)
def test_a_user_of_unknown_status_has_none(status: str | None, names: list[str], account: Service, run_module: RunModule) -> None:
    account.update_user(OWNER, "smtp3", status="Disable")
    account.settings = Settings(listing_fields={"smtp1": {"status": "Suspended"}})
    result = run_module("smtp_user_info", status=status)
    assert [user["smtp_user_name"] for user in result["smtp_users"]] == names
    assert result["smtp_users"][0]["status"] == (None if status is None else status)


def test_an_entry_without_a_name_is_left_out(account: Service, run_module: RunModule, bindings_path: Path) -> None:
    account.settings = Settings(listing_entries=[{"status": "Enable", "password": "passw0rd"}, None])
    result = run_module("smtp_user", bindings_path=str(bindings_path), alias="billing", **LIMITS)
    assert result["changed"] is False
    warned(result, "smtp_list[3], smtp_list[4]")


def test_a_warning_comes_with_a_failure_too(account: Service, run_module: RunModule, bindings_path: Path) -> None:
    account.settings = Settings(listing_fields={"smtp3": {"hourly_limit": -1}})
    result = run_module("smtp_user", bindings_path=str(bindings_path), alias="nobody")
    assert result.failed
    warned(result, "smtp3", "hourly_limit -1")


def test_without_anything_odd_there_is_no_warning(account: Service, run_module: RunModule) -> None:
    assert "warnings" not in run_module("smtp_user_info").result


@pytest.mark.parametrize("fails", [False, True])
def test_a_module_adds_warnings_of_its_own(
    fails: bool, account: Service, run_module: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(params: Any, client: Any, *more: Any) -> dict[str, Any]:
        client.list_smtp()
        if not fails:
            return {"changed": False, "warnings": ["Its own."]}
        error = RefusedError("refused")
        error.done = {"warnings": ["Its own."]}
        raise error

    monkeypatch.setattr(smtp_user_info, "inform", work)
    account.settings = Settings(listing_fields={"smtp3": {"hourly_limit": -1}})
    result = run_module("smtp_user_info")
    assert result.failed is fails
    assert "smtp3" in result["warnings"][0]
    assert result["warnings"][1:] == ["Its own."]


@pytest.mark.parametrize("empty", EMPTY_LISTINGS)
def test_the_first_user_of_an_account(
    empty: str, service: Service, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.settings = Settings(empty_listing=empty, listing_shape="object")
    options = {"bindings_path": str(bindings_path), "alias": "billing", **LIMITS}
    assert [run_module("smtp_user", **options)["changed"] for unused in range(2)] == [True, False]
    assert made(service) == {"listSmtp": 3, "addSmtp": 1}


# ---- errors in an array ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 10])
def test_a_creation_that_is_refused_in_an_array_is_made_once(
    times: int, account: Service, run_module: RunModule, bindings_path: Path, server: RunningServer
) -> None:
    account.add_fault("addSmtp", "error_array", times=times)
    result = run_module("smtp_user", bindings_path=str(bindings_path), alias="new", **LIMITS)
    assert result["error"] == {
        "call": "addSmtp",
        "name": "ValidationError",
        "code": -1,
        "message": "total_limit is wrong; hourly_limit is wrong",
        "http_status": 400,
    }
    assert made(account) == {"listSmtp": 1, "addSmtp": 1}
    assert "intents" not in read_bindings(bindings_path, server.base_url)


# ---- edits that must be complete -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "options", "parameters"),
    [
        ("smtp_user", {"alias": "billing", "total_limit": 5}, {"total_limit": 5}),
        ("smtp_user", {"alias": "billing", "state": "absent"}, {"status": "Disable"}),
        ("smtp_users", {"users": [{"alias": "billing", "hourly_limit": 7}]}, {"hourly_limit": 7}),
    ],
)
def test_a_server_that_wants_all_fields_gets_them(
    module: str, options: dict[str, Any], parameters: dict[str, Any], account: Service, run_module: RunModule, bindings_path: Path
) -> None:
    account.settings = Settings(complete_edits=True, error_array=True, http_error_codes=True)
    before = account.users(OWNER)[1:]
    result = run_module(module, bindings_path=str(bindings_path), **options)
    assert not result.failed, result.msg
    assert result["operations"] == [{"call": "editSmtp", "smtp_user_name": "smtp1", "parameters": parameters}]
    edits = [entry.parameters for entry in account.calls("editSmtp")]
    assert edits == [{"smtp_user_name": "smtp1", **more} for more in (parameters, {**LIMITS, "status": "Enable", **parameters})]
    assert made(account) == {"listSmtp": 2, "editSmtp": 2}
    assert account.users(OWNER)[1:] == before


# ---- texts that cannot be decoded ------------------------------------------------------------------------------


def test_texts_in_latin_1(account: Service, run_module: RunModule, bindings_path: Path) -> None:
    """Of a user that is to be managed, and of an error. Both are one answer of bytes that are no UTF-8."""
    name = "smtp\xe9"
    account.create_user(OWNER, 100, 10, smtp_user_name=name)
    account.settings = Settings(latin_1=True)
    options = {"smtp_user_name": name, "total_limit": 200}
    assert run_module("smtp_user", **options)["operations"] == [
        {"call": "editSmtp", "smtp_user_name": name, "parameters": {"total_limit": 200}}
    ]
    assert name in [user["smtp_user_name"] for user in run_module("smtp_user_info")["smtp_users"]]
    assert run_module("smtp_user", **options)["changed"] is False
    account.add_fault("listSmtp", "authentication_error")
    assert "\xa1\xe9!" in run_module("smtp_user_info").msg


def test_a_password_that_cannot_be_decoded_is_never_handed_out(account: Service, run_module: RunModule) -> None:
    account.update_user(OWNER, "smtp1", smtp_password="passw0rd\xe9")
    account.settings = Settings(latin_1=True)
    result = run_module("smtp_user_info", include_passwords=True)
    assert [user["smtp_password"] for user in result["smtp_users"]] == [None, "passw0rd2", "passw0rd3"]
    warned(result, "smtp1", "password")


def test_a_new_password_that_cannot_be_decoded_is_reset_once(
    account: Service, run_module: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repeat would make yet another one that nobody can read."""
    monkeypatch.setattr("simulator.calls.new_password", lambda: "new\xe9")
    account.settings = Settings(latin_1=True)
    result = run_module("smtp_password_reset", smtp_user_name="smtp1")
    assert (result.failed, result["error"]["name"]) == (True, "ProtocolError")
    assert made(account)["resetSmtpPassword"] == 1


def test_a_name_with_control_characters_is_shown_escaped(account: Service, run_module: RunModule) -> None:
    account.settings = Settings(listing_fields={"smtp3": {"smtp_user_name": "smtp3\x9b", "hourly_limit": -1}})
    result = run_module("smtp_user_info")
    assert result["smtp_users"][2]["smtp_user_name"] == "smtp3\x9b"
    warned(result, "smtp3\\x9b")
