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


def json_answer(body: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Any JSON value. Plain json.dumps: a listing of 10,000 users must stay fast."""
    return Answer(body=json.dumps(body).encode(), status=status, headers=headers)


def html_answer(title: str, status: int, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A page as a web server or proxy in front of the service writes it."""
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(body=page.encode(), status=status, content_type="text/html; charset=utf-8", headers=headers)


def success_answer(settings: Settings, fields: Mapping[str, object]) -> Answer:
    """A success body."""
    return json_answer({"status": "success", **fields, **_extra_answer_fields(settings)})


def error_answer(settings: Settings, error: ApiError, kindless: bool = False) -> Answer:
    """An error body. HTTP 200, unless `http_error_codes` says otherwise."""
    body: dict[str, object] = {"status": "error"}
    if not settings.omit_code:
        body["code"] = -1
    if not kindless:
        body[settings.kind_key] = error.kind
    body["message"] = _message(settings, error.message)
    status = HTTP_CODES.get(error.kind, 500) if settings.http_error_codes else 200
    return json_answer({**body, **_extra_answer_fields(settings)}, status)


def page_not_found_answer(settings: Settings) -> Answer:
    """An unknown path: no code, and a kind only in the source that knows HTTP codes."""
    body: dict[str, object] = {"status": "error"}
    if settings.http_error_codes:
        body["type"] = "Invalid Request"  # that source spells it so, whatever kind_key says
    body["message"] = _message(settings, "Page not found")
    return json_answer(body, 404 if settings.http_error_codes else 200)


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


def render_listing(settings: Settings, users: Iterable[SimulatedUser]) -> list[dict[str, object]]:
    """The users of `smtp_list`."""
    rows = [_render_user(settings, user) for user in users]
    if settings.shuffle:
        random.shuffle(rows)
    return rows


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
    return row


def _message(settings: Settings, text: str) -> str | list[str]:
    if settings.http_error_codes:
        text = HTTP_CODE_TEXTS.get(text, text)
    return [text] if settings.message_list else text


def _extra_answer_fields(settings: Settings) -> dict[str, object]:
    return {"request_id": "0123456789", "meta": {"version": 2}} if settings.extra_fields else {}
