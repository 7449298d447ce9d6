# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All accounts of a run: a row for each, and the overview of them as HTML, Markdown and JSON. Pure functions.

A row has what docs/overview.schema.json says, and is made of the result of sendclean.email.smtp_users.
"""

from __future__ import annotations

import functools
import json
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from ansible_collections.sendclean.email.plugins.plugin_utils._shown import cell, fitted, lines, table, table_row, visible

OVERVIEW_VERSION = 1
# The key that says what the file is.
_MARK = "sendclean_overview"
_TEMPLATES = Path(__file__).resolve().parents[2] / "roles" / "smtp_users" / "templates"
# The worst first, each with its word for people.
STATES = {
    "failed": "failed",
    "unreachable": "not reached",
    "to_change": "to change",
    "changed": "changed",
    "in_order": "in order",
}
_UNREACHED = "The run did not get to this account, or stopped before its users were looked at: see its output"
_OTHERWISE_CHANGED = ("adopted", "renamed", "enabled", "updated")

Row = Mapping[str, Any]


def row_of(
    account: str, result: Mapping[str, Any], dry: bool, kept: Mapping[str, Any] | None = None, page: str | None = None
) -> dict[str, Any]:
    """Return the row of an account. ``kept`` is the result of keeping its credentials, ``page`` its report's absolute path."""
    summary, users = result.get("summary"), result.get("smtp_users", [])
    why = _why(result) or _why(kept or {})
    row = {**_row(account), "state": _state(result, bool(why), dry), "why": why, "page": page}
    row["plan_checksum"] = result.get("plan_checksum")
    if not summary:
        return row
    # Of former users only those are there that differ.
    ages = [user.get("password_age_days") for user in users if user["status"] != "Disable" and user.get("standby_of") is None]
    return {
        **row,
        "users": len(users),
        "failed_users": summary["failed"],
        "created": summary["created"],
        "changed": sum(summary[action] for action in _OTHERWISE_CHANGED),
        "disabled": summary["disabled"],
        "unclaimed": len(result.get("unclaimed", [])),
        # A clock that runs behind makes no password younger than new.
        "oldest_password_days": max((max(0.0, age) for age in ages if age is not None), default=None),
        "estimated_minutes": summary.get("estimated_minutes"),
    }


def rows(accounts: Iterable[str], known: Mapping[str, Row]) -> list[dict[str, Any]]:
    """Return the rows of all accounts, the worst first. One of which nothing is known was not reached."""
    unknown = {"state": "unreachable", "why": _UNREACHED}
    found = [dict(known[account]) if account in known else {**_row(account), **unknown} for account in accounts]
    return sorted(found, key=_badness)


def overview(path: str, found: Sequence[Row], dry: bool, limit: str | None = None) -> str:
    """Return the overview as the suffix of its path says. ``limit`` is that of the command line, which leaves accounts out."""
    folder = posixpath.dirname(path)
    told = [{**row, "page": posixpath.relpath(row["page"], folder) if row["page"] else None} for row in found]
    kinds = {".html": overview_html, ".md": overview_markdown, ".json": overview_json}
    return kinds[posixpath.splitext(path)[1].lower()](told, dry, limit)


def overview_html(found: Sequence[Row], dry: bool, limit: str | None) -> str:
    """Return the overview as a page that needs nothing but itself, but for what it links to. ``page`` is relative."""
    shown = [{**row, "word": STATES[row["state"]], "page": row["page"] and _url(row["page"])} for row in found]
    told = {"rows": visible(shown), "dry": dry, "limit": visible(limit), "verdict": verdict_of(found), "worst": _worst(found)}
    return render("overview.html.j2", told)


