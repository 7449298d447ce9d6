# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the service remembers: accounts, their users, and how each user looked when.

Not thread-safe by itself: the service holds its lock around every use.
"""

from __future__ import annotations

import secrets
import string
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from .model import Settings, SimulatedUser

FIRST_NUMBER = 10001
LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Snapshot:
    """A user from `time` on, when the account had been listed `listings` times; the listing may show it only later."""

    time: float
    listings: int
    lag: float
    lag_calls: int
    user: SimulatedUser

    def shows(self, now: float, listings: int, settings: Settings) -> bool:
        """Judged by the lag of then and by that of now: the shorter counts.

        So users from before a lag was switched on stay in sight, and switching it off shows all.
        """
        if listings < self.listings + min(self.lag_calls, settings.listing_lag_calls):
            return False
        return now >= self.time + min(self.lag, settings.listing_lag)


@dataclass
class Account:
    """One owner's token, users (each with its history) and recent calls."""

    token: str
    users: dict[str, list[Snapshot]] = field(default_factory=dict)
    call_times: deque[float] = field(default_factory=deque)
    listings: int = 0


class Store:
    """All accounts of the service."""

    def __init__(self, tokens: Mapping[str, str], remembered: set[str]) -> None:
        """Start with these accounts (owner_id: token), all without users. Each token and password goes to `remembered`."""
        self._accounts: dict[str, Account] = {}
        self._remembered = remembered
        for owner_id, token in tokens.items():
            self.put_account(owner_id, token)
        self._next_number = FIRST_NUMBER

    def put_account(self, owner_id: str, token: str) -> None:
        """Add an account, or give an existing one another token."""
        self._remembered.add(token)
        if owner_id in self._accounts:
            self._accounts[owner_id].token = token
        else:
            self._accounts[owner_id] = Account(token)

    def account(self, owner_id: str) -> Account:
        """The account, or ValueError."""
        if owner_id not in self._accounts:
            raise ValueError(f"no account {owner_id!r}")
        return self._accounts[owner_id]

    def token_fits(self, owner_id: object, token: object) -> bool:
        """Both must be strings and belong together."""
        account = self._accounts.get(owner_id) if isinstance(owner_id, str) else None
        return account is not None and isinstance(token, str) and token == account.token

    def users(self, owner_id: str) -> list[SimulatedUser]:
        """The true state, in order of creation."""
        return [history[-1].user for history in self.account(owner_id).users.values()]

    def shown_users(self, owner_id: str, settings: Settings) -> list[SimulatedUser]:
        """The state as the listing shows it, each user's newest snapshot that is due."""
        account, now = self.account(owner_id), time.monotonic() - settings.listing_age
        shown = []
        for history in account.users.values():
            due = next((snapshot for snapshot in reversed(history) if snapshot.shows(now, account.listings, settings)), None)
            if due is not None:
                shown.append(due.user)
        return shown

    def user(self, owner_id: str, name: str) -> SimulatedUser | None:
        """The true state of one user."""
        history = self.account(owner_id).users.get(name)
        return history[-1].user if history else None

    def put_user(self, owner_id: str, user: SimulatedUser, lag: float = 0.0, lag_calls: int = 0) -> None:
        """Create or change a user; the listing shows it after `lag` seconds and `lag_calls` listings."""
        self._remembered.add(user.smtp_password)
        account = self.account(owner_id)
        history = account.users.setdefault(user.smtp_user_name, [])
        history.append(Snapshot(time.monotonic(), account.listings, lag, lag_calls, user))

    def remove_user(self, owner_id: str, name: str) -> None:
        """Forget a user; the API itself has no such call."""
        if self.account(owner_id).users.pop(name, None) is None:
            raise ValueError(f"account {owner_id!r} has no user {name!r}")

    def name_is_taken(self, name: str) -> bool:
        """Names are unique in the whole service, not only in an account."""
        return any(name in account.users for account in self._accounts.values())

    def new_name(self) -> str:
        """A name of the server's choice. Gaps, so that no test can guess the next one."""
        while True:
            name = f"smtp{self._next_number}"
            self._next_number += 1 + secrets.randbelow(9)
            if not self.name_is_taken(name):
                return name


def new_password() -> str:
    """16 letters and digits."""
    return "".join(secrets.choice(LETTERS) for unused in range(16))
