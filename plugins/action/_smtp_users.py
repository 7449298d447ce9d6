# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A step of the role smtp_users, on the control node as the caller. Private to the role, whose variables it reads."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError, SendCleanError
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode, environment_of
from ansible_collections.sendclean.email.plugins.plugin_utils._steps import STEPS

ARGUMENT_SPEC: dict[str, Any] = {"step": {"type": "str", "required": True, "choices": list(STEPS)}}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no type information
    """Does a step, and tells what is wrong in one place."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the task's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        step = self._task.args.get("step")
        try:
            if self._task.args.keys() != ARGUMENT_SPEC.keys() or step not in STEPS:
                raise OptionError("step", f"must be given, as one of {', '.join(STEPS)}, and nothing else")
            # As for a module: the task's environment may say where the bindings are.
            with environment_of(self):
                return {**result, **STEPS[step](ControlNode(self, task_vars or {}))}
        except SendCleanError as error:
            return {**result, "failed": True, "msg": getattr(error, "problems", str(error)), **error.details()}
