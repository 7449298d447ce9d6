# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotation where something went wrong before: old bindings, a creation that nobody knows the end of, odd users, lost lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils import _client, _lag
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, FakeClock, RunModule, made
from simulator import Service, Settings

LIMITS = {"total_limit": 100, "hourly_limit": 10}
DAY = 24 * 3600.0

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def clock(fast: FakeClock, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The time, which only passes when a test says so."""
    monkeypatch.setattr(_lag, "utc_now", fast.utc_now)
    return fast


@pytest.fixture
def run(run_module: RunModule, bindings_path: Path, service: Service, clock: FakeClock) -> Run:
    """run("smtp_user", alias=…) runs a module with the bindings, in which billing has a user; fails=True where it is to fail."""

    def run(module: str, fails: bool = False, **options: Any) -> dict[str, Any]:
        result = run_module(module, bindings_path=str(bindings_path), **options).result
        assert bool(result.get("failed")) is fails, result
        return result

    run("smtp_user", alias="billing", **LIMITS)
    made(service)
    return run


def users(service: Service) -> dict[str, Any]:
    return {user.smtp_user_name: user for user in service.users(OWNER)}


def section_of(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the bindings, and what they have of the account, to be changed."""
    document = json.loads(path.read_text(encoding="utf-8"))
    (owners,) = document["accounts"].values()
    return document, owners[OWNER]


@pytest.mark.parametrize("check", [True, False])
def test_an_old_file_makes_no_third_user(run: Run, service: Service, clock: FakeClock, bindings_path: Path, check: bool) -> None:
    """As after a pipeline that rotated and could not push the bindings."""
    old = bindings_path.read_bytes()
    second = run("smtp_user_rotate", alias="billing")["smtp_user_name"]
    bindings_path.write_bytes(old)
    clock.now += DAY
    made(service)
    refused = run("smtp_user_rotate", fails=True, check=check, alias="billing")
    assert f'nobody is created for alias "billing": {second} may be its user' in refused["msg"]
    assert (made(service), len(users(service)), bindings_path.read_bytes()) == ({"listSmtp": 1}, 2, old)
    # Somebody else's: then billing has no second user.
    run("smtp_bindings", acknowledge=[second])
    assert run("smtp_user_rotate", alias="billing", check=check)["changed"]


def lose_a_creation(run: Run, service: Service, clock: FakeClock) -> str:
    """Have a rotation create billing's second user and end before it can know; return that one's name."""
    before = set(users(service))
    service.add_fault("addSmtp", "cut_after")
    service.add_fault("listSmtp", "authentication_error", skip=1)
    run("smtp_user_rotate", fails=True, alias="billing")
    (name,) = set(users(service)) - before
    clock.now += 60
    made(service)
    return name


def test_a_dry_run_knows_whom_an_earlier_run_has_made(run: Run, service: Service, clock: FakeClock) -> None:
    second = lose_a_creation(run, service, clock)
    # It is due by what was begun, whatever its age, and goes on.
    results = [run("smtp_user_rotate", alias="billing", max_age_days=30, check=check) for check in (True, False)]
    for result in results:
        assert (result["changed"], result["smtp_user_name"], result["operations"]) == (True, second, [])
    assert results[1]["smtp_password"] == users(service)[second].smtp_password
    assert made(service).keys() == {"listSmtp"}
    assert run("smtp_user_rotate", alias="billing", max_age_days=30)["changed"] is False


def test_a_lost_answer_is_waited_for_though_the_user_is_disabled_meanwhile(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing lags, and who is off needs no second user: neither means that none was made."""
    (first,) = users(service)
    add_smtp = _client.Client.add_smtp

    def disabled_meanwhile(*arguments: Any) -> str:
        try:
            return add_smtp(*arguments)
        finally:
            service.update_user(OWNER, first, status="Disable")

    monkeypatch.setattr(_client.Client, "add_smtp", disabled_meanwhile)
    service.settings = Settings(listing_lag_calls=2)
    service.add_fault("addSmtp", "cut_after")
    run("smtp_user_rotate", alias="billing")
    assert (made(service)["addSmtp"], len(users(service))) == (1, 2)


def test_whom_an_earlier_run_has_made_has_the_limits_of_today(run: Run, service: Service, clock: FakeClock) -> None:
    second = lose_a_creation(run, service, clock)
    run("smtp_user", alias="billing", total_limit=500)
    made(service)
    operations = [{"call": "editSmtp", "smtp_user_name": second, "parameters": {"total_limit": 500}}]
    for check in (True, False):
        assert run("smtp_user_rotate", alias="billing", check=check)["operations"] == operations
    assert users(service)[second].total_limit == 500


@pytest.mark.parametrize("check", [True, False])
def test_whom_an_earlier_run_has_made_is_not_purged(run: Run, service: Service, clock: FakeClock, check: bool) -> None:
    second = lose_a_creation(run, service, clock)
    purge: dict[str, Any] = {"users": [{"alias": "billing", **LIMITS}], "purge": True, "purge_scope": "account", "check": check}
    assert run("smtp_users", **purge)["changed"] is False
    stranger = service.create_user(OWNER, total_limit=7, hourly_limit=7).smtp_user_name
    assert [step["smtp_user_name"] for step in run("smtp_users", **purge)["operations"]] == [stranger]
    assert run("smtp_user_rotate", alias="billing", check=check)["smtp_user_name"] == second
    assert users(service)[second].status == "Enable"


@pytest.mark.parametrize("check", [True, False])
def test_who_cannot_be_told_from_somebody_else_s_user_is_not_taken(
    run: Run, service: Service, clock: FakeClock, check: bool
) -> None:
    second = lose_a_creation(run, service, clock)
    other = service.create_user(OWNER, **LIMITS).smtp_user_name
    refused = run("smtp_user_rotate", fails=True, check=check, alias="billing")
    assert "was begun and its answer lost" in refused["msg"] and ", ".join(sorted((second, other))) in refused["msg"]
    assert made(service).keys() == {"listSmtp"}
    # As the message says.
    run("smtp_bindings", acknowledge=[other])
    assert run("smtp_user_rotate", alias="billing")["smtp_user_name"] == second


@pytest.mark.parametrize("check", [True, False])
def test_a_leaked_password_of_a_former_user_is_found_by_the_alias(
    run: Run, service: Service, clock: FakeClock, check: bool
) -> None:
    (first,) = users(service)
    leaked = users(service)[first].smtp_password
    second = run("smtp_user_rotate", alias="billing")["smtp_user_name"]
    active = users(service)[second].smtp_password
    made(service)
    result = run("smtp_password_reset", alias="billing", current_password=leaked, check=check)
    assert (result["changed"], result["smtp_user_name"], result["alias"], result["standby_of"]) == (True, first, None, "billing")
    now = users(service)
    assert now[second].smtp_password == active
    if check:
        assert (made(service), now[first].smtp_password) == ({"listSmtp": 1}, leaked)
        return
    assert result["smtp_password"] == now[first].smtp_password != leaked
    clock.now += 60
    made(service)
    again = run("smtp_password_reset", alias="billing", current_password=leaked)
    assert (again["changed"], again["smtp_user_name"], made(service)) == (False, second, {"listSmtp": 1})
    # That of the alias's user comes first, and without a password to compare nobody else is meant.
    assert run("smtp_password_reset", alias="billing", current_password=active)["smtp_user_name"] == second
    assert run("smtp_password_reset", alias="billing")["smtp_user_name"] == second
    # It is as new as can be.
    new = now[first].smtp_password
    assert run("smtp_password_reset", alias="billing", current_password=new, max_age_days=1)["changed"] is False


def test_an_alias_that_has_lost_its_line_can_have_its_former_user(run: Run, bindings_path: Path) -> None:
    former = run("smtp_user_rotate", alias="billing")["former"]["smtp_user_name"]
    document, section = section_of(bindings_path)
    del section["aliases"]
    for how in ("smtp_bindings", "smtp_user"):
        bindings_path.write_text(json.dumps(document), encoding="utf-8")
        asked: dict[str, Any] = (
            {"bindings": {"billing": former}} if how == "smtp_bindings" else {"alias": "billing", "smtp_user_name": former}
        )
        for check in (True, False):
            assert run(how, check=check, **asked)["changed"]
        who = run("smtp_bindings")
        assert (who["bindings"], who["standbys"]) == ({"billing": former}, {})
    bindings_path.write_text(json.dumps(document), encoding="utf-8")
    assert "already has the alias" in run("smtp_bindings", fails=True, bindings={"other": former})["msg"]


def test_a_limit_that_nobody_can_ask_for_is_not_asked_for(run: Run, service: Service, clock: FakeClock) -> None:
    """Nothing says how the API shows a user without a limit: zero is one of the likely ways."""
    (first,) = users(service)
    service.settings = Settings(listing_fields={first: {"total_limit": 0}})
    for check in (True, False):
        refused = run("smtp_user_rotate", fails=True, check=check, alias="billing")
        assert f"does not show all limits and the password of {first}" in refused["msg"]
    assert made(service) == {"listSmtp": 2}
    # Where there is a second user already, nothing has to be asked for.
    service.settings = Settings()
    second = run("smtp_user_rotate", alias="billing", overlap_hours=0)["smtp_user_name"]
    service.settings = Settings(listing_fields={second: {"total_limit": 0}})
    made(service)
    assert run("smtp_user_rotate", alias="billing")["smtp_user_name"] == first
    assert made(service)["editSmtp"] == 2


def test_an_absent_alias_leaves_no_former_user_whose_status_says_nothing(run: Run, service: Service) -> None:
    result = run("smtp_user_rotate", alias="billing")
    first, second = result["former"]["smtp_user_name"], result["smtp_user_name"]
    service.settings = Settings(listing_fields={first: {"status": "Suspended"}})
    # Held to what is wanted, it would be enabled, which nobody has asked for.
    assert run("smtp_user", alias="billing", total_limit=100)["changed"] is False
    off = run("smtp_user", alias="billing", state="absent", check=True)
    assert {operation["smtp_user_name"] for operation in off["operations"]} == {first, second}


def test_a_password_that_is_new_is_to_be_delivered_again(run: Run, service: Service, clock: FakeClock) -> None:
    """The role's tasks have delivered it, and then somebody resets or rotates it without the role."""
    (first,) = users(service)

    def delivered() -> Any:
        return run("smtp_bindings")["delivered"]

    run("smtp_bindings", delivered={"billing": first})
    run("smtp_password_reset", alias="billing")
    assert delivered() == {"billing": None}
    run("smtp_bindings", delivered={"billing": first})
    run("smtp_user_rotate", alias="billing", overlap_hours=0)
    assert delivered() == {"billing": first}, "that is no longer the alias's"
    # Its turn comes again, with another password.
    assert run("smtp_user_rotate", alias="billing")["smtp_user_name"] == first
    assert delivered() == {"billing": None}


def test_what_was_begun_and_made_nobody_makes_no_password_old(
    run: Run, service: Service, clock: FakeClock, bindings_path: Path
) -> None:
    """As where somebody replaces a leaked password after a rotation that died early."""
    service.add_fault("addSmtp", "cut_before")
    service.add_fault("listSmtp", "authentication_error", skip=1)
    run("smtp_user_rotate", fails=True, alias="billing")
    assert "billing" in section_of(bindings_path)[1]["intents"]
    run("smtp_password_reset", alias="billing")
    clock.now += DAY
    made(service)
    for check in (True, False):
        result = run("smtp_user_rotate", alias="billing", max_age_days=30, check=check)
        assert (result["changed"], result["operations"]) == (False, [])
    assert made(service).keys() == {"listSmtp"}
    # It is settled, and costs no later run a thing.
    run("smtp_user_rotate", alias="billing", max_age_days=30)
    assert (made(service), "intents" in section_of(bindings_path)[1]) == ({"listSmtp": 1}, False)
    clock.now += 40 * DAY
    assert run("smtp_user_rotate", alias="billing", max_age_days=30)["changed"]
    assert len(users(service)) == 2


def test_who_is_asked_for_by_name_stands_for_nobody_else(run: Run, service: Service) -> None:
    result = run("smtp_user_rotate", alias="billing")
    former, active = result["former"]["smtp_user_name"], result["smtp_user_name"]
    for module, asked in (("smtp_user", {}), ("smtp_users", {"users": [{"smtp_user_name": active, "state": "absent"}]})):
        named = asked or {"smtp_user_name": active, "state": "absent"}
        assert [step["smtp_user_name"] for step in run(module, check=True, **named)["operations"]] == [active]
    run("smtp_user", smtp_user_name=active, total_limit=500)
    assert (users(service)[active].total_limit, users(service)[former].total_limit) == (500, 100)
    # By the alias, both.
    run("smtp_user", alias="billing", total_limit=500)
    assert users(service)[former].total_limit == 500


def test_the_diff_of_one_user_shows_the_former_one_where_it_changes(run: Run, service: Service) -> None:
    former = run("smtp_user_rotate", alias="billing")["former"]["smtp_user_name"]
    service.update_user(OWNER, former, total_limit=7)
    for check in (True, False):
        result = run("smtp_user", alias="billing", check=check, **LIMITS)
        before, after = result["diff"]["before"], result["diff"]["after"]
        assert (before["former"]["smtp_user_name"], before["former"]["total_limit"]) == (former, 7)
        assert (after["former"]["total_limit"], after["total_limit"], before["total_limit"]) == (100, 100, 100)
    assert "former" not in run("smtp_user", alias="billing", **LIMITS)["diff"]["before"]


@pytest.mark.parametrize("call", ["addSmtp", "resetSmtpPassword"])
def test_what_was_refused_has_changed_nothing_and_shows_no_password(run: Run, service: Service, call: str) -> None:
    """As where the account has no room for a second user."""
    if call != "addSmtp":
        run("smtp_user_rotate", alias="billing", overlap_hours=0)
        run("smtp_user_rotate", alias="billing", max_age_days=30)
    before = users(service)
    service.add_fault(call, "validation_error")
    refused = run("smtp_user_rotate", fails=True, alias="billing")
    assert (refused["changed"], refused["operations"], users(service)) == (False, [], before)
    assert not {user.smtp_password for user in before.values()} & {*map(str, refused.values())}
    # It is no failure that lasts.
    assert run("smtp_user_rotate", alias="billing")["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_a_former_user_who_is_not_there_any_more_is_forgotten(
    run: Run, service: Service, clock: FakeClock, bindings_path: Path, check: bool
) -> None:
    (first,) = users(service)
    second = run("smtp_user_rotate", alias="billing", overlap_hours=1)["smtp_user_name"]
    service.remove_user(OWNER, first)
    clock.now += DAY
    made(service)
    result = run("smtp_user_rotate", alias="billing", max_age_days=30, check=check)
    assert (result["changed"], result["smtp_user_name"], result["former"], result["operations"]) == (True, second, None, [])
    assert made(service) == {"listSmtp": 1}
    _document, section = section_of(bindings_path)
    assert section["aliases"] == {"billing": second}
    assert ("standbys" in section) == check
    assert run("smtp_user_rotate", alias="billing", max_age_days=30)["changed"] is check


@pytest.mark.parametrize(("age", "due"), [(None, True), (0, True), (30, False)])
def test_a_dry_run_says_what_it_can_of_an_alias_that_is_to_be_made_before(
    run: Run, service: Service, age: float | None, due: bool
) -> None:
    result = run("smtp_user_rotate", alias="to come", check=True, max_age_days=age)
    told = {name: result[name] for name in ("changed", "alias", "smtp_user_name", "former", "operations")}
    addition = {"call": "addSmtp", "smtp_user_name": None, "parameters": {}}
    assert told == {
        "changed": due,
        "alias": "to come",
        "smtp_user_name": None,
        "former": None,
        "operations": [addition] if due else [],
    }
    assert len(result["warnings"]) == 1 and "to come" in result["warnings"][0]
    assert "addSmtp" not in made(service)
    assert "to come" in run("smtp_user_rotate", fails=True, alias="to come")["msg"]


def test_a_dry_run_names_the_calls_of_the_real_one(run: Run, service: Service, clock: FakeClock) -> None:
    (first,) = users(service)
    dry, real = (run("smtp_user_rotate", alias="billing", check=check) for check in (True, False))
    second = real["smtp_user_name"]
    assert dry["operations"] == [{"call": "addSmtp", "smtp_user_name": None, "parameters": LIMITS}]
    assert real["operations"] == [{"call": "addSmtp", "smtp_user_name": second, "parameters": LIMITS}]
    clock.now += 40 * DAY
    run("smtp_user_rotate", alias="billing")
    clock.now += 40 * DAY
    dry, real = (run("smtp_user_rotate", alias="billing", check=check) for check in (True, False))
    assert dry["operations"] == real["operations"]
    assert [(operation["call"], operation["smtp_user_name"]) for operation in dry["operations"]] == [
        ("editSmtp", second),
        ("resetSmtpPassword", second),
        ("editSmtp", second),
    ]
    assert first == real["former"]["smtp_user_name"]
