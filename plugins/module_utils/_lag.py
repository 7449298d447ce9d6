# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A listing may lag behind a write: for how long, and how to list until it can be relied on. What time it is."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ansible_collections.sendclean.email.plugins.module_utils import _model

if TYPE_CHECKING:
    # Only by name: each run of the role needs the time, and few need requests.
    from ansible_collections.sendclean.email.plugins.module_utils import _client

# For how long a listing may lag behind a write before the write counts as not applied, in seconds.
VERIFY_SECONDS = 10.0


def lost_answer_window(client: _client.Client) -> float:
    """Return for how many seconds after a lost answer what the call has done may still show up in the listing."""
    return min(client.connection.timeout, 30.0)


def list_with_young(
    client: _client.Client,
    bindings: _model.Bindings,
    users: Iterable[str | None],
    settled: Callable[[_model.User], bool] = lambda user: True,
) -> _model.Listing:
    """List the account, again while one of these users got its password a moment ago and is not listed or not ``settled``.

    ``users`` are aliases or names.
    """
    names = {bindings.aliases.get(user or "", user or "") for user in users}
    listing: _model.Listing = {}
    for listing in client.listings(VERIFY_SECONDS):
        waiting = (name for name in names if name not in listing or not settled(listing[name]))
        if not any(is_young(bindings, name) for name in waiting):
            break
    return listing


def is_young(bindings: _model.Bindings, smtp_user_name: str) -> bool:
    """Say whether a user got its password so short a time ago that a listing may not show it yet."""
    password_time = bindings.password_times.get(smtp_user_name)
    return password_time is not None and (utc_now() - password_time).total_seconds() < VERIFY_SECONDS


def utc_now() -> datetime.datetime:
    """Return now, in UTC as the bindings have it."""
    return datetime.datetime.now(datetime.timezone.utc)


def age_in_days(time: datetime.datetime | None) -> float | None:
    """Return how long ago something was, in days; None where that is not known."""
    return None if time is None else round((utc_now() - time).total_seconds() / 86400, 5)
