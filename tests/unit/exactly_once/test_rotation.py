# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation ends at every step in turn: two users at most, and whoever has the credentials of before or of now can send."""

from __future__ import annotations

import itertools
import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock
from simulator import Settings
from unit.exactly_once.kept import Result
from unit.exactly_once.playground import Account
from unit.exactly_once.processes import Process, barrier
from unit.exactly_once.steps import PowerLoss
from unit.exactly_once.test_crash_points import wait_for_calls

LIMITS = {"total_limit": 100, "hourly_limit": 10}
DAY = 86400.0
ROTATE = {"alias": "billing", "max_age_days": 30, "overlap_hours": 24}

Prepare = Callable[[Account, FakeClock], None]


def one_user(account: Account, clock: FakeClock) -> None:
    """Whose password is old."""
    assert account.run("smtp_user", alias="billing", **LIMITS)["changed"]
    clock.now += 40 * DAY


def former_works(account: Account, clock: FakeClock) -> None:
    """Past its time, and the next rotation is not due."""
    one_user(account, clock)
    assert account.run("smtp_user_rotate", **ROTATE)["changed"]
    clock.now += 2 * DAY


def standby_is_off(account: Account, clock: FakeClock) -> None:
    """And the next rotation is due."""
    former_works(account, clock)
    assert account.run("smtp_user_rotate", **ROTATE)["former"] is None
    clock.now += 40 * DAY


def both(account: Account, clock: FakeClock) -> None:
    """A former user is past its time when the next rotation is due."""
    one_user(account, clock)
    assert account.run("smtp_user_rotate", **ROTATE)["changed"]
    clock.now += 40 * DAY


def answer_lost(prepare: Prepare, call: str) -> Prepare:
    def prepared(account: Account, clock: FakeClock) -> None:
        prepare(account, clock)
        account.service.add_fault(call, "cut_after")

    return prepared


# What there is before, whether the alias has another user then, and how many days the story is long.
STORIES: dict[str, tuple[Prepare, bool, int]] = {
    "create": (one_user, True, 40),
    "create-answer-lost": (answer_lost(one_user, "addSmtp"), True, 40),
    "retire": (former_works, False, 42),
    "reset": (standby_is_off, True, 82),
    "reset-answer-lost": (answer_lost(standby_is_off, "resetSmtpPassword"), True, 82),
    "retire-and-reset": (both, True, 80),
}


def begin(account: Account, clock: FakeClock, name: str) -> str:
    """Start a story anew, and return the password of the alias's user."""
    account.service.reset()
    account.kept.empty()
    STORIES[name][0](account, clock)
    # A run that has to wait for the lock of one before passes other points.
    assert not account.kept.left_open()
    account.service.clear_log()
    return account.user(account.aliases()["billing"]).smtp_password


def nobody_is_cut_off(account: Account, password: str) -> None:
    """Who has the password of before can send, and so can who asks now; there are two users at most."""
    users = account.users()
    assert len(users) <= 2
    (before,) = [user for user in users if user.smtp_password == password]
    assert before.status == "Enable"
    assert account.user(account.aliases()["billing"]).status == "Enable"


def recovers(account: Account, name: str, password: str) -> None:
    """The next run ends what was begun; the one after it has nothing to do."""
    nobody_is_cut_off(account, password)
    assert not account.kept.left_open()
    account.service.clear_faults()
    result = account.run("smtp_user_rotate", **ROTATE)
    assert not result.get("failed"), result["msg"]
    nobody_is_cut_off(account, password)
    active = account.user(account.aliases()["billing"])
    assert (active.smtp_password != password) is STORIES[name][1]
    assert len(account.users()) == 2
    assert "intents" not in account.bindings()
    assert account.carried_out()["addSmtp"] <= 1
    assert account.carried_out()["resetSmtpPassword"] <= 2
    if not STORIES[name][1]:
        (former,) = [user for user in account.users() if user is not active and user.smtp_user_name != active.smtp_user_name]
        assert former.status == "Disable"
    calls = account.calls()["listSmtp"]
    assert account.run("smtp_user_rotate", **ROTATE)["changed"] is False
    assert account.calls()["listSmtp"] == calls + 1


POWER = {"renames-lost": ("file", False, 3.0), "renames-kept": ("file", True, 0.0), "database": ("database", True, 3.0)}


