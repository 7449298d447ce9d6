# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between Ansible and the rest: the options that modules share, and one way to end for success and failure."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.validation import check_type_list, check_type_path
from ansible_collections.sendclean.email.plugins.module_utils import _bindings, _client, _errors, _options

# With an exponent, but not as Python writes numbers in its source. So few digits that Python converts them always.
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,99}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)


class Type(str):
    """One of Ansible's types, by its name, which leaves what it does not take as it came: our checks name it, with its place.

    Ansible itself would make text of what is none ("342391" of the YAML 01234567, "False" of no), 1 of true and 1000 of "1_000".
    It takes callables for types, and ansible-test compares them with the names in the documentation.
    """

    convert: Callable[[Any], Any]

    def __new__(cls, name: str, convert: Callable[[Any], Any]) -> Type:
        self = super().__new__(cls, name)
        self.convert = convert
        return self

    def __call__(self, value: Any) -> Any:
        return self.convert(value)


def _to_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _to_path(value: Any) -> Any:
    return check_type_path(value) if isinstance(value, str) else value


def _to_list(value: Any) -> Any:
    return [value] if isinstance(value, (int, float)) else check_type_list(value)


def _to_integer(value: Any) -> Any:
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value


def _to_number(value: Any) -> Any:
    # As text, since an integer may be too large for a float.
    return value if isinstance(value, bool) or not _NUMBER.fullmatch(str(value)) else float(str(value))


TEXT = Type("str", lambda value: value)
TEXT_OR_INTEGER = Type("str", _to_text)
PATH = Type("path", _to_path)
LIST = Type("list", _to_list)
INTEGER = Type("int", _to_integer)
NUMBER = Type("float", _to_number)

CONNECTION_OPTIONS: dict[str, Any] = {
    "owner_id": {"type": TEXT_OR_INTEGER, "required": True, "fallback": (env_fallback, ["SENDCLEAN_OWNER_ID"])},
    "token": {"type": TEXT, "required": True, "no_log": True, "fallback": (env_fallback, ["SENDCLEAN_TOKEN"])},
    "app_domain": {"type": TEXT, "default": "sendclean.net", "fallback": (env_fallback, ["SENDCLEAN_APP_DOMAIN"])},
    "api_url": {"type": TEXT, "fallback": (env_fallback, ["SENDCLEAN_API_URL"])},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": PATH},
    "timeout": {"type": NUMBER, "default": 30.0},
    "requests_per_minute": {"type": INTEGER, "default": 60},
    "retry_timeout": {"type": NUMBER, "default": 300.0},
}
USER_OPTIONS: dict[str, Any] = {
    "alias": {"type": TEXT},
    "smtp_user_name": {"type": TEXT},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "total_limit": {"type": INTEGER},
    "hourly_limit": {"type": INTEGER},
    "renamed_from": {"type": TEXT},
}
# Where the bindings are: one of these.
BINDINGS_OPTIONS: dict[str, Any] = {
    "bindings_path": {"type": PATH, "fallback": (env_fallback, ["SENDCLEAN_BINDINGS_PATH"])},
    "bindings_url": {"type": TEXT, "fallback": (env_fallback, ["SENDCLEAN_BINDINGS_URL"])},
}


Options = Mapping[str, Any]
Result = dict[str, Any]
# A module's work: options, client, the record of bindings if there is one, and check mode go in, the task's result comes out.
Work = Callable[[Options, _client.Client, Optional[_bindings.Record], bool], Result]


class Module(AnsibleModule):  # type: ignore[misc]  # ansible-core has no type information
    """A module for which null counts as not given: the environment and defaults apply, and what is required is missing."""

    params: dict[str, Any]

    def _load_params(self) -> None:
        # Ansible calls this before it looks at the arguments.
        super()._load_params()
        self.params = without_nulls(self.params)
        self._given = frozenset(self.params)

    @functools.cached_property
    def problems(self) -> list[_errors.SendCleanError]:
        """What is wrong with options that are text."""
        return [
            *_options.text_problems(self.argument_spec, self.params, self._given),
            *_options.url_problems("bindings_url", self.params),
        ]

    @property
    def given(self) -> frozenset[str]:
        """The options of the task; others come from the environment, or are defaults."""
        return self._given

    def _log_invocation(self) -> None:
        # It would end in a traceback over what is no text, such as a null character, or a byte that is no UTF-8.
        if not self.problems:
            super()._log_invocation()


