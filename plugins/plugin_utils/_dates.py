# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuse dates, and names that are no text, before a module runs. Its arguments are JSON, which makes other text of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.plugins.action import normal


class ActionModule(normal.ActionModule):  # type: ignore[misc]  # ansible-core has no type information
    """Runs the module of the task, as it would without this, unless an option is a date, or has a name that is no text."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the task's result."""
        problems = list(unspeakable("", self._task.args))
        if problems:
            return {"failed": True, "msg": "\n".join(problems)}
        result: dict[str, Any] = super().run(tmp, task_vars)
        return result


def unspeakable(place: str, value: Any) -> Iterator[str]:
    """Yield what JSON has no word for: dates, times, and names that are no text."""
    if isinstance(value, datetime.date):
        yield f"{place} is a date in YAML: put it in quotes"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            at = f"{place}.{key}" if place else str(key)
            if not isinstance(key, str):
                yield f"{at} has a name that is no string: put it in quotes"
            yield from unspeakable(at, inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from unspeakable(f"{place}[{index}]", inner)
