# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bindings: which user each alias got, creations under way, users of others, when passwords were made.

They hold no secret; one document serves any number of accounts: docs/identity.md shows one. Where it is kept is the store's.
Keys that this version does not know are kept.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils import _document, _errors, _model, _stores

# For how many seconds it is tried to write down whom SendClean has made.
_LATE = 60.0


class Record:
    """What is recorded of one account. Reading needs no lock.

    ``lock`` is the account's: it is held from the listing that a creation rests on to its end, and other accounts do not wait
    for it.
    """

    def __init__(self, store: _stores.Store, account: _stores.Account) -> None:
        self._store = store
        self._account = account
        self.option, self.place = store.option, store.place
        self.lock, self.prove, self.require_lock, self.try_out = store.lock, store.prove, store.require_lock, store.try_out
        self.changed_at, self.close = store.changed_at, store.close
        # What this object has read or written last, as long as nobody else has written since.
        self._document: dict[str, Any] | None = None

    def require_writable(self) -> None:
        """Prove that a change can be written down, for who must know before something is done at SendClean."""
        # A store may look anew for that, and find another one's, which the next change must read again.
        self._document = None
        self._store.require_writable()

    def read(self) -> _model.Bindings:
        """Return what is recorded of the account; nothing where there is nothing yet."""
        base_url, owner_id = self._account
        # A change rests on just this, or is refused.
        document = self._document = _document.load(self._store.read(), self._store)
        others = {url for url, owners in document["accounts"].items() if url != base_url and owners.get(owner_id)}
        return replace(
            _document.parse_account(_document.section_of(document, self._account, self._store), self._store),
            place=f'accounts, "{base_url}", "{owner_id}", aliases in {self.place}',
            option=self.option,
            path=self.place,
            elsewhere=tuple(sorted({*others, *self._store.elsewhere})),
        )

    def record_intent(self, alias: str, intent: _model.Intent) -> None:
        """Make durable that a user for ``alias`` is about to be created."""
        self._change(lambda section: _document.begin(section, alias, intent))

    def drop_intent(self, alias: str) -> None:
        """Make durable that no user for ``alias`` is being created any more."""
        self._change(lambda section: section["intents"].pop(alias, None))

    def bind(
        self,
        alias: str,
        smtp_user_name: str,
        password_time: datetime.datetime | None = None,
        next_one: tuple[str, _model.Intent] | None = None,
    ) -> None:
        """Make durable which user ``alias`` is, and in the same write that its creation is over and the next one's begun."""

        def change(section: dict[str, Any]) -> None:
            self._bind(section, alias, smtp_user_name)
            if password_time is not None:
                section["password_times"][smtp_user_name] = password_time.strftime(_document.TIME_FORMAT)
            if next_one:
                _document.begin(section, *next_one)

        self._change(change)

    def bind_created(
        self, alias: str, smtp_user_name: str, password_time: datetime.datetime, next_one: tuple[str, _model.Intent] | None
    ) -> _errors.LostError | None:
        """Do the same for who was created. Where the lock was lost, under a new one: then return how, and begin nothing else."""
        try:
            self.bind(alias, smtp_user_name, password_time, next_one)
        except _errors.LostError as lost:
            done = f'{smtp_user_name} was created for alias "{alias}", but is not recorded'
            self._late(lost, lambda: self._bind_begun(alias, smtp_user_name, password_time), done)
            return lost
        return None

    def _bind_begun(self, alias: str, smtp_user_name: str, password_time: datetime.datetime) -> None:
        now = self.read()
        if alias in now.intents:
            self.bind(alias, smtp_user_name, password_time)
        elif now.aliases.get(alias) != smtp_user_name:
            raise _errors.RefusedError(
                f'{smtp_user_name} was created for alias "{alias}", whose creation another run has settled meanwhile in '
                f"{self.place}: look who is who with sendclean.email.smtp_bindings, and disable the user who is too many"
            )

    def rename(self, old: str, alias: str) -> None:
        """Make durable that what ``old`` has, its user or begun creation, is that of ``alias``."""

        def change(section: dict[str, Any]) -> None:
            if old in section["aliases"]:
                self._bind(section, alias, section["aliases"].pop(old))
            for part in ("intents", "standbys", "delivered"):
                if old in section[part]:
                    section[part][alias] = section[part].pop(old)

        self._change(change)

    def rebind(
        self,
        bind: Mapping[str, str],
        unbind: Sequence[str],
        acknowledge: Iterable[str],
        delivered: Mapping[str, str | None] = MappingProxyType({}),
    ) -> None:
        """Make durable, in one write, what a person says: who aliases mean, whose users are others', what was delivered."""

        def change(section: dict[str, Any]) -> None:
            freed = [section["aliases"].pop(alias) for alias in unbind if alias in section["aliases"]]
            freed += [section["standbys"].pop(alias)["smtp_user_name"] for alias in unbind if alias in section["standbys"]]
            for alias in unbind:
                section["intents"].pop(alias, None)
                section["delivered"].pop(alias, None)
            section["delivered"].update(delivered)
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
            self._change(lambda section: _renew(section, smtp_user_name, password_time))

        try:
            write()
        except _errors.LostError as lost:
            self._late(lost, write, f"{smtp_user_name} has a new password, that of this result, but its time is not recorded")

    def stage(self, alias: str, smtp_user_name: str, password_time: datetime.datetime) -> None:
        """Make durable that the alias's standby, maybe just created, has a new password; also if the lock was lost."""

        def change(section: dict[str, Any]) -> None:
            section["standbys"][alias] = {"smtp_user_name": smtp_user_name, "staged": True}
            _renew(section, smtp_user_name, password_time)
            section["intents"].pop(alias, None)

        try:
            self._change(change)
        except _errors.LostError as lost:
            self._late(lost, lambda: self._change(change), f"{smtp_user_name} has a new password that no time is recorded of")
            raise

    def switch(self, alias: str, retires_at: datetime.datetime) -> None:
        """Make durable that the alias means its standby, and that who it meant retires then."""

        def change(section: dict[str, Any]) -> None:
            former, section["aliases"][alias] = section["aliases"][alias], section["standbys"][alias]["smtp_user_name"]
            section["standbys"][alias] = {"smtp_user_name": former, "retires_at": retires_at.strftime(_document.TIME_FORMAT)}

        self._change(change)

    def retire(self, alias: str) -> None:
        """Make durable that the alias's standby is off."""
        self._change(lambda section: section["standbys"][alias].pop("retires_at", None))

    def drop_standby(self, alias: str) -> None:
        """Make durable that the alias has no standby."""
        self._change(lambda section: section["standbys"].pop(alias, None))

    def _late(self, lost: _errors.LostError, write: Callable[[], None], done: str) -> None:
        """Write down what SendClean has ``done`` already, under a new lock. LostError if that fails: nothing more may be done.

        Under the new lock, too, since what was listed is older than it.
        """
        deadline = time.monotonic() + _LATE
        error: _errors.BindingsError = lost
        while True:
            self._document = None
            try:
                if not self._store.regain(max(deadline - time.monotonic(), 0.0)):
                    break
                return write()
            except _errors.RefusedError as refused:
                raise _errors.LostError(str(refused)) from None
            except _errors.BindingsError as another:
                error = another
                if not isinstance(another, _errors.LostError) or time.monotonic() >= deadline:
                    break
            time.sleep(1.0)
        raise _errors.LostError(f"{done}: {error}")

    def _bind(self, section: dict[str, Any], alias: str, smtp_user_name: str) -> None:
        other = next((other for other, name in section["aliases"].items() if name == smtp_user_name and other != alias), None)
        if other is not None or not smtp_user_name:
            raise _document.malformed(self._store, f'{smtp_user_name} would be bound to two aliases, "{other}" and "{alias}"')
        section["aliases"][alias] = smtp_user_name
        section["intents"].pop(alias, None)
        if section["standbys"].get(alias, {}).get("smtp_user_name") == smtp_user_name:
            del section["standbys"][alias]
        if smtp_user_name in section["known"]:
            section["known"].remove(smtp_user_name)

    def _change(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Read, change and replace the document; without reading it again if it is as this object left it.

        One that makes no sense is refused when it is read, so that only the change itself has to be looked at.
        """
        with self._store.changing():
            document, self._document = self._document, None
            if document is None or not self._store.is_as_left():
                document = _document.load(self._store.read(), self._store)
                _document.parse_account(_document.section_of(document, self._account, self._store), self._store)
            section = _document.section_of(document, self._account, self._store)
            for key, empty in _document.PARTS.items():
                section.setdefault(key, type(empty)())
            change(section)
            for key in _document.PARTS:
                if not section[key]:
                    del section[key]
            if "standbys" in section:
                document["version"] = max(document["version"], _document.WITH_STANDBYS)
            self._store.replace(_document.render(document, self._store))
            self._document = document


def _renew(section: dict[str, Any], smtp_user_name: str, password_time: datetime.datetime) -> None:
    """Note that a user has a new password: whoever had the old one delivered needs it anew."""
    section["password_times"][smtp_user_name] = password_time.strftime(_document.TIME_FORMAT)
    for alias, name in section["delivered"].items():
        if name == smtp_user_name:
            section["delivered"][alias] = None


# Each only where it is used: to compile it takes time in each run, and one asks for psycopg.
def _file(path: str, account: _stores.Account) -> _stores.Store:
    from ansible_collections.sendclean.email.plugins.module_utils import _file_store

    return _file_store.FileStore(path, account)


def _table(url: str, account: _stores.Account) -> _stores.Store:
    from ansible_collections.sendclean.email.plugins.module_utils import _postgres

    return _postgres.PostgresStore(url, account)


# The options that name a store. They exclude each other.
_STORES: Mapping[str, Callable[[str, _stores.Account], _stores.Store]] = {
    "bindings_path": _file,
    "bindings_url": _table,
}


def store_at(options: Mapping[str, str | None], account: _stores.Account) -> _stores.Store | None:
    """Return the store that the one of ``options`` names that is given; None where none is. Nothing is opened yet."""
    return next((_STORES[name](value, account) for name, value in options.items() if value), None)


def record_at(options: Mapping[str, str | None], base_url: str, owner_id: str) -> Record | None:
    """Return the record of an account where ``options`` say, None where they don't."""
    account = (base_url, owner_id)
    store = store_at(options, account)
    return Record(store, account) if store else None
