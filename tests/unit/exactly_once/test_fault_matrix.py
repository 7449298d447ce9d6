# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each call meets each fault, once and for a whole run, with a listing that lags and one that does not.

A row of the simulator's table of faults is tested by itself; what a client sees of it stands in SEEN. A kind that is not
there yet is still held to all that must be true whatever the fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock
from simulator import FAULT_KINDS, Settings
from unit.exactly_once.kept import Result
from unit.exactly_once.playground import OWNER, TIMEOUT, Account

FOREVER = 1000
# As the published description has answers.
SPELLINGS = {"listing_shape": "text", "empty_listing": "missing", "latin_1": True}


@dataclass(frozen=True)
class Seen:
    """What a client learns: ``answer`` is lost, error (of an unclear outcome), refusal, wait, success or (really) done."""

    answer: str
    error: str | None = None


SEEN = {
    "cut_before": Seen("lost", "TransportError"),
    "cut_after": Seen("lost", "TransportError"),
    "error_500_before": Seen("lost", "ProtocolError"),
    "bad_gateway_502_after": Seen("lost", "ProtocolError"),
    "truncated_after": Seen("lost", "TransportError"),
    "unreadable_after": Seen("lost", "ProtocolError"),
    "non_object_after": Seen("lost", "ProtocolError"),
    "empty_after": Seen("lost", "ProtocolError"),
    "general_error_before": Seen("error", "GeneralError"),
    "general_error_after": Seen("error", "GeneralError"),
    "unknown_kind_before": Seen("error", "SomethingNew"),
    "unknown_kind_after": Seen("error", "SomethingNew"),
    "missing_kind_before": Seen("error", "GeneralError"),
    "missing_kind_after": Seen("error", "GeneralError"),
    "authentication_error": Seen("refusal", "AuthenticationError"),
    "validation_error": Seen("refusal", "ValidationError"),
    "slow_before": Seen("lost", "TransportError"),
    "slow_after": Seen("lost", "TransportError"),
    "dripping_after": Seen("lost", "TransportError"),
    "ignored": Seen("success"),
    "rate_limited": Seen("wait", "RateLimitError"),
    "redirect": Seen("lost", "ProtocolError"),
    "html_404": Seen("lost", "ProtocolError"),
    "echo_request": Seen("refusal", "ValidationError"),
    "error_array": Seen("refusal", "ValidationError"),
    "error_array_after": Seen("error", "GeneralError"),
    "latin_1_error_after": Seen("error", "GeneralError"),
    "broken_bytes_after": Seen("done"),
    "with_settings": Seen("done"),
    "wrong_listing": Seen("lost", "ProtocolError"),
}


def create(account: Account) -> Result:
    return account.run("smtp_user", alias="billing", total_limit=100, hourly_limit=10)


def edit(account: Account) -> Result:
    return account.run("smtp_user", alias="billing", total_limit=200)


def reset(account: Account) -> Result:
    return account.run("smtp_password_reset", alias="billing", max_age_days=30)


@dataclass(frozen=True)
class Target:
    """Which call of which task meets the fault, and the call that writes in that task."""

    call: str
    skip: int
    task: Callable[[Account], Result]
    writes: str


TARGETS = {
    "listing-before-creation": Target("listSmtp", 0, create, "addSmtp"),
    "listing-after-creation": Target("listSmtp", 1, create, "addSmtp"),
    "listing-before-reset": Target("listSmtp", 0, reset, "resetSmtpPassword"),
    "listing-after-reset": Target("listSmtp", 1, reset, "resetSmtpPassword"),
    "addSmtp": Target("addSmtp", 0, create, "addSmtp"),
    "editSmtp": Target("editSmtp", 0, edit, "editSmtp"),
    "resetSmtpPassword": Target("resetSmtpPassword", 0, reset, "resetSmtpPassword"),
}

# A listing can only lag behind a write, and before the first listing there is none.
CELLS = [
    pytest.param(place, kind, times, lagging, id="-".join((place, kind, "once" if times == 1 else "forever", lag)))
    for place, target in TARGETS.items()
    for kind in FAULT_KINDS
    for times in (1, FOREVER)
    for lagging, lag in ((False, "in_time"), (True, "lagging"))
    if (kind != "wrong_listing" or target.call == "listSmtp") and not (lagging and place.startswith("listing-before"))
]


