# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nouns of the simulated service: a user, the settings, a line of the call log, a refusal."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STATUSES = ("Enable", "Disable")
LISTING_SHAPES = ("array", "text", "object")
EMPTY_LISTINGS = ("array", "null", "object", "missing", "text")


class ApiError(ValueError):
    """The service refuses: kind and text as the API words them."""

    def __init__(self, kind: str, message: str) -> None:
        """Keep both; the text alone is what a control endpoint shows."""
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True)
class SimulatedUser:
    """An SMTP user as the service keeps it, whatever the listing makes of it."""

    smtp_user_name: str
    smtp_password: str
    total_limit: int
    hourly_limit: int
    status: str = "Enable"


@dataclass(frozen=True)
class LoggedCall:
    """One call that arrived. `parameters` never holds owner_id or token."""

    number: int
    time: float
    call: str
    owner_id: str | None
    parameters: Mapping[str, object]
    user_agent: str
    http_status: int | None = None
    carried_out: bool = False
    fault: str | None = None


@dataclass(frozen=True)
class Settings:
    """What can be switched. The defaults are the service as its examples show it."""

    # How things are spelled in answers
    numeric_strings: bool = False
    integer_status: bool = False
    password_key: str | None = "password"
    kind_key: str = "name"
    omit_code: bool = False
    http_error_codes: bool = False
    message_list: bool = False
    error_array: bool = False
    kind_object: bool = False
    latin_1: bool = False
    extra_fields: bool = False
    shuffle: bool = False
    listing_shape: str = "array"
    empty_listing: str = "array"
    listing_fields: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    listing_entries: Sequence[object] = ()
    # How the service behaves
    listing_lag: float = 0.0
    listing_lag_calls: int = 0
    listing_age: float = 0.0
    listing_most: int | None = None
    listing_hides: Sequence[str] = ()
    complete_edits: bool = False
    hourly_limit_most: int | None = None
    latency: float = 0.0
    max_users: int | None = None
    quota_calls: int | None = None
    quota_seconds: float = 60.0
    retry_after: str | None = None

    def __post_init__(self) -> None:
        """Refuse values that would silently switch something else than was meant."""
        for setting in dataclasses.fields(self):
            value = getattr(self, setting.name)
            if isinstance(setting.default, bool):
                _require(isinstance(value, bool), setting.name, "true or false", value)
            elif isinstance(setting.default, float):
                number = isinstance(value, (int, float)) and not isinstance(value, bool)
                _require(number and value >= 0, setting.name, "a number of seconds", value)
        for name in ("max_users", "quota_calls", "listing_most", "hourly_limit_most", "listing_lag_calls"):
            value = getattr(self, name)
            number = isinstance(value, int) and not isinstance(value, bool)
            may_be_null = value is None and name != "listing_lag_calls"
            _require(may_be_null or (number and value >= 0), name, "null or a whole number", value)
        self._check_listing()
        for name, allowed in (
            ("password_key", ("password", "smtp_password", None)),
            ("kind_key", ("name", "type")),
            ("listing_shape", LISTING_SHAPES),
            ("empty_listing", EMPTY_LISTINGS),
        ):
            _require(getattr(self, name) in allowed, name, f"one of {allowed}", getattr(self, name))
        _require(
            self.retry_after is None or isinstance(self.retry_after, str),
            "retry_after",
            'null, "seconds", "date" or a string to send as it is',
            self.retry_after,
        )

    def _check_listing(self) -> None:
        for name in ("listing_entries", "listing_hides"):
            _require(isinstance(getattr(self, name), (list, tuple)), name, "a list", getattr(self, name))
        names = all(isinstance(name, str) for name in self.listing_hides)
        _require(names, "listing_hides", "a list of names", self.listing_hides)
        fields = self.listing_fields
        right = isinstance(fields, Mapping) and all(isinstance(news, Mapping) for news in fields.values())
        _require(right, "listing_fields", "a mapping from names to fields", fields)

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """These settings with some changed; unknown names are refused."""
        refuse_unknown(changes, [setting.name for setting in dataclasses.fields(self)], "setting")
        return dataclasses.replace(self, **changes)


def refuse_unknown(given: Mapping[str, object], known: list[str], noun: str) -> None:
    """Raise ValueError when a mapping has keys that nobody would look at."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"unknown {noun} {', '.join(unknown)}; known: {', '.join(sorted(known))}")


def _require(right: bool, name: str, wanted: str, value: object) -> None:
    if not right:
        raise ValueError(f"{name} must be {wanted}, not {value!r}")
