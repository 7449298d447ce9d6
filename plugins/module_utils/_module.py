# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between Ansible and the rest: the options that modules share, and one way to end for success and failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional

from ansible.module_utils import basic
from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib
from ansible_collections.sendclean.email.plugins.module_utils._bindings import BindingsFile
from ansible_collections.sendclean.email.plugins.module_utils._client import REQUESTS_IMPORT_ERROR, SHORT_SECRET, Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError, SendCleanError
from ansible_collections.sendclean.email.plugins.module_utils._options import connection_from, refuse_empty

CONNECTION_OPTIONS: dict[str, Any] = {
    "owner_id": {"type": "str", "required": True, "fallback": (env_fallback, ["SENDCLEAN_OWNER_ID"])},
    "token": {"type": "str", "required": True, "no_log": True, "fallback": (env_fallback, ["SENDCLEAN_TOKEN"])},
    "app_domain": {"type": "str", "default": "sendclean.net", "fallback": (env_fallback, ["SENDCLEAN_APP_DOMAIN"])},
    "api_url": {"type": "str", "fallback": (env_fallback, ["SENDCLEAN_API_URL"])},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "timeout": {"type": "float", "default": 30.0},
    "requests_per_minute": {"type": "int", "default": 60},
    "retry_timeout": {"type": "float", "default": 300.0},
}
BINDINGS_PATH: dict[str, Any] = {"type": "path", "fallback": (env_fallback, ["SENDCLEAN_BINDINGS_PATH"])}


# A module's work: options, client, bindings file if one is given, and check mode go in, the task's result comes out.
Work = Callable[[Mapping[str, Any], Client, Optional[BindingsFile], bool], "dict[str, Any]"]


def run(module: AnsibleModule, work: Work) -> None:
    """End a module with what its work returns, or with its failure."""
    # Ansible masks a no_log value wherever its text occurs, in numbers too. A short one would mangle the result,
    # which holds no secret but those asked for. The arguments, which may be shown, are masked by name instead.
    module.no_log_values = {value for value in module.no_log_values if len(value) >= SHORT_SECRET}
    invocation = {"module_args": _masked(module)}
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, invocation=invocation)
    params = module.params
    try:
        _refuse_booleans(module)
        refuse_empty(params, "bindings_path")
        connection = connection_from(params)
        path = params["bindings_path"]
        file = BindingsFile(path, connection.base_url, connection.owner_id) if path else None
        result = work(params, Client(connection), file, module.check_mode)
    except SendCleanError as error:
        module.fail_json(msg=str(error), invocation=invocation, **error.done, **error.details())
    module.exit_json(invocation=invocation, **result)


def _masked(module: AnsibleModule) -> dict[str, Any]:
    return {
        name: "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" if value and module.argument_spec.get(name, {}).get("no_log") else value
        for name, value in module.params.items()
    }


def _refuse_booleans(module: AnsibleModule) -> None:
    """Refuse true and false where a number is wanted: Ansible's conversion has made 1 and 0 of them."""
    # Made for modules that need their arguments as they came, see its docstring in ansible-core.
    raw = basic._load_params()
    for name, spec in module.argument_spec.items():
        if spec.get("type") in ("int", "float") and isinstance(raw.get(name), bool):
            raise OptionError(name, f"must be a number, not {str(raw[name]).lower()}")
