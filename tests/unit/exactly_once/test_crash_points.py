# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module's process is killed at every step of the protocol in turn, until a run comes through unharmed."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock
from simulator import Settings
from unit.exactly_once.kept import InDatabase, InFile, Result, around
from unit.exactly_once.playground import OWNER, Account
from unit.exactly_once.processes import Process
from unit.exactly_once.steps import PowerLoss

LIMITS = {"total_limit": 100, "hourly_limit": 10}


@dataclass(frozen=True)
class Story:
    """A task, what there is before it, and the least of its points that must have been passed: of calls, and of writes."""

    module: str
    options: Result
    prepare: Callable[[Account], Any]
    calls: set[str]
    writes: tuple[str, ...]
    least: int
    # What each alias's user has in the end.
    holds: dict[str, Result] = field(default_factory=lambda: {"billing": LIMITS})


def nothing(account: Account) -> None:
    """Start with an empty account."""


def lose_the_answer(account: Account) -> None:
    account.service.add_fault("addSmtp", "cut_after")


def user_made_by_hand(account: Account) -> None:
    account.service.create_user(OWNER, 70, 7, smtp_user_name="smtp77")


def user_of_billing(account: Account) -> None:
    assert account.run("smtp_user", alias="billing", **LIMITS)["changed"]


def user_with_an_old_password(account: Account) -> None:
    """Bound by adoption: nobody knows the password's age."""
    user_made_by_hand(account)
    assert account.run("smtp_user", alias="billing", smtp_user_name="smtp77", **LIMITS)["changed"]


def a_lost_answer_to_a_reset(account: Account) -> None:
    user_with_an_old_password(account)
    account.service.add_fault("resetSmtpPassword", "cut_after")


LISTING = around("listSmtp", sent=True)

STORIES = {
    "creation": Story(
        "smtp_user",
        {"alias": "billing", **LIMITS},
        nothing,
        LISTING | around("addSmtp", sent=True),
        ("intent", "binding"),
        least=30,
    ),
    "creation-answer-lost": Story(
        "smtp_user",
        {"alias": "billing", **LIMITS},
        lose_the_answer,
        LISTING | {"before addSmtp", "sent addSmtp"},
        ("intent", "binding"),
        least=30,
    ),
    "adoption": Story(
        "smtp_user",
        {"alias": "billing", "smtp_user_name": "smtp77", **LIMITS},
        user_made_by_hand,
        LISTING | around("editSmtp", sent=True),
        ("binding",),
        least=20,
    ),
    "edit": Story(
        "smtp_user",
        {"alias": "billing", "total_limit": 300},
        user_of_billing,
        LISTING | around("editSmtp", sent=True),
        (),
        least=9,
        holds={"billing": {"total_limit": 300, "hourly_limit": 10}},
    ),
    # Users that only their aliases tell apart, one of them to be adopted.
    "account": Story(
        "smtp_users",
        {
            "users": [
                {"alias": "billing", **LIMITS},
                {"alias": "shop", **LIMITS},
                {"alias": "news", "smtp_user_name": "smtp77", **LIMITS},
            ]
        },
        user_made_by_hand,
        LISTING | around("addSmtp", "editSmtp", sent=True),
        ("intent", "binding"),
        least=56,
        holds={"billing": LIMITS, "shop": LIMITS, "news": LIMITS},
    ),
    "reset": Story(
        "smtp_password_reset",
        {"alias": "billing", "max_age_days": 30},
        user_with_an_old_password,
        LISTING | around("resetSmtpPassword", sent=True),
        ("binding",),
        least=20,
    ),
    "reset-answer-lost": Story(
        "smtp_password_reset",
        {"alias": "billing", "max_age_days": 30},
        a_lost_answer_to_a_reset,
        LISTING | {"before resetSmtpPassword", "sent resetSmtpPassword"},
        ("binding",),
        least=20,
    ),
}


def begin(account: Account, story: Story) -> None:
    """Start the story anew."""
    account.service.reset()
    account.kept.empty()
    story.prepare(account)
    # A run that has to wait for the lock of one before passes other points.
    assert not account.kept.left_open()
    account.service.clear_log()


def wait_for_calls(account: Account, points: list[str]) -> None:
    """Let the service carry out what was sent before the end came."""
    sent = [point for point in points if point.startswith("sent ") and "Smtp" in point]
    deadline = time.monotonic() + 30
    while sum(account.carried_out().values()) < len(sent):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def passed_all(account: Account, story: Story, ends: list[str]) -> None:
    """There was an end at each of the points that there must be."""
    assert story.calls.union(*(account.kept.writes[kind] for kind in story.writes)) <= set(ends)
    assert len(ends) >= story.least


