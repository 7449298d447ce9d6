# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reset a password once: guards, the lost answer, and the time that the bindings file keeps."""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._apply import VERIFY_SECONDS, creation_window, utc_now
from ansible_collections.sendclean.email.plugins.module_utils._bindings import BindingsFile
from ansible_collections.sendclean.email.plugins.module_utils._client import MAX_ATTEMPTS, Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import (
    BindingsError,
    CallError,
    Outcome,
    RefusedError,
    VerificationError,
)
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Listing, User


@dataclass(frozen=True)
class Reset:
    """Whose password to reset, by ``smtp_user_name`` or ``alias``, and under which conditions; all have to hold."""

    smtp_user_name: str | None = None
    alias: str | None = None
    current_password: str | None = field(default=None, repr=False)
    max_age_days: float | None = None


@dataclass(frozen=True)
class ResetDone:
    """What came of it. ``password`` is the new one; None where it was not reset."""

    smtp_user_name: str
    alias: str | None
    changed: bool
    password: str | None = field(default=None, repr=False)

    def facts(self) -> dict[str, Any]:
        """Return the task's result."""
        facts = {"changed": self.changed, "smtp_user_name": self.smtp_user_name, "alias": self.alias}
        return {**facts, "smtp_password": self.password} if self.password else facts


def reset_password(client: Client, file: BindingsFile | None, reset: Reset, check_mode: bool) -> ResetDone:
    """Reset a password if the guards allow it. Raises SendCleanError."""
    # With the lock two runs at once do not both find the password too old.
    with file.lock() if file and not check_mode else contextlib.nullcontext():
        bindings = file.read() if file else Bindings()
        user = _find(reset, client.list_smtp(), bindings)
        name, alias = user.smtp_user_name, bindings.alias_of(user.smtp_user_name)
        due = _is_due(reset, user, bindings.password_times.get(name))
        if not due or check_mode:
            return ResetDone(name, alias, changed=due)
        done = ResetDone(name, alias, changed=True, password=_reset(client, user))
        try:
            if file:
                file.record_password_time(name, utc_now())
        except BindingsError as error:
            error.done = done.facts()
            raise
        return done


def _find(reset: Reset, listing: Listing, bindings: Bindings) -> User:
    name = reset.smtp_user_name
    if reset.alias is not None:
        name = bindings.aliases.get(reset.alias)
        if name is None:
            raise RefusedError(
                f'alias "{reset.alias}" has no user in bindings_path: create or adopt one with sendclean.email.smtp_user'
            )
    user = listing.get(name or "")
    if user is None:
        raise RefusedError(f"{name} is not in the account: check {'alias' if reset.alias else 'smtp_user_name'}, and owner_id")
    return user


def _is_due(reset: Reset, user: User, password_time: datetime.datetime | None) -> bool:
    if reset.current_password is not None:
        if user.password is None:
            raise RefusedError("current_password cannot be compared: listSmtp shows no password for this user")
        if user.password != reset.current_password:
            return False
    if reset.max_age_days is None or password_time is None:
        return True
    return (utc_now() - password_time).total_seconds() > reset.max_age_days * 86400


def _reset(client: Client, user: User) -> str:
    """Reset once, whatever becomes of the answer: listSmtp shows the password that is in force."""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            password = client.reset_smtp_password(user.smtp_user_name)
        except CallError as error:
            if error.outcome is Outcome.REFUSED or user.password is None:
                raise
            found = _changed_password(client, user, creation_window(client))
            if found is not None:
                return found
            if error.outcome is Outcome.UNKNOWN or attempt == MAX_ATTEMPTS:
                raise
        else:
            if user.password is None:
                # Nothing to compare with: the answer is all there is.
                return password
            # Somebody may have reset it since: what counts is what is in force.
            in_force = _changed_password(client, user, VERIFY_SECONDS)
            if in_force is None:
                raise VerificationError(
                    f"SendClean accepted resetSmtpPassword for {user.smtp_user_name}, but {VERIFY_SECONDS:g} s later listSmtp "
                    "still shows the old password. Run again, and if it stays so, ask SendClean"
                )
            return in_force
    raise AssertionError("unreachable")


def _changed_password(client: Client, user: User, seconds: float) -> str | None:
    for listing in client.listings(seconds):
        shown = listing.get(user.smtp_user_name)
        if shown and shown.password not in (None, user.password):
            return shown.password
    return None
