# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Move the bindings of all accounts from one place to another, with nobody at work on either.

Three durable steps: the new place is filled, but closed; the old one says where they are now; the new one is opened. Whatever
ends a move in between, nobody works with two copies, and the next move goes on.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ansible_collections.sendclean.email.plugins.module_utils._document import (
    CLOSED,
    VERSION,
    load,
    load_any,
    parse_account,
    render,
)
from ansible_collections.sendclean.email.plugins.module_utils._document import section_of as section_in
from ansible_collections.sendclean.email.plugins.module_utils._errors import (
    BindingsError,
    LostError,
    RefusedError,
)
from ansible_collections.sendclean.email.plugins.module_utils._file_store import FileStore, lock_name
from ansible_collections.sendclean.email.plugins.module_utils._files import DurableFile
from ansible_collections.sendclean.email.plugins.module_utils._stores import Account, Store

_NOBODY: Account = ("", "")
# What says why a document is closed, and what version it has when it is opened.
_MARKS = ("moved_to", "moved_at", "moving_from", "opens_as")
Document = dict[str, Any]


class Place(Protocol):
    """Where the bindings of all accounts are."""

    place: str
    store: Store

    def read(self) -> Document:
        """Return the document of all accounts, also a closed one."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keep everybody from working with it."""

    def fill(self, document: Document, origin: str) -> None:
        """Put a document there, closed."""

    def open(self) -> None:
        """Let people work with what it was filled with."""

    def close(self, target: str) -> None:
        """Say where everything is now."""


class FilePlace:
    """A file."""

    def __init__(self, path: str) -> None:
        self.place = path
        self.store: Store = FileStore(path, _NOBODY)
        self._file = DurableFile(path, "bindings_path", BindingsError, LostError)

    def read(self) -> Document:
        return load_any(self._file.read(), self.store)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            accounts = accounts_of(self.read())
            for account in sorted(accounts):
                stack.enter_context(self._file.lock(lock_name(account)))
            stack.enter_context(self._file.lock())
            if not accounts_of(self.read()) <= accounts:
                raise LostError(f"Another account came into {self.place} meanwhile. Nothing was moved. Run again")
            yield

    def fill(self, document: Document, origin: str) -> None:
        self._write({**document, "version": CLOSED, "moving_from": origin, "opens_as": document["version"]})

    def open(self) -> None:
        document = self.read()
        self._write({**without_marks(document), "version": document.get("opens_as", VERSION)})

    def close(self, target: str) -> None:
        self._write(tombstone(target))

    def _write(self, document: Document) -> None:
        self._file.read()
        self._file.replace(render(document, self.store))


class TablePlace:
    """A table of a database. Its accounts have documents of their own; nobody's says whether the table is closed."""

    def __init__(self, url: str) -> None:
        # Only here: it asks for psycopg.
        from ansible_collections.sendclean.email.plugins.module_utils._postgres import PostgresStore

        self.place = url
        self._table = PostgresStore(url, _NOBODY)
        self.store: Store = self._table

    def read(self) -> Document:
        nobodys = self.store.read()
        whole: Document = load_any(nobodys, self.store)
        for account, (_version, content) in self._table.read_all().items():
            document = load(content, self.store)
            section = section_in(document, account, self.store)
            accounts = whole["accounts"]
            # What any account needs, all of them do in one document.
            version = max(document["version"], whole["version"])
            whole = {**document, **whole, "version": version, "accounts": accounts}
            if section:
                accounts.setdefault(account[0], {})[account[1]] = section
        return whole

    def locked(self) -> contextlib.AbstractContextManager[None]:
        return self.store.lock()

    def fill(self, document: Document, origin: str) -> None:
        parts = {account: one_account(document, account) for account in accounts_of(document)}
        # Of whom it knew before and who is not there any more.
        parts |= {account: one_account(document, account) for account in self._table.read_all().keys() - parts.keys()}
        self.store.read()
        closed = {"version": CLOSED, "moving_from": origin, "accounts": {}}
        texts = {account: render(part, self.store) for account, part in parts.items()}
        self._table.write_all(texts, render(closed, self.store))

    def open(self) -> None:
        self._table.reopen()

    def close(self, target: str) -> None:
        self.store.read()
        self.store.replace(render(tombstone(target), self.store))


def place_at(value: str) -> Place:
    """Return the place that a path or a URL names. Raises SendCleanError."""
    return TablePlace(value) if is_url(value) else FilePlace(value)


def is_url(value: str) -> bool:
    """Say whether a place is a database's."""
    return "://" in value


def same(place: str, other: str) -> bool:
    """Say whether two texts name the same place: a file, also by a link, or a database's table, however one connects to it."""
    return _named(place) == _named(other)


def _named(place: str) -> tuple[str, ...]:
    if not is_url(place):
        return (os.path.realpath(place),)
    base, _mark, query = place.partition("?")
    authority, _slash, database = base.partition("://")[2].partition("/")
    hosts = authority.rpartition("@")[2].lower().split(",")
    with_ports = [host if re.search(r":[0-9]+$", host) else f"{host}:5432" for host in hosts]
    # What else says where it is, as libpq reads it; the rest says how one gets there.
    more = [part for part in query.split("&") if part.startswith(("sendclean_table=", "service=", "host=", "port=", "dbname="))]
    return (*with_ports, database, *sorted(more))