def overview_markdown(found: Sequence[Row], dry: bool, limit: str | None) -> str:
    """Return the overview for a comment."""
    head = f"# {'Plan' if dry else 'Result'} for all accounts\n\n{verdict_of(found)}\n"
    limited = [table_row("Limited to", cell(limit))] if limit else []
    titles = ("Account", "State", "Created", "Changed", "Disabled", "Unclaimed", "Oldest password", "Minutes", "Checksum", "Why")
    return fitted([(head, []), *([(table("Run", "Hosts"), limited)] if limited else []), (table(*titles), [*map(_line, found)])])


def overview_json(found: Sequence[Row], dry: bool, limit: str | None) -> str:
    """Return the overview for programs."""
    summary = {state: sum(1 for row in found if row["state"] == state) for state in STATES}
    whole = {_MARK: OVERVIEW_VERSION, "check_mode": dry, "limit": limit, "summary": summary, "accounts": list(found)}
    return json.dumps(whole, indent=2, sort_keys=True) + "\n"


def verdict_of(found: Sequence[Row]) -> str:
    """Return in a sentence how many accounts there are of each state."""
    counts = [(sum(1 for row in found if row["state"] == state), word) for state, word in STATES.items()]
    whole = f"{len(found)} {'account' if len(found) == 1 else 'accounts'}"
    return f"{whole}: {', '.join(f'{count} {word}' for count, word in counts if count) or 'nothing to tell'}."


def days(age: float | None) -> str | None:
    """Return an age in whole days for people."""
    return None if age is None else f"{int(age)} {'day' if int(age) == 1 else 'days'}"


def minutes(estimated: float | None) -> str | None:
    """Return how long a run takes, for people."""
    return None if estimated is None else "less than 1" if estimated < 1 else f"about {-int(-estimated // 1)}"


def render(template: str, told: Mapping[str, Any]) -> str:
    """Return a page. What is put in is escaped before: with autoescape, large accounts would take minutes."""
    return _template(template).render(told)


@functools.cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), trim_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters.update(days=days, minutes=minutes)
    return environment.get_template(name)


def _row(account: str) -> dict[str, Any]:
    counts = ("users", "failed_users", "created", "changed", "disabled", "unclaimed", "oldest_password_days", "estimated_minutes")
    return {"account": account, "state": "", "why": None, **dict.fromkeys(counts), "plan_checksum": None, "page": None}


def _why(result: Mapping[str, Any]) -> str | None:
    """Return what a task failed with, None where it did not."""
    if not (result.get("failed") or result.get("unreachable")):
        return None
    msg = result.get("msg") or "It failed without a message: see the output of the run"
    return "\n".join(map(str, msg)) if isinstance(msg, (list, tuple)) else str(msg)


def _state(result: Mapping[str, Any], failed: bool, dry: bool) -> str:
    error = result.get("error") or {}
    if result.get("unreachable") or ("summary" not in result and error.get("name") == "TransportError"):
        return "unreachable"
    if failed:
        return "failed"
    return ("to_change" if dry else "changed") if result.get("changed") else "in_order"


def _badness(row: Row) -> tuple[Any, ...]:
    """Return what rows are sorted by: the state, then how many users it is about."""
    numbers = [row["failed_users"], row["disabled"], (row["created"] or 0) + (row["changed"] or 0), row["unclaimed"]]
    return [*STATES].index(row["state"]), *(-(number or 0) for number in numbers), row["account"]


def _worst(found: Sequence[Row]) -> str:
    return next((state for state in STATES if any(row["state"] == state for row in found)), "in_order")


def _url(page: str) -> str:
    """Return a relative path as a URL: a colon in it would be taken for a scheme's."""
    return quote(page, errors="surrogateescape")


def _line(row: Row) -> str:
    account = cell(row["account"])
    return table_row(
        f"[{account}]({_url(row['page'])})" if row["page"] else account,
        STATES[row["state"]],
        *(row[name] for name in ("created", "changed", "disabled", "unclaimed")),
        days(row["oldest_password_days"]),
        minutes(row["estimated_minutes"]),
        row["plan_checksum"] and cell(row["plan_checksum"]),
        row["why"] and lines(row["why"]),
    )
