# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendclean.email.smtp_user: creation exactly once, where the answer is lost or an earlier run did not come to its end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    FakeClock,
    RunModule,
    read_bindings,
    write_bindings,
)
from simulator import RunningServer, Service

BOTH_LIMITS = {"total_limit": 1000, "hourly_limit": 100}
BY_NAME = {"smtp_user_name": "smtp1"}
BY_ALIAS = {"alias": "billing"}
ADD = {"call": "addSmtp", "parameters": BOTH_LIMITS}
DISABLE = {"call": "editSmtp", "smtp_user_name": "smtp1", "parameters": {"status": "Disable"}}


def calls(service: Service) -> list[str]:
    """The calls in their order."""
    return [entry.call for entry in service.log]


@pytest.mark.parametrize(("kind", "times", "calls"), [("cut_before", 2, 3), ("cut_after", 1, 1)])
def test_a_lost_answer_of_a_creation_leaves_one_user_bound_and_is_told_as_one_call(
    kind: str,
    times: int,
    calls: int,
    service: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
    fast: FakeClock,
) -> None:
    """Every fault, once and for ever: exactly_once/test_fault_matrix.py."""
    # A colleague's, with the same limits.
    write_bindings(bindings_path, server.base_url, known=[service.create_user(OWNER).smtp_user_name])
    service.add_fault("addSmtp", kind, times=times)
    made = run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS)
    unused, user = service.users(OWNER)
    assert made["smtp_user"]["smtp_user_name"] == user.smtp_user_name
    assert made["operations"] == [{**ADD, "smtp_user_name": user.smtp_user_name}]
    assert len(service.calls("addSmtp")) == calls


@pytest.mark.parametrize("writes", [True, False])
def test_a_refusal_is_told_whether_or_not_it_can_be_written_down(
    service: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fast: FakeClock,
    writes: bool,
) -> None:
    """As where the disk is full just then. The next run creates the user, and no second one."""

    def full(*unused: Any) -> None:
        raise BindingsError("no space left")

    service.add_fault("addSmtp", "validation_error")
    with monkeypatch.context() as patch:
        if not writes:
            patch.setattr(Record, "drop_intent", full)
        refused = run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS).result
    assert (refused["failed"], refused["error"]["name"]) == (True, "ValidationError")
    assert ("intents" in read_bindings(bindings_path, server.base_url)) is not writes
    assert run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS)["changed"]
    assert len(service.users(OWNER)) == 1


