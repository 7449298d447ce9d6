# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuse dates before a module runs. Its arguments are JSON, which has none: text would arrive, often other than was written."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.plugins.action import normal


class ActionModule(normal.ActionModule):  # type: ignore[misc]  # ansible-core has no type information
    """Runs the module of the task, as it would without this, unless an option is a date."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the task's result."""
        problems = [f"{place} is a date in YAML: put it in quotes" for place in dates("", self._task.args)]
        if problems:
            return {"failed": True, "msg": "\n".join(problems)}
        result: dict[str, Any] = super().run(tmp, task_vars)
        return result


def dates(place: str, value: Any) -> Iterator[str]:
    """Yield where there are dates, or times."""
    if isinstance(value, datetime.date):
        yield place
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from dates(f"{place}.{key}" if place else str(key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from dates(f"{place}[{index}]", inner)
