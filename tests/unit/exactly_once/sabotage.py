# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes to the code under test, by name, for runs in processes of their own.

A proof counts if it fails where what it proves is taken out.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from ansible_collections.sendclean.email.plugins.module_utils import _bindings, _postgres, _sql
from ansible_collections.sendclean.email.plugins.module_utils._client import Client
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
    return mock.patch.object(_postgres, "LOCK_TIMEOUT", 2.0)


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
    "short late": _short_late,
    "short patience": _short_patience,
    "short wait": _short_wait,
}
