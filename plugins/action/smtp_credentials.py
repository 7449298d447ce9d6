# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action of the module of the same name. It runs on the control node, where the vault secrets of the run are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible_collections.sendclean.email.plugins.module_utils._client import REQUESTS_IMPORT_ERROR, SHORT_SECRET
from ansible_collections.sendclean.email.plugins.module_utils._errors import SendCleanError, bug_in
from ansible_collections.sendclean.email.plugins.module_utils._module import (
    BINDINGS_OPTIONS,
    CONNECTION_OPTIONS,
    LIST,
    PATH,
    TEXT,
    without_nulls,
)
from ansible_collections.sendclean.email.plugins.module_utils._options import (
    bindings_in,
    refuse_values,
    text_problems,
    url_problems,
)
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
    # Secrets that a text of ours may hold where one was given for something else.
    _hidden: frozenset[str] | set[str] = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the task's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            with environment_of(self):
                params = self._options()
                if REQUESTS_IMPORT_ERROR:
                    return {**result, "failed": True, "msg": missing_required_lib("requests")}
                return {**result, **store(params, secrets_of(self._loader), self._task.check_mode)}
        except SendCleanError as error:
            return {**result, "failed": True, "msg": remove_values(str(error), self._hidden), **error.done, **error.details()}
        except Exception as error:
            raise RuntimeError(bug_in(error)) from None

    def _options(self) -> dict[str, Any]:
        """Return the options, checked as those of a module are. Paths start from the playbook's folder."""
        arguments = {name: _in_clear(value) for name, value in without_nulls(self._task.args).items()}
        validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate(arguments)
        # A short one would mangle the text, and its own message shows no secret.
        self._hidden = {value for value in validated._no_log_values if len(value) >= SHORT_SECRET}
        if validated.error_messages:
            unsupported = f"Unsupported parameters for ({self._task.action}): "
            errors = validated.errors.errors
            problems = ((unsupported if isinstance(error, UnsupportedError) else "") + error.msg for error in errors)
            raise SendCleanError("; ".join(problems))
        params: dict[str, Any] = validated.validated_parameters
        refuse_values([*text_problems(ARGUMENT_SPEC, params, arguments), *url_problems("bindings_url", params)])
        params.update(bindings_in(params, arguments, needed_by=["aliases"]))
        for name, option in ARGUMENT_SPEC.items():
            if option["type"] == "path" and params[name]:
                params[name] = self._loader.path_dwim(params[name])
        return params


def _in_clear(value: Any) -> Any:
    """Return the text of an inline vaulted value, which ansible-core before 2.19 gives to an action as an object of its own."""
    if isinstance(value, list):
        return [_in_clear(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _in_clear(item) for key, item in value.items()}
    return str(value) if getattr(value, "__ENCRYPTED__", False) else value
