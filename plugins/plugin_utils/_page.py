# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run would do, or has done, as a page for people. Pure functions.

Everything that is put into the page is escaped before, and only the template has tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.sendclean.email.plugins.plugin_utils._overview import render
from ansible_collections.sendclean.email.plugins.plugin_utils._shown import visible


def page_of(result: Mapping[str, Any], dry: bool, host: str, told: Mapping[str, Any]) -> str:
    """Return the page. ``told`` are the role's variables ``list``, ``owner_id`` and ``purge``, where they make sense."""
    listed = told.get("list")
    listed = listed if isinstance(listed, (list, tuple)) else []
    rows = [dict(row) for row in result.get("smtp_users", [])]
    for row, entry in zip(rows, listed):
        if not row["alias"] and not row["smtp_user_name"] and isinstance(entry, Mapping):
            row["smtp_user_name"] = entry.get("smtp_user_name")
    summary = result.get("summary", {})
    shown = {
        "result": visible({**result, "smtp_users": rows}),
        "host": visible(host),
        "owner_id": visible(str(told["owner_id"])),
        "listed": len(listed),
        "purge": told.get("purge", False),
        "dry": "estimated_calls" in summary if summary else dry,
    }
    return render("plan.html.j2", shown)
