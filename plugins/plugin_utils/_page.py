# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run would do to an account, or has done, as HTML, Markdown and JSON. Pure functions.

Everything that is put into a page is escaped before, and only the template has tags. What is told is named here: nothing else of
a result is.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.sendclean.email.plugins.plugin_utils._overview import days, minutes, render, row_of
from ansible_collections.sendclean.email.plugins.plugin_utils._shown import (
    Block,
    cell,
    code,
    fitted,
    lines,
    table,
    table_row,
    visible,
)

REPORT_VERSION = 1
# The key that says what the file is.
_MARK = "sendclean_report"
_FIELDS = ("alias", "smtp_user_name", "status", "total_limit", "hourly_limit")
_NOBODY = dict.fromkeys(_FIELDS)
# For each action a sign, what it is before and after it is done, and what it means.
_ACTIONS = {
    "failed": ("!", "failed", "failed", "See why below."),
    "created": ("+", "to create", "created", "A new user. SendClean chooses its name."),
    "adopted": ("=", "to adopt", "adopted", "A user that exists gets its alias, and its status and limits if they differ."),
    "renamed": ("»", "to rename", "renamed", "The user gets another alias here, and its status and limits if they differ."),
    "disabled": ("−", "to disable", "disabled", "The user keeps its name, password and limits, and sends nothing."),
    "enabled": ("▸", "to enable", "enabled", "A disabled user sends again, with limits as listed."),
    "updated": ("~", "to change", "changed", "Limits that differ are set."),
    "unchanged": ("✓", "in order", "in order", "As the list says, nothing to do."),
}


def report(path: str, result: Mapping[str, Any], dry: bool, host: str, told: Mapping[str, Any]) -> str:
    """Return what the suffix of the path says. ``told`` are the role's variables ``list``, ``owner_id`` and ``purge``, where
    they make sense, and ``kept``, the result of keeping the credentials.
    """
    kinds = {".html": page_of, ".md": markdown_of, ".json": json_of}
    return kinds[posixpath.splitext(path)[1].lower()](result, dry, host, told)


def page_of(result: Mapping[str, Any], dry: bool, host: str, told: Mapping[str, Any]) -> str:
    """Return the page."""
    listed, summary = _listed(told), result.get("summary", {})
    rows = [{**row, "age": _age(row)} for row in result.get("smtp_users", [])]
    changes = _changes(rows, result, len(listed))
    for row, entry in zip(rows, listed):
        if not row["alias"] and not row["smtp_user_name"] and isinstance(entry, Mapping):
            row["smtp_user_name"] = entry.get("smtp_user_name")
    dry = _is_dry(summary, dry)
    row = row_of(host, result, dry, told.get("kept"))
    kind, verdict = _verdict(row, result, dry)
    shown = {
        "result": visible({**result, "smtp_users": rows}),
        "host": visible(host),
        "owner_id": visible(str(told["owner_id"])),
        "problems": visible(_problems(row, result)),
        "changes": visible(changes),
        "calls": visible(_calls(result)),
        "oldest": days(row["oldest_password_days"]),
        "purge": told.get("purge", False),
        "formers": any(row.get("standby_of") is not None for row in rows),
        "actions": _ACTIONS,
        "dry": dry,
        "kind": kind,
        "verdict": verdict,
    }
    return render("plan.html.j2", shown)


def markdown_of(result: Mapping[str, Any], dry: bool, host: str, told: Mapping[str, Any]) -> str:
    """Return the users that change, for a comment."""
    summary, rows = result.get("summary", {}), result.get("smtp_users", [])
    dry = _is_dry(summary, dry)
    row = row_of(host, result, dry, told.get("kept"))
    changes = _changes(rows, result, len(_listed(told)))
    head = f"# {'Plan' if dry else 'Result'} for {code(host)}\n\n{_verdict(row, result, dry)[1]}\n"
    facts = {
        "Owner ID": cell(str(told["owner_id"])),
        "Calls that a run makes": summary.get("estimated_calls"),
        "Minutes that they take": minutes(row["estimated_minutes"]),
        "Oldest password": days(row["oldest_password_days"]),
        "Checksum of the plan": row["plan_checksum"] and cell(row["plan_checksum"]),
    }
    blocks: list[Block] = [
        (head, []),
        _block("", ("Account", code(host).replace("|", "\\|")), [table_row(*fact) for fact in facts.items() if fact[1]]),
        _block("What is wrong", ("Problem",), [table_row(lines(problem)) for problem in _problems(row, result)]),
        _block("What failed", ("User", "Call", "Why"), [_failure_row(failure) for failure in result.get("failures", [])]),
        _block(
            "What would change" if dry else "What was changed",
            ("User", "Action", "Alias", "Status", "Total limit", "Hourly limit", "Password"),
            [_change_row(change, dry) for change in changes],
        ),
        _block("What the plan is now", ("Call", "User", "Parameters"), [table_row(*map(cell, call)) for call in _calls(result)]),
        _block("Nobody has claimed", ("User",), [table_row(cell(name)) for name in result.get("unclaimed", [])]),
    ]
    return fitted([block for block in blocks if block[1] or block[0] == head])


