# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found of an account, as a page of text for people and as a report that can be published. Pure functions."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.sendclean.email.plugins.module_utils._answers import KINDS
from ansible_collections.sendclean.email.plugins.module_utils._errors import CallError, readable
from ansible_collections.sendclean.email.plugins.module_utils._lag import age_in_days
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor import Facts, FileFacts, Finding, ago, code_of, users_of

REPORT_VERSION = 1
# The key that says what the file is.
_MARK = "sendclean_doctor_report"
# What may be published of an error: no other word of the server's is.
_KINDS = (*KINDS, "TransportError", "ProtocolError", "RateLimitError")


# ---- a page for people -----------------------------------------------------------------------------------------------


def page_of(facts: Facts, findings: Sequence[Finding]) -> str:
    """Return the page: the verdict, what is found, and what is as it is. Names, but no secret."""
    lines = [f"{facts.host}: {verdict_of(findings)}"]
    for finding in findings:
        lines.append(f"  {'!' if finding.needs_a_hand else '-'} {finding.text}")
        if finding.advice:
            lines.append(f"    -> {finding.advice}")
    lines += [f"  {name:<12} {text}" for name, text in _rows(facts) if text]
    return "\n".join(readable(line.replace("\n", "; ")) for line in lines)


def verdict_of(findings: Sequence[Finding]) -> str:
    """Return in a few words whether something needs a hand."""
    hands = sum(1 for finding in findings if finding.needs_a_hand)
    return {0: "nothing needs a hand", 1: "1 thing needs a hand"}.get(hands, f"{hands} things need a hand")