def prepare(account: Account, target: Target, clock: FakeClock) -> None:
    """Make the user that is to be edited, or whose password is to be reset, a long time ago."""
    if target.task is not create:
        assert create(account)["changed"]
        clock.now += 100 * 86400
    account.service.clear_log()


@pytest.mark.parametrize(("place", "kind", "times", "lagging"), CELLS)
def test_every_call_survives_every_fault(
    account: Account, clock: FakeClock, place: str, kind: str, times: int, lagging: bool
) -> None:
    target = TARGETS[place]
    prepare(account, target, clock)
    account.service.settings = Settings(listing_lag=0.6 * TIMEOUT if lagging else 0.0)
    options: dict[str, Any] = {"location": f"{account.options['api_url']}/elsewhere"} if kind == "redirect" else {}
    options["seconds"] = 1.2 * TIMEOUT if FAULT_KINDS[kind].waits != "never" else 0.0
    options["value"] = {"wrong_listing": "nonsense", "with_settings": SPELLINGS}.get(kind)
    account.service.add_fault(target.call, kind, times=times, skip=target.skip, **options)

    first = target.task(account)
    account.service.clear_faults()
    holds_whatever_the_fault(account, target, first)
    if kind in SEEN:
        as_expected(account, target, kind, times, first)
    if target.call == "addSmtp" and kind == "ignored":
        a_binding_without_user_is_reported(account)
        return

    second = target.task(account)
    assert not second.get("failed"), second["msg"]
    holds_what_was_asked(account, target)
    assert second["changed"] is False or first.get("failed"), "a run that succeeded left something to do"

    account.service.clear_log()
    third = target.task(account)
    assert third["changed"] is False
    assert account.calls() == {"listSmtp": 1}
    assert not account.kept.left_behind()


def holds_whatever_the_fault(account: Account, target: Target, first: Result) -> None:
    assert len(account.users()) <= 1
    if account.users() and "billing" not in account.aliases():
        assert "billing" in account.bindings()["intents"], "the user is lost"
    if not first.get("failed"):
        holds_what_was_asked(account, target)
        assert first["changed"] is True
    assert not [call for call in account.calls() if "elsewhere" in call], "a redirect was followed"


def holds_what_was_asked(account: Account, target: Target) -> None:
    """The server has the one user, the file knows it, nothing is pending, and nothing was done twice."""
    (user,) = account.users()
    assert account.aliases() == {"billing": user.smtp_user_name}
    assert "intents" not in account.bindings()
    assert user.total_limit == (200 if target.task is edit else 100)
    if target.writes != "editSmtp":
        assert account.carried_out()[target.writes] == 1


def as_expected(account: Account, target: Target, kind: str, times: int, first: Result) -> None:
    seen = SEEN[kind]
    succeeds = expected_success(target, kind, times)
    if target.task is reset and target.skip:
        # Whether a reset that could not be looked at counts as a failure is a matter of taste, its loss is not.
        assert first["changed"] is True
        assert first["smtp_password"] == account.users()[0].smtp_password
        return
    assert bool(first.get("failed")) is not succeeds, first
    if target.call == target.writes:
        writes = account.calls()[target.writes]
        assert writes == expected_writes(target, kind, times) or (seen.answer == "wait" and times == FOREVER and writes > 2)
    if succeeds:
        if target.task is reset:
            assert first["smtp_password"] == account.users()[0].smtp_password
        return
    if seen.error:
        assert (first["error"]["call"], first["error"]["name"]) == (target.call, seen.error)
    else:
        assert "error" not in first
        assert "Run again" in first["msg"]
    pending = "intents" in account.bindings()
    assert pending is (target.call == "addSmtp" and seen.answer in ("lost", "error"))
    written = target.skip == 1 or (seen.answer == "success" and target.task is not reset)
    if target.writes != "editSmtp" or seen.answer in ("refusal", "wait"):
        assert bool(first.get("changed")) is written


