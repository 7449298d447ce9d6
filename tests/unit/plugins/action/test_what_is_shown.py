# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action smtp_credentials and a server that shows less, later or otherwise; nothing to write; the first dry run."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._lag import utc_now
from ansible_collections.sendclean.email.tests.unit.plugins.action.encrypted import Act, stored
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    FakeClock,
    MakeReadOnly,
    RunModule,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service, Settings


def older(service: Service, name: str, password: str, times: int = 1) -> None:
    """Have the next listings show a user with the password of before, as a replica that lags does."""
    view = [
        {
            "smtp_user_name": user.smtp_user_name,
            "password": password if user.smtp_user_name == name else user.smtp_password,
            "status": user.status,
            "total_limit": user.total_limit,
            "hourly_limit": user.hourly_limit,
        }
        for user in service.users(OWNER)
    ]
    service.add_fault("listSmtp", "wrong_listing", times=times, value=view)


def password_stored(dest: Path, alias: str = "billing") -> str:
    """The password that the file has."""
    return str(stored(dest)["smtp_credentials"][alias]["smtp_password"])


@pytest.mark.parametrize("check", [False, True])
def test_bound_users_who_are_not_listed_are_named_and_stay_in_the_file(
    check: bool, act: Act, bindings_path: Path, server: RunningServer, service: Service, dest: Path
) -> None:
    names = [f"many{number}" for number in range(12)]
    for name in names:
        service.create_user(OWNER, smtp_user_name=name)
    write_bindings(bindings_path, server.base_url, aliases={f"a{number}": name for number, name in enumerate(names)})
    act()
    before = dest.read_bytes()
    for name in names[4:]:
        service.remove_user(OWNER, name)

    result = act(check=check)

    assert result["failed"]
    assert [f'alias "a{number}" is bound to many{number}, which SendClean does not list any more' in result["msg"]
            for number in range(12)] == [False] * 4 + [True] * 8  # fmt: skip
    assert f'remove the binding and run again: it is the line "a7" under accounts, "{server.base_url}"' in result["msg"]
    assert dest.read_bytes() == before
    # Who is asked for is there: the others do not matter.
    assert "failed" not in act(check=check, aliases=["a0", "a3"])


@pytest.mark.parametrize("asked", [{"aliases": ["shop"]}, {"smtp_user_names": ["smtp2"]}])
def test_a_bound_user_who_is_asked_for_and_not_listed_is_the_same_error(
    asked: dict[str, list[str]], act: Act, service: Service
) -> None:
    service.remove_user(OWNER, "smtp2")
    assert 'alias "shop" is bound to smtp2, which SendClean does not list any more' in act(**asked)["msg"]


def test_all_that_is_wrong_with_the_users_is_told_at_once(act: Act, service: Service) -> None:
    service.remove_user(OWNER, "smtp2")
    message = act(aliases=["shop", "nobody", "billing"], smtp_user_names=["smtp99"])["msg"]
    assert 'alias "shop" is bound to smtp2' in message
    assert "does not have: nobody, smtp99." in message


def test_an_older_view_does_not_put_back_what_was_reset_a_moment_ago(
    act: Act, fast: FakeClock, dest: Path, run_module: RunModule, bindings_path: Path, service: Service
) -> None:
    act()
    old = password_stored(dest)
    new = run_module("smtp_password_reset", alias="billing", bindings_path=str(bindings_path))["smtp_password"]
    # Not yet stored: the older view and the file agree.
    older(service, "smtp1", old, times=2)
    assert act()["updated"] == ["billing"]
    assert password_stored(dest) == new
    # Stored: the older view says otherwise.
    older(service, "smtp1", old, times=2)
    service.clear_log()
    assert not act()["changed"]
    assert password_stored(dest) == new
    assert len(service.calls("listSmtp")) >= 3


def test_what_is_young_and_stored_needs_one_listing(
    act: Act, dest: Path, run_module: RunModule, bindings_path: Path, service: Service
) -> None:
    """The clock is the real one: who waits here for nothing is seen by the calls."""
    run_module("smtp_user", alias="young", total_limit=5, hourly_limit=5, bindings_path=str(bindings_path))
    service.clear_log()
    assert "young" in act()["added"]
    assert not act()["changed"]
    assert not act(check=True)["changed"]
    assert len(service.log) == 3


