# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which of the ways that its sources describe the API has written an answer. Pure functions.

What they return is made to be published: shapes and counts, words that a source has, names of fields; nothing else of the
server's, so no password, name or message.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._answers import (
    body_of,
    entries_of,
    is_error,
    is_success,
    is_unknown_path,
    json_in,
    known_kind,
    status_of,
)
from ansible_collections.sendclean.email.plugins.module_utils._model import LIMITS

_FIELDS = {"smtp_user_name", "status", "password", "smtp_password", *LIMITS}
_PASSWORDS = ("password", "smtp_password")
# What may be the name of a field; a name that a server has for a user has digits.
_FIELD_NAME = re.compile("[A-Za-z_]{1,40}")
_MISSING = object()


def spelling(content: bytes, http_status: int) -> dict[str, Any]:
    """Return how an answer is written. ``users`` counts, for each field of a user, how many have which shape."""
    told: dict[str, Any] = {"http_status": http_status, "encoding": _encoding(content)}
    try:
        value = json_in(content)
    except (ValueError, RecursionError):
        return {**told, "body": "no JSON"}
    told["body"] = _shape(value)
    body = body_of(content, http_status)
    if body is None:
        return told
    told["status"] = body["status"] if body.get("status") in ("success", "error") else _shape(body.get("status", _MISSING))
    if is_success(body):
        return {**told, **_listing(body)}
    return {**told, **_error(value[0] if isinstance(value, list) else value)} if is_error(body, http_status) else told


def _encoding(content: bytes) -> str:
    if content.isascii():
        return "ASCII"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "not UTF-8"
    return "UTF-8"


def _shape(value: Any) -> str:
    if value is _MISSING:
        return "missing"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, str):
        return "text" if value.strip() else "empty text"
    names = {int: "integer", float: "decimal", list: "array", dict: "object"}
    return names[type(value)]


def _error(body: Mapping[str, Any]) -> dict[str, Any]:
    keys = [
        f"{key}.name" if isinstance(body[key], dict) else key
        for key in ("name", "type")
        if isinstance(body.get(key), (str, dict))
    ]
    message = body.get("message", _MISSING)
    return {
        "kind": known_kind(body) or "unknown",
        "kind_in": keys,
        "code": _shape(body.get("code", _MISSING)),
        "message": "texts with ||" if isinstance(message, str) and "||" in message else _shape(message),
        "unknown_path": is_unknown_path(body),
    }


def _listing(body: Mapping[str, Any]) -> dict[str, Any]:
    value = body.get("smtp_list", _MISSING)
    told: dict[str, Any] = {"smtp_list": _shape(value), "further_keys": _names(body.keys() - {"status", "smtp_list", "message"})}
    try:
        entries = [entry for entry in entries_of(None if value is _MISSING else value) if isinstance(entry, dict)]
    except ValueError:
        return told
    shapes: dict[str, Counter[str]] = {field: Counter() for field in (*LIMITS, "status", "password_in", "smtp_user_name")}
    fields: set[str] = set()
    for entry in entries:
        for limit in LIMITS:
            shapes[limit][_limit(entry.get(limit, _MISSING))] += 1
        shapes["status"][_status(entry.get("status", _MISSING))] += 1
        shapes["smtp_user_name"][_shape(entry.get("smtp_user_name", _MISSING))] += 1
        keys = [key for key in _PASSWORDS if entry.get(key) not in (None, "")]
        shapes["password_in"][" and ".join(keys) or "none"] += 1
        fields |= entry.keys()
    users = {field: dict(sorted(counts.items())) for field, counts in shapes.items()}
    return {**told, "listed": len(entries), "users": users, "further_fields": _names(fields - _FIELDS)}


def _limit(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{_sign(value)}{_shape(value)}"
    if isinstance(value, str):
        for pattern, shape in ((r"-?\d{1,18}", "integer"), (r"-?\d{1,18}\.\d{1,18}", "decimal")):
            if re.fullmatch(pattern, value.strip(), re.ASCII):
                return f"text of a {_sign(float(value))}{shape}".replace("a i", "an i")
        return '"unlimited"' if value.strip().lower() == "unlimited" else _shape(value)
    return _shape(value)


def _sign(number: float) -> str:
    return "negative " if number < 0 else "zero " if number == 0 else ""


def _status(value: Any) -> str:
    """Return a status as it is written where it is one that is known."""
    known = isinstance(value, (str, int)) and status_of(value) is not None
    return json.dumps(value) if known else _shape(value)


def _names(fields: set[str]) -> list[str]:
    """Return names of fields; what may be something else is only counted."""
    names = sorted(name for name in fields if _FIELD_NAME.fullmatch(name))
    others = len(fields) - len(names)
    return [*names, *([f"{others} others"] if others else [])]
