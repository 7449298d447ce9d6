# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of what is no module and runs in Ansible's own process, checked as those of a module are.

Not in _control_node, which each action imports: this needs all that a module needs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.sendclean.email.plugins.module_utils._client import SHORT_SECRET
from ansible_collections.sendclean.email.plugins.module_utils._errors import SendCleanError
from ansible_collections.sendclean.email.plugins.module_utils._module import without_nulls
from ansible_collections.sendclean.email.plugins.module_utils._options import (
    bindings_in,
    refuse_values,
    text_problems,
    url_problems,
)
from ansible_collections.sendclean.email.plugins.plugin_utils._vault import in_clear


@contextlib.contextmanager
def checked_options(
    plugin: str, spec: Mapping[str, Any], given: Mapping[str, Any], loader: DataLoader, needed_by: Iterable[str] = ()
) -> Iterator[dict[str, Any]]:
    """Have the options of what runs in Ansible's own process, checked as those of a module are, by an argument spec.

    Paths start from the playbook's folder. Raises SendCleanError, in whose text, as in that of every other one that is raised
    meanwhile, no secret is shown that was given for something else, too.
    """
    arguments = {name: in_clear(value) for name, value in without_nulls(given).items()}
    validated = ArgumentSpecValidator(spec).validate(arguments)
    # A short one would mangle the text, and its own message shows no secret.
    hidden = {value for value in validated._no_log_values if len(value) >= SHORT_SECRET}
    try:
        if validated.error_messages:
            unsupported = f"Unsupported parameters for ({plugin}): "
            errors = validated.errors.errors
            problems = ((unsupported if isinstance(error, UnsupportedError) else "") + error.msg for error in errors)
            raise SendCleanError("; ".join(problems))
        params: dict[str, Any] = validated.validated_parameters
        refuse_values([*text_problems(spec, params, arguments), *url_problems("bindings_url", params)])
        params.update(bindings_in(params, arguments, needed_by))
        for name, option in spec.items():
            if option["type"] == "path" and params[name]:
                params[name] = loader.path_dwim(params[name])
        yield params
    except SendCleanError as error:
        error.args = (remove_values(str(error), hidden),)
        raise
