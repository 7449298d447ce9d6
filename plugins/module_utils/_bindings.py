# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bindings file: which smtp_user_name each alias got, which creations are under way, when passwords were made.

The file holds no secret, and serves any number of accounts: docs/identity.md shows one.
Keys that this version does not know are kept.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.plugins.module_utils._files import DurableFile
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Intent

VERSION = 1
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class BindingsFile:
    """One account's part of the bindings file. Reading needs no lock, every change does."""

    def __init__(self, path: str, base_url: str, owner_id: str) -> None:
        self.path = path
        self._file = DurableFile(path, "bindings_path", BindingsError)
        self._account = (base_url, owner_id)
        # The kernel drops the lock when the process ends, however it ends.
        self.lock = self._file.lock
        self.require_writable = self._file.require_writable

    def read(self) -> Bindings:
        """Return what the file says of the account; nothing where there is no file yet."""
        base_url, owner_id = self._account
        place = f'accounts, "{base_url}", "{owner_id}", aliases in {self.path}'
        return replace(_parse_account(self._section(self._load()), self._malformed), place=place)

    def record_intent(self, alias: str, intent: Intent) -> None:
        """Make durable that a user for ``alias`` is about to be created."""

        def change(section: dict[str, Any]) -> None:
            section.setdefault("intents", {})[alias] = {
                "total_limit": intent.total_limit,
                "hourly_limit": intent.hourly_limit,
                "smtp_user_names": sorted(intent.smtp_user_names),
            }

        self._change(change)

    def drop_intent(self, alias: str) -> None:
        """Make durable that no user for ``alias`` is being created any more."""
        self._change(lambda section: section.get("intents", {}).pop(alias, None))

    def bind(self, alias: str, smtp_user_name: str, password_time: datetime.datetime | None = None) -> None:
        """Make durable which user ``alias`` is, and in the same write that its creation is over."""

        def change(section: dict[str, Any]) -> None:
            section.setdefault("aliases", {})[alias] = smtp_user_name
            section.get("intents", {}).pop(alias, None)
            if password_time is not None:
                section.setdefault("password_times", {})[smtp_user_name] = password_time.strftime(_TIME_FORMAT)

        self._change(change)

    def record_password_time(self, smtp_user_name: str, password_time: datetime.datetime) -> None:
        """Make durable when a user got its password."""
        moment = password_time.strftime(_TIME_FORMAT)
        self._change(lambda section: section.setdefault("password_times", {}).update({smtp_user_name: moment}))

    def _load(self) -> dict[str, Any]:
        content = self._file.read()
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
                f"bindings_path was written by a newer sendclean.email: {self.path} has version {version}, "
                f"this one knows version {VERSION}. Upgrade the collection; the file is left as it is."
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
        return BindingsError(
            f"bindings_path is malformed: {self.path}: {problem}. "
            "Mend the file or restore it from version control; it is left as it is."
        )

    def _change(self, change: Callable[[dict[str, Any]], Any]) -> None:
        document = self._load()
        section = self._section(document)
        change(section)
        # What the change made of the file must be readable before it replaces what is there.
        _parse_account(section, self._malformed)
        for key in ("intents", "aliases", "password_times"):
            if not section.get(key, True):
                del section[key]
        text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        try:
            content = text.encode("utf-8")
        except UnicodeEncodeError:
            raise self._malformed("it holds half of a surrogate pair, which no text may") from None
        self._file.replace(content)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice, as a badly resolved merge leaves it: one of the two would be lost."""
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [key for key, unused in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f'"{twice}" stands twice in one object')
    return keys


def _parse_account(section: Mapping[str, Any], malformed: Callable[[str], BindingsError]) -> Bindings:
    parts = {}
    for key in ("aliases", "intents", "password_times"):
        parts[key] = section.get(key, {})
        if not isinstance(parts[key], dict):
            raise malformed(f'"{key}" is not an object')
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
        )
    except (KeyError, OverflowError, TypeError, ValueError):
        raise malformed('an entry under "intents" or "password_times" makes no sense') from None


def _parse_intent(value: Mapping[str, Any]) -> Intent:
    names = value["smtp_user_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("smtp_user_names")
    return Intent(int(value["total_limit"]), int(value["hourly_limit"]), frozenset(names))


def _parse_time(value: str) -> datetime.datetime:
    return datetime.datetime.strptime(value, _TIME_FORMAT).replace(tzinfo=datetime.timezone.utc)
