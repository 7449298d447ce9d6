# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies between a run and its bindings goes, the server or the connection; or it never was what it seemed: PgBouncer."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from postgres import bounced
from postgres.proxy import Proxy
from simulator import Settings
from unit.exactly_once.playground import Account
from unit.exactly_once.trials import BEFORE_THE_CALL, CREATION, STOPS, Trial

pytestmark = pytest.mark.parametrize("account", ["database"], indirect=True)

LOST = "The connection to bindings_url was lost while this task held its lock"
HELD = "The lock of bindings_url has been held for 2 s"
SHARED = ("bindings_url leads to a session that others use at the same time", "The lock of bindings_url is not held any more")


@pytest.mark.parametrize("stop", ["in-the-request", "after-the-answer", "before-the-binding"])
def test_a_name_that_cannot_be_written_down_is_in_the_failure_and_found_by_the_next_run(
    trial: Trial, account: Account, stop: str
) -> None:
    holder = trial.start(STOPS[stop], under=["short late"])
    trial.kept.server.stop()
    try:
        holder.send(signal.SIGCONT)
        result = holder.result()
    finally:
        trial.kept.server.start("fsync=off")
    (user,) = account.users()
    assert result["failed"]
    assert "bindings_url leads to no database: " in result["msg"]
    assert result["msg"].startswith(f'{user.smtp_user_name} was created for alias "billing", ')
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
    holder = trial.start(STOPS[stop], under=["short late", "short patience"], bindings_url=trial.kept.server.at(proxy.port))
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
        # What was sent may be on its way.
        assert trial.version() == version or stop == "intent-sent"
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


def test_with_the_lock_nothing_more_is_done_for_other_users(trial: Trial, account: Account, proxy: Proxy) -> None:
    """Neither is one created, nor another one changed, while the lock is the swallowed session's."""
    other = account.run("smtp_user", **{**CREATION, "alias": "news", "hourly_limit": 9})
    holder = trial.start(
        "after addSmtp",
        ["short late", "short patience"],
        ["billing", "shop", "news"],
        bindings_url=trial.kept.server.at(proxy.port),
    )
    proxy.swallow()
    calls, version = account.calls(), trial.version()
    holder.send(signal.SIGCONT)
    result = holder.result()
    assert account.calls() - calls == Counter({"listSmtp": account.calls()["listSmtp"] - calls["listSmtp"]})
    assert trial.version() == version
    created, not_created, unchanged = (user["msg"] for user in result["failures"])
    assert created.startswith(f'{account.users()[1].smtp_user_name} was created for alias "billing", ')
    assert "not attempted, since the bindings were changed, or their lock was lost" in not_created
    assert not_created == unchanged
    proxy.close()
    assert trial.start(users=["billing", "shop", "news"]).result()["summary"]["adopted"] == 1
    assert account.aliases()["news"] == other["smtp_user"]["smtp_user_name"]
    assert len(account.users()) == 3


def test_what_another_run_has_settled_otherwise_stops_a_run_whose_lock_was_lost(trial: Trial, account: Account) -> None:
    """Its listing is from before: it creates nobody else, whom the other may have created as well."""
    account.service.settings = Settings(listing_lag=8.0)
    # The second of these binds one and begins the next.
    holder = trial.start("before write with intent (2)", users=["billing", "shop"])
    trial.end_session()
    assert trial.start(users=["billing", "shop"]).result()["summary"]["created"] == 2
    holder.send(signal.SIGCONT)
    result = holder.result()
    assert account.calls()["addSmtp"] == 3
    assert "whose creation another run has settled meanwhile" in result["failures"][0]["msg"]
    assert "not attempted" in result["failures"][1]["msg"]


@pytest.mark.parametrize("pool_size", [1, 3])
@pytest.mark.parametrize("attempt", range(3))
def test_behind_pgbouncer_in_transaction_mode_runs_fail_and_nobody_is_made_twice(
    trial: Trial, account: Account, pool_size: int, attempt: int
) -> None:
    with bounced(trial.kept.server, "transaction", pool_size) as port:
        results = trial.at_once(2, ["pauses", "short wait"], bindings_url=trial.kept.server.at(port))
        # The session that is left has a dead run's lock.
        later = trial.at_once(1, ["short wait"], bindings_url=trial.kept.server.at(port))
    assert any(result.get("failed") for result in results)
    for result in [*results, *later]:
        # With another session than the one that is left, who waits does so in vain.
        if result.get("failed") and not (pool_size > 1 and result["msg"].startswith(HELD)):
            assert result["msg"].startswith(SHARED)
            assert "PgBouncer" in result["msg"]
    assert len(account.users()) <= 1
    after = trial.start().result()
    assert not after.get("failed"), after["msg"]
    assert account.calls()["addSmtp"] <= 1
    trial.one_user()


def test_behind_pgbouncer_in_session_mode_all_is_well(trial: Trial, account: Account) -> None:
    with bounced(trial.kept.server, "session", 3) as port:
        results = trial.at_once(3, ["pauses"], bindings_url=trial.kept.server.at(port))
        assert not [result["msg"] for result in results if result.get("failed")]
        assert sum(result["changed"] for result in results) == 1
    trial.one_user()
