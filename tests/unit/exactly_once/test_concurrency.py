# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many processes at once: one user per alias, and a lock that is waited for, but not for ever."""

from __future__ import annotations

import contextlib
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from simulator import Settings
from unit.exactly_once.kept import Result
from unit.exactly_once.playground import OWNER, TOKEN, Account
from unit.exactly_once.processes import Process, barrier

FORKS = 12
CREATION = {"alias": "billing", "total_limit": 100, "hourly_limit": 10}


def at_once(account: Account, folder: Path, variants: list[Result], cwds: list[Path] | None = None) -> list[Result]:
    """Run one process for each variant of the creation, all at the same moment."""
    start = barrier(len(variants))
    runs = [
        Process(
            folder / str(number),
            "smtp_user",
            {**account.options, **CREATION, **variant},
            start=start,
            cwd=cwds[number] if cwds else None,
        )
        for number, variant in enumerate(variants)
    ]
    results = [run.result() for run in runs]
    for result in results:
        assert not result.get("failed"), result["msg"]
        account.refuse_secrets(result)
    return results


def changed(results: list[Result]) -> int:
    return sum(result["changed"] for result in results)


@pytest.mark.parametrize("lag", [0.0, 1.0], ids=["in-time", "lagging"])
def test_forks_on_one_alias_make_one_user(account: Account, tmp_path: Path, lag: float) -> None:
    account.service.settings = Settings(listing_lag=lag, latency=0.01)
    results = at_once(account, tmp_path / "runs", [{}] * FORKS)
    (user,) = account.users()
    assert changed(results) == 1
    assert {result["smtp_user"]["smtp_user_name"] for result in results} == {user.smtp_user_name}
    assert account.aliases() == {"billing": user.smtp_user_name}
    assert account.calls()["addSmtp"] == 1


def test_forks_on_aliases_of_their_own_make_a_user_each(account: Account, tmp_path: Path) -> None:
    account.service.settings = Settings(latency=0.01)
    variants: list[Result] = [{"alias": f"alias-{number}"} for number in range(FORKS)]
    results = at_once(account, tmp_path / "runs", variants)
    assert changed(results) == FORKS
    bound = {result["smtp_user"]["alias"]: result["smtp_user"]["smtp_user_name"] for result in results}
    assert account.aliases() == bound
    assert sorted(bound.values()) == sorted(user.smtp_user_name for user in account.users())
    assert len(account.users()) == FORKS


@pytest.mark.parametrize("account", ["file"], indirect=True)
def test_control_nodes_that_name_the_file_differently_share_it(account: Account, tmp_path: Path) -> None:
    """A relative path from the file's own folder, and a symbolic link that stands elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link.json").symlink_to(account.kept.path)
    nodes: list[tuple[str, Path]] = [(account.kept.path.name, account.kept.path.parent), ("link.json", elsewhere)] * (FORKS // 2)
    results = at_once(
        account, tmp_path / "runs", [{"bindings_path": path} for path, unused in nodes], [folder for unused, folder in nodes]
    )
    (user,) = account.users()
    assert changed(results) == 1
    assert account.aliases() == {"billing": user.smtp_user_name}
    assert (elsewhere / "link.json").is_symlink()
    assert [entry.name for entry in elsewhere.iterdir()] == ["link.json"]


ACCOUNTS = (OWNER, "second", "third")


def creations(account: Account, folder: Path, **more: Any) -> list[Process]:
    """A run for each of three accounts that share what keeps the bindings."""
    for owner in ACCOUNTS:
        account.service.add_account(owner, TOKEN)
    return [
        Process(folder / owner, "smtp_user", {**account.options, **CREATION, "owner_id": owner}, **more) for owner in ACCOUNTS
    ]


@pytest.mark.parametrize(
    ("account", "under"),
    [("file", []), ("database", []), ("database", ["one lock for all"])],
    ids=["file", "database", "twin"],
    indirect=["account"],
)
def test_accounts_do_not_wait_for_each_others_calls(account: Account, tmp_path: Path, under: list[str]) -> None:
    """Each creation is answered when those of all three are on their way; with one lock for all they never are."""
    together = threading.Barrier(len(ACCOUNTS))

    def answer(call: str, owner: str | None) -> None:
        if call == "addSmtp":
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait(0.5 if under else 4)

    for owner in ACCOUNTS:
        account.service.add_account(owner, TOKEN)
    options = {**account.options, **CREATION}
    account.service.before_call = answer
    try:
        start = barrier(len(ACCOUNTS))
        runs = [
            Process(tmp_path / owner, "smtp_user", {**options, "owner_id": owner}, under=under, start=start) for owner in ACCOUNTS
        ]
        assert [run.result().get("msg") for run in runs] == [None, None, None]
    finally:
        account.service.before_call = None
    assert together.broken is bool(under)
    assert account.calls()["addSmtp"] == len(ACCOUNTS)


@pytest.mark.parametrize("account", ["database"], indirect=True)
def test_control_nodes_that_name_the_table_differently_share_its_locks(account: Account, tmp_path: Path) -> None:
    results = at_once(account, tmp_path / "runs", account.kept.spellings() * (FORKS // 2))
    (user,) = account.users()
    assert changed(results) == 1
    assert account.aliases() == {"billing": user.smtp_user_name}


@pytest.fixture
def holder(account: Account, tmp_path: Path) -> Any:
    """A run that stands still with the lock in its hand, its user made and not yet bound."""
    options = {**account.options, **CREATION}
    model = Process(tmp_path / "model", "smtp_user", options)
    assert model.result()["changed"]
    account.service.reset()
    account.kept.lose()
    at = model.points().index("after addSmtp") + 1
    process = Process(tmp_path / "holder", "smtp_user", options, signal_at=at, signal_number=signal.SIGSTOP)
    process.wait_for("after addSmtp")
    yield process
    process.send(signal.SIGKILL)


def test_waiting_for_a_live_lock_ends_in_a_clear_message(account: Account, tmp_path: Path, holder: Process) -> None:
    before = account.calls()
    waiter = Process(tmp_path / "waiter", "smtp_user", {**account.options, **CREATION}, lock_timeout=0.3)
    result = waiter.result()
    assert result["failed"]
    assert result["msg"].startswith(account.kept.held)
    assert account.calls() == before
    holder.send(signal.SIGCONT)
    assert holder.result()["changed"] is True
    assert changed(at_once(account, tmp_path / "later", [{}])) == 0
    assert len(account.users()) == 1


@pytest.mark.parametrize("number", [signal.SIGCONT, signal.SIGKILL])
def test_a_waiter_goes_on_when_the_holder_ends(account: Account, tmp_path: Path, holder: Process, number: signal.Signals) -> None:
    """If the holder was killed, its creation is settled by the waiter; no lock has to be removed by hand."""
    waiter = Process(tmp_path / "waiter", "smtp_user", {**account.options, **CREATION})
    waiter.wait_for(account.kept.waits_at)
    holder.send(number)
    assert waiter.result()["changed"] is (number == signal.SIGKILL)
    (user,) = account.users()
    assert account.aliases() == {"billing": user.smtp_user_name}
    assert "intents" not in account.bindings()
