# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendclean.email.smtp_password_reset: the guards, one reset whatever becomes of the answer, the time that is kept."""

from __future__ import annotations

import datetime
import errno
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    FakeClock,
    MakeReadOnly,
    RunModule,
    is_locked,
    read_bindings,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service, Settings

NAME = "smtp1"
OLD = "old-password-0001"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def ago(**spans: float) -> str:
    """A time as the bindings file writes it."""
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**spans)
    return moment.strftime(TIME_FORMAT)


def password_of(service: Service) -> str:
    """The password in force."""
    return next(user.smtp_password for user in service.users(OWNER) if user.smtp_user_name == NAME)


@pytest.fixture
def account(service: Service) -> Service:
    """One user, whose password is known."""
    service.create_user(OWNER, smtp_user_name=NAME, smtp_password=OLD)
    return service


def test_without_a_guard_every_run_resets(account: Service, run_module: RunModule) -> None:
    first = run_module("smtp_password_reset", smtp_user_name=NAME)
    second = run_module("smtp_password_reset", smtp_user_name=NAME)
    assert first["changed"] is second["changed"] is True
    assert (first["smtp_user_name"], first["alias"]) == (NAME, None)
    assert len({OLD, first["smtp_password"], second["smtp_password"]}) == 3
    assert second["smtp_password"] == password_of(account)
    assert len(account.calls("resetSmtpPassword")) == 2


@pytest.mark.parametrize("value", [None, " "])
def test_nobody_is_refused_before_any_call(
    value: str | None, account: Service, server: RunningServer, bare_run: RunModule
) -> None:
    """Null, too, which Ansible takes for given."""
    shared = {"owner_id": OWNER, "token": TOKEN, "api_url": server.base_url}
    failed = bare_run("smtp_password_reset", {**shared, "smtp_user_name": value})
    assert failed.failed
    assert "smtp_user_name" in failed.msg
    assert account.log == []


# Guards, when the last reset was (None: not known), and whether a reset is due.
AGES: dict[str, tuple[float, str | None, bool]] = {
    "0, a moment ago": (0, ago(seconds=2), True),
    "a fraction, older": (0.5, ago(hours=13), True),
    "a fraction, younger": (0.5, ago(hours=11), False),
    "days, older": (90, ago(days=90, minutes=1), True),
    "days, younger": (90, ago(days=89), False),
    "not known": (90, None, True),
    "in the future": (90, ago(days=-1), False),
}
PASSWORDS = {"the password in force": (OLD, True), "another password": ("another-password", False), "no password": (None, True)}


@pytest.mark.parametrize(("password", "fits"), PASSWORDS.values(), ids=PASSWORDS)
@pytest.mark.parametrize(("max_age_days", "last", "old_enough"), AGES.values(), ids=AGES)
def test_a_reset_happens_only_when_all_guards_allow_it(
    max_age_days: float,
    last: str | None,
    old_enough: bool,
    password: str | None,
    fits: bool,
    account: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
    fast: FakeClock,
) -> None:
    write_bindings(bindings_path, server.base_url, password_times={NAME: last} if last else {})
    options: dict[str, Any] = {"smtp_user_name": NAME, "current_password": password, "max_age_days": max_age_days}
    before = snapshot(bindings_path.parent)

    check = run_module("smtp_password_reset", check=True, bindings_path=str(bindings_path), **options)
    assert check["changed"] is (fits and old_enough)
    assert "smtp_password" not in check.result
    assert [entry.call for entry in account.log] == ["listSmtp"]
    assert snapshot(bindings_path.parent) == before

    real = run_module("smtp_password_reset", bindings_path=str(bindings_path), **options)
    assert real["changed"] is check["changed"]
    assert len(account.calls("resetSmtpPassword")) == int(fits and old_enough)
    if real["changed"]:
        assert real["smtp_password"] == password_of(account) != OLD
        assert read_bindings(bindings_path, server.base_url)["password_times"][NAME] >= ago(seconds=60)
    else:
        assert "smtp_password" not in real.result
        assert password_of(account) == OLD
        assert bindings_path.read_bytes() == before[str(bindings_path)][0]