def test_a_password_that_is_no_longer_young_is_taken_as_it_is_shown(
    act: Act, dest: Path, bindings_path: Path, server: RunningServer, service: Service
) -> None:
    """Somebody has reset it in the panel."""
    act()
    moment = (utc_now() - datetime.timedelta(seconds=11)).strftime("%Y-%m-%dT%H:%M:%SZ")
    aliases = {"billing": "smtp1", "shop": "smtp2"}
    write_bindings(bindings_path, server.base_url, aliases=aliases, password_times={"smtp1": moment})
    service.update_user(OWNER, "smtp1", smtp_password="from-the-panel")
    service.clear_log()
    assert act()["updated"] == ["billing"]
    assert password_stored(dest) == "from-the-panel"
    assert len(service.log) == 1


@pytest.mark.parametrize("standby", [{"retires_at": "2027-01-01T00:00:00Z"}, {}, {"staged": True}])
def test_who_takes_turns_with_the_user_of_the_alias_is_not_forgotten(
    standby: dict[str, Any], act: Act, dest: Path, bindings_path: Path, server: RunningServer, service: Service
) -> None:
    """A run died between the switch and the storing: the file has the former user, and is given the active one."""
    act()
    aliases = {"billing": "smtp1", "shop": "smtp3"}
    standbys = {"shop": {"smtp_user_name": "smtp2", **standby}}
    write_bindings(bindings_path, server.base_url, aliases=aliases, standbys=standbys)
    foretold, done = act(check=True), act()
    assert (foretold["updated"], done["updated"], done["removed"]) == (["shop"], ["shop"], [])
    assert done["diff"] == {"prepared": "shop: smtp_password and smtp_user_name changed\n"}
    assert stored(dest)["smtp_credentials"]["shop"]["smtp_user_name"] == "smtp3"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "aliases", [{"billing": "smtp1"}, {"billing": "smtp1", "shop": "smtp3"}], ids=["an old file", "another account's"]
)
def test_who_can_send_and_is_bound_to_nobody_is_not_forgotten(
    check: bool, aliases: dict[str, str], act: Act, dest: Path, bindings_path: Path, server: RunningServer, service: Service
) -> None:
    """The file is the last that knows who that is."""
    act()
    before = dest.read_bytes()
    write_bindings(bindings_path, server.base_url, aliases=aliases)
    refused = act(check=check)
    assert refused["failed"] and "shop (smtp2), enabled in the account and bound to nobody" in refused["msg"]
    assert dest.read_bytes() == before
    # Whoever is meant to go may go.
    service.update_user(OWNER, "smtp2", status="Disable")
    assert not act(check=True).get("failed")
    service.update_user(OWNER, "smtp2", status="Enable")
    write_bindings(bindings_path, server.base_url, aliases=aliases, known=["smtp2"])
    gone = act(check=check)
    assert "shop" in gone["removed"] + gone["updated"]


# What the file has (None: nothing of the user), what listSmtp shows of a user whose reset has answered "answered", and which
# of them is stored.
NEWEST: dict[str, tuple[str | None, str | None, str]] = {
    "shown": ("before", "answered", "answered"),
    "not shown yet": ("before", "before", "answered"),
    "reset since": ("before", "newer", "newer"),
    "stored": ("answered", "answered", "answered"),
    "stored, and reset since": ("answered", "newer", "newer"),
    "no passwords shown": ("before", None, "answered"),
    "first time": (None, "answered", "answered"),
    "first time, not shown yet": (None, "before", "answered"),
}


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("had", "shown", "expected"), NEWEST.values(), ids=list(NEWEST))
def test_a_password_that_this_run_was_answered_is_stored_whatever_an_older_view_shows(
    had: str | None, shown: str | None, expected: str, check: bool, act: Act, fast: FakeClock, dest: Path, service: Service
) -> None:
    if had:
        service.update_user(OWNER, "smtp1", smtp_password=had)
        act()
    if shown:
        service.update_user(OWNER, "smtp1", smtp_password=shown)
    else:
        service.settings = Settings(password_key=None)
    result = act(check=check, aliases=["billing"], answered_passwords={"smtp1": "answered", "smtp99": "of nobody"})
    assert ("billing" in result["added"], "billing" in result["updated"]) == (had is None, had not in (None, expected))
    assert "answered" not in str(result).replace("answered_passwords", "")
    if not check:
        assert password_stored(dest) == expected


@pytest.mark.parametrize("password", [7, None, "", " ", ["a"], True])
def test_an_answered_password_that_is_none_is_refused(password: Any, act: Act, service: Service) -> None:
    message = act(answered_passwords={"smtp1": password})["msg"]
    assert "answered_passwords" in message
    assert "smtp1" in message
    assert not service.log


