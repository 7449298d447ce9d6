# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What counts as drift, and the table of all accounts on a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.plugin_utils._drift import drift_of, table_of
from ansible_collections.sendclean.email.plugins.plugin_utils._overview import row_of, rows

NONE = dict.fromkeys(["failed", "created", "adopted", "renamed", "disabled", "enabled", "updated", "unchanged"], 0)
STALE = "smtp_users_credentials_file does not hold what is in force: run sendclean.email.enforce, which keeps it"


def user(alias: str | None, action: str, name: str | None = "smtp1") -> dict[str, Any]:
    return {"alias": alias, "smtp_user_name": name, "status": "Enable", "action": action, "password_age_days": None}


def result_of(*users: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The result of a dry run."""
    summary = {action: sum(1 for one in users if one["action"] == action) for action in NONE}
    changed = any(one["action"] != "unchanged" for one in users)
    return {"changed": changed, "smtp_users": list(users), "summary": summary, **more}


def judged(result: dict[str, Any], kept: dict[str, Any] | None = None) -> tuple[dict[str, Any], list[str]]:
    kept = kept or {}
    return drift_of(row_of("production", result, dry=True, kept=kept), result, kept)


def test_what_has_nothing_to_do_is_in_order_also_with_users_whom_nobody_has_claimed() -> None:
    row, problems = judged(result_of(user("billing", "unchanged"), unclaimed=["smtp9"]), {"changed": False})
    assert (row["state"], row["unclaimed"], problems) == ("in_order", 1, [])


@pytest.mark.parametrize("action", ["created", "adopted", "renamed", "disabled", "enabled", "updated"])
def test_whatever_the_plan_would_do_is_drift(action: str) -> None:
    row, problems = judged(result_of(user("billing", action), user(None, action), user("shop", "unchanged")))
    assert row["state"] == "to_change"
    (problem,) = problems
    assert problem.startswith(f"is not as its list says: billing ({action}), smtp1 ({action}). Run sendclean.email.enforce")


def test_many_users_are_counted() -> None:
    (problem,) = judged(result_of(*(user(f"user{number}", "created", None) for number in range(12))))[1]
    assert "user9 (created) and 2 more. Run" in problem
    (problem,) = judged(result_of(*(user(f"user{number}", "created", None) for number in range(10))))[1]
    assert "user9 (created). Run" in problem


def test_a_credentials_file_that_is_not_in_force_is_drift_also_beside_users() -> None:
    row, problems = judged(result_of(user("billing", "unchanged")), {"changed": True})
    assert (row["state"], row["why"], problems) == ("to_change", STALE, [STALE])
    row, problems = judged(result_of(user("billing", "updated")), {"changed": True})
    assert (row["state"], len(problems)) == ("to_change", 2)


@pytest.mark.parametrize(
    ("result", "kept", "state"),
    [
        ({"failed": True, "msg": ["one", "another"]}, {}, "failed"),
        ({"failed": True, "msg": "no answer", "error": {"name": "TransportError"}}, {}, "unreachable"),
        (result_of(user("billing", "unchanged")), {"failed": True, "msg": "no vault secret"}, "failed"),
    ],
)
def test_what_failed_is_told_as_it_is(result: dict[str, Any], kept: dict[str, Any], state: str) -> None:
    row, problems = judged(result, kept)
    assert row["state"] == state
    assert "\n".join(problems) == row["why"]


def test_the_table() -> None:
    known = {
        "a": judged(result_of(user("billing", "unchanged")))[0],
        "a-long-name": judged(result_of(user("billing", "created"), user("shop", "disabled"), unclaimed=["x"] * 1000))[0],
        "bad": judged({"failed": True, "msg": ["one\nline", "\x1b[31manother\u202e"]})[0],
    }
    known = {host: {**row, "account": host} for host, row in known.items()}
    assert table_of(rows(["a", "bad", "unknown", "a-long-name"], known)).splitlines() == [
        "account      state        create  change  disable  unclaimed",
        "bad          failed            -       -        -          -",
        "    one",
        "    line",
        "    \\u001b[31manother\\u202e",
        "unknown      not reached       -       -        -          -",
        "    The run did not get to this account, or stopped before its users were looked at: see its output",
        "a-long-name  to change         1       0        1       1000",
        "a            in order          0       0        0          0",
        "4 accounts: 1 failed, 1 not reached, 1 to change, 1 in order.",
    ]


def test_no_account_is_a_table_too() -> None:
    assert table_of([]).splitlines()[-1] == "0 accounts: nothing to tell."
