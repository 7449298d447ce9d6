# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotate a password without an outage: an alias has two users, who take turns.

Three parts, each durable and safe to repeat: the former user retires when its time is over; the standby is staged, with a new
password; the alias is switched to it, and who it meant goes on working for a while.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils import (
    _bindings,
    _client,
    _create,
    _document,
    _errors,
    _lag,
    _model,
    _planner,
    _rails,
    _reset,
)


@dataclass(frozen=True)
class Rotation:
    """What has to be done for an alias. ``active`` is its user, ``standby`` the other one, if there is one.

    ``other`` is how the account shows that one, ``made`` whether it is what a creation of an earlier run has made. ``retire``:
    the standby's time is over. ``stage``: the standby gets a new password, or is created, and the alias is switched to it.
    ``waiting_until``: that is due, and waits for who works until then.
    """

    alias: str
    active: _model.User
    standby: _model.Standby | None
    other: _model.User | None
    made: bool = False
    retire: bool = False
    stage: bool = False
    waiting_until: datetime.datetime | None = None

    @property
    def changed(self) -> bool:
        """Whether anything has to be done."""
        return self.retire or self.stage

    def is_over(self, bindings: _model.Bindings) -> bool:
        """Whether a creation was begun that has made nobody, and nobody is to be created now."""
        return self.alias in bindings.intents and not self.made and not self.stage and self.active.status != _model.DISABLE

    @property
    def former(self) -> _model.User | None:
        """The user that retires, if one does and is there."""
        return self.other if self.retire and not self.made else None

    @property
    def resumes(self) -> bool:
        """Whether an earlier run has made or staged the standby, and its password can be told."""
        staged = self.made or bool(self.standby and self.standby.staged)
        return staged and self.other is not None and self.other.password is not None

    def wanted(self, smtp_user_name: str) -> _model.Wanted:
        """Return what the other user has to be like: the limits of the active one, as far as one can ask for them."""
        limits = (self.active.total_limit or None, self.active.hourly_limit or None)
        return _model.Wanted(smtp_user_name=smtp_user_name, total_limit=limits[0], hourly_limit=limits[1])

    def operations(self) -> list[_model.Operation]:
        """Return the calls that will be made, with null for the name of a user that is to be created."""
        found = []
        if self.former and self.former.status != _model.DISABLE:
            found.append(_model.Operation("editSmtp", self.former.smtp_user_name, {"status": _model.DISABLE}))
        if self.stage and self.other is None:
            found.append(_model.Operation("addSmtp", None, self.wanted("").limits()))
        elif self.stage and self.other is not None:
            name = self.other.smtp_user_name
            if not self.resumes:
                found.append(_model.Operation("resetSmtpPassword", name, {}))
            changes = self.edits()
            if changes:
                found.append(_model.Operation("editSmtp", name, changes))
        return found

    def edits(self) -> dict[str, Any]:
        """Return what the standby that there is needs to be like the active user; it is off by then if it retires."""
        changes = _planner.differing(self.wanted(self.other.smtp_user_name), self.other) if self.other else {}
        return {**changes, "status": _model.ENABLE} if self.former else changes


def plan_rotation(
    alias: str, bindings: _model.Bindings, listing: _model.Listing, max_age_days: float | None, now: datetime.datetime
) -> Rotation:
    """Return what has to be done. Raises RefusedError where it must not."""
    name = bindings.aliases[alias]
    active = listing.get(name)
    if active is None:
        raise _errors.RefusedError(_planner.not_listed(alias, name, bindings))
    standby = bindings.standbys.get(alias)
    other = listing.get(standby.smtp_user_name) if standby else None
    until = standby.retires_at if standby else None
    retire = until is not None and until <= now
    # Who is off is left alone: nobody sends, and the next one would.
    off = active.status == _model.DISABLE
    made = _planner.made_for(alias, listing, bindings) if other is None and not off else None
    begun = made is not None or bool(standby and standby.staged)
    due = begun or _reset.is_old(max_age_days, bindings.password_times.get(name), now)
    waiting_until = until if due and until is not None and not retire else None
    stage = due and waiting_until is None and not off
    rotation = Rotation(alias, active, standby, other or made, made is not None, retire, stage, waiting_until)
    if stage:
        _refuse(rotation, listing, bindings)
    return rotation


