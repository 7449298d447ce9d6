# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reset a password once: guards, the lost answer, and the time that the bindings keep."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils import _bindings, _client, _errors, _lag, _model, _planner


def reset_password(
    client: _client.Client, record: _bindings.Record | None, params: Mapping[str, Any], check_mode: bool
) -> dict[str, Any]:
    """Reset the password of ``alias`` or ``smtp_user_name`` if the guards ``current_password`` and ``max_age_days`` allow it.

    Returns the task's result. Raises SendCleanError.
    """
    # With the lock two runs at once do not both find the password too old.
    with record.lock(optional=True) if record and not check_mode else contextlib.nullcontext():
        bindings = record.read() if record else _model.Bindings()
        name = params["smtp_user_name"] if params["alias"] is None else bindings.aliases.get(params["alias"])
        if name is None:
            alias, warning = params["alias"], to_come(client, params["alias"], bindings, check_mode)
            # A user who has just been created has a password of no age, which nobody knows.
            due = params["current_password"] is None and not params["max_age_days"]
            return {"smtp_user_name": None, "alias": alias, "changed": due, "warnings": [warning]}
        names = [name, *_former(params, bindings)]
        due = any(is_old(params["max_age_days"], bindings.password_times.get(each), _lag.utc_now()) for each in names)
        if record and due and params["current_password"] is None and not check_mode:
            # Not only below: where it is known without a call, none is made.
            record.require_writable()
        replaced = params["current_password"] if due else None
        listing = client.list_smtp() if check_mode else _list(client, bindings, names, replaced)
        user = _find(name, listing, bindings)
        due = _has_current_password(params, user)
        for former in () if due else names[1:]:
            if former in listing and listing[former].password == params["current_password"]:
                user, due = listing[former], True
        due = due and is_old(params["max_age_days"], bindings.password_times.get(user.smtp_user_name), _lag.utc_now())
        result: dict[str, Any] = {"smtp_user_name": user.smtp_user_name, "alias": bindings.alias_of(user.smtp_user_name)}
        standby_of = bindings.standby_of(user.smtp_user_name)
        if standby_of is not None:
            result["standby_of"] = standby_of
        if not due or check_mode:
            return {**result, "changed": due}
        return _reset(client, record, user, result)


def _reset(client: _client.Client, record: _bindings.Record | None, user: _model.User, result: dict[str, Any]) -> dict[str, Any]:
    """Reset the password of a user, and return the result with it. Whatever fails after the call, it must not be lost."""
    if record:
        record.require_writable()
    result["smtp_password"], problem = reset_once(client, user, record.prove if record else None)
    try:
        if isinstance(problem, _errors.VerificationError):
            # As far as one can see it is not in force: nothing has changed yet, and no time is to be kept.
            raise problem
        result["changed"] = True
        if record:
            record.record_password_time(user.smtp_user_name, _lag.utc_now())
        if problem:
            raise problem
    except _errors.SendCleanError as error:
        error.done = result
        raise
    return result


def to_come(client: _client.Client, alias: str, bindings: _model.Bindings, check_mode: bool) -> str:
    """Return the warning of a dry run about an alias that has no user yet: a task before this one may create it.

    Raises SendCleanError; in a real run it does so always.
    """
    place = bindings.option
    if not check_mode:
        raise _errors.RefusedError(f'alias "{alias}" has no user in {place}: create or adopt one with sendclean.email.smtp_user')
    # As every dry run does: an account that cannot be listed is a failure here, too.
    client.list_smtp()
    return (
        f'alias "{alias}" has no user in {place} yet: the real run fails unless an earlier task creates or '
        "adopts one. Here it counts as created: an adopted user's password is of unknown age, which max_age_days lets through"
    )


def _former(params: Mapping[str, Any], bindings: _model.Bindings) -> list[str]:
    """Return who takes turns with the user of an alias: a password that has leaked may be that one's."""
    standby = bindings.standbys.get(params["alias"] or "")
    return [standby.smtp_user_name] if standby and params["current_password"] is not None else []


def _list(client: _client.Client, bindings: _model.Bindings, names: Sequence[str], replaced: str | None) -> _model.Listing:
    """List the account, again while it may be an older view that shows a password which has just been ``replaced``."""
    return _lag.list_with_young(client, bindings, names, lambda user: replaced is None or user.password != replaced)


def _find(smtp_user_name: str, listing: _model.Listing, bindings: _model.Bindings) -> _model.User:
    user = listing.get(smtp_user_name)
    if user is None:
        alias = bindings.alias_of(smtp_user_name)
        if alias is not None:
            raise _errors.RefusedError(_planner.not_listed(alias, smtp_user_name, bindings))
        raise _errors.RefusedError(f"{smtp_user_name} is not in the account: check smtp_user_name, and owner_id")
    return user


def _has_current_password(params: Mapping[str, Any], user: _model.User) -> bool:
    if params["current_password"] is None:
        return True
    if user.password is None:
        raise _errors.RefusedError(
            "current_password cannot be compared: listSmtp shows no password for this user. Leave it out, "
            "and guard with max_age_days instead"
        )
    return bool(user.password == params["current_password"])


def is_old(max_age_days: float | None, password_time: datetime.datetime | None, now: datetime.datetime) -> bool:
    """Say whether a password of that time is older than so many days; one of unknown age is, and without a limit each is."""
    if max_age_days is None or password_time is None:
        return True
    return (now - password_time).total_seconds() / 86400 > max_age_days


def reset_once(
    client: _client.Client, user: _model.User, prove: Callable[[], None] | None
) -> tuple[str, _errors.SendCleanError | None]:
    """Reset once, whatever becomes of the answer. Return the new password, and what could not be verified of it."""
    attempt = 0
    while True:
        attempt += 1
        try:
            password = client.reset_smtp_password(user.smtp_user_name, prove)
        except _errors.CallError as error:
            if error.outcome is _errors.Outcome.REFUSED or user.password is None:
                raise
            found = _changed_password(client, user)
            if found is not None:
                return found, None
            if error.outcome is _errors.Outcome.UNKNOWN or attempt == _client.MAX_ATTEMPTS:
                raise
        else:
            return _verified(client, user, password)


def _changed_password(client: _client.Client, user: _model.User) -> str | None:
    """Look for the password of a reset whose answer is lost."""
    for listing in client.listings(_lag.lost_answer_window(client)):
        shown = listing.get(user.smtp_user_name)
        if shown and shown.password not in (None, user.password):
            return shown.password
    return None


def _verified(client: _client.Client, user: _model.User, password: str) -> tuple[str, _errors.SendCleanError | None]:
    """Return the password that is in force once the account shows the one that was answered, or another for long."""
    shown = user.password
    if shown is None:
        # The listing of this server has no passwords: the answer is all there is.
        return password, None
    try:
        for listing in client.listings(_lag.VERIFY_SECONDS):
            now = listing.get(user.smtp_user_name)
            shown = (now and now.password) or shown
            if shown == password:
                return password, None
    except _errors.SendCleanError as error:
        return password, error
    if shown != user.password:
        # Somebody has reset it since: what counts is what is in force.
        return shown, None
    return password, _errors.VerificationError(
        f"SendClean accepted resetSmtpPassword for {user.smtp_user_name}, but {_lag.VERIFY_SECONDS:g} s later listSmtp still "
        "shows the old password. Run again, and if it stays so, ask SendClean"
    )
