# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run would do, or has done, as a page for people. Pure functions.

Everything that is put into the page is escaped before, and only the template has tags.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

_TEMPLATE = Path(__file__).resolve().parents[2] / "roles" / "smtp_users" / "templates" / "plan.html.j2"
# What a page cannot hold, or what would be seen as something else: control characters, marks of direction, half pairs.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff\ufffe\uffff\ud800-\udfff]"
)


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
        # Not with autoescape: a filter for each name of a large account would take minutes.
        "result": visible({**result, "smtp_users": rows}),
        "host": visible(host),
        "owner_id": visible(str(told["owner_id"])),
        "listed": len(listed),
        "purge": told.get("purge", False),
        "dry": "estimated_calls" in summary if summary else dry,
    }
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(shown)


def visible(value: Any) -> Any:
    """Return a value with its texts escaped for HTML; what cannot be seen in a page is shown by its number."""
    if isinstance(value, Mapping):
        return {visible(key): visible(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [visible(inner) for inner in value]
    if isinstance(value, str):
        return html.escape(_UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], value))
    return value
