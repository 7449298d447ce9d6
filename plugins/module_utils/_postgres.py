# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bindings in PostgreSQL: a row for each version of an account's document, and a session's advisory lock.

The rows' primary key has the version, so that of two who write after the same one fails. The lock ends with the session, and
each write asks in its own statement whether this session has it: behind PgBouncer's transaction mode it may be another's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import sys
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from ansible_collections.sendclean.email.plugins.module_utils import _alarm, _errors, _files, _sql, _stores

PSYCOPG_IMPORT_ERROR: str | None
try:
    import psycopg
except ImportError:
    PSYCOPG_IMPORT_ERROR = traceback.format_exc(limit=0).strip().rpartition("\n")[2]
else:
    PSYCOPG_IMPORT_ERROR = None

TABLE = "sendclean_bindings"
# How many versions of an account's document are kept.
VERSIONS = 50

# Seconds: how long one statement may take, and how long it takes to notice a lost connection. A proxy that swallows what is
# sent still answers TCP's questions, so that only the first of the two notices it.
_PATIENCE = 30.0
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20000}
# The same at the server, which keeps the lock of a host that is gone for as long. Who is merely slow keeps it for ever. Not as
# start-up options, which PgBouncer refuses.
_SETTINGS = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "idle_session_timeout": "0",
}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25


# What libpq and servers say, and what helps. Servers may say it in another language.
_ADVICE = (
    (
        r"read-only|hot standby|during recovery|recovery is in progress",
        "It is a standby, whose locks and data are its own: name the primary",
    ),
    (r"certificate|SSL|TLS", "Check sslmode and sslrootcert, and the server's certificate"),
    (r"database .* does not exist", "Make the database, or name another one"),
    (
        r"password|authentication|pg_hba|role .* does not exist",
        "Check the role; its password belongs into PGPASSWORD, PGPASSFILE or a service file",
    ),
    (
        r"URI|conninfo|connection option|service file|definition of service",
        "Check how it is written: postgresql://user@host:5432/database?sslmode=verify-full",
    ),
    (
        r"refused|resolve|translate|No such file|timeout|unreachable|no answer",
        "Start the server, or check host, port and network",
    ),
)


