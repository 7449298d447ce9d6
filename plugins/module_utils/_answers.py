# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what the API answers, in every shape that its sources describe: success, error, users. Pure functions."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils import _model

# The kinds of the sources. Others may come, and count as a general error.
KINDS = ("ValidationError", "AuthenticationError", "GeneralError", "Invalid_Key", "Invalid Request")

# The table in the vendor's documentation calls the type of "status" integer, its examples show words.
_STATUSES = {
    **dict.fromkeys(("enable", "enabled", "1", "true"), _model.ENABLE),
    **dict.fromkeys(("disable", "disabled", "0", "false"), _model.DISABLE),
}
# Text that stands for a number, as "1000.00" or "2.5e+3". More digits than any limit has are none.
_NUMBER = re.compile(r"\s*(\d{1,18}(?:\.\d{0,18})?(?:e\+?\d{1,2})?)\s*", re.ASCII | re.IGNORECASE)
_MOST = 10**18
# What stands for a byte that is no text in its encoding, and half of a pair in JSON's escapes: neither can be written.
_NO_TEXT = re.compile("[\ud800-\udfff]")
# A byte that is no UTF-8, as json_in leaves it.
_BYTE = re.compile("[\udc80-\udcff]")

# What in listings made no sense, with the users that it was about; the inner mapping is used as a set in order.
Oddities = dict[str, dict[str, None]]


def body_of(content: bytes, http_status: int) -> dict[str, Any] | None:
    """Return the JSON object of an answer; None where it has none. An array of errors is the first one, with all texts.

    A byte that cannot be decoded is kept as something that is no text: the rest of the answer still counts.
    """
    try:
        body = json_in(content)
    except (ValueError, RecursionError):
        return None
    if isinstance(body, list) and body and all(isinstance(part, dict) and is_error(part, http_status) for part in body):
        return {**body[0], "message": [text for part in body for text in _texts(part)]}
    return body if isinstance(body, dict) else None


def json_in(content: bytes) -> Any:
    """Return the JSON of an answer as it came. Raises ValueError or RecursionError where it is none."""
    # The encoding as json.loads finds it for bytes.
    encoding = json.detect_encoding(content)
    return _load(content.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "surrogatepass"))


def _load(text: str) -> Any:
    # Python refuses to read and to write integers of thousands of digits: they would spoil all of an answer.
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 20 else digits)


def is_success(body: Mapping[str, Any]) -> bool:
    """Say whether an answer is a success."""
    return bool(body.get("status") == "success")


def is_error(body: Mapping[str, Any], http_status: int) -> bool:
    """Say whether an answer is an error. Its ``status`` decides; where that says neither, the HTTP code or a known kind."""
    if is_success(body):
        return False
    return body.get("status") == "error" or http_status >= 400 or known_kind(body) is not None


def kind_of(body: Mapping[str, Any]) -> str:
    """Return the kind of an error."""
    return _kind_in(body) or "GeneralError"


def _kind_in(body: Mapping[str, Any]) -> str | None:
    """Return the kind: ``name`` in the vendor's examples, ``type`` in its tables, in one 404 an object inside of that."""
    for key in ("name", "type"):
        kind = body.get(key)
        if isinstance(kind, dict):
            kind = kind.get("name")
        if isinstance(kind, str) and kind:
            return kind
    return None


def known_kind(body: Mapping[str, Any]) -> str | None:
    """Return the kind of an error where the sources have it."""
    kind = _kind_in(body)
    return kind if kind in KINDS else None


def text_of(body: Mapping[str, Any]) -> str:
    """Return an error's message."""
    return "; ".join(_texts(body))


def _texts(body: Mapping[str, Any]) -> list[str]:
    """Return the texts of a message: one, several with `` || `` between them, in one source a list."""
    message = body.get("message")
    try:
        parts = [str(part) for part in (message if isinstance(message, list) else [message]) if part is not None]
    except RecursionError:
        return []
    return [text.strip() for part in parts for text in part.split("||") if text.strip()]


def code_of(body: Mapping[str, Any]) -> int | None:
    """Return an error's code."""
    code = body.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def is_unknown_path(body: Mapping[str, Any]) -> bool:
    """Say whether an error is the answer to a path that the server does not know."""
    return kind_of(body) == "Invalid Request" or text_of(body).strip(" .!").lower() == "page not found"


def replaced(text: str) -> str:
    """Return a text with the replacement character for all that is no text."""
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", _in_latin_1(text))


def _in_latin_1(text: str) -> str:
    """Return a text whose bytes that are no UTF-8 are read as Latin-1, in which the service may write."""
    return _BYTE.sub(lambda byte: chr(ord(byte[0]) - 0xDC00), text)


def name_in(body: Mapping[str, Any]) -> str:
    """Return the name that an answer holds. Raises ValueError where there is none."""
    name = body.get("smtp_user_name")
    name = _in_latin_1(name) if isinstance(name, str) else ""
    if not name.strip() or _NO_TEXT.search(name):
        raise ValueError("it has no smtp_user_name")
    return name