def _rows(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "account", _account_row(facts)
    users = users_of(facts)
    if users and facts.listing is not None:
        unknown = f", {len(users.odd)} of unknown status" if users.odd else ""
        yield "users", f"{len(facts.listing)}: {len(users.enabled)} enabled, {len(users.disabled)} disabled{unknown}"
        standbys = f", {len(users.standbys)} taking turns with them" if users.standbys else ""
        yield "", f"{len(users.bound)} bound to an alias{standbys}, {len(users.known)} known, {len(users.unclaimed)} unclaimed"
    if facts.bindings and facts.bindings.aliases:
        oldest, unknown_ages = _ages(facts.bindings)
        yield "passwords", f"{_oldest_row(oldest)}; {unknown_ages} of unknown age"
    yield "bindings", _file_row(facts.bindings_file)
    held = " and holds what is in force" if facts.difference is not None and not facts.difference else ""
    yield "credentials", _file_row(facts.credentials_file) + held if facts.credentials_file else ""
    yield "API", "; ".join(_in_words(answer) for answer in facts.answers)
    yield "versions", ", ".join(f"{name} {version}" for name, version in facts.versions.items() if version)


def _account_row(facts: Facts) -> str:
    if facts.base_url is None:
        return "not looked at"
    if facts.listing is None:
        return f"{facts.base_url} does not list it"
    return f"{facts.base_url} answers in {facts.seconds:.1f} s and accepts owner_id and token"


def _oldest_row(oldest: tuple[float, str] | None) -> str:
    return f"the oldest is of {ago(oldest[0])} ({oldest[1]})" if oldest else "none of known age"


def _ages(bindings: Bindings) -> tuple[tuple[float, str] | None, int]:
    """Return the age in days, with its alias, of the oldest password that has one, and how many have none."""
    times = {alias: bindings.password_times.get(name) for alias, name in bindings.aliases.items()}
    ages = [(age, alias) for alias, time in times.items() if (age := _age(time)) is not None]
    return max(ages, default=None), len(times) - len(ages)


def _age(time: datetime.datetime | None) -> float | None:
    # A clock that runs behind makes nobody younger than new.
    age = age_in_days(time)
    return None if age is None else max(0.0, age)


def _file_row(file: FileFacts | None) -> str:
    if file is None:
        return ""
    if file.problems:
        return f"{file.path} cannot be used as it is"
    return f"{file.path} {'can be read, written and locked' if file.there else 'can be made and locked'}"


def _in_words(answer: Mapping[str, Any]) -> str:
    told = [f"HTTP {answer['http_status']}"]
    if "kind" in answer:
        kind = f"kind in {' and '.join(answer['kind_in'])}" if answer["kind_in"] else "no kind"
        told.append(f"an error with {kind}, code {answer['code']}, message {answer['message']}")
    elif "users" in answer:
        told.append(f"smtp_list {answer['smtp_list']}")
        told += [
            f"{name.replace('_in', ' in')} {'/'.join(shapes)}"
            for name, shapes in answer["users"].items()
            if shapes and name != "smtp_user_name"
        ]
        more = answer["further_keys"] + answer["further_fields"]
        told += [f"further {', '.join(more)}"] if more else []
    else:
        told.append(f"body {answer['body']}")
    return ", ".join(told)


# ---- a report that can be published ----------------------------------------------------------------------------------


def report_of(facts: Facts, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what may be published of an account: counts, shapes and kinds; no name, path, message or ID."""
    return {
        "host": _host(facts.base_url),
        "answered": bool(facts.answers) if facts.base_url else None,
        "accepted": True if facts.listing is not None else False if _is_refused(facts.error) else None,
        "seconds": None if facts.seconds is None else round(facts.seconds, 2),
        "error": _error(facts.error),
        "spelling": list(facts.answers),
        "users": _counts(facts),
        "begun": _begun_report(facts),
        "password_age_days": _age_report(facts.bindings),
        "bindings_file": _file_report(facts.bindings_file),
        "credentials_file": _credentials_report(facts),
        "findings": [
            {"code": finding.code, "needs_a_hand": finding.needs_a_hand, "count": finding.count} for finding in findings
        ],
    }


def whole_report(accounts: Sequence[Mapping[str, Any]], versions: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the report of a run. The accounts are numbered: their names in the inventory may say whose they are."""
    return {_MARK: REPORT_VERSION, "versions": dict(versions), "accounts": list(accounts)}


def is_report(text: str) -> bool:
    """Say whether a text is such a report, of whatever version, or nothing."""
    try:
        return not text.strip() or _MARK in json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return False


def _host(base_url: str | None) -> str | None:
    """Return what may be told of a host: that of a white label is somebody's name."""
    host = urlsplit(base_url or "").hostname
    if host is None:
        return None
    if f".{host}".endswith(".sendclean.net"):
        return "sendclean.net"
    return "loopback" if host in ("localhost", "127.0.0.1", "::1") else "other"


def _is_refused(error: CallError | None) -> bool:
    return error is not None and code_of(error) == "credentials_refused"


def _error(error: CallError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    name = error.name if error.name in _KINDS else "unknown"
    return {"name": name, "http_status": error.http_status}


def _counts(facts: Facts) -> dict[str, int] | None:
    users = users_of(facts)
    if users is None:
        return None
    kinds = ("enabled", "disabled", "odd", "bound", "standbys", "known", "unclaimed", "unlisted")
    return {"listed": len(facts.listing or ()), **{kind: len(getattr(users, kind)) for kind in kinds}}


def _begun_report(facts: Facts) -> list[dict[str, Any]] | None:
    users = users_of(facts)
    if users is None or facts.bindings is None:
        return None
    return [
        {"age_days": _age(facts.bindings.intents[alias].time), "candidates": len(names)} for alias, names in users.begun.items()
    ]


def _age_report(bindings: Bindings | None) -> dict[str, Any] | None:
    if bindings is None:
        return None
    oldest, unknown = _ages(bindings)
    return {"oldest": oldest[0] if oldest else None, "unknown": unknown}


def _file_report(file: FileFacts | None) -> dict[str, bool] | None:
    return None if file is None else {"there": file.there, "usable": not file.problems, "busy": file.busy}


def _credentials_report(facts: Facts) -> dict[str, Any] | None:
    file, difference = _file_report(facts.credentials_file), facts.difference
    if file is None or difference is None:
        return file
    lists = {"missing": difference.added, "differing": difference.updated, "gone": difference.removed}
    return {**file, **{what: len(aliases) for what, aliases in lists.items()}}