@pytest.mark.parametrize(
    ("account", "keeps_renames", "lag", "name"),
    [
        pytest.param(*POWER[power], name, id=f"{power}-{name}")
        for power, names in {
            # A creation or a reset whose answer is lost has the points of one whose answer is not, but for the last.
            "renames-lost": ("create-answer-lost", "reset-answer-lost", "retire-and-reset"),
            "renames-kept": ("create", "create-answer-lost", "retire", "retire-and-reset"),
            # Of the others a process of its own is killed at every point: a database has what was committed, either way.
            "database": ("retire", "retire-and-reset"),
        }.items()
        for name in names
    ],
    indirect=["account"],
)
def test_power_lost_at_every_point(account: Account, clock: FakeClock, name: str, lag: float, keeps_renames: bool) -> None:
    for number in itertools.count(1):
        password = begin(account, clock, name)
        account.service.settings = Settings(listing_lag=lag)
        power = account.kept.power(number, keeps_renames)
        try:
            with power.watched():
                result: Result = account.run("smtp_user_rotate", **ROTATE)
            break
        except PowerLoss:
            pass
        wait_for_calls(account, power.points)
        clock.now += 1
        recovers(account, name, password)
    assert result["changed"] is True
    assert number > 15


@pytest.mark.parametrize(
    ("account", "name"),
    [("file", "create-answer-lost"), ("file", "retire"), ("database", "create-answer-lost"), ("database", "reset-answer-lost")],
    indirect=["account"],
)
def test_killed_at_every_point(account: Account, clock: FakeClock, tmp_path: Path, name: str) -> None:
    for number in itertools.count(1):
        # Processes of their own have the real time: the story begins so long ago.
        clock.now = time.time() - STORIES[name][2] * DAY
        password = begin(account, clock, name)
        process = Process(
            tmp_path / str(number),
            "smtp_user_rotate",
            {**account.options, **ROTATE},
            signal_at=number,
            signal_number=signal.SIGKILL,
        )
        if process.exit_code() == 0:
            break
        assert process.exit_code() == -signal.SIGKILL, process.errors()
        wait_for_calls(account, process.points())
        recovers(account, name, password)
    assert process.result()["changed"] is True
    assert number > 15


FORKS = 12
PURGE: Result = {"users": [{"alias": "billing", **LIMITS}], "purge": True, "purge_scope": "account"}


def at_once(account: Account, folder: Path, tasks: list[tuple[str, Result]]) -> list[Result]:
    """Run as many processes, all at the same moment; none may fail."""
    start = barrier(len(tasks))
    runs = [
        Process(folder / str(number), module, {**account.options, **options}, start=start)
        for number, (module, options) in enumerate(tasks)
    ]
    results = [run.result() for run in runs]
    assert [result["msg"] for result in results if result.get("failed")] == []
    for result in results:
        account.refuse_secrets(result)
    return results


@pytest.mark.parametrize(("name", "max_age_days", "lag"), [("create", 30, 3), ("create", None, 0), ("retire-and-reset", None, 0)])
def test_forks_on_one_alias_rotate_once(
    account: Account, clock: FakeClock, tmp_path: Path, name: str, max_age_days: int | None, lag: int
) -> None:
    """Who comes later has nothing to do or, if it is asked for each time, waits for the former user's time."""
    clock.now = time.time() - STORIES[name][2] * DAY
    password = begin(account, clock, name)
    account.service.settings = Settings(listing_lag_calls=lag, latency=0.01)
    results = at_once(account, tmp_path, [("smtp_user_rotate", {**ROTATE, "max_age_days": max_age_days})] * FORKS)
    assert sum(result["changed"] for result in results) == 1
    assert sum("waiting_until" in result for result in results) == (0 if max_age_days else FORKS - 1)
    assert account.carried_out()["addSmtp"] + account.carried_out()["resetSmtpPassword"] == 1
    assert {result["smtp_user_name"] for result in results} == {account.aliases()["billing"]}
    assert len({json.dumps(result["former"]) for result in results}) == 1
    assert account.user(account.aliases()["billing"]).smtp_password != password
    nobody_is_cut_off(account, password)


def test_forks_that_rotate_beside_those_that_purge(account: Account, clock: FakeClock, tmp_path: Path) -> None:
    """Who has just been made is nobody to purge."""
    clock.now = time.time() - 40 * DAY
    password = begin(account, clock, "create")
    account.service.settings = Settings(latency=0.01)
    tasks = [("smtp_user_rotate", ROTATE), ("smtp_users", PURGE)] * (FORKS // 2)
    results = at_once(account, tmp_path, tasks)
    assert sum(result["changed"] for result in results) == 1
    assert [result["unclaimed"] for result in results[1::2]] == [[]] * (FORKS // 2)
    assert account.carried_out() - Counter(listSmtp=FORKS * 9) == Counter(addSmtp=1)
    assert account.bindings()["standbys"].keys() == {"billing"}
    nobody_is_cut_off(account, password)
