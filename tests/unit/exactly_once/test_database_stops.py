# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run with its bindings in PostgreSQL stands still, or its session ends, at any moment; another one comes meanwhile."""

from __future__ import annotations

import signal
import time

import pytest
from unit.exactly_once.kept import Result
from unit.exactly_once.playground import Account
from unit.exactly_once.trials import BEFORE_THE_CALL, STOPS, TIMEOUT, Trial

pytestmark = pytest.mark.parametrize("account", ["database"], indirect=True)


@pytest.mark.parametrize("then", [signal.SIGCONT, signal.SIGKILL])
# Once a binding is there, others need no lock.
@pytest.mark.parametrize("stop", [stop for stop in STOPS if stop != "binding-sent"])
def test_who_is_stopped_keeps_the_lock_and_who_is_killed_loses_it(
    trial: Trial, account: Account, stop: str, then: signal.Signals
) -> None:
    holder = trial.start(STOPS[stop])
    waiter = trial.start()
    waiter.wait_for("after take", times=5)
    time.sleep(1.2 * TIMEOUT)
    waiter.wait_for("after take", times=10)
    assert account.calls()["addSmtp"] == (stop not in BEFORE_THE_CALL)
    holder.send(then)
    results = [waiter.result(), *([holder.result()] if then == signal.SIGCONT else [])]
    assert not [result["msg"] for result in results if result.get("failed")]
    assert sum(result["changed"] for result in results) == 1
    assert account.calls()["addSmtp"] == 1
    trial.one_user()


@pytest.mark.parametrize("how", ["ended", "restarted"])
@pytest.mark.parametrize("meanwhile", ["alone", "another"])
@pytest.mark.parametrize("stop", STOPS)
def test_a_session_ends(trial: Trial, account: Account, stop: str, meanwhile: str, how: str) -> None:
    """Who has called SendClean already writes down what came of it, under a new lock; who has not calls no more."""
    # What comes meanwhile may take long on a busy machine, and is not to make of an answer a lost one.
    holder = trial.start(STOPS[stop], timeout=30.0)
    if how == "ended":
        trial.end_session()
    else:
        trial.kept.server.stop()
        trial.kept.server.start("fsync=off")
    version = trial.version()
    if meanwhile == "another":
        settled = trial.start().result()
        assert not settled.get("failed"), settled["msg"]
        version = trial.version()
    calls = account.calls()
    holder.send(signal.SIGCONT)
    result = holder.result()
    account.refuse_secrets(result)
    assert account.calls()["addSmtp"] == calls["addSmtp"]
    if stop in BEFORE_THE_CALL:
        assert "The connection to bindings_url was lost while this task held its lock" in result["msg"]
        assert "Nothing more was done. Run again" in result["msg"]
        assert account.calls() == calls
        assert trial.version() == version
        assert result["changed"] is False
    else:
        assert not result.get("failed"), result["msg"]
        assert result["smtp_user"]["smtp_user_name"] == account.users()[0].smtp_user_name
    after: Result = trial.start().result()
    assert not after.get("failed"), after["msg"]
    assert after["changed"] is (stop in BEFORE_THE_CALL and meanwhile == "alone")
    trial.one_user()


@pytest.mark.parametrize(
    ("stop", "another"),
    [
        ("before resetSmtpPassword", False),
        ("sent resetSmtpPassword", False),
        ("sent resetSmtpPassword", True),
        ("before write without intent", True),
    ],
)
def test_a_session_ends_that_makes_a_password(trial: Trial, account: Account, stop: str, another: bool) -> None:
    """It is in the result, also where it could not be recorded when it was made."""
    assert trial.start().result()["changed"] is True
    holder = trial.start(stop, ["short late"], resets=True)
    trial.end_session()
    other = trial.start("before write without intent", resets=True) if another else None
    holder.send(signal.SIGCONT)
    result = holder.result()
    (user,) = account.users()
    assert result["changed"] is True
    if other is None:
        assert result["smtp_password"] == user.smtp_password
        assert not result.get("failed"), result["msg"]
        return
    assert result["msg"].startswith(
        f"{user.smtp_user_name} has a new password, that of this result, but its time is not recorded"
    )
    other.send(signal.SIGCONT)
    assert other.result()["smtp_password"] == user.smtp_password
