# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies between a run and its bindings goes: the server, the connection; or it never was what it seemed, as PgBouncer."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from postgres import bounced, missing_bouncer
from postgres.proxy import Proxy
from unit.exactly_once.kept import Result
from unit.exactly_once.playground import Account
from unit.exactly_once.processes import Process, barrier
from unit.exactly_once.trials import BEFORE_THE_CALL, CREATION, STOPS, Trial

pytestmark = pytest.mark.parametrize("account", ["database"], indirect=True)

LOST = "The connection to bindings_url was lost while this task held its lock"
SHARED = ("bindings_url leads to a session that others use at the same time", "The lock of bindings_url is not held any more")


@pytest.mark.parametrize("stop", ["in-the-request", "after-the-answer", "before-the-binding"])
def test_a_name_that_cannot_be_written_down_is_in_the_failure_and_found_by_the_next_run(
    trial: Trial, account: Account, stop: str
) -> None:
    holder = trial.start(STOPS[stop], under=["impatient"])
    trial.kept.server.stop()
    try:
        holder.send(signal.SIGCONT)
        result = holder.result()
    finally:
        trial.kept.server.start("fsync=off")
    (user,) = account.users()
    assert result["failed"]
    assert result["msg"].startswith("bindings_url leads to no database: ")
    assert user.smtp_user_name in result["msg"]
    assert [operation["smtp_user_name"] for operation in result["operations"]] == [user.smtp_user_name]
    assert result["changed"] is True
    assert account.aliases() == {}
    after = trial.start().result()
    assert (after["changed"], after["operations"]) == (True, [])
    assert account.calls()["addSmtp"] == 1
    trial.one_user()


@pytest.fixture
def proxy(trial: Trial) -> Iterator[Proxy]:
    proxy = Proxy(trial.kept.server.port)
    yield proxy
    proxy.close()


@pytest.mark.parametrize("comes_back", [True, False])
@pytest.mark.parametrize("stop", STOPS)
def test_a_connection_is_swallowed(trial: Trial, account: Account, proxy: Proxy, stop: str, comes_back: bool) -> None:
    """TCP goes on to answer, so that only the run's own patience ends. The server keeps the lock, until somebody ends it."""
    holder = trial.start(STOPS[stop], under=["impatient"], bindings_url=trial.kept.server.at(proxy.port))
    calls, version = account.calls(), trial.version()
    proxy.swallow()
    if comes_back:
        trial.end_session()
    holder.send(signal.SIGCONT)
    result = holder.result()
    assert account.calls()["addSmtp"] == calls["addSmtp"]
    if stop in BEFORE_THE_CALL:
        assert result["msg"].startswith(LOST)
        assert account.calls() == calls
        assert trial.version() == version
    elif comes_back:
        assert not result.get("failed"), result["msg"]
    else:
        (user,) = account.users()
        assert [operation["smtp_user_name"] for operation in result["operations"]] == [user.smtp_user_name]
        # What was sent came through, and only its answer did not.
        if "msg" in result:
            assert "The lock of bindings_url has been held for" in result["msg"]
            assert user.smtp_user_name in result["msg"]
    proxy.close()
    after = trial.start().result()
    assert not after.get("failed"), after["msg"]
    trial.one_user()


def through(trial: Trial, port: int, number: int, **options: object) -> list[Result]:
    """Run as many at once through a port."""
    start = barrier(number)
    url = trial.kept.server.at(port)
    runs = [
        Process(
            trial.folder / f"{port}-{run}",
            "smtp_user",
            {**trial.account.options, **CREATION, "bindings_url": url, **options},
            start=start,
            under=["pauses"],
        )
        for run in range(number)
    ]
    trial.runs += runs
    return [run.result() for run in runs]


@pytest.mark.skipif(bool(missing_bouncer()), reason=str(missing_bouncer()))
@pytest.mark.parametrize("pool_size", [1, 3])
@pytest.mark.parametrize("attempt", range(3))
def test_behind_pgbouncer_in_transaction_mode_runs_fail_and_nobody_is_made_twice(
    trial: Trial, account: Account, pool_size: int, attempt: int
) -> None:
    with bounced(trial.kept.server, "transaction", pool_size) as port:
        results = through(trial, port, 2)
        # The session that is left has a dead run's lock.
        later = through(trial, port, 1)
    assert any(result.get("failed") for result in results)
    for result in [*results, *later]:
        if result.get("failed"):
            assert result["msg"].startswith(SHARED)
            assert "PgBouncer" in result["msg"]
    assert len(account.users()) <= 1
    after = trial.start().result()
    assert not after.get("failed"), after["msg"]
    assert account.calls()["addSmtp"] <= 1
    trial.one_user()


@pytest.mark.skipif(bool(missing_bouncer()), reason=str(missing_bouncer()))
def test_behind_pgbouncer_in_session_mode_all_is_well(trial: Trial, account: Account) -> None:
    with bounced(trial.kept.server, "session", 3) as port:
        results = through(trial, port, 3)
        assert not [result["msg"] for result in results if result.get("failed")]
        assert sum(result["changed"] for result in results) == 1
    trial.one_user()
