#!/usr/bin/python
# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: what SMTP users a SendClean account has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_user_info
short_description: List the SMTP users of a SendClean account
version_added: 1.0.0
author:
  - sendclean.email contributors (@sendclean-email)
description:
  - Returns the SMTP users of an account at SendClean, all or some of them, with one call, C(listSmtp).
extends_documentation_fragment:
  - sendclean.email.sendclean
  - sendclean.email.sendclean.bindings
  - sendclean.email.sendclean.attributes
attributes:
  check_mode:
    support: full
    details: This module never changes anything.
  diff_mode:
    support: N/A
    details: This module never changes anything.
  idempotent:
    support: full
options:
  smtp_user_names:
    description:
      - Return the users with these names, and those of O(aliases).
      - All users are returned where neither is given. An empty list asks for none.
      - A bound user whom the account does not list gets a warning where all are asked for, else it is in RV(missing).
    type: list
    elements: str
  aliases:
    description:
      - Return the users with these aliases, and those of O(smtp_user_names).
      - Needs O(bindings_path) or O(bindings_url).
    type: list
    elements: str
  status:
    description: Return only users with this status.
    type: str
    choices: [Enable, Disable]
  include_passwords:
    description: Whether the result holds the users' passwords, in clear. Use C(no_log) on the task then.
    type: bool
    default: false
seealso:
  - module: sendclean.email.smtp_user
"""

EXAMPLES = r"""
- name: List the account
  sendclean.email.smtp_user_info:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
  register: account

- name: Show who may send, and under which alias
  ansible.builtin.debug:
    msg: "{{ account.smtp_users | selectattr('status', 'eq', 'Enable') | items2dict('smtp_user_name', 'alias') }}"

- name: Show the users without an alias
  ansible.builtin.debug:
    msg: "{{ account.smtp_users | selectattr('alias', 'none') | map(attribute='smtp_user_name') }}"

- name: Find one user by its alias
  sendclean.email.smtp_user_info:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    aliases:
      - billing
"""

RETURN = r"""
smtp_users:
  description: The users, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    alias:
      description: The user's alias in the bindings, null where it has none or no bindings were given.
      type: str
      returned: always
      sample: billing
    smtp_user_name:
      description: The name that SendClean chose.
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
    password_age_days:
      description:
        - How many days ago the user got its password, by the bindings file. Null where that does not say so, as of a user who was
          adopted.
      type: float
      returned: always
      sample: 42.5
    standby_of:
      description:
        - The alias that the user takes turns for, see M(sendclean.email.smtp_user_rotate). Null for all others, also for the one
          whom an alias means.
      type: str
      returned: always
      sample: null
    smtp_password:
      description: The password in clear.
      type: str
      returned: O(include_passwords=true)
      sample: VALUE_SPECIFIED_IN_NO_LOG_PARAMETER
missing:
  description: Names and aliases that were asked for and that the account or the bindings file does not have.
  returned: success
  type: list
  elements: str
  sample: [smtp99999]
error:
  description: The API call that failed, as in M(sendclean.email.smtp_user).
  returned: failure of a call
  type: dict
  sample:
    call: listSmtp
    name: AuthenticationError
    code: -1
    message: Token MissMatch
    http_status: 200
"""


from ansible_collections.sendclean.email.plugins.module_utils import _bindings, _client, _lag, _model, _module, _planner


def inform(params: _module.Options, client: _client.Client, record: _bindings.Record | None, check_mode: bool) -> _module.Result:
    """List the account and return the task's result."""
    bindings = record.read() if record else _model.Bindings()
    listing = client.list_smtp()
    asked = [(name, name) for name in params["smtp_user_names"] or []]
    asked += [(alias, bindings.aliases.get(alias, "")) for alias in params["aliases"] or []]
    everyone = params["smtp_user_names"] is None and params["aliases"] is None
    users = []
    for name in sorted(listing if everyone else listing.keys() & {name for text, name in asked}):
        user = listing[name]
        if params["status"] in (None, user.status):
            age = _lag.age_in_days(bindings.password_times.get(name))
            facts = {"alias": bindings.alias_of(name), **user.facts(), "password_age_days": age}
            facts["standby_of"] = bindings.standby_of(name)
            users.append({**facts, "smtp_password": user.password} if params["include_passwords"] else facts)
    gone = {alias: name for alias, name in bindings.aliases.items() if name not in listing and not _lag.is_young(bindings, name)}
    warnings = [_planner.not_listed(alias, name, bindings) for alias, name in sorted(gone.items())] if everyone else []
    return {
        "changed": False,
        "smtp_users": users,
        "missing": [text for text, name in asked if name not in listing],
        **({"warnings": warnings} if warnings else {}),
    }


def main() -> None:
    """Run the module."""
    module = _module.Module(
        argument_spec={
            **_module.CONNECTION_OPTIONS,
            **_module.BINDINGS_OPTIONS,
            "smtp_user_names": {"type": _module.LIST, "elements": _module.TEXT},
            "aliases": {"type": _module.LIST, "elements": _module.TEXT},
            "status": {"type": "str", "choices": [_model.ENABLE, _model.DISABLE]},
            "include_passwords": {"type": "bool", "default": False, "no_log": False},
        },
        supports_check_mode=True,
    )
    _module.run(module, inform, needs_bindings=["aliases"])


if __name__ == "__main__":
    main()
