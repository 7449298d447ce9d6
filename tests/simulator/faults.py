# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scripted faults. To add a kind, add a row to FAULT_KINDS and a test to the simulator's unit tests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .answers import (
    GENERAL_TEXT,
    SEPARATOR,
    Answer,
    error_answer,
    html_answer,
    json_answer,
    too_many_requests_answer,
)
from .calls import CALLS
from .model import ApiError, Settings


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with the next calls that match `call` ("*": any) and `owner_id`.

    `skip` matching calls pass first; then `times` calls are hit.
    """

    call: str
    kind: str
    times: int = 1
    skip: int = 0
    owner_id: str | None = None
    seconds: float = 0.0
    retry_after: str | None = None
    value: object = None
    location: str | None = None

    def __post_init__(self) -> None:
        """Refuse a fault that could never do what it says."""
        if not isinstance(self.kind, str) or not isinstance(self.call, str):
            raise ValueError("call and kind must be strings")
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"unknown fault kind {self.kind!r}; known: {', '.join(FAULT_KINDS)}")
        if self.call != "*" and self.call not in CALLS:
            raise ValueError(f"unknown call {self.call!r}; known: *, {', '.join(CALLS)}")
        for name, least in (("times", 1), ("skip", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number, at least {least}")
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, (int, float)) or self.seconds < 0:
            raise ValueError("seconds must be a number, not negative")
        for name in ("owner_id", "retry_after", "location"):
            if not isinstance(getattr(self, name), (str, type(None))):
                raise ValueError(f"{name} must be a string or null")
        if self.kind == "redirect" and not self.location:
            raise ValueError("a redirect needs a location")
        Settings().changed(self.changes)
        if self.kind == "wrong_listing" and self.call != "listSmtp":
            raise ValueError("wrong_listing is for listSmtp only")

    @property
    def changes(self) -> Mapping[str, Any]:
        """The settings that are others for the calls that are hit."""
        if self.kind != "with_settings":
            return {}
        if not isinstance(self.value, Mapping):
            raise ValueError("with_settings needs a value, an object of settings")
        return self.value


@dataclass(frozen=True)
class Situation:
    """What a fault can build its answer from. `own` is the answer without the fault."""

    fault: Fault
    settings: Settings
    request_text: str
    own: Answer


@dataclass(frozen=True)
class FaultKind:
    """How a fault works.

    `carry_out`: "yes" carries the call out, "no" does not, "pretend" answers as if it had.
    `waits`: whether the fault's `seconds` pass before or after carrying out, or while the answer is sent.
    """

    carry_out: Literal["yes", "no", "pretend"]
    answer: Callable[[Situation], Answer]
    waits: Literal["never", "before", "after", "sending"] = "never"


def _own(situation: Situation) -> Answer:
    return situation.own


def _cut(situation: Situation) -> Answer:
    return Answer(cut=True)


def _error_500(situation: Situation) -> Answer:
    return html_answer("500 Internal Server Error", 500)


def _bad_gateway(situation: Situation) -> Answer:
    return html_answer("502 Bad Gateway", 502)


def _not_found(situation: Situation) -> Answer:
    return html_answer("404 Not Found", 404)


def _truncated(situation: Situation) -> Answer:
    half = len(situation.own.body) // 2
    return dataclasses.replace(
        situation.own,
        body=situation.own.body[:half],
        missing_bytes=len(situation.own.body) - half,
    )


def _unreadable(situation: Situation) -> Answer:
    return Answer(body=b'{"status": "succ<<<')


def _non_object(situation: Situation) -> Answer:
    return json_answer([json.loads(situation.own.body)])


def _empty(situation: Situation) -> Answer:
    return Answer()


def _error(kind: str, message: str, kindless: bool = False) -> Callable[[Situation], Answer]:
    def answer(situation: Situation) -> Answer:
        return error_answer(situation.settings, ApiError(kind, message), kindless)

    return answer


def _rate_limited(situation: Situation) -> Answer:
    return too_many_requests_answer(situation.settings, situation.fault.retry_after, situation.fault.seconds)


def _redirect(situation: Situation) -> Answer:
    return html_answer("307 Temporary Redirect", 307, (("Location", situation.fault.location or ""),))


def _echo_request(situation: Situation) -> Answer:
    message = f"Request not understood: {situation.request_text}"
    return error_answer(situation.settings, ApiError("ValidationError", message))


def _error_array(situation: Situation) -> Answer:
    error = ApiError("ValidationError", SEPARATOR.join(("total_limit is wrong", "hourly_limit is wrong")))
    return error_answer(situation.settings.changed({"error_array": True, "http_error_codes": True}), error)


def _general_error_array(situation: Situation) -> Answer:
    return error_answer(situation.settings.changed({"error_array": True}), ApiError("GeneralError", GENERAL_TEXT))


def _latin_1_error(situation: Situation) -> Answer:
    return error_answer(situation.settings.changed({"latin_1": True}), ApiError("GeneralError", GENERAL_TEXT))


def _broken_bytes(situation: Situation) -> Answer:
    """Bytes that are no UTF-8, in a field that nobody asks for."""
    body = situation.own.body.replace(b"{", b'{"note": "\xff\xfe\xe9", ', 1)
    return dataclasses.replace(situation.own, body=body)


def _wrong_listing(situation: Situation) -> Answer:
    body = json.loads(situation.own.body)
    if "smtp_list" not in body:  # a refusal stays one
        return situation.own
    return json_answer({**body, "smtp_list": situation.fault.value})


_GENERAL = _error("GeneralError", GENERAL_TEXT)
_UNKNOWN_KIND = _error("SomethingNew", "Something new happened")
_KINDLESS = _error("GeneralError", GENERAL_TEXT, kindless=True)

FAULT_KINDS: dict[str, FaultKind] = {
    "cut_before": FaultKind("no", _cut),
    "cut_after": FaultKind("yes", _cut),
    "error_500_before": FaultKind("no", _error_500),
    "bad_gateway_502_after": FaultKind("yes", _bad_gateway),
    "truncated_after": FaultKind("yes", _truncated),
    "unreadable_after": FaultKind("yes", _unreadable),
    "non_object_after": FaultKind("yes", _non_object),
    "empty_after": FaultKind("yes", _empty),
    "general_error_before": FaultKind("no", _GENERAL),
    "general_error_after": FaultKind("yes", _GENERAL),
    "unknown_kind_before": FaultKind("no", _UNKNOWN_KIND),
    "unknown_kind_after": FaultKind("yes", _UNKNOWN_KIND),
    "missing_kind_before": FaultKind("no", _KINDLESS),
    "missing_kind_after": FaultKind("yes", _KINDLESS),
    "authentication_error": FaultKind("no", _error("AuthenticationError", "Token MissMatch")),
    "validation_error": FaultKind("no", _error("ValidationError", "No update field given !!")),
    "slow_before": FaultKind("yes", _own, "before"),
    "slow_after": FaultKind("yes", _own, "after"),
    "dripping_after": FaultKind("yes", _own, "sending"),
    "ignored": FaultKind("pretend", _own),
    "rate_limited": FaultKind("no", _rate_limited),
    "redirect": FaultKind("no", _redirect),
    "html_404": FaultKind("no", _not_found),
    "echo_request": FaultKind("no", _echo_request),
    "error_array": FaultKind("no", _error_array),
    "error_array_after": FaultKind("yes", _general_error_array),
    "latin_1_error_after": FaultKind("yes", _latin_1_error),
    "broken_bytes_after": FaultKind("yes", _broken_bytes),
    "with_settings": FaultKind("yes", _own),
    "wrong_listing": FaultKind("yes", _wrong_listing),
}