def json_of(result: Mapping[str, Any], dry: bool, host: str, told: Mapping[str, Any]) -> str:
    """Return what docs/report.schema.json says."""
    rows, summary = result.get("smtp_users", []), result.get("summary")
    dry = _is_dry(summary or {}, dry)
    row = row_of(host, result, dry, told.get("kept"))
    whole = {
        _MARK: REPORT_VERSION,
        "account": host,
        "owner_id": str(told["owner_id"]),
        "check_mode": dry,
        "state": row["state"],
        "problems": _problems(row, result),
        "summary": summary,
        "plan_checksum": row["plan_checksum"],
        "oldest_password_days": row["oldest_password_days"],
        "smtp_users": _only((*_FIELDS, "action", "password_age_days", "standby_of"), rows),
        "changes": _only(
            ("alias", "smtp_user_name", "action", "standby_of", "before", "after"), _changes(rows, result, len(rows))
        ),
        "failures": _only(("alias", "smtp_user_name", "call", "msg"), _failures(result)),
        "operations": _only(("call", "smtp_user_name", "parameters"), result.get("operations", [])),
        "unclaimed": list(result.get("unclaimed", [])),
    }
    return json.dumps(whole, indent=2, sort_keys=True) + "\n"


def _listed(told: Mapping[str, Any]) -> Sequence[Any]:
    listed = told.get("list")
    return listed if isinstance(listed, (list, tuple)) else []


def _is_dry(summary: Mapping[str, Any], dry: bool) -> bool:
    """Say whether a result is that of a dry run; what the task was tells only where there is nothing in the result."""
    return "estimated_calls" in summary if summary else dry


def _failures(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    failures: Sequence[Mapping[str, Any]] = result.get("failures", [])
    return failures


def _only(fields: Sequence[str], entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{field: entry.get(field) for field in fields} for entry in entries]


def _problems(row: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """Return what failed as a whole. What failed for a user stands there."""
    if row["why"] is None:
        # A result without a summary, and without a word of why.
        return [] if "summary" in result else ["A variable of the role was refused, see the output of the run."]
    return [] if _failures(result) else str(row["why"]).splitlines()


def _verdict(row: Mapping[str, Any], result: Mapping[str, Any], dry: bool) -> tuple[str, str]:
    """Return the verdict with its kind: good, bad or neither."""
    summary = result.get("summary")
    if not summary:
        if result.get("plan_checksum"):
            return "bad", "Refused, since this is not the plan that was approved: nothing was changed."
        if not isinstance(result.get("msg"), str):
            return "bad", "Refused: nothing was changed."
        return "bad", "The dry run stopped with an error: nothing was changed." if dry else "The run stopped with an error."
    all_users = len(result.get("smtp_users", []))
    changed = all_users - summary["failed"] - summary["unchanged"]
    if summary["failed"]:
        text = f"{_users(summary['failed'])} of {all_users} failed, {changed} changed, {summary['unchanged']} in order."
        return "bad", text
    if dry and changed:
        kind, text = "", f"A run would change {_users(changed)} of {all_users}. This was a dry run: nothing is changed yet."
    elif dry:
        kind, text = "good", "Everything is in order: a run would change nothing."
    elif changed:
        kind, text = "good", f"{_users(changed)} of {all_users} changed. SendClean's listing shows it."
    else:
        kind, text = "good", "Everything was in order: nothing was changed."
    return ("bad", f"{text} But it then failed, see below.") if row["state"] == "failed" else (kind, text)


def _calls(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the calls of a plan that was refused since another one was approved. All that is known of it are these."""
    operations = [] if "summary" in result else result.get("operations", [])
    return [
        (
            operation["call"],
            operation["smtp_user_name"] or "new",
            ", ".join(f"{name}: {value}" for name, value in operation["parameters"].items()),
        )
        for operation in operations
    ]


def _users(number: int) -> str:
    return f"{number} {'user' if number == 1 else 'users'}"


def _age(user: Mapping[str, Any]) -> str:
    nobody = "new" if user["action"] == "created" else "none"
    return days(user.get("password_age_days")) or ("unknown" if user["smtp_user_name"] else nobody)


def _changes(rows: Sequence[Mapping[str, Any]], result: Mapping[str, Any], listed: int) -> list[dict[str, Any]]:
    """Return the users that differ, each with before and after. ``listed`` are in the list, and those behind them are purged."""
    found: list[dict[str, Any]] = []
    # The differences are in the order of the rows, and those without one are left out.
    diffs = result.get("diff", [])
    for index, row in enumerate(rows):
        diff = diffs[len(found)] if len(found) < len(diffs) else {}
        after = diff.get("after")
        if after and row["action"] != "unchanged" and all(row[name] == after[name] for name in ("alias", "smtp_user_name")):
            before = diff["before"] or _NOBODY
            sides = {"before": {field: before[field] for field in _FIELDS}, "after": {field: after[field] for field in _FIELDS}}
            former = row.get("standby_of")
            why = "not in the list" if former is None else f"former user of {former}"
            found.append({**row, **sides, "age": _age(row), "listed": index < listed, "why": why})
    return found


def _block(heading: str, titles: Sequence[str], rows: Sequence[str]) -> Block:
    return f"## {heading}\n\n{table(*titles)}" if heading else table(*titles), rows


def _who(user: Mapping[str, Any]) -> str:
    return " ".join(cell(user[name]) for name in ("alias", "smtp_user_name") if user[name])


def _failure_row(failure: Mapping[str, Any]) -> str:
    return table_row(_who(failure), failure["call"], lines(failure["msg"]))


def _change_row(change: Mapping[str, Any], dry: bool) -> str:
    sign, planned, done, _meaning = _ACTIONS[change["action"]]
    former = change.get("standby_of")
    why = "not in the list" if former is None else f"former user of {cell(former)}"
    action = f"{sign} {planned if dry else done}" + ("" if change["listed"] else f", {why}")
    fields = (_before_after(change["before"][field], change["after"][field]) for field in _FIELDS if field != "smtp_user_name")
    return table_row(_who(change), action.replace("~", "\\~"), *fields, change["age"])


def _before_after(before: Any, after: Any) -> str:
    shown = ["none" if value is None else cell(str(value)) for value in (before, after)]
    return shown[1] if before == after else f"{shown[0]} → **{shown[1]}**"
