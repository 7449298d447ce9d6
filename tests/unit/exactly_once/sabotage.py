# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes to the code under test, by name, for runs in processes of their own.

A proof counts if it fails where what it proves is taken out.
"""

from __future__ import annotations

import contextlib
import datetime
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

from ansible_collections.sendclean.email.plugins.module_utils import (
    _apply,
    _bindings,
    _document,
    _files,
    _lag,
    _planner,
    _postgres,
    _rails,
    _rotate,
    _sql,
)
from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record
from ansible_collections.sendclean.email.plugins.module_utils._client import Client
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings
from ansible_collections.sendclean.email.plugins.module_utils._postgres import PostgresStore

Change = Callable[[], contextlib.AbstractContextManager[object]]


def _without(text: str, part: str, instead: str) -> str:
    assert part in text, "the statement is not what it was: change the sabotage, too"
    return text.replace(part, instead)


@contextlib.contextmanager
def _statements(**changed: str) -> Iterator[None]:
    """Say something else to the server."""
    with contextlib.ExitStack() as stack:
        for name, text in changed.items():
            stack.enter_context(mock.patch.object(_sql, name, text))
        yield


def _no_fence() -> contextlib.AbstractContextManager[object]:
    """Nothing is proved before addSmtp."""
    add_smtp = Client.add_smtp

    def unproved(client: Client, total_limit: int, hourly_limit: int, prove: Any = None) -> str:
        return add_smtp(client, total_limit, hourly_limit)

    return mock.patch.object(Client, "add_smtp", unproved)


def _fence_before_the_alarm() -> contextlib.AbstractContextManager[object]:
    """What is proved may be long ago when the request leaves."""
    add_smtp = Client.add_smtp

    def proved(client: Client, total_limit: int, hourly_limit: int, prove: Any = None) -> str:
        prove()
        return add_smtp(client, total_limit, hourly_limit)

    return mock.patch.object(Client, "add_smtp", proved)


def _no_version() -> contextlib.AbstractContextManager[object]:
    """A write comes after whatever is there."""
    unversioned = _without(_sql.WRITE, f" and {_sql.NEWEST} = %(version)s", "")
    return _statements(WRITE=_without(unversioned, "%(version)s + 1, %(document)s", f"{_sql.NEWEST} + 1, %(document)s"))


def _no_proof() -> contextlib.AbstractContextManager[object]:
    """A write does not ask whether this session has the lock."""
    return _statements(WRITE=_without(_sql.WRITE, _sql.PROVEN, "true"))


def _no_lock() -> contextlib.AbstractContextManager[object]:
    """Everybody has the lock, and has it still."""
    return _statements(TAKE=f"select true, {_sql.NEWEST}", WRITE=_without(_sql.WRITE, _sql.PROVEN, "true"), PROVE="select (true)")


def _no_marker() -> contextlib.AbstractContextManager[object]:
    """A session that has the lock is taken for this run's."""
    return _statements(WRITE=_without(_sql.WRITE, _sql.PROVEN, _sql._MINE), PROVE=f"select ({_sql._MINE})")


def _own_lock_again() -> contextlib.AbstractContextManager[object]:
    """A lock that the session has already is got again, as PostgreSQL has it."""
    return _statements(TAKE=_without(_sql.TAKE, f"when {_sql._MINE} then null ", "when false then null "))


def _lock_elsewhere() -> contextlib.AbstractContextManager[object]:
    """The lock is a session's that does not write, as where each statement takes a connection from a pool."""
    ask = PostgresStore._ask

    def asked(store: Any, statement: str, **parameters: Any) -> Any:
        if statement in (_sql.TAKE, _sql.SIGN, _sql.PROVE):
            if not hasattr(store, "locker"):
                store.locker = PostgresStore(store.place, tuple(store._account.values()))
                store.locker._session = store._session
            return ask(store.locker, statement, **parameters)
        return ask(store, statement, **parameters)

    stack = contextlib.ExitStack()
    stack.enter_context(_no_proof())
    stack.enter_context(mock.patch.object(PostgresStore, "_ask", asked))
    return stack


def _one_lock_for_all() -> contextlib.AbstractContextManager[object]:
    """Whatever the account is."""
    keys = PostgresStore._keys
    return mock.patch.object(PostgresStore, "_keys", lambda store: {**keys(store), "key": 4711})


def _pauses() -> contextlib.AbstractContextManager[object]:
    """Up to 150 ms between reading and writing."""
    read = PostgresStore.read

    def slowly(store: PostgresStore) -> bytes | None:
        content = read(store)
        time.sleep(random.uniform(0.0, 0.15))
        return content

    return mock.patch.object(PostgresStore, "read", slowly)