def test_a_lost_creation_is_repeated_only_after_several_listings_over_the_seconds_of_timeout(
    service: Service, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.add_fault("addSmtp", "cut_before")
    times: list[float] = []
    service.before_call = lambda call, owner_id: times.append(fast.now) if call == "listSmtp" else None
    run_module("smtp_user", bindings_path=str(bindings_path), timeout=20, **BY_ALIAS, **BOTH_LIMITS)
    made = calls(service)
    first, second = (index for index, call in enumerate(made) if call == "addSmtp")
    between = [time for time, call in zip(times[1:], made[first + 1 : second])]
    assert len(between) == second - first - 1 >= 3
    assert between[-1] - between[0] >= 20


def test_a_lost_creation_is_repeated_only_after_several_listings_however_slow_the_pace(
    service: Service, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.add_fault("addSmtp", "cut_before")
    run_module("smtp_user", bindings_path=str(bindings_path), timeout=1, requests_per_minute=2, **BY_ALIAS, **BOTH_LIMITS)
    made = calls(service)
    first, second = (index for index, call in enumerate(made) if call == "addSmtp")
    assert second - first - 1 >= 3


def intent(*names: str, **limits: int) -> dict[str, Any]:
    """What a crash after addSmtp leaves in the bindings file."""
    return {"intents": {"billing": {**BOTH_LIMITS, **limits, "smtp_user_names": list(names)}}}


def test_a_later_run_settles_a_creation_that_was_carried_out(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    service.create_user(OWNER, smtp_user_name="smtp2")
    service.create_user(OWNER, smtp_user_name="smtp3", total_limit=5)
    write_bindings(bindings_path, server.base_url, **intent("smtp1"))
    settled = run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS)
    assert (settled["changed"], settled["operations"]) == (True, [])
    assert calls(service) == ["listSmtp"]
    bindings = read_bindings(bindings_path, server.base_url)
    assert bindings["aliases"] == {"billing": "smtp2"}
    assert "intents" not in bindings
    # When the creation was begun by this collection, its password is no older than this run.
    assert list(bindings["password_times"]) == ["smtp2"]


def test_a_renamed_creation_is_begun_anew_although_the_one_before_began_it(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    """With the last write of one creation the next one is begun, and its alias then gets what was begun for another."""
    service.create_user(OWNER, 5, 5, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, **intent("smtp1"), known=["smtp1"])
    service.add_fault("addSmtp", "cut_after", skip=1)
    users = [
        {"alias": "first", "total_limit": 7, "hourly_limit": 7},
        {"alias": "shop", "renamed_from": "billing", "total_limit": 9, "hourly_limit": 9},
    ]
    result = run_module("smtp_users", bindings_path=str(bindings_path), users=users)
    assert not result.failed, result.msg
    assert (len(service.users(OWNER)), calls(service).count("addSmtp")) == (3, 2)


@pytest.mark.parametrize(("timeout", "window"), [(20, 20), (600, 30)])
def test_a_later_run_repeats_a_creation_that_was_not_carried_out(
    timeout: int,
    window: int,
    service: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
    fast: FakeClock,
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, **intent("smtp1"), known=["smtp1"])
    made = run_module("smtp_user", bindings_path=str(bindings_path), timeout=timeout, **BY_ALIAS, **BOTH_LIMITS)
    assert [operation["call"] for operation in made["operations"]] == ["addSmtp"]
    assert window <= sum(fast.slept) < 2 * window
    assert len(service.users(OWNER)) == 2


def test_absent_touches_none_of_several_users_that_a_creation_may_have_made(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    for name in ("smtp1", "smtp2"):
        service.create_user(OWNER, smtp_user_name=name)
    write_bindings(bindings_path, server.base_url, **intent())
    content = bindings_path.read_bytes()
    failed = run_module("smtp_user", bindings_path=str(bindings_path), state="absent", **BY_ALIAS)
    assert failed.failed
    assert "smtp1, smtp2" in failed.msg
    assert "smtp_user_name beside the alias" in failed.msg
    assert set(calls(service)) == {"listSmtp"}
    assert bindings_path.read_bytes() == content


def test_absent_disables_the_user_of_a_creation_that_was_carried_out(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, **intent())
    done = run_module("smtp_user", bindings_path=str(bindings_path), state="absent", **BY_ALIAS)
    assert done["operations"] == [DISABLE]
    assert read_bindings(bindings_path, server.base_url)["aliases"] == {"billing": "smtp1"}


def test_a_creation_that_no_listing_shows_is_not_repeated_without_limits(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    write_bindings(bindings_path, server.base_url, **intent())
    content = bindings_path.read_bytes()
    failed = run_module("smtp_user", bindings_path=str(bindings_path), timeout=20, **BY_ALIAS)
    assert failed.failed
    assert "total_limit" in failed.msg
    assert sum(fast.slept) >= 20
    assert set(calls(service)) == {"listSmtp"}
    assert bindings_path.read_bytes() == content


def test_a_named_user_is_the_alias_s_whatever_was_begun(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, **intent())
    done = run_module("smtp_user", bindings_path=str(bindings_path), state="absent", **BY_NAME, **BY_ALIAS)
    assert done["operations"] == [DISABLE]
    assert read_bindings(bindings_path, server.base_url) == {"aliases": {"billing": "smtp1"}}


@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
def test_a_new_user_with_other_limits_is_not_taken_for_nobody(
    check: bool, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    """A server may store less than it was asked for."""
    service.create_user(OWNER, smtp_user_name="smtp1", hourly_limit=50)
    write_bindings(bindings_path, server.base_url, **intent())
    options = {"bindings_path": str(bindings_path), **BY_ALIAS, **BOTH_LIMITS}
    refused = run_module("smtp_user", check=check, **options)
    assert refused.failed and "has other limits: smtp1" in refused.msg
    assert set(calls(service)) == {"listSmtp"}
    # Each way that the message names leads on.
    write_bindings(bindings_path, server.base_url, **intent(), known=["smtp1"])
    made = run_module("smtp_user", check=check, **options)
    assert [operation["call"] for operation in made["operations"]] == ["addSmtp"]
    write_bindings(bindings_path, server.base_url, **intent())
    adopted = run_module("smtp_user", check=check, **BY_NAME, **options)
    assert [operation["parameters"] for operation in adopted["operations"]] == [{"hourly_limit": 100}]


def test_the_user_itself_may_show_up_after_one_with_other_limits(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1", hourly_limit=50)
    write_bindings(bindings_path, server.base_url, **intent())
    fast.meanwhile = lambda: service.create_user(OWNER, smtp_user_name="smtp2") if len(fast.slept) == 1 else None
    settled = run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS)
    assert (settled["smtp_user"]["smtp_user_name"], settled["operations"]) == ("smtp2", [])


def test_a_user_is_bound_before_anything_else_can_fail(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.add_fault("listSmtp", "cut_before", skip=1, times=100)
    failed = run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS)
    assert failed.failed
    assert failed["changed"] is True
    (user,) = service.users(OWNER)
    assert read_bindings(bindings_path, server.base_url)["aliases"] == {"billing": user.smtp_user_name}
    assert failed["operations"] == [{"smtp_user_name": user.smtp_user_name, **ADD}]


@pytest.mark.parametrize("users", [1, 5])
def test_each_creation_costs_one_durable_write_and_the_run_one_more(
    users: int, run_module: RunModule, bindings_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The binding of one and the intent of the next are one write."""
    written = []
    real = os.replace

    def replace(source: str, target: str) -> None:
        written.append(target)
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    wanted = [{"alias": f"alias{number}", **BOTH_LIMITS} for number in range(users)]
    assert run_module("smtp_users", users=wanted, bindings_path=str(bindings_path))["summary"]["created"] == users
    assert written == [str(bindings_path)] * (users + 1)