def expected_success(target: Target, kind: str, times: int) -> bool:
    """Only what can be repeated or looked up is got over; what fails each time, only where it was carried out."""
    seen = SEEN[kind]
    if seen.answer == "done":
        return True
    if seen.answer == "refusal":
        # An edit that is refused is made once more with all fields.
        return completed(target, kind) and times == 1
    if seen.answer == "success":
        return target.call == "listSmtp"
    once = times == 1
    if seen.answer == "wait" or target.call in ("listSmtp", "editSmtp"):
        return once
    carried = FAULT_KINDS[kind].carry_out == "yes"
    return carried or (once and seen.answer == "lost")


def expected_writes(target: Target, kind: str, times: int) -> int:
    """An error answer of a call that makes something is not repeated by the same run, a lost answer is."""
    seen = SEEN[kind]
    if completed(target, kind):
        return 2
    if seen.answer in ("refusal", "success", "done"):
        return 1
    repeated = 2 if times == 1 else 4
    if target.writes == "editSmtp" or seen.answer == "wait":
        return repeated
    carried = FAULT_KINDS[kind].carry_out == "yes"
    return 1 if carried or seen.answer == "error" else repeated


def completed(target: Target, kind: str) -> bool:
    return target.call == "editSmtp" and SEEN[kind] == Seen("refusal", "ValidationError")


def a_binding_without_user_is_reported(account: Account) -> None:
    """A service that answered with a name it does not have: nobody but a person can tell what that means."""
    account.service.clear_log()
    result = create(account)
    assert result["failed"]
    assert "remove the binding" in result["msg"]
    assert account.calls()["addSmtp"] == 0


def test_an_intent_outlives_a_refusal_that_follows_a_lost_answer(account: Account, clock: FakeClock) -> None:
    """The refused call made no user, but the one before it may have: it shows only after the window."""
    account.service.settings = Settings(listing_lag=8.0)
    account.service.add_fault("addSmtp", "cut_after")
    account.service.add_fault("addSmtp", "validation_error")
    assert create(account)["failed"]
    assert account.calls()["addSmtp"] == 2
    clock.now += 10
    assert create(account)["changed"] is True
    (user,) = account.users()
    assert account.aliases() == {"billing": user.smtp_user_name}


def test_a_begun_creation_is_waited_for_where_limits_are_not_given_again(account: Account, clock: FakeClock) -> None:
    """Its user exists and is not listed yet: "limits must be given" would be the wrong advice."""
    account.service.settings = Settings(listing_lag=3.0)
    account.service.add_fault("addSmtp", "cut_after")
    account.service.add_fault("listSmtp", "authentication_error", skip=1)
    assert create(account)["failed"]
    account.service.clear_faults()
    settled = account.run("smtp_user", alias="billing")
    assert not settled.get("failed"), settled["msg"]
    (user,) = account.users()
    assert account.aliases() == {"billing": user.smtp_user_name}
    # Without such a creation there is nothing to wait for.
    account.service.clear_log()
    assert "must be given" in account.run("smtp_user", alias="shop")["msg"]
    assert account.calls() == {"listSmtp": 1}


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "lost"])
def test_a_fresh_binding_is_not_taken_for_a_vanished_user(account: Account, clock: FakeClock, lost: bool) -> None:
    """Another run comes before the listing shows the user that was just made."""
    account.service.settings = Settings(listing_lag=3.0)
    if lost:
        account.service.add_fault("addSmtp", "cut_after")
    account.service.add_fault("listSmtp", "authentication_error", skip=2 if lost else 1)
    create(account)
    account.service.clear_faults()
    second = create(account)
    assert not second.get("failed"), second["msg"]
    assert len(account.users()) == 1


def test_what_makes_candidates_ambiguous_is_left_to_a_person(account: Account, clock: FakeClock) -> None:
    """Two new users could be it: both are named, none is bound or made, and naming one settles it."""
    account.service.add_fault("addSmtp", "general_error_before")
    assert create(account)["failed"]
    names = [account.service.create_user(OWNER, 100, 10).smtp_user_name for unused in range(2)]
    account.service.clear_log()
    refused = create(account)
    assert refused["failed"]
    assert all(name in refused["msg"] for name in names)
    assert account.calls()["addSmtp"] == 0
    settled = account.run("smtp_user", alias="billing", smtp_user_name=names[1], total_limit=100, hourly_limit=10)
    assert settled["changed"] is True
    assert account.aliases() == {"billing": names[1]}
    assert create(account)["changed"] is False