def _refuse(rotation: Rotation, listing: _model.Listing, bindings: _model.Bindings) -> None:
    standby, other, active = rotation.standby, rotation.other, rotation.active
    if other and standby and other.status != _model.DISABLE and not (rotation.retire or standby.staged or rotation.made):
        raise _errors.RefusedError(
            f'{other.smtp_user_name}, the standby of alias "{rotation.alias}", has been enabled by somebody since it retired, '
            "and would get another password now. If nobody uses it, disable it by its smtp_user_name, and run again"
        )
    if other is None and not (active.total_limit and active.hourly_limit and active.password):
        raise _errors.RefusedError(
            f'listSmtp does not show all limits and the password of {active.smtp_user_name}, of alias "{rotation.alias}": '
            "a second user like it cannot be made. Reset its password with sendclean.email.smtp_password_reset instead"
        )
    if other is None:
        # Bindings that are old or another's do not know of the second user that there may be.
        wanted = replace(rotation.wanted(""), alias=rotation.alias, smtp_user_name=None)
        _planner.refuse(_rails.creation_problems([_planner.Plan(wanted, alias=rotation.alias, create=True)], listing, bindings))


def rotate(client: _client.Client, record: _bindings.Record, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Rotate the password of ``alias``, as far as ``max_age_days`` and ``overlap_hours`` let it, and return the task's result."""
    with contextlib.nullcontext() if check_mode else record.lock(optional=True):
        bindings = record.read()
        alias = params["alias"]
        if alias not in bindings.aliases:
            return _to_come(client, params, bindings, check_mode)
        listing = client.list_smtp() if check_mode else _list(client, bindings, alias)
        rotation = plan_rotation(alias, bindings, listing, params["max_age_days"], _lag.utc_now())
        work = _Work(client, record, rotation, listing)
        if rotation.is_over(bindings) and not check_mode:
            record.require_lock()
            record.drop_intent(alias)
        if rotation.changed and not check_mode:
            record.require_lock()
            try:
                work.run(datetime.timedelta(hours=params["overlap_hours"]))
            except _errors.SendCleanError as error:
                error.done = work.result(bindings, check_mode)
                raise
        return work.result(bindings, check_mode)


def _list(client: _client.Client, bindings: _model.Bindings, alias: str) -> _model.Listing:
    """List the account, again while who was created a moment ago, or may have been by an earlier run, does not show."""
    if alias not in bindings.intents:
        standby = bindings.standbys.get(alias)
        other = standby.smtp_user_name if standby else None
        # Whom an earlier run has staged a moment ago an older view shows as it was before: enabled, with its old password.
        staged = other if standby and standby.staged else None
        return _lag.list_with_young(client, bindings, [alias, other], lambda user: user.smtp_user_name != staged)
    listing: _model.Listing = {}
    for listing in client.listings(_lag.lost_answer_window(client)):
        # The user itself may show up beside one that is somebody else's.
        active = listing.get(bindings.aliases[alias])
        with contextlib.suppress(_errors.RefusedError):
            if _planner.made_for(alias, listing, bindings) or (active and active.status == _model.DISABLE):
                break
    return listing


def _to_come(client: _client.Client, params: Mapping[str, Any], bindings: _model.Bindings, check_mode: bool) -> dict[str, Any]:
    """Return what a dry run can say of an alias that has no user yet."""
    warning = _reset.to_come(client, params["alias"], bindings, check_mode)
    due = not params["max_age_days"]
    operations: list[dict[str, Any]] = [{"call": "addSmtp", "smtp_user_name": None, "parameters": {}}] if due else []
    nobody = {"alias": params["alias"], "smtp_user_name": None, "former": None, "operations": operations}
    return {**nobody, "changed": due, "warnings": [warning]}


class _Work:
    """The way of a rotation, and what is done of it."""

    def __init__(self, client: _client.Client, record: _bindings.Record, rotation: Rotation, listing: _model.Listing) -> None:
        self._client = client
        self._record = record
        self._rotation = rotation
        self._listing = listing
        self._operations: list[_model.Operation] = []
        self._changed = False
        self._retired = False
        # The alias's user and its password after the switch, and until when the former works.
        self._switched: tuple[str, str | None] | None = None
        self._retires_at: datetime.datetime | None = None

    def run(self, overlap: datetime.timedelta) -> None:
        """Do what has to be done. Raises SendCleanError; what was done until then is done, and the next run goes on."""
        if self._rotation.retire:
            self._retire()
        if self._rotation.stage:
            name, password = self._stage()
            self._switch(name, password, overlap)

    def _retire(self) -> None:
        rotation, former = self._rotation, self._rotation.former
        if former and former.status != _model.DISABLE:
            self._edit(former.smtp_user_name, {"status": _model.DISABLE}, former)
            self._wait_for(_model.Wanted(smtp_user_name=former.smtp_user_name, state="absent"))
        if former is None:
            self._record.drop_standby(rotation.alias)
        else:
            self._record.retire(rotation.alias)
        self._changed = self._retired = True

    def _stage(self) -> tuple[str, str | None]:
        """Have a standby with a new password, and return its name and that password, None if it is still to be seen."""
        rotation, alias, other = self._rotation, self._rotation.alias, self._rotation.other
        if other and rotation.resumes:
            if rotation.made:
                self._record.stage(alias, other.smtp_user_name, _lag.utc_now())
                self._changed = True
            return other.smtp_user_name, other.password
        if other:
            self._record.require_writable()
            password, problem = _reset.reset_once(self._client, other, self._record.prove)
            self._done("resetSmtpPassword", other.smtp_user_name, {})
            if problem:
                raise problem
            self._record.stage(alias, other.smtp_user_name, _lag.utc_now())
            return other.smtp_user_name, password
        limits = rotation.wanted("").limits()
        intent = _model.Intent(limits["total_limit"], limits["hourly_limit"], frozenset(self._listing), _lag.utc_now())
        self._record.record_intent(alias, intent)

        def recognise(listing: _model.Listing, bindings: _model.Bindings) -> str | None:
            user = _planner.made_for(alias, listing, bindings)
            return user.smtp_user_name if user else None

        created = _create.add_once(self._client, self._record, alias, intent, recognise)
        self._done("addSmtp", created, limits)
        self._record.stage(alias, created, _lag.utc_now())
        return created, None

    def _switch(self, name: str, password: str | None, overlap: datetime.timedelta) -> None:
        """Have the alias mean the standby, once the listing shows that it can send."""
        wanted, other = self._rotation.wanted(name), self._rotation.other
        # Who has just been created is as wanted; if not, the listing says so, and the next run edits.
        if other and other.smtp_user_name == name:
            changes = self._rotation.edits()
            if changes:
                self._edit(name, changes, other)
        user = self._wait_for(wanted, password)
        self._retires_at = _lag.utc_now() + overlap
        self._record.switch(self._rotation.alias, self._retires_at)
        self._switched = (name, user.password if password is None else password)
        self._changed = True

    def _edit(self, name: str, parameters: Mapping[str, Any], listed: _model.User) -> None:
        self._client.edit_smtp(name, parameters, listed)
        self._done("editSmtp", name, parameters)

    def _done(self, call: str, name: str, parameters: Mapping[str, Any]) -> None:
        self._operations.append(_model.Operation(call, name, parameters))
        self._changed = True

    def _wait_for(self, wanted: _model.Wanted, password: str | None = None) -> _model.User:
        """Return the user once the account shows it as wanted, with its new password if one is known."""
        name, shown = wanted.smtp_user_name or "", "nothing"
        for listing in self._client.listings(_lag.VERIFY_SECONDS):
            user = listing.get(name)
            shown = _planner.unmet(wanted, user) or ""
            if user and not shown and password is not None and user.password not in (None, password):
                shown = "shows another password"
            if user and not shown:
                return user
        raise _errors.VerificationError(
            f"SendClean accepted what was asked for {name}, but {_lag.VERIFY_SECONDS:g} s later listSmtp still {shown}. "
            "The alias means who it meant before. Run again, and if it stays so, ask SendClean"
        )

    def result(self, before: _model.Bindings, check_mode: bool) -> dict[str, Any]:
        """Return the task's result, after the work or, in check mode, as it would be."""
        rotation, alias = self._rotation, self._rotation.alias
        changed = rotation.changed if check_mode else self._changed
        operations = rotation.operations() if check_mode else self._operations
        name: str | None = rotation.active.smtp_user_name
        password = rotation.active.password
        standby = rotation.standby
        former = _former(standby.smtp_user_name, standby.retires_at) if standby else None
        was = {"smtp_user_name": name, "former": former}
        if check_mode and rotation.stage:
            former = {"smtp_user_name": name, "retires_at": None}
            name = rotation.other.smtp_user_name if rotation.other else None
        elif self._switched:
            former = _former(rotation.active.smtp_user_name, self._retires_at)
            name, password = self._switched
        elif (rotation.retire and check_mode) or self._retired:
            former = None
        result: dict[str, Any] = {
            "changed": changed,
            "alias": alias,
            "smtp_user_name": name,
            "former": former,
            "operations": [operation.facts() for operation in operations],
            "diff": {"before": was, "after": {"smtp_user_name": name, "former": former}},
        }
        if changed and not check_mode:
            result["smtp_password"] = password
        if rotation.waiting_until:
            result["waiting_until"] = rotation.waiting_until.strftime(_document.TIME_FORMAT)
        if rotation.active.status == _model.DISABLE:
            result["warnings"] = [f'alias "{alias}" is off: its password is not rotated before it is enabled again']
        return result


def _former(name: str, retires_at: datetime.datetime | None) -> dict[str, Any] | None:
    return None if retires_at is None else {"smtp_user_name": name, "retires_at": retires_at.strftime(_document.TIME_FORMAT)}
