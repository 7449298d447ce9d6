# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nouns: a user as listSmtp shows it, a user as the caller wants it, a write call, what the bindings file says."""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

ENABLE = "Enable"
DISABLE = "Disable"
LIMITS = ("total_limit", "hourly_limit")

# The table in the vendor's documentation calls the type of "status" integer, its examples show words.
_STATUSES = {"enable": ENABLE, "1": ENABLE, "true": ENABLE, "disable": DISABLE, "0": DISABLE, "false": DISABLE}


@dataclass(frozen=True)
class User:
    """An SMTP user as SendClean holds it."""

    smtp_user_name: str
    status: str
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
            return max(3, math.floor(enabled * Fraction(self.limit[:-1]) / 100))
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
class Bindings:
    """What the bindings file says of one account.

    ``known`` are users that were acknowledged as somebody else's. ``place`` tells a person where the aliases stand, ``path``
    where the file lies, and ``elsewhere`` under which other base URLs it has the same owner_id.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    intents: Mapping[str, Intent] = field(default_factory=dict)
    password_times: Mapping[str, datetime.datetime] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    place: str = ""
    path: str = ""
    elsewhere: tuple[str, ...] = ()

    @property
    def knows_somebody(self) -> bool:
        """Whether the file says of any user who it is."""
        return bool(self.aliases or self.intents or self.known)

    def with_moves(self, moves: Mapping[str, str]) -> Bindings:
        """Return the same after aliases were renamed; ``moves`` has the old alias of each new one."""
        if not moves:
            return self
        new = {old: alias for alias, old in moves.items()}
        aliases = {new.get(alias, alias): name for alias, name in self.aliases.items()}
        return replace(self, aliases=aliases, intents={new.get(alias, alias): begun for alias, begun in self.intents.items()})

    def alias_of(self, smtp_user_name: str) -> str | None:
        """Return the alias that a user has."""
        return self._by_name.get(smtp_user_name)

    @functools.cached_property
    def _by_name(self) -> dict[str, str]:
        return {name: alias for alias, name in self.aliases.items()}


def parse_listing(body: Mapping[str, Any]) -> dict[str, User]:
    """Read the answer of listSmtp. Raises ValueError where it makes no sense; the text holds no secret."""
    entries = body.get("smtp_list")
    if not isinstance(entries, list):
        raise ValueError("smtp_list is not a list")
    users: dict[str, User] = {}
    for index, entry in enumerate(entries):
        try:
            user = _parse_user(entry)
        except ValueError as exc:
            raise ValueError(f"smtp_list[{index}]: {exc}") from None
        if user.smtp_user_name in users:
            raise ValueError(f"smtp_list[{index}]: {user.smtp_user_name} is listed twice")
        users[user.smtp_user_name] = user
    return users


def _parse_user(entry: Any) -> User:
    if not isinstance(entry, dict):
        raise ValueError("is not an object")
    name = entry.get("smtp_user_name")
    if not isinstance(name, str) or not name:
        raise ValueError("has no smtp_user_name")
    status = _STATUSES.get(str(entry.get("status")).lower())
    if status is None:
        raise ValueError("has a status that is neither Enable nor Disable")
    return User(
        smtp_user_name=name,
        status=status,
        total_limit=_parse_limit(entry, "total_limit"),
        hourly_limit=_parse_limit(entry, "hourly_limit"),
        password=password_in(entry),
    )


def _parse_limit(entry: Mapping[str, Any], key: str) -> int | None:
    """Read a limit: an integer or a numeric string. Null is read as no limit, though no source shows one."""
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, float) and math.isfinite(value) and value >= 0 and value == int(value):
        return int(value)
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"has a {key} that is not a number")


def password_in(entry: Mapping[str, Any]) -> str | None:
    """Return the password of an answer: the examples call it ``password``, the table ``smtp_password``."""
    for key in ("smtp_password", "password"):
        value = entry.get(key)
        if isinstance(value, str) and value:
            return value
    return None