class PostgresStore(_stores.Store):
    """A table for any number of accounts, each with documents and a lock of its own."""

    option = "bindings_url"
    mend = "Mend its newest row, or go back to an older one, as the guide shows; it is left as it is"

    def __init__(self, url: str, account: _stores.Account) -> None:
        if PSYCOPG_IMPORT_ERROR:
            raise _errors.BindingsError(
                f"bindings_url needs psycopg 3 for {sys.executable}: {PSYCOPG_IMPORT_ERROR}. "
                "Install psycopg[binary] there, or Debian's python3-psycopg"
            )
        self.place = url
        self._url, name = split_table(url)
        self._table = ".".join(f'"{part}"' for part in name.split("."))
        self._account = {"base_url": account[0], "owner_id": account[1]}
        self._session = uuid.uuid4().hex
        self._connection: psycopg.Connection[Any] | None = None
        # As the server has it, so that each spelling of it has the same locks.
        self._full_name = ""
        self._locked = False
        self._version = 0
        self._changed_at = 0

    # ---- what is kept -----------------------------------------------------------------------------------------

    def read(self) -> bytes | None:
        row = self._ask(_sql.READ)
        self._version = row[0] or 0
        self._changed_at = 0 if row[2] is None else time.time_ns() - int(row[2] * 1e9)
        self.elsewhere = tuple(row[3])
        return None if row[1] is None else str(row[1]).encode()

    def replace(self, content: bytes) -> None:
        self._version = self._write(content, self._version)

    def _write(self, content: bytes, version: int, **account: str) -> int:
        """Write the version after this one and return it."""
        if not self._locked:
            raise RuntimeError("bindings_url is changed without its lock")
        parameters = {"document": content.decode(), "written_by": _who(), "version": version, "kept": VERSIONS}
        try:
            row = self._ask(_sql.WRITE, **parameters, **account)
        except psycopg.errors.UniqueViolation:
            row = None
        if row is None:
            self.prove()
            raise _errors.LostError(
                f"bindings_url was changed by somebody else while this task held its lock, from version {version} on: "
                f"{self.place}. Nothing more was done. Run again"
            )
        return int(row[0])

    def changed_at(self) -> int:
        return self._changed_at

    # ---- all accounts, for a move: of who has nobody's account, whose lock keeps everybody out ------------------

    def read_all(self) -> dict[_stores.Account, tuple[int, bytes]]:
        """Return the newest document of each account, with its version."""
        return {(row[0], row[1]): (row[2], row[3].encode()) for row in self._ask_all(_sql.ALL)}

    def write_all(self, documents: Mapping[_stores.Account, bytes], closed: bytes) -> None:
        """Put documents in the place of those that are there, in one transaction that also writes nobody's row."""
        before = {account: version for account, (version, _document) in self.read_all().items()}
        try:
            with _alarm.at_most(_PATIENCE + len(documents)), self._connected().transaction():
                for (base_url, owner_id), content in documents.items():
                    self._write(content, before.get((base_url, owner_id), 0), base_url=base_url, owner_id=owner_id)
                self.replace(closed)
        except (psycopg.Error, _alarm.TimeIsUp) as error:
            # Its beginning or its end: what is asked in between has told its own failure.
            raise self._failure(error) from None

    def reopen(self) -> None:
        """Take nobody's row away, so that the accounts can be worked with."""
        if self._ask(_sql.REOPEN) is None:
            self.prove()

    # ---- the lock ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self, optional: bool = False) -> Iterator[None]:
        self._acquire(_files.LOCK_TIMEOUT)
        try:
            yield
        finally:
            self.close()

    def regain(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            self.close()
            try:
                self._acquire(max(deadline - time.monotonic(), 0.0))
                return True
            except _errors.BindingsError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(1.0)

    def prove(self) -> None:
        if not self._ask(_sql.PROVE)[0]:
            raise _errors.LostError(
                f"The lock of bindings_url is not held any more by this task's session: {self.place}. Nothing more was done. If "
                "PgBouncer stands in between, it must run in session mode; else the session was ended. Run again"
            )

    def _acquire(self, timeout: float) -> None:
        deadline, pause, seen = time.monotonic() + timeout, _FIRST_PAUSE, -1
        while True:
            got, newest = self._ask(_sql.TAKE)
            if got is None:
                raise _errors.LostError(
                    f"bindings_url leads to a session that others use at the same time: {self.place}. "
                    "PgBouncer must run in session mode, or be left out. Nothing was done"
                )
            if got:
                break
            if newest != seen:
                deadline, seen = time.monotonic() + timeout, newest
            if time.monotonic() >= deadline:
                raise _errors.BindingsError(self._held_by_another(timeout))
            time.sleep(min(pause, max(deadline - time.monotonic(), 0.0)))
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._ask(
            _sql.SIGN,
            name=f"{_who()} since {time.strftime('%H:%M:%SZ', time.gmtime())}",
        )
        self._locked = True

    def _held_by_another(self, timeout: float) -> str:
        row = self._ask(_sql.HOLDER)
        holder = f"by {row[0]} (process {row[1]} of the server, connected {row[2]})" if row else "by another session"
        return (
            f"The lock of bindings_url has been held for {timeout:.3g} s {holder}: {self.place}. Nothing has changed there "
            "meanwhile. Wait for that run to end, or end it if it hangs, then run again"
        )

    # ---- whether it would work --------------------------------------------------------------------------------

    def require_lock(self) -> None:
        rights = self._ask(_sql.MAY_WRITE, table=self._table)
        if not rights or not rights[0]:
            raise _errors.BindingsError(self._no_right())

    def try_out(self) -> tuple[list[str], bool]:
        try:
            self.require_lock()
            busy = self._ask(_sql.BUSY)
        except _errors.BindingsError as error:
            return [str(error)], False
        return [], bool(busy[0])

    # ---- the connection ---------------------------------------------------------------------------------------

    def close(self) -> None:
        self._locked = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(self, statement: str, **parameters: Any) -> Any:
        """Return the first row of what a statement returns. Each is a transaction of its own."""
        return next(iter(self._ask_all(statement, **parameters)), None)

    def _ask_all(self, statement: str, **parameters: Any) -> list[Any]:
        try:
            with _alarm.at_most(_PATIENCE):
                connection = self._connected()
                parameters = {**self._account, **self._keys(), "session": self._session, **parameters}
                return connection.execute(statement.format(table=self._table), parameters).fetchall()
        except psycopg.errors.UniqueViolation:
            raise
        except (psycopg.Error, _alarm.TimeIsUp) as error:
            raise self._failure(error) from None

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            if self._locked:
                # A new session has no lock.
                raise _errors.LostError(self._lost("it was closed"))
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> psycopg.Connection[Any]:
        given = psycopg.conninfo.conninfo_to_dict(self._url)
        patience = {} if "connect_timeout" in given else {"connect_timeout": 10}
        options: dict[str, Any] = {**_KEEPALIVE, **patience, "target_session_attrs": "read-write", "application_name": _who()}
        # Text is Unicode, whatever the database's encoding or the environment's is; in some its names would be bytes.
        options["client_encoding"] = "UTF8"
        # Prepared statements would be another session's, too.
        connection = psycopg.connect(self._url, autocommit=True, prepare_threshold=None, **options)
        try:
            connection.execute(_sql.SET, {"settings": json.dumps(_SETTINGS)})
            row = connection.execute(_sql.FULL_NAME, {"table": self._table}).fetchone()
            if row is None:
                raise _errors.MissingTableError(*self._no_table())
        except BaseException:
            connection.close()
            raise
        self._full_name = row[0]
        return connection

    def _keys(self) -> dict[str, int]:
        """Return the numbers of the account's lock and of the one that a move takes: 64 bits, as PostgreSQL's are."""
        key, moving = (self._full_name, *self._account.values()), (self._full_name, "", "")
        # Who moves has the second one for itself, and nothing to share.
        names = {"key": key, "moving": moving if key != moving else (*moving, "nobody")}
        digests = {key: hashlib.sha256(json.dumps(name).encode()).digest() for key, name in names.items()}
        return {key: int.from_bytes(digest[:8], "big", signed=True) for key, digest in digests.items()}

    # ---- what goes wrong --------------------------------------------------------------------------------------

    def _failure(self, error: Exception) -> _errors.BindingsError:
        """Say what a failure means. A connection that is not as it was is not used again."""
        was_connected, was_locked = self._connection is not None, self._locked
        failure = self._failure_of(error, was_connected, was_locked)
        # With the lock, whatever it is: a run must not go on that cannot write down what it does.
        return _errors.LostError(str(failure)) if was_locked else failure

    def _failure_of(self, error: Exception, was_connected: bool, was_locked: bool) -> _errors.BindingsError:
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return _errors.BindingsError(self._no_right())
        if isinstance(error, psycopg.errors.UndefinedTable):
            return _errors.MissingTableError(*self._no_table())
        reason = f"no answer within {_PATIENCE:g} s" if isinstance(error, _alarm.TimeIsUp) else _reason(error)
        if isinstance(error, _alarm.TimeIsUp) or self._connection is None or self._connection.closed:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
            if was_locked:
                return _errors.LostError(self._lost(reason))
        lead = "bindings_url cannot be used" if was_connected else "bindings_url leads to no database"
        return _errors.BindingsError(f"{lead}: {self.place}: {reason}. {_advice(reason)}")

    def _lost(self, reason: str) -> str:
        return (
            f"The connection to bindings_url was lost while this task held its lock: {self.place}: {reason}. "
            "Nothing more was done. Run again"
        )

    def _no_right(self) -> str:
        return (
            f"bindings_url may not be used as it has to be: {self.place}. Its role needs, from the table's owner: "
            f"grant select, insert, delete on {self._table} to that role (and usage on its schema)"
        )

    def _no_table(self) -> tuple[str, str]:
        statement = _sql.CREATE_TABLE.format(table=self._table)
        return (
            f"bindings_url has no table {self._table}: {self.place}. Make it once with this statement, and grant the role "
            f"select, insert, delete on it: {statement}",
            statement,
        )


def split_table(url: str) -> tuple[str, str]:
    """Return a URL as libpq takes it, and the table's name, which may have a schema before it. Raises BindingsError."""
    base, mark, query = url.partition("?")
    parts = [part for part in query.split("&") if part]
    tables = [unquote(part.partition("=")[2]) for part in parts if part.partition("=")[0] == "sendclean_table"]
    rest = "&".join(part for part in parts if part.partition("=")[0] != "sendclean_table")
    name = tables[-1] if tables else TABLE
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?", name):
        raise _errors.BindingsError(f"bindings_url has a sendclean_table that is no name: {name}. Give one such as {TABLE}")
    return f"{base}{mark}{rest}", name


def _who() -> str:
    """Return what tells a person whose session it is: at most 63 bytes, as PostgreSQL keeps, of plain text."""
    # What AWX, GitLab, and GitHub call a run.
    jobs = (os.environ.get(name) for name in ("JOB_ID", "CI_JOB_ID", "GITHUB_RUN_ID"))
    run = next((f"job {job[:12]}" for job in jobs if job), f"process {os.getpid()}")
    return ascii(f"sendclean on {socket.gethostname()[:20]} {run}")[1:-1][:48]


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".?") or type(error).__name__


def _advice(reason: str) -> str:
    for pattern, advice in _ADVICE:
        if re.search(pattern, reason):
            return advice
    return "Check the URL, the server, and its log"
