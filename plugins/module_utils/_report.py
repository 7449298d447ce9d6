# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From steps to what a task returns: rows, operations, diff, summary, failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils import _apply, _errors, _lag

ACTIONS = ("failed", "created", "adopted", "renamed", "disabled", "enabled", "updated", "unchanged")


def operations(steps: Sequence[_apply.Step]) -> list[dict[str, Any]]:
    """Return the calls that wrote or, in check mode, would."""
    return [step.operation.facts() for step in steps if step.operation]


def diff(step: _apply.Step, formers: Sequence[_apply.Step] = ()) -> dict[str, Any]:
    """Return before and after of one user, with the one that it takes turns with if that changes, too."""
    before, after = step.plan.before(), step.facts()
    for former in formers:
        before, after = {**before, "former": former.plan.before()}, {**after, "former": former.facts()}
    return {"before": before, "after": after}


def row(step: _apply.Step, with_password: bool) -> dict[str, Any]:
    """Return one user of many, with nulls where there is no such user."""
    wanted = step.plan.wanted
    nobody = {"alias": wanted.alias, "smtp_user_name": None, "status": None, "total_limit": None, "hourly_limit": None}
    facts = {**(step.facts() or nobody), "action": step.action, "password_age_days": _lag.age_in_days(step.password_time)}
    if step.plan.standby_of is not None:
        facts["standby_of"] = step.plan.standby_of
    return {**facts, "smtp_password": step.password()} if with_password else facts


def named_diff(step: _apply.Step) -> dict[str, Any]:
    """Return before and after of one user of many."""
    name = step.plan.alias or step.name or step.plan.wanted.smtp_user_name
    return {"before_header": name, "after_header": name, **diff(step)}


def _failure(step: _apply.Step) -> dict[str, Any]:
    """Return what went wrong for one user of many."""
    wanted, error = step.plan.wanted, step.error
    facts = step.facts()
    call = error.call if isinstance(error, _errors.CallError) else step.operation.call if step.operation else None
    return {
        "alias": facts.get("alias") or wanted.alias,
        "smtp_user_name": facts.get("smtp_user_name") or wanted.smtp_user_name,
        "call": call,
        "msg": str(error),
        "error": error.details().get("error") if error else None,
    }


def summary(steps: Sequence[_apply.Step]) -> dict[str, Any]:
    """Return how many users there are of each action."""
    counts = Counter(step.action for step in steps)
    return {action: counts[action] for action in ACTIONS}


def estimate(steps: Sequence[_apply.Step], requests_per_minute: int) -> dict[str, Any]:
    """Return what the real run will cost: calls, and minutes at the given pace."""
    writes = sum(1 for step in steps if step.operation)
    calls = 1 + writes + (1 if writes else 0)
    return {
        "estimated_calls": calls,
        "estimated_minutes": round(calls / requests_per_minute, 2) if requests_per_minute else 0.0,
    }


def refuse_failed(steps: Sequence[_apply.Step], result: Mapping[str, Any]) -> None:
    """Fail if a user failed, with all that was done."""
    failures = [_failure(step) for step in steps if step.error]
    if failures:
        first = failures[0]
        who, problem = first["alias"] or first["smtp_user_name"], first["msg"]
        error = _errors.SendCleanError(f"{len(failures)} of {len(steps)} users failed, see failures. The first, {who}: {problem}")
        error.done = {**result, "failures": failures}
        failed_call = next((failure["error"] for failure in failures if failure["error"]), None)
        if failed_call:
            error.done["error"] = failed_call
        raise error
