# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bindings: which user each alias got, creations under way, users of others, when passwords were made.

They hold no secret; one document serves any number of accounts: docs/identity.md shows one. Where it is kept is the store's.
Keys that this version does not know are kept.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError, LostError, RefusedError
from ansible_collections.sendclean.email.plugins.module_utils._file_store import FileStore
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Intent
from ansible_collections.sendclean.email.plugins.module_utils._stores import Account, Store

VERSION = 1
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
# For how many seconds it is tried to write down whom SendClean has made.
_LATE = 60.0

# What the file has of an account, and what a part is where it is not there.
_PARTS: Mapping[str, Any] = {"aliases": {}, "intents": {}, "known": [], "password_times": {}}


class Record:
    """What is recorded of one account. Reading needs no lock.

    ``lock`` is the account's: it is held from the listing that a creation rests on to its end, and other accounts do not wait
    for it.
    """

    def __init__(self, store: Store, account: Account) -> None:
        self._store = store
        self._account = account
        self.option, self.place = store.option, store.place
        self.lock, self.prove, self.require_lock, self.try_out = store.lock, store.prove, store.require_lock, store.try_out
        self.changed_at, self.close = store.changed_at, store.close
        # What this object wrote last, as long as nobody else has written since.
        self._document: dict[str, Any] | None = None

    def require_writable(self) -> None:
        """Prove that a change can be written down, for who must know before something is done at SendClean."""
        # A store may look anew for that, and find another one's, which the next change must read again.
        self._document = None
        self._store.require_writable()

    def read(self) -> Bindings:
        """Return what is recorded of the account; nothing where there is nothing yet."""
        base_url, owner_id = self._account
        document = self._load()
        others = {url for url, owners in document["accounts"].items() if url != base_url and owners.get(owner_id)}
        return replace(
            _parse_account(self._section(document), self._malformed),
            place=f'accounts, "{base_url}", "{owner_id}", aliases in {self.place}',
            option=self.option,
            path=self.place,
            elsewhere=tuple(sorted({*others, *self._store.elsewhere})),
        )

    def record_intent(self, alias: str, intent: Intent) -> None:
        """Make durable that a user for ``alias`` is about to be created."""
        self._change(lambda section: _begin(section, alias, intent))

    def drop_intent(self, alias: str) -> None:
        """Make durable that no user for ``alias`` is being created any more."""
        self._change(lambda section: section["intents"].pop(alias, None))

    def bind(
        self,
        alias: str,
        smtp_user_name: str,
        password_time: datetime.datetime | None = None,
        next_one: tuple[str, Intent] | None = None,
    ) -> None:
        """Make durable which user ``alias`` is, and in the same write that its creation is over and the next one's begun."""

        def change(section: dict[str, Any]) -> None:
            self._bind(section, alias, smtp_user_name)
            if password_time is not None:
                section["password_times"][smtp_user_name] = password_time.strftime(_TIME_FORMAT)
            if next_one:
                _begin(section, *next_one)

        self._change(change)

    def bind_created(
        self, alias: str, smtp_user_name: str, password_time: datetime.datetime, next_one: tuple[str, Intent] | None
    ) -> LostError | None:
        """Do the same for who was created. Where the lock was lost, under a new one: then return how, and begin nothing else."""
        try:
            self.bind(alias, smtp_user_name, password_time, next_one)
        except LostError as lost:
            self._late(lost, lambda: self._bind_begun(alias, smtp_user_name, password_time))
            return lost
        return None

    def _bind_begun(self, alias: str, smtp_user_name: str, password_time: datetime.datetime) -> None:
        now = self.read()
        if alias in now.intents:
            self.bind(alias, smtp_user_name, password_time)
        elif now.aliases.get(alias) != smtp_user_name:
            raise RefusedError(
                f'{smtp_user_name} was created for alias "{alias}", whose creation another run has settled meanwhile in '
                f"{self.place}: look who is who with sendclean.email.smtp_bindings, and disable the user who is too many"
            )

    def rename(self, old: str, alias: str) -> None:
        """Make durable that what ``old`` has, its user or begun creation, is that of ``alias``."""

        def change(section: dict[str, Any]) -> None:
            if old in section["aliases"]:
                self._bind(section, alias, section["aliases"].pop(old))
            elif old in section["intents"]:
                section["intents"][alias] = section["intents"].pop(old)

        self._change(change)

    def rebind(self, bind: Mapping[str, str], unbind: Sequence[str], acknowledge: Iterable[str]) -> None:
        """Make durable, in one write, what aliases mean by a person's word, and which users are somebody else's."""

        def change(section: dict[str, Any]) -> None:
            freed = [section["aliases"].pop(alias) for alias in unbind if alias in section["aliases"]]
            for alias in unbind:
                section["intents"].pop(alias, None)
            for intent in section["intents"].values():
                # They were there before: no creation that is open has made them.
                intent["smtp_user_names"] = sorted({*intent["smtp_user_names"], *freed})
            section["known"] = sorted({*section["known"], *acknowledge})
            for alias, name in bind.items():
                self._bind(section, alias, name)

        self._change(change)

    def record_password_time(self, smtp_user_name: str, password_time: datetime.datetime) -> None:
        """Make durable when a user got its password; under a new lock where it was lost."""

        def write() -> None:
            moment = password_time.strftime(_TIME_FORMAT)
            self._change(lambda section: section["password_times"].update({smtp_user_name: moment}))

        try:
            write()
        except LostError as lost:
            self._late(lost, write)

    def _late(self, lost: LostError, write: Callable[[], None]) -> None:
        """Write down what SendClean has done already, under a new lock. Raises BindingsError if a minute is not enough."""
        deadline = time.monotonic() + _LATE
        while True:
            self._document = None
            if not self._store.regain(max(deadline - time.monotonic(), 0.0)):
                raise lost
            try:
                return write()
            except LostError:
                if time.monotonic() >= deadline:
                    raise

    def _bind(self, section: dict[str, Any], alias: str, smtp_user_name: str) -> None:
        other = next((other for other, name in section["aliases"].items() if name == smtp_user_name and other != alias), None)
        if other is not None or not smtp_user_name:
            raise self._malformed(f'{smtp_user_name} would be bound to two aliases, "{other}" and "{alias}"')
        section["aliases"][alias] = smtp_user_name
        section["intents"].pop(alias, None)
        if smtp_user_name in section["known"]:
            section["known"].remove(smtp_user_name)

    def _load(self) -> dict[str, Any]:
        content = self._store.read()
        if content is None:
            return {"version": VERSION, "accounts": {}}
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            raise self._malformed("it is not UTF-8 text") from None
        try:
            document = json.loads(text, object_pairs_hook=_unique_keys)
        except (ValueError, RecursionError) as exc:
            raise self._malformed(f"it is not JSON: {exc}") from None
        return self._checked(document)

    def _checked(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, dict):
            raise self._malformed("it is not a JSON object")
        version = document.get("version")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise self._malformed('it has no "version"')
        if version > VERSION:
            raise BindingsError(
                f"{self.option} was written by a newer sendclean.email: {self.place} has version {version}, "
                f"this one knows version {VERSION}. Upgrade the collection; what is there is left as it is."
            )
        accounts = document.get("accounts")
        if not isinstance(accounts, dict) or not all(isinstance(owners, dict) for owners in accounts.values()):
            raise self._malformed('its "accounts" is not an object of objects')
        return document

    def _section(self, document: dict[str, Any]) -> dict[str, Any]:
        base_url, owner_id = self._account
        section: Any = document["accounts"].setdefault(base_url, {}).setdefault(owner_id, {})
        if not isinstance(section, dict):
            raise self._malformed(f'"{owner_id}" is not an object')
        return section

    def _malformed(self, problem: str) -> BindingsError:
        return BindingsError(f"{self.option} is malformed: {self.place}: {problem}. {self._store.mend}.")

    def _change(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Read, change and replace the document; without reading it again if it is as this object left it.

        One that makes no sense is refused when it is read, so that only the change itself has to be looked at.
        """
        with self._store.changing():
            document, self._document = self._document, None
            if document is None or not self._store.is_as_left():
                document = self._load()
                _parse_account(self._section(document), self._malformed)
            section = self._section(document)
            for key, empty in _PARTS.items():
                section.setdefault(key, type(empty)())
            change(section)
            for key in _PARTS:
                if not section[key]:
                    del section[key]
            try:
                content = (_rendered(document, "\n") + "\n").encode("utf-8")
            except UnicodeEncodeError:
                raise self._malformed("it holds half of a surrogate pair, which no text may") from None
            self._store.replace(content)
            self._document = document


def _begin(section: dict[str, Any], alias: str, intent: Intent) -> None:
    section["intents"][alias] = {
        "total_limit": intent.total_limit,
        "hourly_limit": intent.hourly_limit,
        "smtp_user_names": sorted(intent.smtp_user_names),
        **({"time": intent.time.strftime(_TIME_FORMAT)} if intent.time else {}),
    }


def _rendered(value: Any, line: str) -> str:
    """Return JSON as ``json.dumps`` with an indent of 2 and sorted keys has it; ``line`` begins a line at this depth.

    With an indent, json works in Python; without one in C, a hundred times faster, and separators may hold line breaks. A
    value whose items are no containers is left to it as a whole.
    """
    inner = f"{line}  "
    if not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    if {dict, list}.isdisjoint(map(type, value.values() if isinstance(value, dict) else value)):
        text = json.dumps(value, separators=(f",{inner}", ": "), sort_keys=True, ensure_ascii=False)
        return f"{text[0]}{inner}{text[1:-1]}{line}{text[-1]}"
    if isinstance(value, list):
        return f"[{inner}" + f",{inner}".join(_rendered(item, inner) for item in value) + f"{line}]"
    items = (f"{json.dumps(key, ensure_ascii=False)}: {_rendered(value[key], inner)}" for key in sorted(value))
    return f"{{{inner}" + f",{inner}".join(items) + f"{line}}}"


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice, as a badly resolved merge leaves it: one of the two would be lost."""
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [key for key, unused in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f'"{twice}" stands twice in one object')
    return keys


def _parse_account(section: Mapping[str, Any], malformed: Callable[[str], BindingsError]) -> Bindings:
    parts: dict[str, Any] = {}
    for key, empty in _PARTS.items():
        parts[key] = section.get(key, empty)
        if not isinstance(parts[key], type(empty)):
            kind = "object" if isinstance(empty, dict) else "list"
            raise malformed(f'its "{key}" is no {kind}')
    if not all(isinstance(name, str) for name in parts["known"]):
        raise malformed('an entry under "known" is no name')
    owners: dict[str, str] = {}
    for alias, name in parts["aliases"].items():
        if not isinstance(name, str) or not name:
            raise malformed(f'alias "{alias}" is bound to no name')
        if name in owners:
            raise malformed(f'{name} is bound to two aliases, "{owners[name]}" and "{alias}"')
        owners[name] = alias
    try:
        return Bindings(
            aliases=dict(parts["aliases"]),
            intents={alias: _parse_intent(value) for alias, value in parts["intents"].items()},
            password_times={name: _parse_time(value) for name, value in parts["password_times"].items()},
            known=frozenset(parts["known"]),
        )
    except (KeyError, OverflowError, TypeError, ValueError):
        raise malformed('an entry under "intents" or "password_times" makes no sense') from None


def _parse_intent(value: Mapping[str, Any]) -> Intent:
    names = value["smtp_user_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("smtp_user_names")
    time = _parse_time(value["time"]) if "time" in value else None
    return Intent(int(value["total_limit"]), int(value["hourly_limit"]), frozenset(names), time)


def _parse_time(value: str) -> datetime.datetime:
    return datetime.datetime.strptime(value, _TIME_FORMAT).replace(tzinfo=datetime.timezone.utc)


def _postgres(url: str, account: Account) -> Store:
    # Only where it is used: it asks for psycopg, and to compile it takes time in each run.
    from ansible_collections.sendclean.email.plugins.module_utils._postgres import PostgresStore

    return PostgresStore(url, account)


# The options that name a store. They exclude each other.
_STORES: Mapping[str, Callable[[str, Account], Store]] = {"bindings_path": FileStore, "bindings_url": _postgres}


def store_at(options: Mapping[str, str | None], account: Account) -> Store | None:
    """Return the store that the one of ``options`` names that is given; None where none is. Nothing is opened yet."""
    return next((_STORES[name](value, account) for name, value in options.items() if value), None)


def record_at(options: Mapping[str, str | None], base_url: str, owner_id: str) -> Record | None:
    """Return the record of an account where ``options`` say, None where they don't."""
    account = (base_url, owner_id)
    store = store_at(options, account)
    return Record(store, account) if store else None
