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
from ansible_collections.sendclean.email.plugins.module_utils._errors import SendCleanError
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
USER_OPTIONS: dict[str, Any] = {
    "alias": {"type": "str"},
    "smtp_user_name": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "total_limit": {"type": "int"},
    "hourly_limit": {"type": "int"},
    "renamed_from": {"type": "str"},
}
BINDINGS_PATH: dict[str, Any] = {"type": "path", "fallback": (env_fallback, ["SENDCLEAN_BINDINGS_PATH"])}


# A module's work: options, client, bindings file if one is given, and check mode go in, the task's result comes out.
Work = Callable[[Mapping[str, Any], Client, Optional[BindingsFile], bool], "dict[str, Any]"]


def run(module: AnsibleModule, work: Work) -> None:
    """End a module with what its work returns, or with its failure."""
    # Ansible masks a no_log value wherever its text occurs, in numbers too, so that a short one would mangle the result.
    # The arguments, which may be shown, are masked by name instead.
    module.no_log_values = {value for value in module.no_log_values if len(value) >= SHORT_SECRET}
    invocation = {"module_args": _masked(module)}
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, invocation=invocation)
    try:
        params = _as_given(module)
        refuse_empty(params, "bindings_path")
        connection = connection_from(params)
        path = params["bindings_path"]
        file = BindingsFile(path, connection.base_url, connection.owner_id) if path else None
        result = work(params, Client(connection), file, module.check_mode)
    except SendCleanError as error:
        module.fail_json(msg=str(error), invocation=invocation, **error.done, **error.details())
    # A result holds no secret but passwords that were asked for, whose text may hold that of another.
    module.no_log_values = set()
    module.exit_json(invocation=invocation, **result)


def _masked(module: AnsibleModule) -> dict[str, Any]:
    """Return the arguments as they may be shown."""
    masked = dict(module.params)
    for name, value in module.params.items():
        option = module.argument_spec.get(name, {})
        if value and (option.get("no_log") or (name == "api_url" and "@" in value)):
            masked[name] = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
        elif "options" in option and module._verbosity < 3:
            # Ansible shows arguments from -vvv on only, and to carry a list of users back costs as much as the result.
            del masked[name]
    return masked


def _as_given(module: AnsibleModule) -> dict[str, Any]:
    """Return the options with true and false where Ansible's conversion has made 1 and 0 of them."""
    if not _has_one_or_zero(module.argument_spec, module.params):
        return dict(module.params)
    # Made for modules that need their arguments as they came, see its docstring in ansible-core.
    return with_booleans(module.argument_spec, module.params, basic._load_params())


def _has_one_or_zero(spec: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Say whether a number may have been a boolean, so that large arguments are mostly read just once."""
    for name, option in spec.items():
        # To pacing, false and zero say the same.
        numbers = (1,) if name == "requests_per_minute" else (0, 1)
        if option.get("type") in ("int", "float") and params[name] in numbers:
            return True
        if "options" in option and any(_has_one_or_zero(option["options"], row) for row in params[name] or ()):
            return True
    return False


def with_booleans(spec: Mapping[str, Any], params: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with the booleans that ``raw``, the arguments as they came, has for numbers."""
    given = dict(params)
    for name, option in spec.items():
        value = raw.get(name)
        if isinstance(value, bool) and option.get("type") in ("int", "float"):
            given[name] = value
        elif isinstance(value, list) and "options" in option:
            rows = zip(params[name], value)
            given[name] = [with_booleans(option["options"], row, old) if isinstance(old, Mapping) else row for row, old in rows]
    return given