def mute(service: Service, name: str) -> None:
    """Have the listings show no password of one user."""
    older(service, name, "", times=100)


def test_a_user_without_a_password_does_not_keep_the_others_from_being_stored(
    act: Act, fast: FakeClock, dest: Path, service: Service
) -> None:
    act()
    before = stored(dest)["smtp_credentials"]
    service.update_user(OWNER, "smtp2", smtp_password="another")
    mute(service, "smtp1")
    result = act()
    assert (result["updated"], result["removed"], result["unknown"]) == (["shop"], [], ["billing"])
    assert "'billing'" in result["warnings"][0]
    shop = {**before["shop"], "smtp_password": "another"}
    assert stored(dest)["smtp_credentials"] == {"billing": before["billing"], "shop": shop}
    # Who asks for it by name needs it.
    before_bytes = dest.read_bytes()
    for asked in ({"aliases": ["billing", "shop"]}, {"smtp_user_names": ["smtp1"]}):
        assert "listSmtp shows no password, or one that is no text, for 'billing'" in act(**asked)["msg"]
    assert "failed" not in act(aliases=["shop"])
    assert dest.read_bytes() != before_bytes


def test_a_user_without_a_password_who_is_not_in_the_file_is_left_out(act: Act, dest: Path, service: Service) -> None:
    mute(service, "smtp1")
    result = act()
    assert (result["added"], result["unknown"]) == (["shop"], ["billing"])
    assert stored(dest)["smtp_credentials"].keys() == {"shop"}


def test_a_read_only_checkout_with_nothing_to_write_is_no_failure(
    act: Act, dest: Path, service: Service, read_only: MakeReadOnly
) -> None:
    act()
    (dest.parent / "smtp.yml.lock").unlink()
    read_only(dest.parent)
    before = snapshot(dest.parent)
    service.clear_log()
    assert act()["changed"] is False
    assert len(service.log) == 1
    service.update_user(OWNER, "smtp1", smtp_password="another")
    assert act(check=True)["updated"] == ["billing"]
    assert "dest cannot be written: its folder is read-only, or not for this user:" in act()["msg"]
    assert snapshot(dest.parent) == before


@pytest.mark.parametrize("exists", [False, True], ids=["no file yet", "shop is stored"])
def test_in_check_mode_an_alias_may_have_no_user_yet(
    exists: bool, act: Act, run_module: RunModule, bindings_path: Path, dest: Path
) -> None:
    if exists:
        act(aliases=["shop"])
    before = snapshot(dest.parent)
    shared = {"bindings_path": str(bindings_path), "alias": "new", "total_limit": 5, "hourly_limit": 5}
    assert run_module("smtp_user", check=True, **shared)["changed"]
    forecast = act(check=True, aliases=["new", "shop"])
    assert forecast["changed"]
    assert forecast["unknown"] == ["new"]
    assert "new" in forecast["warnings"][0]
    assert forecast["password_age_days"] == {"new": None, "shop": None}
    assert snapshot(dest.parent) == before

    run_module("smtp_user", **shared)
    done = act(aliases=["new", "shop"])
    assert (done["added"], done["updated"], done["removed"]) == (forecast["added"], forecast["updated"], forecast["removed"])
    assert done["diff"] == forecast["diff"]
    assert done["unknown"] == []
    assert "warnings" not in done


def test_without_check_mode_an_alias_without_a_user_is_an_error_and_so_is_a_name_in_both(act: Act, service: Service) -> None:
    assert "does not have: new." in act(aliases=["new"])["msg"]
    for check in (False, True):
        assert "does not have: smtp99." in act(check=check, smtp_user_names=["smtp99"], aliases=["billing"])["msg"]


def test_in_check_mode_the_bindings_may_know_nobody_yet(act: Act, tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing.json")
    forecast = act(check=True, bindings_path=nothing)
    assert forecast["changed"]
    assert "bindings_path" in forecast["warnings"][0]
    assert "warnings" not in act(bindings_path=nothing)


def test_in_check_mode_the_folder_may_be_made_by_a_task_before(act: Act, dest: Path) -> None:
    missing = dest.parent / "made" / "later" / "smtp.yml"
    forecast = act(check=True, dest=str(missing))
    assert forecast["added"] == ["billing", "shop"]
    assert f"dest lies in a folder that does not exist: {missing.parent}" in forecast["warnings"][0]
    assert not missing.parent.exists()
    assert "dest lies in a folder that does not exist" in act(dest=str(missing))["msg"]
    missing.parent.mkdir(parents=True)
    assert act(dest=str(missing))["diff"] == forecast["diff"]