@pytest.mark.parametrize("guard", [{"current_password": OLD}, {"max_age_days": 1}])
def test_a_guard_makes_the_second_run_do_nothing(
    guard: dict[str, Any], account: Service, run_module: RunModule, bindings_path: Path
) -> None:
    options = {"smtp_user_name": NAME, "bindings_path": str(bindings_path), **guard}
    assert run_module("smtp_password_reset", **options)["changed"] is True
    for check in (True, False):
        account.clear_log()
        assert run_module("smtp_password_reset", check=check, **options)["changed"] is False
        assert [entry.call for entry in account.log] == ["listSmtp"]


def test_the_age_counts_from_the_creation(service: Service, run_module: RunModule, bindings_path: Path) -> None:
    shared = {"bindings_path": str(bindings_path), "alias": "billing"}
    created = run_module("smtp_user", total_limit=5, hourly_limit=5, **shared)
    young = run_module("smtp_password_reset", max_age_days=1, **shared)
    assert young["changed"] is False
    assert (young["alias"], young["smtp_user_name"]) == ("billing", created["smtp_user"]["smtp_user_name"])


def test_the_age_of_an_adopted_user_is_not_known(account: Service, run_module: RunModule, bindings_path: Path) -> None:
    shared = {"bindings_path": str(bindings_path), "alias": "billing"}
    run_module("smtp_user", smtp_user_name=NAME, **shared)
    assert run_module("smtp_password_reset", max_age_days=1000, **shared)["changed"] is True