def _short_late() -> contextlib.AbstractContextManager[object]:
    """What is tried for a minute is tried for three seconds."""
    return mock.patch.object(_bindings, "_LATE", 3.0)


def _short_patience() -> contextlib.AbstractContextManager[object]:
    """A statement may take a second, and not half a minute. So may a stop in the middle of one."""
    return mock.patch.object(_postgres, "_PATIENCE", 1.0)


def _short_wait() -> contextlib.AbstractContextManager[object]:
    """A lock in the database that nobody gives back is waited for for two seconds."""
    return mock.patch.object(_files, "LOCK_TIMEOUT", 2.0)


# ---- of a rotation ----------------------------------------------------------------------------------------------


def _switch_unseen() -> contextlib.AbstractContextManager[object]:
    """The alias is switched to whoever is listed, whatever the listing shows of it."""
    return mock.patch.object(_planner, "unmet", lambda wanted, user: None)


def _no_staged_mark() -> contextlib.AbstractContextManager[object]:
    """Of a standby with a new password it is not kept that the switch to it is still to come."""
    return mock.patch.object(_document, "_parse_standby", _standby_as(staged=False))


def _standby_as(**parts: Any) -> Callable[[Any], Any]:
    parse = _document._parse_standby
    return lambda value: replace(parse(value), **parts)


def _no_age() -> contextlib.AbstractContextManager[object]:
    """A listing is as good right after a password as later."""
    return mock.patch.object(_lag, "is_young", lambda *unused: False)


def _no_intent() -> contextlib.AbstractContextManager[object]:
    """Nothing is written down before addSmtp."""
    return mock.patch.object(Record, "record_intent", lambda *unused: None)


def _no_look_alikes() -> contextlib.AbstractContextManager[object]:
    """A second user is created, whoever may be there already."""
    return mock.patch.object(_rails, "creation_problems", lambda *unused: ())


def _planned_with(**parts: Any) -> contextlib.AbstractContextManager[object]:
    """Plan as if the standby were another one."""
    plan = _rotate.plan_rotation

    def planned(alias: str, bindings: Any, *rest: Any) -> Any:
        standbys = {alias: replace(standby, **parts) for alias, standby in bindings.standbys.items()}
        return plan(alias, replace(bindings, standbys=standbys), *rest)

    return mock.patch.object(_rotate, "plan_rotation", planned)


def _no_waiting() -> contextlib.AbstractContextManager[object]:
    """Who works until its time is taken for the next one."""
    return _planned_with(retires_at=None)


def _no_refusal() -> contextlib.AbstractContextManager[object]:
    """A standby gets another password, whoever has enabled it."""
    return mock.patch.object(_rotate, "_refuse", lambda *unused: None)


def _retire_early() -> contextlib.AbstractContextManager[object]:
    """The former user's time is over at once."""
    return _planned_with(retires_at=datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc))


def _no_standbys() -> contextlib.AbstractContextManager[object]:
    """Whoever takes turns with an alias's user is nobody's."""
    return mock.patch.object(Bindings, "standby_of", lambda bindings, name: None)


def _begun_without_standbys() -> contextlib.AbstractContextManager[object]:
    """A begun creation may have made whoever takes turns with another alias's user."""
    return mock.patch.object(Bindings, "owner_of", Bindings.alias_of)


def _purge_unlocked() -> contextlib.AbstractContextManager[object]:
    """Others create users while a purge looks who is nobody's."""
    return mock.patch.object(_apply, "_needs_lock", lambda *unused: False)


CHANGES: dict[str, Change] = {
    "no fence": _no_fence,
    "fence before the alarm": _fence_before_the_alarm,
    "no version": _no_version,
    "no proof": _no_proof,
    "no lock": _no_lock,
    "no marker": _no_marker,
    "own lock again": _own_lock_again,
    "lock elsewhere": _lock_elsewhere,
    "one lock for all": _one_lock_for_all,
    "pauses": _pauses,
    "switch unseen": _switch_unseen,
    "no staged mark": _no_staged_mark,
    "no age": _no_age,
    "no intent": _no_intent,
    "no look-alikes": _no_look_alikes,
    "no waiting": _no_waiting,
    "no refusal": _no_refusal,
    "retire early": _retire_early,
    "no standbys": _no_standbys,
    "begun without standbys": _begun_without_standbys,
    "purge unlocked": _purge_unlocked,
    "short late": _short_late,
    "short patience": _short_patience,
    "short wait": _short_wait,
}


@contextlib.contextmanager
def changed(under: Sequence[str]) -> Iterator[None]:
    """Have changes in force, by name."""
    with contextlib.ExitStack() as stack:
        for change in under:
            stack.enter_context(CHANGES[change]())
        yield
