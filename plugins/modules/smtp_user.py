#!/usr/bin/python
# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: one SMTP user of a SendClean account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_user
short_description: Manage one SMTP user of a SendClean account
version_added: 1.0.0
author:
  - sendclean.email contributors (@sendclean-email)
description:
  - Creates, changes, enables and disables an SMTP user of an account at SendClean.
  - SendClean chooses the names of users itself. To say which user is meant before it exists, give it an O(alias). Which
    user an alias got is recorded in the bindings file, O(bindings_path), so that a second run finds the same user again.
  - A user is created exactly once, also when the answer to the creation is lost or the run dies half-way.
  - Nobody is created who may be there already, as when the bindings file was lost, is an old one or another account's. That
    is when it knows none of the account's users, or when an enabled user has just the limits of the one to be created and is
    bound to nobody. The task fails then, in check mode too, and says how to go on. What belongs to somebody else is
    acknowledged once, with the playbook C(sendclean.email.acknowledge).
  - The API has no delete. O(state=absent) disables a user, which keeps its name, password and limits.
extends_documentation_fragment:
  - sendclean.email.sendclean
  - sendclean.email.sendclean.bindings
  - sendclean.email.sendclean.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  alias:
    description:
      - A name of your own for the user. It is kept in the bindings file, SendClean does not know it.
      - Needs O(bindings_path) or O(bindings_url). One of O(alias) and O(smtp_user_name) is required.
    type: str
  renamed_from:
    description:
      - An alias that the user had before. While that one is bound and O(alias) is not, the binding moves, and nothing is called
        for it at SendClean. Afterwards it may stay in the task for ever.
      - If both are bound, the task fails. Needs O(alias).
    type: str
  smtp_user_name:
    description:
      - The name that SendClean gave the user.
      - Together with an O(alias) that is not bound yet, the user is adopted, that is, bound to the alias. So it is with
        O(state=absent), if SendClean lists the user.
    type: str
  state:
    description:
      - V(present) ensures that the user exists, is enabled and has the limits that are given.
      - V(absent) ensures that the user is disabled. Its binding stays, so that V(present) enables the same user again.
        Limits are not enforced.
    type: str
    choices: [present, absent]
    default: present
  total_limit:
    description:
      - How many messages the user may send in all. Greater than zero.
      - Required to create a user. Where it is not given, an existing user keeps its limit.
    type: int
  hourly_limit:
    description:
      - How many messages the user may send in an hour. Greater than zero.
      - Required to create a user. Where it is not given, an existing user keeps its limit.
    type: int
  include_password:
    description: Whether the result holds the user's password, in clear. Use C(no_log) on the task then.
    type: bool
    default: false
seealso:
  - module: sendclean.email.smtp_bindings
  - module: sendclean.email.smtp_user_info
  - module: sendclean.email.smtp_password_reset
notes:
  - A task that finds everything as it should be makes one call, C(listSmtp). So does every task in check mode.
"""

EXAMPLES = r"""
- name: There is a user for billing
  sendclean.email.smtp_user:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    alias: billing
    total_limit: 10000
    hourly_limit: 500

- name: Users with the account's options given once
  module_defaults:
    group/sendclean.email.sendclean:
      owner_id: "{{ sendclean_owner_id }}"
      token: "{{ sendclean_token }}"
  vars:
    bindings_path: "{{ playbook_dir }}/bindings.json"
  block:
    - name: Adopt a user that was created by hand
      sendclean.email.smtp_user:
        bindings_path: "{{ bindings_path }}"
        alias: newsletter
        smtp_user_name: smtp12345
        hourly_limit: 200

    - name: The user for billing may not send any more
      sendclean.email.smtp_user:
        bindings_path: "{{ bindings_path }}"
        alias: billing
        state: absent

    - name: The user that was called campaigns is called marketing from now on
      sendclean.email.smtp_user:
        bindings_path: "{{ bindings_path }}"
        alias: marketing
        renamed_from: campaigns
        total_limit: 200000
        hourly_limit: 5000

    - name: Change a limit of a user without an alias
      sendclean.email.smtp_user:
        smtp_user_name: smtp67890
        total_limit: 2000

