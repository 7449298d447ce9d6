# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotation by two users who take turns: what is done when, with which calls, and what every other module makes of the second."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils import _lag
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, FakeClock, RunModule
from simulator import Service

LIMITS = {"total_limit": 100, "hourly_limit": 10}
HOUR = 3600.0


@pytest.fixture
def clock(fast: FakeClock, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The time, which only passes when a test says so."""
    monkeypatch.setattr(_lag, "utc_now", fast.utc_now)
    return fast


@pytest.fixture
def run(run_module: RunModule, bindings_path: Path, clock: FakeClock) -> Callable[..., dict[str, Any]]:
    """run("smtp_user", alias=…) runs a module with the bindings, and fails the test where it fails unless fails=True."""

    def run(module: str, fails: bool = False, **options: Any) -> dict[str, Any]:
        result = run_module(module, bindings_path=str(bindings_path), **options).result
        assert bool(result.get("failed")) is fails, result
        return result

    return run


@pytest.fixture
def rotate(run: Callable[..., dict[str, Any]], service: Service) -> Callable[..., dict[str, Any]]:
    """rotate(max_age_days=…) rotates billing, which has a user; the calls are counted anew."""
    run("smtp_user", alias="billing", **LIMITS)

    def rotate(**options: Any) -> dict[str, Any]:
        service.clear_log()
        return run("smtp_user_rotate", alias="billing", **options)

    return rotate


def calls(service: Service) -> Counter[str]:
    return Counter(entry.call for entry in service.log)


def users(service: Service) -> dict[str, Any]:
    return {user.smtp_user_name: user for user in service.users(OWNER)}


def test_the_first_rotation_makes_a_second_user_and_the_next_ones_take_turns(
    rotate: Callable[..., dict[str, Any]], service: Service, clock: FakeClock
) -> None:
    (first,) = users(service)
    result = rotate(overlap_hours=24)
    assert calls(service) == {"listSmtp": 2, "addSmtp": 1}
    second = result["smtp_user_name"]
    now = users(service)
    assert set(now) == {first, second}
    assert result["smtp_password"] == now[second].smtp_password
    assert result["former"]["smtp_user_name"] == first
    assert [user.status for user in now.values()] == ["Enable", "Enable"]

    # Within the overlap nobody is touched, however often it is asked for.
    again = rotate(overlap_hours=24)
    assert (again["changed"], again["waiting_until"]) == (False, result["former"]["retires_at"])
    assert "smtp_password" not in again
    assert calls(service) == {"listSmtp": 1}
    clock.now += 23.9 * HOUR
    assert rotate()["changed"] is False

    # Not due: the former retires, and that is all.
    clock.now += 0.2 * HOUR
    old = users(service)[second].smtp_password
    result = rotate(max_age_days=30)
    assert (result["changed"], result["former"], result["smtp_user_name"]) == (True, None, second)
    assert result["operations"] == [{"call": "editSmtp", "smtp_user_name": first, "parameters": {"status": "Disable"}}]
    assert users(service)[first].status == "Disable"
    assert users(service)[second].smtp_password == old == result["smtp_password"]
    assert rotate(max_age_days=30)["changed"] is False
    assert calls(service) == {"listSmtp": 1}

    # Due: the first one comes back with another password; nobody is created.
    clock.now += 40 * 24 * HOUR
    before = users(service)[first].smtp_password
    result = rotate(max_age_days=30)
    assert result["smtp_user_name"] == first
    assert [operation["call"] for operation in result["operations"]] == ["resetSmtpPassword", "editSmtp"]
    now = users(service)
    assert now[first].smtp_password == result["smtp_password"] != before
    assert (now[first].status, now[second].status, now[second].smtp_password) == ("Enable", "Enable", old)
    assert len(now) == 2

    # Both at once: the former's time is over, and the next rotation is due.
    clock.now += 40 * 24 * HOUR
    result = rotate(max_age_days=30)
    assert (result["smtp_user_name"], result["former"]["smtp_user_name"]) == (second, first)
    assert [operation["call"] for operation in result["operations"]] == ["editSmtp", "resetSmtpPassword", "editSmtp"]
    assert {user.status for user in users(service).values()} == {"Enable"}


def test_check_mode_says_the_same_and_does_nothing(
    rotate: Callable[..., dict[str, Any]], service: Service, clock: FakeClock, bindings_path: Path
) -> None:
    for _time in range(4):
        before = bindings_path.read_bytes()
        plan = rotate(check=True, max_age_days=30)
        assert calls(service) == {"listSmtp": 1}
        assert bindings_path.read_bytes() == before
        real = rotate(max_age_days=30)
        assert plan["changed"] is real["changed"]
        without_names = [[(step["call"], step["parameters"]) for step in result["operations"]] for result in (plan, real)]
        assert without_names[0] == without_names[1]
        assert plan["former"] is None or plan["former"]["smtp_user_name"] == real["former"]["smtp_user_name"]
        clock.now += 20 * 24 * HOUR


def test_the_second_user_has_the_limits_that_the_first_one_has_now(
    rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]], service: Service, clock: FakeClock
) -> None:
    first = rotate()["former"]["smtp_user_name"]
    clock.now += 25 * HOUR
    rotate(max_age_days=30)
    run("smtp_user", alias="billing", total_limit=300)
    assert users(service)[first].total_limit == 100
    clock.now += 40 * 24 * HOUR
    rotate(max_age_days=30)
    assert users(service)[first].total_limit == 300


def test_every_other_module_knows_the_former_user(
    rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]], service: Service, bindings_path: Path
) -> None:
    result = rotate()
    first, second = result["former"]["smtp_user_name"], result["smtp_user_name"]
    wanted = [{"alias": "billing", **LIMITS}]
    run_all = run("smtp_users", users=wanted, purge=True, purge_scope="account")
    assert (run_all["changed"], run_all["unclaimed"]) == (False, [])
    # A third alias with the very limits is no look-alike of the former one.
    assert run("smtp_user", alias="shop", **LIMITS)["changed"]
    info = {user["smtp_user_name"]: user for user in run("smtp_user_info")["smtp_users"]}
    assert (info[first]["alias"], info[first]["standby_of"]) == (None, "billing")
    assert (info[second]["alias"], info[second]["standby_of"]) == ("billing", None)
    refused = run("smtp_user", fails=True, alias="other", smtp_user_name=first)
    assert f'{first} is the standby of the alias "billing"' in refused["msg"]
    who = run("smtp_bindings")
    assert who["unclaimed"] == []
    assert who["standbys"]["billing"]["smtp_user_name"] == first
    assert "so it is nobody else's" in run("smtp_bindings", fails=True, acknowledge=[first])["msg"]
    assert json.loads(bindings_path.read_text())["version"] == 2


def test_the_former_user_is_held_to_the_limits_and_is_off_with_its_alias(
    rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]], service: Service
) -> None:
    result = rotate()
    first, second = result["former"]["smtp_user_name"], result["smtp_user_name"]
    held = run("smtp_user", alias="billing", total_limit=500)
    assert {operation["smtp_user_name"] for operation in held["operations"]} == {first, second}
    assert {user.total_limit for user in users(service).values()} == {500}
    assert run("smtp_user", alias="billing", total_limit=500)["changed"] is False
    off = run("smtp_users", users=[{"alias": "billing", "state": "absent"}])
    assert off["changed"]
    assert {user.status for user in users(service).values()} == {"Disable"}
    assert run("smtp_users", users=[{"alias": "billing", "state": "absent"}])["changed"] is False
    # Who is off is not rotated, and is not enabled by that.
    service.clear_log()
    nothing = run("smtp_user_rotate", alias="billing", max_age_days=0)
    assert nothing["changed"] is False
    assert {user.status for user in users(service).values()} == {"Disable"}


def test_a_renamed_alias_keeps_both_and_an_unbound_one_none(
    rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]], service: Service
) -> None:
    first = rotate()["former"]["smtp_user_name"]
    assert run("smtp_user", alias="invoices", renamed_from="billing")["changed"]
    assert run("smtp_user_rotate", alias="invoices")["former"]["smtp_user_name"] == first
    who = run("smtp_bindings", unbind=["invoices"])
    assert (who["bindings"], who["standbys"], set(who["unclaimed"])) == ({}, {}, set(users(service)))


FAULTS = ["cut_before", "cut_after", "general_error_after", "error_500_before", "bad_gateway_502_after"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", ["addSmtp", "resetSmtpPassword", "editSmtp", "listSmtp"])
def test_whatever_becomes_of_an_answer_there_are_two_users_and_the_alias_s_can_log_in(
    rotate: Callable[..., dict[str, Any]],
    run: Callable[..., dict[str, Any]],
    service: Service,
    clock: FakeClock,
    call: str,
    fault: str,
) -> None:
    if call != "addSmtp":
        rotate()
    clock.now += 40 * 24 * HOUR
    service.add_fault(call, fault)
    service.clear_log()
    result: dict[str, Any] = {}
    for fails in (None, False):
        try:
            result = run("smtp_user_rotate", alias="billing", max_age_days=30)
        except AssertionError:
            assert fails is None
            clock.now += 60
            continue
        break
    now = users(service)
    assert len(now) == 2
    assert sum(entry.carried_out for entry in service.log if entry.call == "addSmtp") <= 1
    active = run("smtp_user_info", aliases=["billing"], include_passwords=True)["smtp_users"][0]
    assert (active["status"], active["smtp_password"]) == ("Enable", now[active["smtp_user_name"]].smtp_password)
    assert result["smtp_user_name"] == active["smtp_user_name"]


def test_bad_input_is_told_before_anything_is_sent(run_module: RunModule, bindings_path: Path, service: Service) -> None:
    for options, told in (
        ({"alias": "billing", "bindings_path": None}, "alias needs bindings_path or bindings_url"),
        (
            {"alias": "billing", "overlap_hours": -1},
            "overlap_hours must be a number of hours, 0 or more and up to 1000000, not -1",
        ),
        ({"alias": "billing", "overlap_hours": 1000001}, "overlap_hours must be a number of hours"),
        ({"alias": "billing", "max_age_days": "nan"}, "max_age_days must be a number of days, 0 or more, not"),
        ({"alias": "billing", "max_age_days": "inf"}, "max_age_days must be a number of days, 0 or more, not"),
        # As long as one likes.
        ({"alias": "billing", "max_age_days": 1e300, "overlap_hours": 1000000}, 'alias "billing" has no user in bindings_path'),
        ({"alias": "billing"}, 'alias "billing" has no user in bindings_path'),
    ):
        result = run_module("smtp_user_rotate", **{"bindings_path": str(bindings_path), **options}).result
        assert result["failed"] and told in result["msg"]
    assert calls(service) == {}


def test_what_was_delivered_is_remembered_by_alias(
    rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]], service: Service, bindings_path: Path
) -> None:
    result = rotate()
    first, second = result["former"]["smtp_user_name"], result["smtp_user_name"]
    assert run("smtp_bindings")["delivered"] == {}
    for name in (first, second, None):
        before = bindings_path.read_bytes()
        service.clear_log()
        foretold = run("smtp_bindings", check=True, delivered={"billing": name})
        assert (foretold["changed"], foretold["delivered"], bindings_path.read_bytes()) == (True, {"billing": name}, before)
        done = run("smtp_bindings", delivered={"billing": name})
        assert (done["changed"], done["delivered"], done["diff"]["after"]["delivered"]) == (True, *[{"billing": name}] * 2)
        assert run("smtp_bindings", delivered={"billing": name})["changed"] is False
        assert calls(service) == {"listSmtp": 3}
    # It goes where the alias goes.
    run("smtp_user", alias="invoices", renamed_from="billing")
    assert run("smtp_bindings")["delivered"] == {"invoices": None}
    assert run("smtp_bindings", unbind=["invoices"])["delivered"] == {}


def test_what_cannot_have_been_delivered_is_refused(
    rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]], bindings_path: Path
) -> None:
    rotate()
    before = bindings_path.read_bytes()
    msg = run("smtp_bindings", fails=True, delivered={"billing": "smtp9", "nobody": "smtp1"}, unbind=[])["msg"]
    assert "delivered[billing]: smtp9 is not the alias's, which is " in msg
    assert "delivered[nobody]: the alias has no user in bindings_path" in msg
    assert (
        "is in bindings or unbind, too"
        in run("smtp_bindings", fails=True, delivered={"billing": None}, unbind=["billing"])["msg"]
    )
    assert "delivered[billing] must be a string, not 7" in run("smtp_bindings", fails=True, delivered={"billing": 7})["msg"]
    assert bindings_path.read_bytes() == before


@pytest.mark.parametrize("wrong", [[], {"billing": 7}, {"billing": ""}])
def test_bindings_in_which_what_was_delivered_makes_no_sense_are_refused(
    wrong: Any, rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]], bindings_path: Path
) -> None:
    document = json.loads(bindings_path.read_text())
    (owners,) = document["accounts"].values()
    owners[OWNER]["delivered"] = wrong
    bindings_path.write_text(json.dumps(document))
    assert "bindings_path is malformed" in run("smtp_user_info", fails=True)["msg"]


def test_a_former_user_that_differs_has_a_row_that_says_whose_it_was(
    rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]]
) -> None:
    first = rotate()["former"]["smtp_user_name"]
    wanted = [{"alias": "billing", "total_limit": 500, "hourly_limit": 10}]
    for check in (True, False):
        rows = run("smtp_users", users=wanted, check=check)["smtp_users"]
        assert [row.get("standby_of") for row in rows] == [None, "billing"]
        assert (rows[1]["alias"], rows[1]["smtp_user_name"], rows[1]["action"]) == (None, first, "updated")


def test_a_second_user_whom_the_bindings_have_forgotten_is_not_made_again(
    rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]], service: Service, bindings_path: Path
) -> None:
    """An old copy of the file was put back, from before the rotation."""
    old = bindings_path.read_bytes()
    second = rotate()["smtp_user_name"]
    bindings_path.write_bytes(old)
    for check in (True, False):
        service.clear_log()
        refused = run("smtp_user_rotate", fails=True, alias="billing", check=check)
        assert refused["msg"].startswith(f'nobody is created for alias "billing": {second} may be its user')
        assert calls(service) == {"listSmtp": 1}
    # If it is somebody else's, a person says so.
    run("smtp_bindings", acknowledge=[second])
    assert rotate()["changed"]
    assert len(users(service)) == 3


@pytest.fixture
def begun(rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]], service: Service) -> str:
    """The name of a second user whom a run has created that could not see so."""
    service.add_fault("addSmtp", "cut_after")
    service.add_fault("listSmtp", "error_500_before", times=99, skip=1)
    run("smtp_user_rotate", fails=True, alias="billing")
    service.clear_faults()
    unused, second = users(service)
    return second


def test_a_begun_creation_is_foretold_and_ended_by_the_next_run_whatever_has_changed_since(
    begun: str, rotate: Callable[..., dict[str, Any]], run: Callable[..., dict[str, Any]], service: Service
) -> None:
    plan = rotate(check=True)
    assert (plan["smtp_user_name"], plan["operations"]) == (begun, [])
    assert run("smtp_user", alias="billing", total_limit=300)["changed"]
    service.update_user(OWNER, begun, status="Disable")
    edits = [{"call": "editSmtp", "smtp_user_name": begun, "parameters": {"status": "Enable", "total_limit": 300}}]
    assert rotate(check=True)["operations"] == edits
    result = rotate()
    assert (result["smtp_user_name"], result["operations"]) == (begun, edits)
    assert result["smtp_password"] == users(service)[begun].smtp_password
    assert {(user.total_limit, user.status) for user in users(service).values()} == {(300, "Enable")}


def test_a_begun_creation_goes_where_its_alias_goes(begun: str, run: Callable[..., dict[str, Any]], service: Service) -> None:
    assert run("smtp_user", alias="invoices", renamed_from="billing")["changed"]
    assert run("smtp_user_rotate", alias="invoices")["smtp_user_name"] == begun
    assert len(users(service)) == 2


def test_which_of_two_a_begun_creation_has_made_a_person_says(
    begun: str, run: Callable[..., dict[str, Any]], service: Service
) -> None:
    other = service.create_user(OWNER, 100, 10).smtp_user_name
    for check in (True, False):
        told = run("smtp_user_rotate", fails=True, alias="billing", check=check)["msg"]
        assert f"somebody else's: {', '.join(sorted((begun, other)))}. Give acknowledge of sendclean.email.smtp_bindings" in told
    run("smtp_bindings", acknowledge=[other])
    assert run("smtp_user_rotate", alias="billing")["smtp_user_name"] == begun


def test_an_alias_that_is_off_has_nobody_who_was_begun_for_it_enabled(
    begun: str, run: Callable[..., dict[str, Any]], service: Service
) -> None:
    off = run("smtp_user", alias="billing", state="absent")
    assert off["changed"]
    assert {user.status for user in users(service).values()} == {"Disable"}
    assert run("smtp_user", alias="billing", state="absent")["changed"] is False
    assert run("smtp_user", alias="billing")["changed"]
    assert run("smtp_user_rotate", alias="billing")["smtp_user_name"] == begun
    assert {user.status for user in users(service).values()} == {"Enable"}
