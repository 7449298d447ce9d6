# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Render users, answers and errors in the variant that the settings choose. Pure functions."""

from __future__ import annotations

import email.utils
import json
import math
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .model import ApiError, Settings, SimulatedUser

# With `http_error_codes`, per kind; an unknown kind is an unexpected error as well.
HTTP_CODES = {"ValidationError": 400, "AuthenticationError": 401, "GeneralError": 500}

# The source that knows HTTP codes also words these two texts differently.
HTTP_CODE_TEXTS = {
    "Token MissMatch": "Owner Id and Token MisMatch",
    "Page not found": "Page Not Found",
}

# Between several texts in one message.
SEPARATOR = " || "

GENERAL_TEXT = "Unable to process your request"


@dataclass(frozen=True)
class Answer:
    """What goes back to the client, down to how the connection ends."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False  # close the connection without any answer
    missing_bytes: int = 0  # announce that many bytes more than are sent, then close
    seconds: float = 0.0  # send the body byte by byte, over that long


def json_answer(body: object, status: int = 200, headers: tuple[tuple[str, str], ...] = (), latin_1: bool = False) -> Answer:
    """Any JSON value. Plain json.dumps: a listing of 10,000 users must stay fast."""
    content = json.dumps(body, ensure_ascii=False).encode("latin-1", "replace") if latin_1 else json.dumps(body).encode()
    return Answer(body=content, status=status, headers=headers)


def html_answer(title: str, status: int, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A page as a web server or proxy in front of the service writes it."""
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(body=page.encode(), status=status, content_type="text/html; charset=utf-8", headers=headers)


def success_answer(settings: Settings, fields: Mapping[str, object]) -> Answer:
    """A success body."""
    body = {"status": "success", **fields, **_extra_answer_fields(settings)}
    if "message" in body:
        body["message"] = f"{body['message']}{_ending(settings)}"
    return json_answer(body, latin_1=settings.latin_1)


def error_answer(settings: Settings, error: ApiError, kindless: bool = False) -> Answer:
    """An error body. HTTP 200, unless `http_error_codes` says otherwise."""
    body: dict[str, object] = {"status": "error"}
    if not settings.omit_code:
        body["code"] = -1
    if not kindless:
        body.update(_kind(settings, settings.kind_key, error.kind))
    status = HTTP_CODES.get(error.kind, 500) if settings.http_error_codes else 200
    return _error(settings, body, error.message, status)


def page_not_found_answer(settings: Settings) -> Answer:
    """An unknown path: no code, and a kind only in the source that knows HTTP codes."""
    body: dict[str, object] = {"status": "error"}
    if settings.http_error_codes:
        body.update(_kind(settings, "type", "Invalid Request"))  # that source spells it so, whatever kind_key says
    return _error(settings, body, "Page not found", 404 if settings.http_error_codes else 200)


def _error(settings: Settings, body: dict[str, object], message: str, status: int) -> Answer:
    """One object, or with `error_array` one for each text."""
    messages = message.split(SEPARATOR) if settings.error_array else [message]
    extra = _extra_answer_fields(settings)
    errors = [{**body, "message": _message(settings, text), **extra} for text in messages]
    return json_answer(errors if settings.error_array else errors[0], status, latin_1=settings.latin_1)


def _kind(settings: Settings, key: str, kind: str) -> dict[str, object]:
    return {"type": {"name": kind}} if settings.kind_object else {key: kind}


def too_many_requests_answer(settings: Settings, retry_after: str | None, wait: float) -> Answer:
    """HTTP 429, in every variant. `wait`: seconds until a call would pass again."""
    plain = error_answer(settings, ApiError("GeneralError", "Too many requests"))
    value = retry_after_value(retry_after, wait)
    headers = () if value is None else (("Retry-After", value),)
    return Answer(body=plain.body, status=429, headers=headers)


def retry_after_value(style: str | None, wait: float) -> str | None:
    """The header's value: rounded up, so that a client that obeys does not come too early."""
    if style == "seconds":
        return str(math.ceil(wait))
    if style == "date":
        return email.utils.formatdate(math.ceil(time.time() + wait), usegmt=True)
    return style


def render_listing(settings: Settings, users: Iterable[SimulatedUser]) -> dict[str, object]:
    """The users, as a success body has them."""
    rows: list[object] = [_render_user(settings, user) for user in users]
    if settings.shuffle:
        random.shuffle(rows)
    rows += settings.listing_entries
    if not rows:
        empty: dict[str, object] = {"array": [], "null": None, "object": {}, "text": ""}
        return {} if settings.empty_listing == "missing" else {"smtp_list": empty[settings.empty_listing]}
    if settings.listing_shape == "text":
        return {"smtp_list": json.dumps(rows)}
    # Not from 0 on: what PHP makes of an array that its first entry was taken out of.
    return {"smtp_list": {str(number): row for number, row in enumerate(rows, 1)} if settings.listing_shape == "object" else rows}


def _render_user(settings: Settings, user: SimulatedUser) -> dict[str, object]:
    number = str if settings.numeric_strings else int
    row: dict[str, object] = {"smtp_user_name": user.smtp_user_name}
    if settings.password_key is not None:
        row[settings.password_key] = user.smtp_password
    row["status"] = int(user.status == "Enable") if settings.integer_status else user.status
    row["total_limit"] = number(user.total_limit)
    row["hourly_limit"] = number(user.hourly_limit)
    if settings.extra_fields:
        row["created"] = "2026-01-01 00:00:00"
        row["usage"] = {"today": 0, "hosts": []}
    return {**row, **settings.listing_fields.get(user.smtp_user_name, {})}


def _message(settings: Settings, text: str) -> str | list[str]:
    if settings.http_error_codes:
        text = HTTP_CODE_TEXTS.get(text, text)
    texts = [f"{part}{_ending(settings)}" for part in text.split(SEPARATOR)]
    return texts if settings.message_list else SEPARATOR.join(texts)


def _ending(settings: Settings) -> str:
    """What makes a text one in Latin-1."""
    return " \xa1\xe9!" if settings.latin_1 else ""


def _extra_answer_fields(settings: Settings) -> dict[str, object]:
    return {"request_id": "0123456789", "meta": {"version": 2}} if settings.extra_fields else {}
