# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nouns: a user as listSmtp shows it, a user as the caller wants it, a write call, what the bindings say."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

ENABLE = "Enable"
DISABLE = "Disable"
LIMITS = ("total_limit", "hourly_limit")


@dataclass(frozen=True)
class User:
    """An SMTP user as SendClean shows it. What makes no sense there is None; nothing says how it shows "no limit"."""

    smtp_user_name: str
    status: str | None
    total_limit: int | None
    hourly_limit: int | None
    password: str | None = field(default=None, repr=False)

    def facts(self) -> dict[str, Any]:
        """Return what may be shown of the user, in the API's names."""
        return {
            "smtp_user_name": self.smtp_user_name,
            "status": self.status,
            "total_limit": self.total_limit,
            "hourly_limit": self.hourly_limit,
        }


# A listing keeps the users by name; the API does not define their order.
Listing = Mapping[str, User]


@dataclass(frozen=True)
class Wanted:
    """An SMTP user as the caller wants it. At least one of ``alias`` and ``smtp_user_name`` is set.

    ``place`` is where it stands in the options, such as ``users[3]``; empty where there is just one.
    """

    alias: str | None = None
    smtp_user_name: str | None = None
    state: str = "present"
    total_limit: int | None = None
    hourly_limit: int | None = None
    # An alias that the user had before.
    renamed_from: str | None = None
    place: str = ""

    @classmethod
    def of(cls, params: Mapping[str, Any], place: str = "") -> Wanted:
        """Return the user that a module's options describe."""
        limits = (params["total_limit"], params["hourly_limit"])
        return cls(params["alias"], params["smtp_user_name"], params["state"], *limits, params["renamed_from"], place)

    def limits(self) -> dict[str, int]:
        """Return the limits that were given."""
        given = {"total_limit": self.total_limit, "hourly_limit": self.hourly_limit}
        return {name: limit for name, limit in given.items() if limit is not None}

    def fields(self) -> dict[str, Any]:
        """Return what listSmtp has to show. There is no delete in the API: absent means disabled."""
        if self.state == "absent":
            return {"status": DISABLE}
        return {**self.limits(), "status": ENABLE}


@dataclass(frozen=True)
class Purge:
    """Which users that nobody names are disabled: those of ``scope`` whose names match no pattern, and at most ``limit``.

    ``limit`` is a number, or a percentage of the account's enabled users such as ``30%``.
    """

    exclude: tuple[str, ...] = ()
    scope: str = "managed"
    limit: str = "30%"

    def most(self, enabled: int) -> int:
        """Return how many of so many enabled users may be disabled. A percentage never means fewer than three."""
        if self.limit.endswith("%"):
            whole, unused, part = self.limit[:-1].partition(".")
            return max(3, enabled * int(whole + part) // int("100" + "0" * len(part)))
        return int(self.limit)


@dataclass(frozen=True)
class Operation:
    """A write call. ``smtp_user_name`` is None for a user that is still to be created."""

    call: str
    smtp_user_name: str | None
    parameters: Mapping[str, Any]

    def facts(self) -> dict[str, Any]:
        """Return the operation as the task's result shows it."""
        return {"call": self.call, "smtp_user_name": self.smtp_user_name, "parameters": dict(self.parameters)}


@dataclass(frozen=True)
class Intent:
    """A creation that was begun: its limits, the names that the account listed before, and when it was begun, if known."""

    total_limit: int
    hourly_limit: int
    smtp_user_names: frozenset[str]
    time: datetime.datetime | None = None


@dataclass(frozen=True)
class Standby:
    """The other user of an alias. ``retires_at``: it was the alias's until a switch, and works till then at least.

    ``staged``: it has a new password, and the switch to it is still to come. Neither: it is off until the next rotation.
    """

    smtp_user_name: str
    retires_at: datetime.datetime | None = None
    staged: bool = False


@dataclass(frozen=True)
class Bindings:
    """What is recorded of one account.

    ``known`` are users that were acknowledged as somebody else's. ``delivered`` has whose credentials were handed to an alias's
    consumers last, None where they have to be handed to them anew. ``place`` tells a person where the aliases stand, ``path``
    where the record is, by ``option``, and ``elsewhere`` under which other base URLs there is the same owner_id.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    intents: Mapping[str, Intent] = field(default_factory=dict)
    password_times: Mapping[str, datetime.datetime] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    standbys: Mapping[str, Standby] = field(default_factory=dict)
    delivered: Mapping[str, str | None] = field(default_factory=dict)
    place: str = ""
    option: str = "bindings_path"
    path: str = ""
    elsewhere: tuple[str, ...] = ()

    @property
    def knows_somebody(self) -> bool:
        """Whether it says of any user who it is."""
        return bool(self.aliases or self.intents or self.known or self.standbys)

    @property
    def noun(self) -> str:
        """What the record is called for people."""
        return "the file" if self.option == "bindings_path" else "the database"

    def with_moves(self, moves: Mapping[str, str]) -> Bindings:
        """Return the same after aliases were renamed; ``moves`` has the old alias of each new one."""
        if not moves:
            return self
        new = {old: alias for alias, old in moves.items()}
        return replace(
            self,
            aliases={new.get(alias, alias): name for alias, name in self.aliases.items()},
            # Whose user comes from elsewhere has none to be created any more.
            intents={new.get(alias, alias): begun for alias, begun in self.intents.items() if alias in new or alias not in moves},
            standbys={new.get(alias, alias): standby for alias, standby in self.standbys.items()},
            delivered={new.get(alias, alias): name for alias, name in self.delivered.items()},
        )

    def alias_of(self, smtp_user_name: str) -> str | None:
        """Return the alias that a user has."""
        return self._by_name.get(smtp_user_name)

    def standby_of(self, smtp_user_name: str) -> str | None:
        """Return the alias whose standby a user is."""
        return self._standbys_by_name.get(smtp_user_name)

    def owner_of(self, smtp_user_name: str) -> str | None:
        """Return the alias that a user belongs to, as its user or as its standby."""
        return self.alias_of(smtp_user_name) or self.standby_of(smtp_user_name)

    @functools.cached_property
    def _standbys_by_name(self) -> dict[str, str]:
        return {standby.smtp_user_name: alias for alias, standby in self.standbys.items()}

    @functools.cached_property
    def _by_name(self) -> dict[str, str]:
        return {name: alias for alias, name in self.aliases.items()}