def password_in(body: Mapping[str, Any]) -> str | None:
    """Return the password of an answer: the examples call it ``password``, the table ``smtp_password``.

    None where there is none, two that differ, or one that is no UTF-8: a wrong one would be worse.
    """
    values = {body[key] for key in ("smtp_password", "password") if isinstance(body.get(key), str) and body[key]}
    password: str | None = values.pop() if len(values) == 1 else None
    return None if password is None or _NO_TEXT.search(password) else password


def new_password_in(body: Mapping[str, Any]) -> str:
    """Return the password that an answer must hold. Raises ValueError where it does not."""
    password = password_in(body)
    if password is None:
        raise ValueError("it has no smtp_password")
    return password


def users_in(body: Mapping[str, Any], odd: Oddities) -> dict[str, _model.User]:
    """Read the answer of listSmtp. What makes no sense in a user is null, and goes into ``odd``.

    Raises ValueError where all of it makes no sense. No text holds a password.
    """
    entries = entries_of(body.get("smtp_list"))
    users: dict[str, _model.User] = {}
    for index, entry in enumerate(entries):
        try:
            name = name_in(entry if isinstance(entry, dict) else {})
        except ValueError:
            _note(odd, "no smtp_user_name: left out", f"smtp_list[{index}]")
            continue
        user = _user(name, entry, odd)
        users[name] = _agreed(users[name], user, odd) if name in users else user
    if entries and not users:
        raise ValueError("no entry of smtp_list is a user")
    return users


def entries_of(value: Any) -> list[Any]:
    """Return the entries of ``smtp_list``, which one schema calls a text. Nothing says what an empty account shows.

    Raises ValueError where it is no list.
    """
    if isinstance(value, str):
        try:
            value = _load(value) if value.strip() else None
        except (ValueError, RecursionError):
            raise ValueError("smtp_list is a text that is not JSON") from None
    if isinstance(value, dict) and all(re.fullmatch("[0-9]+", key) for key in value):
        # What PHP writes for an array that something was taken out of.
        return list(value.values())
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError("smtp_list is not a list")
    return value


def _user(name: str, entry: Mapping[str, Any], odd: Oddities) -> _model.User:
    status = status_of(entry.get("status"))
    if status is None:
        # Where there is none, too: who is to be disabled cannot be told without it.
        shown = _shown(entry, "status")
        _note(odd, f"status {shown}, neither Enable nor Disable: it is null here, and no purge disables the user", name)
    password = password_in(entry)
    if password is None and any(entry.get(key) not in (None, "") for key in ("password", "smtp_password")):
        _note(odd, "a password that is no text: it is null here", name)
    limits = {key: _limit(entry.get(key)) for key in _model.LIMITS}
    for key in _model.LIMITS:
        if limits[key] is None and entry.get(key) is not None:
            _note(odd, f"{key} {_shown(entry, key)}, no number that is a limit: it is null here", name)
    return _model.User(name, status, limits["total_limit"], limits["hourly_limit"], password)


def status_of(value: Any) -> str | None:
    """Read a status, in whatever way it is written. None: it is none that is known."""
    return _STATUSES.get(str(value).strip().lower()) if _is_scalar(value) else None


def _limit(value: Any) -> int | None:
    """Read a limit: an integer or a numeric string, 0 or more."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST:
        # As nearly all are, in accounts of thousands.
        return value
    text = value if isinstance(value, str) else repr(value) if isinstance(value, (int, float)) else ""
    number = _NUMBER.fullmatch(text)
    if number is None:
        return None
    limit = Decimal(number[1])
    return int(limit) if limit < _MOST and limit == int(limit) else None


def _agreed(one: _model.User, other: _model.User, odd: Oddities) -> _model.User:
    """Return a user that is listed twice, with null for what differs."""
    both = {field.name: getattr(one, field.name) for field in dataclasses.fields(_model.User)}
    differing = [name for name, value in both.items() if value != getattr(other, name)]
    if differing:
        _note(odd, f"two entries that differ in {' and '.join(differing)}: null here", one.smtp_user_name)
    return _model.User(**{**both, **dict.fromkeys(differing)})


def _shown(entry: Mapping[str, Any], key: str) -> str:
    """Describe an odd value. A text that is long, or holds the user's password, is not quoted."""
    value = entry.get(key)
    if not _is_scalar(value):
        return "{...}" if isinstance(value, dict) else "[...]"
    text = json.dumps(value, ensure_ascii=False)
    secrets = [str(entry[name]) for name in ("password", "smtp_password") if entry.get(name)]
    return '"..."' if len(text) > 40 or any(secret in text for secret in secrets) else replaced(text)


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _note(odd: Oddities, problem: str, name: str) -> None:
    odd.setdefault(problem, {})[name] = None


def warnings_of(odd: Oddities) -> Iterable[str]:
    """Yield what is to be told of users that make no sense, many in one text."""
    for problem, users in odd.items():
        names = list(users)
        more = f" and {len(names) - 20} more" if len(names) > 20 else ""
        yield f"SendClean lists {', '.join(names[:20])}{more} with {problem}"