def move(source: Place, target: Place, check_mode: bool) -> dict[str, Any]:
    """Move all, and return the task's result. Raises SendCleanError; the next move ends what this one has begun."""
    if same(source.place, target.place):
        raise RefusedError("sendclean_to is the same place as sendclean_from: give another one")
    with contextlib.ExitStack() as stack:
        stack.callback(source.store.close)
        stack.callback(target.store.close)
        if not check_mode:
            # In one order, so that two moves in opposite directions do not wait for each other.
            for place in sorted((source, target), key=lambda place: place.place):
                stack.enter_context(place.locked())
        document, there = source.read(), target.read()
        # A move that ended too early has closed the old place already.
        half_way = is_closed(document, "moved_to", target) and is_closed(there, "moving_from", source)
        done = is_closed(document, "moved_to", target) and there["version"] != CLOSED
        if not half_way and not done:
            _refuse(source, document, target, there)
            if not check_mode:
                target.fill(document, source.place)
                _verify(document, target)
                source.close(target.place)
        if not done and not check_mode:
            target.open()
    moved = there if half_way or done else document
    accounts = [section for owners in moved["accounts"].values() for section in owners.values()]
    number = sum(len(section.get("aliases", {})) for section in accounts)
    return {"changed": not done, "accounts": len(accounts), "aliases": number, "told": _told(source, target, not done, number)}


def _told(source: Place, target: Place, changed: bool, number: int) -> str:
    option = "bindings_url" if is_url(target.place) else "bindings_path"
    what = f"{number} aliases move" if changed else "Everything has moved already,"
    return (
        f"{what} from {source.place} to {target.place}: give that as smtp_users_{option}, SENDCLEAN_{option.upper()} or {option}"
    )


def _refuse(source: Place, document: Document, target: Place, there: Document) -> None:
    if document["version"] == CLOSED:
        now = document.get("moved_to") or document.get("moving_from")
        raise RefusedError(
            f"sendclean_from is closed: {source.place}: its bindings are with {now}. Give the place that has them now"
        )
    # What is malformed, or newer than this version knows, is refused as everywhere.
    load(render(document, source.store), source.store)
    begun = []
    for account in sorted(accounts_of(document)):
        bindings = parse_account(section_in(document, account, source.store), source.store)
        begun += [f'"{alias}" of {account[1]}' for alias in sorted(bindings.intents)]
    if begun:
        raise RefusedError(
            f"sendclean_from has creations that were begun and did not end, for {', '.join(begun)}: {source.place}. Run the "
            "tasks for them, smtp_user_rotate for an alias that has a user, which settles them. One that has none can be unbound "
            "with sendclean.email.smtp_bindings. Nothing was moved"
        )
    if not accounts_of(document):
        raise RefusedError(f"sendclean_from has no bindings: {source.place}. Check it")
    may_be_replaced = is_closed(there, "moved_to", source) or is_closed(there, "moving_from", source)
    if not may_be_replaced and there["version"] == CLOSED:
        now = there.get("moved_to") or there.get("moving_from")
        raise RefusedError(f"sendclean_to belongs to another move, to or from {now}: {target.place}. Give another place")
    if not may_be_replaced and accounts_of(there):
        raise RefusedError(
            f"sendclean_to has bindings already, of {len(accounts_of(there))} accounts: {target.place}. Give an empty place. "
            "Nothing was moved"
        )


def _verify(document: Document, target: Place) -> None:
    written = target.read()
    if {account: section_of(written, account) for account in accounts_of(written)} != {
        account: section_of(document, account) for account in accounts_of(document)
    }:
        raise BindingsError(f"sendclean_to does not show what was written: {target.place}. Nothing was moved. Run again")


def accounts_of(document: Mapping[str, Any]) -> set[Account]:
    """Return the accounts of which a document has something."""
    return {
        (base_url, owner) for base_url, owners in document["accounts"].items() for owner, section in owners.items() if section
    }


def section_of(document: Mapping[str, Any], account: Account) -> Any:
    """Return what a document has of an account."""
    return document["accounts"].get(account[0], {}).get(account[1], {})


def one_account(document: Mapping[str, Any], account: Account) -> Document:
    """Return a document of one account only."""
    section = section_of(document, account)
    return {**document, "accounts": {account[0]: {account[1]: section}} if section else {}}


def without_marks(document: Mapping[str, Any]) -> Document:
    """Return a document without what closes it, but for its version."""
    return {key: value for key, value in document.items() if key not in _MARKS}


def is_closed(document: Mapping[str, Any], mark: str, place: Place) -> bool:
    """Say whether a document is closed for having moved to, or moving from, a place."""
    return document["version"] == CLOSED and isinstance(document.get(mark), str) and same(document[mark], place.place)


def tombstone(target: str) -> Document:
    """Return what a place says that everything has left."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"version": CLOSED, "moved_to": target, "moved_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "accounts": {}}