def test_a_reset_leaves_the_ages_of_other_users_alone(
    account: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    other = ago(days=5)
    write_bindings(bindings_path, server.base_url, password_times={"smtp2": other})
    run_module("smtp_password_reset", smtp_user_name=NAME, bindings_path=str(bindings_path))
    times = read_bindings(bindings_path, server.base_url)["password_times"]
    assert sorted(times) == [NAME, "smtp2"]
    assert times["smtp2"] == other


def test_listing_and_reset_happen_under_the_lock(account: Service, run_module: RunModule, bindings_path: Path) -> None:
    """Two runs at once must not both find the password too old."""
    seen = set()
    account.before_call = lambda call, owner_id: seen.add((call, is_locked(bindings_path)))
    run_module("smtp_password_reset", smtp_user_name=NAME, bindings_path=str(bindings_path))
    assert seen == {("listSmtp", True), ("resetSmtpPassword", True)}


def test_a_name_that_is_null_is_none_and_two_names_are_refused(
    account: Service, server: RunningServer, bare_run: RunModule, run_module: RunModule, bindings_path: Path
) -> None:
    shared = {"owner_id": OWNER, "token": TOKEN, "api_url": server.base_url}
    assert bare_run("smtp_password_reset", {**shared, "alias": None, "smtp_user_name": NAME})["changed"] is True
    account.clear_log()
    failed = run_module("smtp_password_reset", alias="billing", smtp_user_name=NAME, bindings_path=str(bindings_path))
    assert failed.failed
    assert "alias and smtp_user_name exclude each other" in failed.msg
    assert account.log == []


def test_nothing_is_reset_where_the_time_of_it_could_not_be_kept(
    account: Service, run_module: RunModule, bindings_path: Path, read_only: MakeReadOnly
) -> None:
    read_only(bindings_path.parent)
    failed = run_module("smtp_password_reset", smtp_user_name=NAME, max_age_days=30, bindings_path=str(bindings_path))
    assert failed.failed
    assert "bindings_path cannot be written" in failed.msg
    assert account.log == []


def test_an_alias_stands_for_its_user(
    account: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    write_bindings(bindings_path, server.base_url, aliases={"billing": NAME})
    done = run_module("smtp_password_reset", alias="billing", bindings_path=str(bindings_path))
    assert (done["alias"], done["smtp_user_name"], done["smtp_password"]) == ("billing", NAME, password_of(account))
    by_name = run_module("smtp_password_reset", smtp_user_name=NAME, bindings_path=str(bindings_path))
    assert by_name["alias"] == "billing"


@pytest.mark.parametrize(
    ("check", "options", "words"),
    [
        (False, {"alias": "shop"}, 'alias "shop"'),
        (False, {"smtp_user_name": "smtp8"}, "smtp8 is not in the account: check smtp_user_name"),
        (True, {"smtp_user_name": "smtp8"}, "smtp8 is not in the account: check smtp_user_name"),
    ],
    ids=["alias without binding", "name not listed", "name not listed, check"],
)
def test_who_is_not_there_gets_no_password(
    check: bool,
    options: dict[str, str],
    words: str,
    account: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
) -> None:
    write_bindings(bindings_path, server.base_url, aliases={"old": "smtp9"})
    content = bindings_path.read_bytes()
    failed = run_module("smtp_password_reset", check=check, bindings_path=str(bindings_path), **options)
    assert failed.failed
    assert words in failed.msg
    assert not account.calls("resetSmtpPassword")
    assert bindings_path.read_bytes() == content


def test_without_passwords_in_the_listing_the_answer_tells_the_password(account: Service, run_module: RunModule) -> None:
    account.settings = Settings(password_key=None)
    assert run_module("smtp_password_reset", smtp_user_name=NAME)["smtp_password"] == password_of(account) != OLD


@pytest.mark.parametrize("kind", ["cut_before", "cut_after"])
def test_without_passwords_in_the_listing_a_lost_answer_is_an_error_and_not_repeated(
    kind: str, account: Service, run_module: RunModule, fast: FakeClock
) -> None:
    account.settings = Settings(password_key=None)
    account.add_fault("resetSmtpPassword", kind)
    assert run_module("smtp_password_reset", smtp_user_name=NAME)["error"]["name"] == "TransportError"
    assert len(account.calls("resetSmtpPassword")) == 1


def test_without_passwords_in_the_listing_current_password_is_refused(account: Service, run_module: RunModule) -> None:
    account.settings = Settings(password_key=None)
    failed = run_module("smtp_password_reset", smtp_user_name=NAME, current_password=OLD)
    assert failed.failed
    assert "current_password" in failed.msg
    assert not account.calls("resetSmtpPassword")


def test_a_new_password_that_does_not_show_yet_is_not_lost(account: Service, run_module: RunModule, fast: FakeClock) -> None:
    account.settings = Settings(listing_lag=3600)
    failed = run_module("smtp_password_reset", smtp_user_name=NAME)
    assert failed.failed
    assert failed["smtp_password"] == password_of(account) != OLD


def test_a_new_password_is_not_lost_when_its_time_cannot_be_written(
    account: Service, run_module: RunModule, bindings_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", refuse)
    failed = run_module("smtp_password_reset", smtp_user_name=NAME, bindings_path=str(bindings_path))
    assert failed.failed
    assert "bindings_path" in failed.msg
    assert failed["changed"] is True
    assert failed["smtp_password"] == password_of(account) != OLD


# ---- a server that shows less, or later -----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"alias": "old"}, {"smtp_user_name": "smtp9"}], ids=["by alias", "by name"])
@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
def test_a_bound_user_who_is_not_listed_is_the_same_error_everywhere(
    options: dict[str, str], check: bool, account: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    write_bindings(bindings_path, server.base_url, aliases={"old": "smtp9"})
    shared = {"bindings_path": str(bindings_path), "check": check}
    failed = run_module("smtp_password_reset", **options, **shared)
    assert failed.msg == run_module("smtp_user", alias="old", **shared).msg
    assert 'remove the binding and run again: it is the line "old"' in failed.msg
    assert account.calls("resetSmtpPassword") == []


def older_view(account: Service, password: str, times: int) -> None:
    """Have the next listings show the password of before, as a replica that lags does."""
    view = {"smtp_user_name": NAME, "password": password, "status": "Enable", "total_limit": 1, "hourly_limit": 1}
    account.add_fault("listSmtp", "wrong_listing", times=times, value=[view])


def test_an_older_view_does_not_have_a_leaked_password_replaced_twice(
    account: Service, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    options = {"smtp_user_name": NAME, "current_password": OLD, "bindings_path": str(bindings_path)}
    new = run_module("smtp_password_reset", **options)["smtp_password"]
    older_view(account, OLD, times=2)
    again = run_module("smtp_password_reset", **options)
    assert again["changed"] is False
    assert password_of(account) == new
    # Where it is in force all the same, it is replaced.
    account.update_user(OWNER, NAME, smtp_password=OLD)
    assert run_module("smtp_password_reset", **options)["changed"] is True


def test_who_is_not_old_enough_is_not_waited_for(
    account: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    write_bindings(bindings_path, server.base_url, password_times={NAME: ago(seconds=1)})
    shared = {"smtp_user_name": NAME, "bindings_path": str(bindings_path), "max_age_days": 1}
    assert run_module("smtp_password_reset", current_password=OLD, **shared)["changed"] is False
    assert len(account.log) == 1


# ---- who has nothing to write -----------------------------------------------------------------------------------------


NOT_DUE: dict[str, dict[str, Any]] = {
    "young": {"max_age_days": 30},
    "another password": {"current_password": "another-password"},
    "both": {"max_age_days": 30, "current_password": OLD},
}


@pytest.mark.parametrize("guards", NOT_DUE.values(), ids=list(NOT_DUE))
def test_a_reset_that_is_not_due_needs_no_lock_and_no_writable_folder(
    guards: dict[str, Any],
    account: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
    read_only: MakeReadOnly,
) -> None:
    write_bindings(bindings_path, server.base_url, aliases={"billing": NAME}, password_times={NAME: ago(days=3)})
    read_only(bindings_path.parent)
    before = snapshot(bindings_path.parent)
    for check in (True, False):
        account.clear_log()
        done = run_module("smtp_password_reset", check=check, alias="billing", bindings_path=str(bindings_path), **guards)
        assert done["changed"] is False
        assert len(account.log) == 1
    assert snapshot(bindings_path.parent) == before


def test_a_reset_that_is_due_and_could_not_be_kept_does_not_happen(
    account: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, read_only: MakeReadOnly
) -> None:
    """That current_password is still in force is known only after the listing."""
    write_bindings(bindings_path, server.base_url, aliases={"billing": NAME})
    read_only(bindings_path.parent)
    options = {"alias": "billing", "bindings_path": str(bindings_path), "current_password": OLD}
    assert run_module("smtp_password_reset", check=True, **options)["changed"] is True
    failed = run_module("smtp_password_reset", **options)
    assert f"bindings_path cannot be written: its folder is read-only, or not for this user: {bindings_path.parent}" in failed.msg
    assert password_of(account) == OLD
    assert account.calls("resetSmtpPassword") == []


# ---- the first dry run ------------------------------------------------------------------------------------------------

# Guards, and whether the password of a user who has just been created is reset.
FIRST: dict[str, tuple[dict[str, Any], bool]] = {
    "no guard": ({}, True),
    "days": ({"max_age_days": 90}, False),
    "a fraction": ({"max_age_days": 0.5}, False),
    "a leaked one": ({"current_password": OLD}, False),
    "both": ({"current_password": OLD, "max_age_days": 0}, False),
}


@pytest.mark.parametrize(("guards", "due"), FIRST.values(), ids=list(FIRST))
def test_in_check_mode_an_alias_may_have_no_user_yet(
    guards: dict[str, Any], due: bool, service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    shared = {"alias": "billing", "bindings_path": str(bindings_path)}
    run_module("smtp_user", check=True, total_limit=5, hourly_limit=5, **shared)
    before = snapshot(bindings_path.parent)
    service.clear_log()
    forecast = run_module("smtp_password_reset", check=True, **guards, **shared)
    assert (forecast["changed"], forecast["alias"], forecast["smtp_user_name"]) == (due, "billing", None)
    assert 'alias "billing" has no user in bindings_path yet' in str(forecast["warnings"])
    assert "smtp_password" not in forecast.result
    assert [entry.call for entry in service.log] == ["listSmtp"]
    assert snapshot(bindings_path.parent) == before
    # A dry run is no excuse for the real one.
    assert 'alias "billing" has no user in bindings_path: create' in run_module("smtp_password_reset", **guards, **shared).msg

    run_module("smtp_user", total_limit=5, hourly_limit=5, **shared)
    done = run_module("smtp_password_reset", **guards, **shared)
    assert done["changed"] is due


def test_in_check_mode_days_of_zero_are_no_guard(run_module: RunModule, bindings_path: Path) -> None:
    """The real run resets as soon as a second has passed, which is how exact the time is kept."""
    shared = {"alias": "billing", "bindings_path": str(bindings_path)}
    assert run_module("smtp_password_reset", check=True, max_age_days=0, **shared)["changed"] is True
