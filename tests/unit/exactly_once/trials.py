# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that create the same user with the bindings in PostgreSQL, and what must be true in the end."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from unit.exactly_once.kept import InDatabase, Result
from unit.exactly_once.playground import Account
from unit.exactly_once.processes import Process, barrier

CREATION = {"alias": "billing", "total_limit": 100, "hourly_limit": 10}
# How long a call may take, in seconds: longer than a busy machine needs, and a stop is longer still.
TIMEOUT = 1.0
STOPS = {
    "before-the-intent": "before write with intent",
    "intent-sent": "sent write with intent",
    "after-the-intent": "after write with intent",
    "in-the-request": "sent addSmtp",
    "after-the-answer": "after addSmtp",
    "before-the-binding": "before write without intent",
    "binding-sent": "sent write without intent",
}
BEFORE_THE_CALL = {"before-the-intent", "intent-sent", "after-the-intent"}


class Trial:
    """Runs that create the same user."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.account = account
        self.folder = folder
        self.account.options["timeout"] = TIMEOUT
        self.runs: list[Process] = []

    def start(
        self, stop_at: str = "", under: Sequence[str] = (), users: Sequence[str] = (), resets: bool = False, **options: object
    ) -> Process:
        """Begin a run, which stops itself at a point. ``users`` are aliases, for a run that makes several users."""
        arrived = self.account.carried_out()
        asked: Result = {"users": [{**CREATION, "alias": alias} for alias in users]} if users else CREATION
        if resets:
            asked = {"alias": CREATION["alias"]}
        run = Process(
            self.folder / str(len(self.runs)),
            "smtp_users" if users else "smtp_password_reset" if resets else "smtp_user",
            {**self.account.options, **asked, **options},
            signal_at=stop_at,
            signal_number=signal.SIGSTOP,
            under=under,
        )
        self.runs.append(run)
        if stop_at:
            point, unused, times = stop_at.rstrip(")").partition(" (")
            run.wait_for(point, int(times or 1))
            if point.startswith("sent ") and "Smtp" in point:
                self._wait_for_arrival(point.removeprefix("sent "), arrived)
        return run

    def _wait_for_arrival(self, call: str, before: Counter[str]) -> None:
        """Let the service carry out what was sent."""
        deadline = time.monotonic() + 30
        while self.account.carried_out()[call] == before[call]:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def at_once(self, number: int, under: Sequence[str] = (), **options: object) -> list[Result]:
        """As many runs at the same moment."""
        start = barrier(number)
        runs = [
            Process(
                self.folder / str(len(self.runs) + place),
                "smtp_user",
                {**self.account.options, **CREATION, **options},
                start=start,
                under=under,
            )
            for place in range(number)
        ]
        self.runs += runs
        return [run.result() for run in runs]

    def end(self) -> None:
        """End what still runs."""
        for run in self.runs:
            run.send(signal.SIGKILL)

    def end_session(self) -> None:
        """End the one that has the lock."""
        (row,) = self.kept.ask(
            "select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock'"
        )
        assert row == (True,)

    @property
    def kept(self) -> InDatabase:
        """The table."""
        assert isinstance(self.account.kept, InDatabase)
        return self.account.kept

    def version(self) -> int:
        """The newest."""
        return int(self.kept.ask("select coalesce(max(version), 0) from sendclean_bindings")[0][0])

    def one_user(self) -> None:
        """There is one, bound, and nothing more to do."""
        (user,) = self.account.users()
        assert self.account.aliases() == {"billing": user.smtp_user_name}
        assert "intents" not in self.account.bindings()
        calls = self.account.calls()
        again = self.account.run("smtp_user", **CREATION)
        assert again["changed"] is False
        assert self.account.calls() - calls == {"listSmtp": 1}
        assert not self.kept.left_behind()
