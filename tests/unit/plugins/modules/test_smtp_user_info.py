# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendclean.email.smtp_user_info: every option, what is missing, and that nothing is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._lag import utc_now
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    ModuleResult,
    RunModule,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service, Settings


@pytest.fixture
def account(service: Service, server: RunningServer, bindings_path: Path) -> Service:
    """Three users, out of order; billing is smtp1, old is a user that is gone."""
    service.create_user(OWNER, smtp_user_name="smtp3", status="Disable")
    service.create_user(OWNER, smtp_user_name="smtp1", total_limit=5)
    service.create_user(OWNER, smtp_user_name="smtp2")
    write_bindings(bindings_path, server.base_url, aliases={"billing": "smtp1", "old": "smtp9"})
    return service


CASES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "everything": ({}, ["smtp1", "smtp2", "smtp3"], []),
    "enabled": ({"status": "Enable"}, ["smtp1", "smtp2"], []),
    "disabled": ({"status": "Disable"}, ["smtp3"], []),
    "by name": ({"smtp_user_names": ["smtp3", "smtp1"]}, ["smtp1", "smtp3"], []),
    "by alias": ({"aliases": ["billing"]}, ["smtp1"], []),
    "by both": ({"smtp_user_names": ["smtp2"], "aliases": ["billing"]}, ["smtp1", "smtp2"], []),
    "the same user by both": ({"smtp_user_names": ["smtp1"], "aliases": ["billing"]}, ["smtp1"], []),
    "name not there": ({"smtp_user_names": ["smtp8", "smtp2"]}, ["smtp2"], ["smtp8"]),
    "alias not there": ({"aliases": ["shop", "billing"]}, ["smtp1"], ["shop"]),
    "alias of a user that is gone": ({"aliases": ["old"]}, [], ["old"]),
    "there, but with another status": ({"smtp_user_names": ["smtp1", "smtp3"], "status": "Disable"}, ["smtp3"], []),
    "no names": ({"smtp_user_names": []}, [], []),
}


@pytest.mark.parametrize(("options", "names", "missing"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
def test_what_is_asked_for_is_shown_by_one_listing_and_nothing_is_touched(
    options: dict[str, Any],
    names: list[str],
    missing: list[str],
    check: bool,
    account: Service,
    run_module: RunModule,
    bindings_path: Path,
) -> None:
    before = snapshot(bindings_path.parent)
    shown = run_module("smtp_user_info", check=check, bindings_path=str(bindings_path), **options)
    assert shown["changed"] is False
    assert [user["smtp_user_name"] for user in shown["smtp_users"]] == names
    assert shown["missing"] == missing
    assert [entry.call for entry in account.log] == ["listSmtp"]
    assert snapshot(bindings_path.parent) == before


def test_every_field_is_shown_in_its_type_and_no_password(account: Service, run_module: RunModule, bindings_path: Path) -> None:
    account.settings = Settings(numeric_strings=True, integer_status=True, extra_fields=True)
    shown = run_module("smtp_user_info", bindings_path=str(bindings_path))
    limits = {"total_limit": 1000, "hourly_limit": 100, "password_age_days": None, "standby_of": None}
    assert shown["smtp_users"] == [
        {"alias": "billing", "smtp_user_name": "smtp1", "status": "Enable", **limits, "total_limit": 5},
        {"alias": None, "smtp_user_name": "smtp2", "status": "Enable", **limits},
        {"alias": None, "smtp_user_name": "smtp3", "status": "Disable", **limits},
    ]
    assert not any(user.smtp_password in shown.output for user in account.users(OWNER))


@pytest.mark.parametrize("password_key", ["password", "smtp_password", None])
def test_passwords_are_shown_when_asked_for(password_key: str | None, account: Service, run_module: RunModule) -> None:
    account.settings = Settings(password_key=password_key)
    shown = run_module("smtp_user_info", include_passwords=True)
    truth = {user.smtp_user_name: user.smtp_password if password_key else None for user in account.users(OWNER)}
    assert {user["smtp_user_name"]: user["smtp_password"] for user in shown["smtp_users"]} == truth


def test_no_bindings_file_is_needed_and_none_is_made(account: Service, run_module: RunModule, tmp_path: Path) -> None:
    users = run_module("smtp_user_info", bindings_path=str(tmp_path / "other.json"))["smtp_users"]
    assert [user["alias"] for user in users] == [None, None, None]
    assert run_module("smtp_user_info")["smtp_users"] == users
    assert not (tmp_path / "other.json").exists()


def test_an_empty_account_has_no_users(run_module: RunModule) -> None:
    assert run_module("smtp_user_info")["smtp_users"] == []


def warned(shown: ModuleResult) -> str:
    """The warnings of a result; from some version on Ansible has more than their text in it."""
    return json.dumps(shown.result.get("warnings", []))


SOME = [{"aliases": ["billing"]}, {"aliases": ["seen"]}, {"smtp_user_names": ["smtp1"]}, {"smtp_user_names": []}]


@pytest.mark.parametrize("options", [*SOME, {"bindings_path": None}])
def test_bound_users_who_are_not_listed_are_named_where_everybody_is_asked_for(
    options: dict[str, Any], account: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    now = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
    aliases = {"billing": "smtp1", "seen": "smtp8", "young": "smtp9"}
    write_bindings(bindings_path, server.base_url, aliases=aliases, password_times={"smtp9": now})
    path = str(bindings_path)
    assert "is bound to" not in warned(run_module("smtp_user_info", **{"bindings_path": path, **options}))
    shown = run_module("smtp_user_info", status="Disable", bindings_path=path)
    assert shown["missing"] == []
    failed = run_module("smtp_user", alias="seen", bindings_path=path)
    assert json.dumps(failed.msg)[1:-1] in warned(shown)
    # Created a moment ago: no listing need show it yet.
    assert "young" not in warned(shown)


def test_in_the_first_dry_run_an_alias_is_missing(run_module: RunModule, tmp_path: Path) -> None:
    shown = run_module("smtp_user_info", check=True, aliases=["billing"], bindings_path=str(tmp_path / "nothing.json"))
    assert (shown["smtp_users"], shown["missing"]) == ([], ["billing"])
