# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nouns: a user as listSmtp shows it, a user as the caller wants it, a write call, what the bindings file says."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    place: str = ""

    @classmethod
    def of(cls, params: Mapping[str, Any], place: str = "") -> Wanted:
        """Return the user that a module's options describe."""
        limits = (params["total_limit"], params["hourly_limit"])
        return cls(params["alias"], params["smtp_user_name"], params["state"], *limits, place)

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
    """A creation that was begun: its limits, and the names that the account listed before."""

    total_limit: int
    hourly_limit: int
    smtp_user_names: frozenset[str]

    @classmethod
    def of(cls, wanted: Wanted, listing: Listing) -> Intent:
        """Return the intent to create what is wanted, which has both limits."""
        return cls(wanted.total_limit or 0, wanted.hourly_limit or 0, frozenset(listing))


@dataclass(frozen=True)
class Bindings:
    """What the bindings file says of one account. ``place`` tells a person where its aliases stand."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    intents: Mapping[str, Intent] = field(default_factory=dict)
    password_times: Mapping[str, datetime.datetime] = field(default_factory=dict)
    place: str = ""

    def alias_of(self, smtp_user_name: str) -> str | None:
        """Return the alias that a user has."""
        return self._by_name.get(smtp_user_name)

    @functools.cached_property
    def _by_name(self) -> dict[str, str]:
        return {name: alias for alias, name in self.aliases.items()}