@pytest.mark.parametrize("made", [False, True], ids=["not-made", "made"])
def test_users_of_others_are_no_candidates(account: Account, clock: FakeClock, made: bool) -> None:
    """One that another alias got meanwhile, and one that somebody made with other limits, once a person has said so."""
    account.service.add_fault("addSmtp", "general_error_after" if made else "general_error_before")
    account.service.add_fault("listSmtp", "authentication_error", skip=1)
    assert create(account)["failed"]
    stranger = account.service.create_user(OWNER, 101, 10).smtp_user_name
    account.service.clear_faults()
    other = account.run("smtp_user", alias="shop", total_limit=100, hourly_limit=10)
    if not made:
        assert f"has other limits: {stranger}" in create(account)["msg"]
        account.acknowledge(stranger)
    result = create(account)
    assert not result.get("failed"), result["msg"]
    assert len(account.users()) == 3
    assert account.aliases()["shop"] == other["smtp_user"]["smtp_user_name"]
    user = account.user(account.aliases()["billing"])
    assert (user.total_limit, user.hourly_limit) == (100, 10)


def begin(account: Account, *aliases: str, fault: str = "cut_after") -> None:
    """Leave creations behind of which it is not known how they ended."""
    for alias in aliases:
        account.service.add_fault("addSmtp", fault)
        account.service.add_fault("listSmtp", "authentication_error", skip=1)
        assert account.run("smtp_user", alias=alias, total_limit=100, hourly_limit=10)["failed"]
    account.service.clear_faults()
    account.service.clear_log()


def whole(*aliases: str) -> dict[str, Any]:
    return {"users": [{"alias": alias, "total_limit": 100, "hourly_limit": 10} for alias in aliases]}


def test_what_was_begun_is_settled_before_something_else_is_created(account: Account, clock: FakeClock) -> None:
    """Else there would be two new users with these limits, and nobody could tell which is whose."""
    account.service.settings = Settings(listing_lag=3.0)
    begin(account, "billing")
    (begun,) = account.users()
    account.service.add_fault("addSmtp", "cut_after")
    result = account.run("smtp_users", **whole("shop", "billing"))
    assert not result.get("failed"), result["msg"]
    assert [user["action"] for user in result["smtp_users"]] == ["created", "adopted"]
    assert account.aliases()["billing"] == begun.smtp_user_name
    assert len(account.users()) == 2
    assert [operation["smtp_user_name"] for operation in result["operations"]] == [account.aliases()["shop"]]


def test_a_settled_creation_is_bound_before_a_call_can_fail(account: Account, clock: FakeClock) -> None:
    begin(account, "billing")
    account.service.add_fault("addSmtp", "authentication_error")
    assert account.run("smtp_users", **whole("shop", "billing"))["failed"]
    (user,) = account.users()
    assert account.aliases() == {"billing": user.smtp_user_name}
    assert "intents" not in account.bindings()


def test_all_that_was_begun_is_waited_for_at_once(account: Account, clock: FakeClock) -> None:
    """After an outage there may be many, and others wait for the lock."""
    aliases = [f"alias{number}" for number in range(10)]
    begin(account, *aliases, fault="cut_before")
    began = clock.now
    result = account.run("smtp_users", **whole(*aliases))
    assert result["summary"]["created"] == 10
    assert TIMEOUT <= clock.now - began < 3 * TIMEOUT
    assert len(account.users()) == 10


@pytest.mark.parametrize(("seconds", "listings"), [(-3600, range(2, 9)), (0, range(2, 9)), (5, range(2, 7)), (10, range(1, 2))])
def test_a_bound_user_that_is_gone_is_waited_for_until_about_ten_seconds_after_its_creation(
    seconds: int, listings: range, account: Account, clock: FakeClock
) -> None:
    """Or for ten seconds, where the clock of who created it is ahead."""
    assert create(account)["changed"]
    account.service.remove_user(OWNER, account.aliases()["billing"])
    account.service.clear_log()
    until = clock.now + min(seconds, 0) + 14
    clock.now += seconds
    assert "does not list any more" in create(account)["msg"]
    assert account.calls()["listSmtp"] in listings
    assert clock.now < until
