# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The four calls: validate, then say what would change and what the answer's body is.

Nothing is stored here, so that a call can also be answered without being carried out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .answers import SEPARATOR, render_listing
from .model import STATUSES, ApiError, Settings, SimulatedUser
from .store import Store, new_password


@dataclass(frozen=True)
class Outcome:
    """The success body, and the user to store if the call writes."""

    body: dict[str, object]
    user: SimulatedUser | None = None


Parameters = Mapping[str, object]
Call = Callable[[Store, Settings, str, Parameters], Outcome]


def list_smtp(store: Store, settings: Settings, owner_id: str, parameters: Parameters) -> Outcome:
    """All users that the listing shows by now; there is no paging."""
    users = store.shown_users(owner_id, settings)
    shown = [user for user in users if user.smtp_user_name not in settings.listing_hides][: settings.listing_most]
    return Outcome(render_listing(settings, shown))


def add_smtp(store: Store, settings: Settings, owner_id: str, parameters: Parameters) -> Outcome:
    """A new user with a name and a password of the server's choice."""
    total_limit = limit_from(parameters.get("total_limit"))
    hourly_limit = limit_from(parameters.get("hourly_limit"))
    if settings.max_users is not None and len(store.users(owner_id)) >= settings.max_users:
        raise ApiError("ValidationError", "You reached the max SMTP user")
    if settings.hourly_limit_most is not None:
        hourly_limit = min(hourly_limit, settings.hourly_limit_most)
    user = SimulatedUser(store.new_name(), new_password(), total_limit, hourly_limit)
    return Outcome({"message": "SMTP User Created", **_credentials(user)}, user)


def edit_smtp(store: Store, settings: Settings, owner_id: str, parameters: Parameters) -> Outcome:
    """Set what is given; what is left out or null stays as it is."""
    user = _named_user(store, owner_id, parameters)
    fields = ("total_limit", "hourly_limit", "status")
    changes = {name: parameters[name] for name in fields if parameters.get(name) is not None}
    if not changes:
        raise ApiError("ValidationError", "No update field given !!")
    missing = [name for name in fields if name not in changes]
    if settings.complete_edits and missing:
        raise ApiError("ValidationError", SEPARATOR.join(f"{name} required !!" for name in missing))
    return Outcome({"message": "SMTP User Updated"}, changed_user(user, changes))


def reset_smtp_password(store: Store, settings: Settings, owner_id: str, parameters: Parameters) -> Outcome:
    """Another password of the server's choice."""
    user = dataclasses.replace(_named_user(store, owner_id, parameters), smtp_password=new_password())
    return Outcome({"message": "password reseted", **_credentials(user)}, user)


CALLS: dict[str, Call] = {
    "listSmtp": list_smtp,
    "addSmtp": add_smtp,
    "editSmtp": edit_smtp,
    "resetSmtpPassword": reset_smtp_password,
}


def limit_from(value: object) -> int:
    """A positive integer from an integer or a string of digits; True is no number."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ApiError("ValidationError", "total_limit and hourly_limit should digits only")
    if value <= 0:
        raise ApiError("ValidationError", "total_limit and hourly_limit should be greater than zero")
    return value


def changed_user(user: SimulatedUser, changes: Mapping[str, object]) -> SimulatedUser:
    """The user with other limits, status or password, each checked."""
    checked: dict[str, Any] = dict(changes)
    for name in ("total_limit", "hourly_limit"):
        if name in checked:
            checked[name] = limit_from(checked[name])
    if "status" in checked and checked["status"] not in STATUSES:
        raise ApiError("ValidationError", "status should be Enable or Disable")
    if not isinstance(checked.get("smtp_password", ""), str):
        raise ApiError("ValidationError", "smtp_password should be a string")
    return dataclasses.replace(user, **checked)


def _named_user(store: Store, owner_id: str, parameters: Parameters) -> SimulatedUser:
    name = parameters.get("smtp_user_name")
    if not isinstance(name, str) or not name:
        raise ApiError("ValidationError", "smtp user required !!")
    user = store.user(owner_id, name)
    if user is None:
        raise ApiError("ValidationError", "smtp user not found !!")
    return user


def _credentials(user: SimulatedUser) -> dict[str, object]:
    # Always smtp_password here: the sources differ about the listing only.
    return {"smtp_user_name": user.smtp_user_name, "smtp_password": user.smtp_password}
