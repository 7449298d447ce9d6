# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action of the module of the same name. It runs on the control node, where the vault secrets of the run are."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase
from ansible_collections.sendclean.email.plugins.module_utils._client import REQUESTS_IMPORT_ERROR
from ansible_collections.sendclean.email.plugins.module_utils._errors import SendCleanError, bug_in
from ansible_collections.sendclean.email.plugins.module_utils._module import (
    BINDINGS_OPTIONS,
    CONNECTION_OPTIONS,
    LIST,
    PATH,
    TEXT,
)
from ansible_collections.sendclean.email.plugins.plugin_utils._arguments import checked_options
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import environment_of
from ansible_collections.sendclean.email.plugins.plugin_utils._store import store
from ansible_collections.sendclean.email.plugins.plugin_utils._vault import secrets_of

ARGUMENT_SPEC: dict[str, Any] = {
    **CONNECTION_OPTIONS,
    **BINDINGS_OPTIONS,
    "dest": {"type": PATH, "required": True},
    "variable": {"type": TEXT, "default": "smtp_credentials"},
    "aliases": {"type": LIST, "elements": TEXT},
    "smtp_user_names": {"type": LIST, "elements": TEXT},
    "answered_passwords": {"type": "dict", "no_log": True},
    "vault_id": {"type": TEXT},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no type information
    """Keeps an encrypted vars file in step with the account."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the task's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            with (
                environment_of(self),
                checked_options(self._task.action, ARGUMENT_SPEC, self._task.args, self._loader, needed_by=["aliases"]) as params,
            ):
                if REQUESTS_IMPORT_ERROR:
                    return {**result, "failed": True, "msg": missing_required_lib("requests")}
                return {**result, **store(params, secrets_of(self._loader), self._task.check_mode)}
        except SendCleanError as error:
            return {**result, "failed": True, "msg": str(error), **error.done, **error.details()}
        except Exception as error:
            raise RuntimeError(bug_in(error)) from None