# The password of the database's role is in the environment, as PGPASSWORD.
- name: Bindings in PostgreSQL, for runs that share no disk
  sendclean.email.smtp_user:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_url: postgresql://sendclean@db.example.com/sendclean?sslmode=verify-full
    alias: shop
    smtp_user_name: smtp67890
"""

RETURN = r"""
smtp_user:
  description: The user as SendClean holds it after the task, or, in check mode, would hold it. Null where there is no such user.
  returned: success
  type: dict
  contains:
    alias:
      description: The user's alias in the bindings, null where it has none or no bindings were given.
      type: str
      returned: always
      sample: billing
    smtp_user_name:
      description: The name that SendClean chose. Null in check mode for a user that would be created.
      type: str
      returned: always
      sample: smtp12345
    status:
      description: V(Enable) or V(Disable). Null where SendClean shows neither.
      type: str
      returned: always
      sample: Enable
    total_limit:
      description: How many messages the user may send in all. Null where SendClean shows no number.
      type: int
      returned: always
      sample: 10000
    hourly_limit:
      description: How many messages the user may send in an hour. Null where SendClean shows no number.
      type: int
      returned: always
      sample: 500
    smtp_password:
      description: The password in clear.
      type: str
      returned: O(include_password=true)
      sample: VALUE_SPECIFIED_IN_NO_LOG_PARAMETER
operations:
  description: The calls that wrote to the account or, in check mode, would.
  returned: when the account could be listed and nothing was refused
  type: list
  elements: dict
  contains:
    call:
      description: V(addSmtp) or V(editSmtp).
      type: str
      returned: always
      sample: editSmtp
    smtp_user_name:
      description: The user. Null in check mode for a user that would be created.
      type: str
      returned: always
      sample: smtp12345
    parameters:
      description: What is set, in the names of the API.
      type: dict
      returned: always
      sample:
        hourly_limit: 200
error:
  description: The API call that failed.
  returned: failure of a call
  type: dict
  contains:
    call:
      description: The call.
      type: str
      returned: always
      sample: listSmtp
    name:
      description:
        - The kind that the API answered, such as V(ValidationError), V(GeneralError), V(AuthenticationError).
        - V(RateLimitError) for HTTP 429, V(TransportError) where no answer came, V(ProtocolError) for an answer that makes
          no sense.
      type: str
      returned: always
      sample: AuthenticationError
    code:
      description: The code in the answer, null where there is none.
      type: int
      returned: always
      sample: -1
    message:
      description: The text of the API.
      type: str
      returned: always
      sample: Token MissMatch
    http_status:
      description: The HTTP status, null where no answer came.
      type: int
      returned: always
      sample: 200
"""


from ansible_collections.sendclean.email.plugins.module_utils import _apply, _bindings, _client, _module, _options, _report


def manage(params: _module.Options, client: _client.Client, record: _bindings.Record | None, check_mode: bool) -> _module.Result:
    """Enforce the one user and return the task's result."""
    steps = _apply.enforce(client, record, [_options.wanted_from(params)], check_mode).steps
    # The other one is the user who had the alias before, and still works.
    step = steps[0]
    facts = step.facts()
    result = {
        "changed": any(each.changed for each in steps),
        "operations": _report.operations(steps),
        "diff": _report.diff(step, steps[1:]),
    }
    for error in filter(None, (each.error for each in steps)):
        error.done = result
        raise error
    if facts and params["include_password"]:
        facts = {**facts, "smtp_password": step.password()}
    return {**result, "smtp_user": facts or None}


def main() -> None:
    """Run the module."""
    module = _module.Module(
        argument_spec={
            **_module.CONNECTION_OPTIONS,
            **_module.BINDINGS_OPTIONS,
            **_module.USER_OPTIONS,
            "include_password": {"type": "bool", "default": False, "no_log": False},
        },
        required_one_of=[("alias", "smtp_user_name")],
        supports_check_mode=True,
    )
    _module.run(module, manage, needs_bindings=["alias"])


if __name__ == "__main__":
    main()
