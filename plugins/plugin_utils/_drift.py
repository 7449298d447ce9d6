# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which accounts are not as their lists say: the table of all on a terminal, and what each fails with. Pure functions.

A row is that of the overview. An account has drifted where the plan has something to do. Users whom nobody has claimed are shown
and are no drift: no run would change them, so that one would be told of them for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.sendclean.email.plugins.plugin_utils._overview import STATES, Row, verdict_of
from ansible_collections.sendclean.email.plugins.plugin_utils._shown import plain

_COLUMNS = {"created": "create", "changed": "change", "disabled": "disable", "unclaimed": "unclaimed"}
# Users that a failure names. The report of the account has all of them.
_MOST = 10


def drift_of(row: Row, result: Mapping[str, Any], kept: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the row of an account, and what to fail with, which is empty where it is in order.

    ``result`` is that of smtp_users, ``kept`` that of smtp_credentials, both of a dry run. A file that does not hold what is in
    force has drifted, too: somebody has reset a password by hand.
    """
    if row["state"] not in ("in_order", "to_change"):
        return dict(row), str(row["why"]).split("\n")
    problems = []
    users = [user for user in result["smtp_users"] if user["action"] != "unchanged"]
    if users:
        named = ", ".join(f"{_who(user)} ({user['action']})" for user in users[:_MOST])
        rest = f" and {len(users) - _MOST} more" if len(users) > _MOST else ""
        problems.append(f"is not as its list says: {named}{rest}. Run sendclean.email.enforce, which does so, or change the list")
    if kept.get("changed"):
        stale = "smtp_users_credentials_file does not hold what is in force: run sendclean.email.enforce, which keeps it"
        problems.append(stale)
        row = {**row, "state": "to_change", "why": stale}
    return dict(row), problems


def _who(user: Mapping[str, Any]) -> str:
    former = user.get("standby_of")
    return str(user["alias"] or user["smtp_user_name"]) + (f", former user of {former}" if former is not None else "")


def table_of(found: Sequence[Row]) -> str:
    """Return the table of all accounts for a terminal, in the order given, with what failed below its account."""
    heads = ("account", "state", *_COLUMNS.values())
    cells = [(plain(row["account"]), STATES[row["state"]], *map(_number, (row[name] for name in _COLUMNS))) for row in found]
    widths = [max(len(line[column]) for line in (heads, *cells)) for column in range(len(heads))]
    lines = [_line(heads, widths)]
    for row, line in zip(found, cells):
        lines.append(_line(line, widths))
        lines += [f"    {plain(why)}" for why in str(row["why"] or "").split("\n") if why]
    return "\n".join([*lines, verdict_of(found)])


def _number(number: int | None) -> str:
    return "-" if number is None else str(number)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    texts = [cell.ljust(width) for cell, width in zip(cells[:2], widths)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:])]
    return "  ".join([*texts, *numbers])