def without_nulls(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without those that are null, in a list of mappings, too."""
    return {
        name: [without_nulls(row) if isinstance(row, Mapping) else row for row in value] if isinstance(value, list) else value
        for name, value in params.items()
        if value is not None
    }


def options_from(spec: Mapping[str, Any], given: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return options as a module has them, for who runs none. ``prefix`` is that of the variables where these can be given.

    Raises SendCleanError with all that is wrong.
    """
    missing = [
        _errors.OptionError(prefix + name, f"must be given, or {option['fallback'][1][0]} in the environment")
        for name, option in spec.items()
        if option.get("required") and name not in given and option["fallback"][1][0] not in os.environ
    ]
    _options.refuse_values(missing)
    validated = ArgumentSpecValidator(spec).validate(dict(given))
    if validated.error_messages:
        raise _errors.SendCleanError("\n".join(validated.error_messages))
    params: dict[str, Any] = validated.validated_parameters
    _options.refuse_values(_options.text_problems(spec, params, given))
    return params


def run(module: Module, work: Work, needs_bindings: Sequence[str] = ()) -> None:
    """End a module with what its work returns, or with its failure. ``needs_bindings`` are options that ask for bindings."""
    # Ansible masks a no_log value wherever its text occurs, in numbers too, so that a short one would mangle the result.
    # The arguments, which may be shown, are masked by name instead.
    module.no_log_values = {value for value in module.no_log_values if len(value) >= _client.SHORT_SECRET}
    invocation = {"module_args": _masked(module)}
    if _client.REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=_client.REQUESTS_IMPORT_ERROR, invocation=invocation)
    client: _client.Client | None = None
    try:
        _options.refuse_values(module.problems)
        params = {**module.params, **_options.bindings_in(module.params, module.given, needs_bindings)}
        connection = _options.connection_from(params)
        with open_record(params, connection) as record:
            client = _client.Client(connection)
            result = work(params, client, record, module.check_mode)
    except _errors.SendCleanError as error:
        done = _warned(module, error.done, client)
        module.fail_json(msg=str(error), invocation=invocation, **done, **error.details())
    # A result holds no secret but passwords that were asked for, whose text may hold that of another.
    module.no_log_values = set()
    module.exit_json(invocation=invocation, **_warned(module, result, client))


@contextlib.contextmanager
def open_record(params: Mapping[str, Any], connection: _options.Connection) -> Iterator[_bindings.Record | None]:
    """Have the record of an account for a while, if options name one. Raises SendCleanError."""
    record = _bindings.record_at({name: params[name] for name in BINDINGS_OPTIONS}, connection.base_url, connection.owner_id)
    try:
        yield record
    finally:
        if record:
            record.close()


def with_warnings(result: Mapping[str, Any], client: _client.Client | None) -> dict[str, Any]:
    """Return a result with what the client has found odd before its own warnings; without the key where there are none."""
    warnings = [*(client.warnings() if client else ()), *result.get("warnings", ())]
    return {**result, "warnings": warnings} if warnings else dict(result)


def _warned(module: AnsibleModule, result: Mapping[str, Any], client: _client.Client | None) -> dict[str, Any]:
    """Have Ansible show and return the warnings, and return the rest of the result: it takes none in it from 2.19 on."""
    rest = with_warnings(result, client)
    for warning in rest.pop("warnings", ()):
        module.warn(warning)
    return rest


def _masked(module: AnsibleModule) -> dict[str, Any]:
    """Return the arguments as they may be shown."""
    masked = dict(module.params)
    for name, value in module.params.items():
        option = module.argument_spec.get(name, {})
        wrong = (name == "api_url" and "@" in str(value)) or (
            name == "bindings_url" and (not isinstance(value, str) or any(_options.url_problems(name, module.params)))
        )
        if value and (option.get("no_log") or wrong):
            masked[name] = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
        elif "options" in option and module._verbosity < 3:
            # Ansible shows arguments from -vvv on only, and to carry a list of users back costs as much as the result.
            del masked[name]
    return masked