# What a kill has that a loss of power, which all stories have, does not: the process is gone, and with it its lock.
@pytest.mark.parametrize(
    ("account", "name", "then"),
    [
        ("file", "creation", "the-same"),
        ("file", "creation", "absent"),
        ("file", "creation-answer-lost", "absent"),
        ("file", "adoption", "absent"),
        ("file", "edit", "the-same"),
        ("file", "account", "the-same"),
        ("file", "reset-answer-lost", "the-same"),
        ("database", "creation", "the-same"),
        ("database", "creation-answer-lost", "absent"),
        ("database", "account", "the-same"),
        ("database", "reset-answer-lost", "the-same"),
    ],
    indirect=["account"],
)
def test_killed_at_every_point(account: Account, clock: FakeClock, tmp_path: Path, name: str, then: str) -> None:
    story = STORIES[name]
    ends = []
    for number in itertools.count(1):
        begin(account, story)
        process = Process(
            tmp_path / "runs" / str(number),
            story.module,
            {**account.options, **story.options},
            signal_at=number,
            signal_number=signal.SIGKILL,
        )
        if process.exit_code() == 0:
            break
        assert process.exit_code() == -signal.SIGKILL, process.errors()
        ends.append(process.points()[-1])
        wait_for_calls(account, process.points())
        recovers(account, story, then)
    assert process.result()["changed"] is True
    passed_all(account, story, ends)


@pytest.mark.parametrize(
    ("account", "keeps_renames", "name", "lag"),
    [
        pytest.param(store, keeps_renames, name, lag, id=f"{name}-{lag}-{power}")
        for power, store, keeps_renames in (
            ("renames-lost", "file", False),
            ("renames-kept", "file", True),
            ("database", "database", True),
        )
        for name in STORIES
        # A lag differs for the one-user stories only: those of an account are made of them, and take long. Nor does the
        # protocol differ with where the bindings lie, and a rotation in a database has one.
        for lag in ((0.0,) if name == "account" or store == "database" else (0.0, 3.0))
    ],
    indirect=["account"],
)
def test_power_lost_at_every_point(account: Account, clock: FakeClock, name: str, keeps_renames: bool, lag: float) -> None:
    story = STORIES[name]
    ends = []
    for number in itertools.count(1):
        begin(account, story)
        clock.now += 100 * 86400
        account.service.settings = Settings(listing_lag=lag)
        power = account.kept.power(number, keeps_renames)
        try:
            with power.watched():
                result = account.run(story.module, **story.options)
            break
        except PowerLoss:
            ends.append(power.points[-1])
        wait_for_calls(account, power.points)
        recovers(account, story, "the-same")
    assert result["changed"] is True
    passed_all(account, story, ends)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("account", "point"),
    [
        *(("file", point) for point in InFile.interrupted_at),
        *(("database", point) for point in InDatabase.interrupted_at),
    ],
    indirect=["account"],
)
def test_interrupted(account: Account, clock: FakeClock, tmp_path: Path, point: str, number: signal.Signals) -> None:
    """Ctrl-C and the polite kill: the interpreter may clean up, or not."""
    story = STORIES["creation"]
    options = {**account.options, **story.options}
    begin(account, story)
    unharmed = Process(tmp_path / "unharmed", story.module, options)
    assert unharmed.result()["changed"] is True
    begin(account, story)
    at = unharmed.points().index(point) + 1
    process = Process(tmp_path / "interrupted", story.module, options, signal_at=at, signal_number=number)
    assert process.exit_code() not in (0, None)
    wait_for_calls(account, process.points()[:at])
    recovers(account, story, "the-same")


def recovers(account: Account, story: Story, then: str) -> None:
    """A re-run, at once and by any state, finds or makes the one user, and one more changes nothing."""
    account.service.clear_faults()
    account.bindings()
    # The lock ends with its process, in no time.
    assert not account.kept.left_open()
    if then == "absent":
        switched_off(account, {key: value for key, value in story.options.items() if key in ("alias", "smtp_user_name")})
    second = account.run(story.module, **story.options)
    assert not second.get("failed"), second["msg"]
    users = {user.smtp_user_name: user for user in account.users()}
    aliases = account.aliases()
    assert aliases.keys() == story.holds.keys()
    assert sorted(aliases.values()) == sorted(users)
    assert "intents" not in account.bindings()
    for alias, limits in story.holds.items():
        user = users[aliases[alias]]
        assert {"total_limit": user.total_limit, "hourly_limit": user.hourly_limit, "status": user.status} == {
            **limits,
            "status": "Enable",
        }
    if story.module == "smtp_password_reset" and second["changed"]:
        assert second["smtp_password"] == user.smtp_password
    assert account.carried_out()["addSmtp"] <= len(story.holds)
    assert account.carried_out()["resetSmtpPassword"] <= 2
    assert not account.kept.left_behind()
    calls = account.calls()["listSmtp"]
    third = account.run(story.module, **story.options)
    assert third["changed"] is False
    assert account.calls()["listSmtp"] == calls + 1


def switched_off(account: Account, options: dict[str, Any]) -> None:
    off = account.run("smtp_user", state="absent", **options)
    assert not off.get("failed"), off["msg"]
    assert [user.status for user in account.users()] in ([], ["Disable"])
    assert "intents" not in account.bindings()
    again = account.run("smtp_user", state="absent", **options)
    assert again["changed"] is False
    if account.users():
        account.run("smtp_user", state="present", **options)
