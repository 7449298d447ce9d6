# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document that holds bindings: JSON text, what is checked of it, and what it says of an account. Pure functions.

A store is asked for its names only: what is wrong with a document is told by option and place.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils import _errors, _model, _stores

# The newest that this version knows. What is written has version 2 only where it has standbys, which older versions would take
# for nobody's users.
VERSION = 2
WITH_STANDBYS = 2
# Of what must not be worked with, whatever it holds, by any version of the collection: each refuses what is newer than itself.
CLOSED = 1_000_000
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

# What the document has of an account, and what a part is where it is not there.
PARTS: Mapping[str, Any] = {"aliases": {}, "intents": {}, "known": [], "password_times": {}, "standbys": {}, "delivered": {}}


def load(content: bytes | None, store: _stores.Store) -> dict[str, Any]:
    """Return the document; one without accounts where there is none yet. Raises BindingsError."""
    document = load_any(content, store)
    if document["version"] > VERSION:
        raise _errors.BindingsError(_closed(document, store))
    return document


def load_any(content: bytes | None, store: _stores.Store) -> dict[str, Any]:
    """Return the same, also one that has moved or is of a newer version. Raises BindingsError."""
    if content is None:
        return {"version": 1, "accounts": {}}
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed(store, "it is not UTF-8 text") from None
    try:
        document = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as exc:
        raise malformed(store, f"it is not JSON: {exc}") from None
    if not isinstance(document, dict):
        raise malformed(store, "it is not a JSON object")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise malformed(store, 'it has no "version"')
    if version <= VERSION or version == CLOSED:
        accounts = document.get("accounts")
        if not isinstance(accounts, dict) or not all(isinstance(owners, dict) for owners in accounts.values()):
            raise malformed(store, 'its "accounts" is not an object of objects')
    return document


def _closed(document: Mapping[str, Any], store: _stores.Store) -> str:
    """Say why a document is not worked with."""
    if document.get("moved_to"):
        return f"{store.option} has moved to {document['moved_to']}: {store.place}. Give that as bindings_url or bindings_path"
    if document.get("moving_from"):
        return (
            f"{store.option} is being filled from {document['moving_from']}: {store.place}. Run the playbook "
            "sendclean.email.move_bindings once more, which ends it"
        )
    return (
        f"{store.option} was written by a newer sendclean.email: {store.place} has version {document['version']}, "
        f"this one knows version {VERSION}. Upgrade the collection; what is there is left as it is."
    )


def section_of(document: dict[str, Any], account: _stores.Account, store: _stores.Store) -> dict[str, Any]:
    """Return what a document has of an account, where it can be changed. Raises BindingsError."""
    base_url, owner_id = account
    section: Any = document["accounts"].setdefault(base_url, {}).setdefault(owner_id, {})
    if not isinstance(section, dict):
        raise malformed(store, f'"{owner_id}" is not an object')
    return section


def render(document: Mapping[str, Any], store: _stores.Store) -> bytes:
    """Return a document's text. Raises BindingsError."""
    try:
        return (_rendered(document, "\n") + "\n").encode("utf-8")
    except UnicodeEncodeError:
        raise malformed(store, "it holds half of a surrogate pair, which no text may") from None


def malformed(store: _stores.Store, problem: str) -> _errors.BindingsError:
    """Return what is to be said of a document that makes no sense."""
    return _errors.BindingsError(f"{store.option} is malformed: {store.place}: {problem}. {store.mend}.")


def begin(section: dict[str, Any], alias: str, intent: _model.Intent) -> None:
    section["intents"][alias] = {
        "total_limit": intent.total_limit,
        "hourly_limit": intent.hourly_limit,
        "smtp_user_names": sorted(intent.smtp_user_names),
        **({"time": intent.time.strftime(TIME_FORMAT)} if intent.time else {}),
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


def parse_account(section: Mapping[str, Any], store: _stores.Store) -> _model.Bindings:
    parts: dict[str, Any] = {}
    for key, empty in PARTS.items():
        parts[key] = section.get(key, empty)
        if not isinstance(parts[key], type(empty)):
            kind = "object" if isinstance(empty, dict) else "list"
            raise malformed(store, f'its "{key}" is no {kind}')
    if not all(isinstance(name, str) for name in parts["known"]):
        raise malformed(store, 'an entry under "known" is no name')
    owners: dict[str, str] = {}
    for alias, name in parts["aliases"].items():
        if not isinstance(name, str) or not name:
            raise malformed(store, f'alias "{alias}" is bound to no name')
        if name in owners:
            raise malformed(store, f'{name} is bound to two aliases, "{owners[name]}" and "{alias}"')
        owners[name] = alias
    for alias, value in parts["standbys"].items():
        name = value.get("smtp_user_name") if isinstance(value, dict) else None
        if isinstance(name, str):
            if name in owners:
                raise malformed(store, f'{name} is the standby of "{alias}", and belongs to "{owners[name]}", too')
            owners[name] = alias
    try:
        return _model.Bindings(
            aliases=dict(parts["aliases"]),
            intents={alias: _parse_intent(value) for alias, value in parts["intents"].items()},
            password_times={name: _parse_time(value) for name, value in parts["password_times"].items()},
            known=frozenset(parts["known"]),
            standbys={alias: _parse_standby(value) for alias, value in parts["standbys"].items()},
            delivered={alias: _parse_name(value) for alias, value in parts["delivered"].items()},
        )
    except (KeyError, OverflowError, TypeError, ValueError):
        raise malformed(store, 'an entry under "intents", "password_times", "standbys" or "delivered" makes no sense') from None


def _parse_intent(value: Mapping[str, Any]) -> _model.Intent:
    names = value["smtp_user_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("smtp_user_names")
    time = _parse_time(value["time"]) if "time" in value else None
    return _model.Intent(int(value["total_limit"]), int(value["hourly_limit"]), frozenset(names), time)


def _parse_standby(value: Mapping[str, Any]) -> _model.Standby:
    name, retires_at = value["smtp_user_name"], value.get("retires_at")
    if not isinstance(name, str) or not name:
        raise TypeError("smtp_user_name")
    return _model.Standby(name, None if retires_at is None else _parse_time(retires_at), value.get("staged") is True)


def _parse_name(value: Any) -> str | None:
    if not (value is None or (isinstance(value, str) and value)):
        raise TypeError("delivered")
    return value


def _parse_time(value: str) -> datetime.datetime:
    return datetime.datetime.strptime(value, TIME_FORMAT).replace(tzinfo=datetime.timezone.utc)
