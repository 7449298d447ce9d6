# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps runs from harm, each with a twin that lacks it: there the harm is done, else the proof would prove nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence

import pytest
from postgres import bounced
from unit.exactly_once.playground import OWNER, Account
from unit.exactly_once.trials import STOPS, TIMEOUT, Trial

pytestmark = pytest.mark.parametrize("account", ["database"], indirect=True)

STRANGER = "smtp77"


@pytest.fixture
def pooled(trial: Trial) -> Iterator[str]:
    """The database's URL through PgBouncer in transaction mode, which has one session for all."""
    with bounced(trial.kept.server, "transaction", 1) as port:
        yield trial.kept.server.at(port)


@pytest.mark.parametrize(("under", "users"), [([], 1), (["no fence"], 2)])
def test_before_a_creation_the_lock_is_proved(trial: Trial, account: Account, under: Sequence[str], users: int) -> None:
    holder = trial.start(STOPS["after-the-intent"], under)
    trial.end_session()
    assert trial.start().result()["changed"] is True
    holder.send(signal.SIGCONT)
    assert holder.result()["failed"] is True
    assert len(account.users()) == users


@pytest.mark.parametrize(("under", "users"), [([], 1), (["fence before the alarm"], 2)])
def test_what_is_proved_does_not_hold_for_longer_than_the_request_may_take(
    trial: Trial, account: Account, under: Sequence[str], users: int
) -> None:
    """Stopped between the proof and the request for as long as another run needs to make the user."""
    holder = trial.start("after prove", under)
    trial.end_session()
    assert trial.start().result()["changed"] is True
    time.sleep(1.2 * TIMEOUT)
    holder.send(signal.SIGCONT)
    assert holder.result()["failed"] is True
    assert len(account.users()) == users


@pytest.mark.parametrize(("under", "kept"), [([], True), (["no version"], False)])
def test_a_write_expects_the_version_that_was_read(trial: Trial, account: Account, under: Sequence[str], kept: bool) -> None:
    """A person writes without the lock: what that says stays, and the run binds whom it has made beside it."""
    account.service.create_user(OWNER, 70, 7, smtp_user_name=STRANGER)
    account.acknowledge(STRANGER)
    holder = trial.start(STOPS["before-the-binding"], under)
    document = trial.kept.document() or {}
    document["accounts"][account.options["api_url"]][OWNER]["aliases"] = {"of a person": STRANGER}
    trial.kept.put(document)
    holder.send(signal.SIGCONT)
    result = holder.result()
    assert not result.get("failed"), result["msg"]
    assert account.aliases()["billing"] == result["smtp_user"]["smtp_user_name"]
    assert ("of a person" in account.aliases()) is kept


@pytest.mark.parametrize(("under", "writes"), [([], 0), (["lock elsewhere"], 1)])
def test_a_write_proves_in_its_own_statement_that_its_session_has_the_lock(
    trial: Trial, account: Account, under: Sequence[str], writes: int
) -> None:
    holder = trial.start(STOPS["before-the-intent"], under)
    version = trial.version()
    trial.end_session()
    holder.send(signal.SIGCONT)
    assert holder.result()["failed"] is True
    assert trial.version() == version + writes
    assert account.users() == []


@pytest.mark.parametrize(("under", "users"), [([], 1), (["no marker"], 2)])
def test_a_session_that_has_another_runs_lock_is_told_from_ones_own(
    trial: Trial, account: Account, pooled: str, under: Sequence[str], users: int
) -> None:
    """The session behind PgBouncer ends, and another run takes the lock in the one that comes after it, which stays there."""
    holder = trial.start(STOPS["after-the-intent"], [*under, "short late"], bindings_url=pooled)
    trial.end_session()
    assert trial.start(bindings_url=pooled).result()["changed"] is True
    holder.send(signal.SIGCONT)
    assert "is not held any more" in holder.result().get("msg", "") or under
    assert len(account.users()) == users


@pytest.mark.parametrize(
    ("under", "users"), [([], 1), (["own lock again"], 1), (["no marker"], 1), (["own lock again", "no marker"], 2)]
)
def test_a_session_that_has_the_lock_does_not_get_it_again(
    trial: Trial, account: Account, pooled: str, under: Sequence[str], users: int
) -> None:
    """As PostgreSQL has it for who asks twice, which here are two. There are two rails: either is enough."""
    holder = trial.start(STOPS["after-the-intent"], under, bindings_url=pooled)
    other = trial.start(under=under, bindings_url=pooled).result()
    if "own lock again" not in under:
        assert other["msg"].startswith("bindings_url leads to a session that others use at the same time")
    holder.send(signal.SIGCONT)
    # Of two who make the same, one at least finds that something is not right.
    assert holder.result().get("failed", False) is ("own lock again" in under)
    assert len(account.users()) == users


FORKS = 12


def test_forks_at_a_barrier_make_one_user(trial: Trial, account: Account) -> None:
    """A twin without lock and version makes more than one, but not each time."""
    results = trial.at_once(FORKS, ["pauses"])
    assert not [result["msg"] for result in results if result.get("failed")]
    assert sum(result["changed"] for result in results) == 1
    trial.one_user()
