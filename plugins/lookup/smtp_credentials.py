# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup plugin: name and password of SMTP users, where a task or a template needs them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: smtp_credentials
short_description: Look up the name and password of SMTP users of a SendClean account
version_added: 1.0.0
author:
  - sendclean.email contributors (@sendclean-email)
description:
  - Returns the name and password of SMTP users, each by its alias or its C(smtp_user_name), for a template or for a module
    that puts them where they are used.
  - An alias means the user that it means at the moment. While M(sendclean.email.smtp_user_rotate) has two users take turns
    for it, that is the active one.
extends_documentation_fragment:
  - sendclean.email.sendclean
  - sendclean.email.sendclean.bindings
options:
  _terms:
    description:
      - Aliases and names. A list among them stands for what is in it, and an empty one asks for nobody.
      - What is both an alias and the name of another user means the alias.
      - Aliases need O(bindings_path) or O(bindings_url).
    type: list
    elements: str
    required: true
notes:
  - It runs on the control node, in Ansible's own process. Neither C(environment) nor C(module_defaults) of a play or a task
    reach it, so that the account is given by options, or in the environment of C(ansible-playbook) itself. Relative paths start
    from the playbook's folder.
  - The password is in the arguments of the task then. Use C(no_log) on it, and C(diff=false) where the task writes a file.
  - The account is listed once for a task and host, however often a template asks. In one process a listing is used for at most
    10 seconds, and not after the bindings file has changed.
  - For many hosts that is many listings, against the account's quota of requests. Look up once, in a C(set_fact) with C(run_once)
    and C(no_log), which gives all hosts of the play the same fact. A variable that is defined with a lookup asks anew in each
    task that uses it.
  - A C(loop) over what it returns shows each item. Loop over aliases, and look up inside.
  - In check mode it lists the account as well. An alias that a task before would create or adopt is not there yet, which is an
    error, unless the lookup has C(errors='warn') or C(errors='ignore').
seealso:
  - module: sendclean.email.smtp_credentials
  - module: sendclean.email.smtp_user_rotate
"""

EXAMPLES = r"""
- name: An application reads its credentials from a file
  ansible.builtin.copy:
    dest: "{{ playbook_dir }}/application.env"
    content: |
      SMTP_USER={{ billing.smtp_user_name }}
      SMTP_PASSWORD={{ billing.smtp_password }}
    mode: "0600"
  vars:
    billing: "{{ lookup('sendclean.email.smtp_credentials', 'billing', owner_id=sendclean_owner_id, token=sendclean_token,
      bindings_path=playbook_dir ~ '/bindings.json') }}"
  no_log: true
  diff: false

- name: Those of several users, with the account in the environment of ansible-playbook
  ansible.builtin.assert:
    that: credentials | map(attribute='smtp_password') | select | length == 2
    quiet: true
  vars:
    credentials: "{{ query('sendclean.email.smtp_credentials', 'billing', 'smtp12345') }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The credentials, in the order asked. One term gives one mapping, several a list of them.
  type: list
  elements: dict
  contains:
    smtp_user_name:
      description: The name that SendClean chose.
      type: str
      returned: always
      sample: smtp12345
    smtp_password:
      description: The password in clear.
      type: str
      returned: always
      sample: VALUE_SPECIFIED_IN_NO_LOG_PARAMETER
"""

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.lookup import LookupBase
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sendclean.email.plugins.module_utils._client import REQUESTS_IMPORT_ERROR
from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError, SendCleanError, bug_in
from ansible_collections.sendclean.email.plugins.module_utils._module import BINDINGS_OPTIONS, CONNECTION_OPTIONS
from ansible_collections.sendclean.email.plugins.module_utils._options import refuse_values, text_problem
from ansible_collections.sendclean.email.plugins.plugin_utils._arguments import checked_options
from ansible_collections.sendclean.email.plugins.plugin_utils._listed import credentials_of
from ansible_collections.sendclean.email.plugins.plugin_utils._vault import in_clear
from jinja2.exceptions import UndefinedError

# Not declared with "env" in the documentation, since "ansible-config dump" would print the token then.
ARGUMENT_SPEC: dict[str, Any] = {**CONNECTION_OPTIONS, **BINDINGS_OPTIONS}
# For Ansible, which passes on the first with with_… before 2.19, and the second from then on.
ANSIBLES_OWN = ("wantlist", "allow_unsafe")


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core has no type information
    """Looks up credentials."""

    def run(self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """Return the credentials of each term."""
        given = {name: value for name, value in kwargs.items() if name not in ANSIBLES_OWN}
        try:
            found, warnings = self._found([in_clear(term) for term in self._flatten(terms)], given)
        except SendCleanError as error:
            raise AnsibleLookupError(str(error)) from None
        except (AnsibleError, UndefinedError):
            # What is undefined, or cannot be decrypted: Ansible knows what to say of it.
            raise
        except Exception as error:
            raise AnsibleLookupError(bug_in(error)) from None
        for warning in warnings:
            self._display.warning(warning)
        # Before ansible-core 2.19 what a password holds could be taken for a template.
        credentials: list[dict[str, str]] = wrap_var(found)
        return credentials

    def _found(self, terms: list[Any], given: Mapping[str, Any]) -> tuple[list[dict[str, str]], list[str]]:
        if REQUESTS_IMPORT_ERROR:
            raise SendCleanError(missing_required_lib("requests"))
        required = {name: option["fallback"][1][0] for name, option in ARGUMENT_SPEC.items() if option.get("required")}
        refuse_values(
            OptionError(
                name,
                f"must be given to the lookup, or {variable} in the environment of ansible-playbook: neither environment nor "
                "module_defaults of a play reach a lookup",
            )
            for name, variable in required.items()
            if given.get(name) is None and variable not in os.environ
        )
        with checked_options("sendclean.email.smtp_credentials", ARGUMENT_SPEC, given, self._loader) as params:
            refuse_values(problem for index, term in enumerate(terms) for problem in text_problem(f"terms[{index}]", term))
            return credentials_of(terms, params)
