#!/usr/bin/python
# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: which user of a SendClean account an alias means."""

from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_bindings
short_description: Bind aliases to SMTP users of a SendClean account by hand
version_added: 1.0.0
author:
  - sendclean.email contributors (@sendclean-email)
description:
  - Shows which user each alias of the bindings file means, whom nobody has claimed, and which bindings and begun creations
    need a hand.
  - Binds aliases to users that exist and removes bindings, for import, after a loss of the file, and for moving house.
  - Remembers which users are somebody else's. They count no more as users that a lost or old file could have had.
  - Nothing is changed at SendClean. The account is listed once. One of O(bindings_path) and O(bindings_url) is required.
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
  bindings:
    description:
      - A mapping from alias to C(smtp_user_name), to be bound as given.
      - Each user must be listed and have no other alias, and each alias must be unbound or bound to just that user. All that
        is wrong is reported together, and nothing is done then.
      - A creation that was begun for such an alias is over with that.
    type: dict
    default: {}
  unbind:
    description:
      - Aliases whose bindings are removed, also of users that are not listed any more. The users stay as they are.
      - A creation that was begun for such an alias is over with that. Whom it may have made stays in RV(unclaimed).
      - An alias that is not bound is no error.
    type: list
    elements: str
    default: []
  acknowledge:
    description:
      - Names of users that belong to somebody else. Each must be listed and have no alias.
      - The playbook C(sendclean.email.acknowledge) does this for all users that nobody has claimed.
    type: list
    elements: str
    default: []
  delivered:
    description:
      - A mapping from alias to the C(smtp_user_name) whose credentials its consumers have now, to be remembered. No secret is
        kept.
      - Each must be the alias's user, or its other one, see M(sendclean.email.smtp_user_rotate). Null stands for credentials that
        must be delivered anew.
      - The playbook C(sendclean.email.rotate) does this where it delivers itself, and delivers again what was not.
    type: dict
    default: {}
seealso:
  - module: sendclean.email.smtp_user
  - module: sendclean.email.smtp_users
"""

EXAMPLES = r"""
- name: Who is who in the account
  sendclean.email.smtp_bindings:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
  register: who

- name: Bind two users again after the file was lost
  sendclean.email.smtp_bindings:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    bindings:
      billing: smtp12345
      newsletter: smtp67890

- name: Forget the alias of a user that SendClean's support has deleted
  sendclean.email.smtp_bindings:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    unbind:
      - newsletter
"""

RETURN = r"""
bindings:
  description: The C(smtp_user_name) of each alias, after the task or, in check mode, as it would be.
  returned: success
  type: dict
  sample: {billing: smtp12345, newsletter: smtp67890}
unclaimed:
  description: Users of the account that have no alias, enabled or not, acknowledged or not.
  returned: success
  type: list
  elements: str
  sample: [smtp34567]
known:
  description: Users that were acknowledged as somebody else's.
  returned: success
  type: list
  elements: str
  sample: [smtp34567]
delivered:
  description: The C(smtp_user_name) whose credentials were delivered last, by alias, null where they must be delivered anew.
  returned: success
  type: dict
  sample: {billing: smtp12345}
standbys:
  description: The other user of each alias that has two who take turns, see M(sendclean.email.smtp_user_rotate).
  returned: success
  type: dict
  contains:
    smtp_user_name:
      description: The user's name at SendClean.
      type: str
      returned: always
      sample: smtp67890
    retires_at:
      description: Until when it works at least, in UTC. Null for one that is off, or not in use yet.
      type: str
      returned: always
      sample: "2026-01-31T12:00:00Z"
  sample: {}
unlisted:
  description: Aliases whose users SendClean does not list.
  returned: success
  type: list
  elements: str
  sample: []
begun:
  description: Creations of which it is not known how they ended, by alias. The next run of their task settles them.
  returned: success
  type: dict
  contains:
    total_limit:
      description: The limit of the user that was to be created.
      type: int
      returned: always
      sample: 1000
    hourly_limit:
      description: The limit of the user that was to be created.
      type: int
      returned: always
      sample: 100
    smtp_user_names:
      description: Users of the account that could be it.
      type: list
      elements: str
      returned: always
      sample: [smtp45678]
    age_days:
      description: How long ago the creation was begun, in days. Null if it is not known.
      type: float
      returned: always
      sample: 0.25
  sample: {}
password_age_days:
  description: How old the password of each alias is, in days. Null if it is not known.
  returned: success
  type: dict
  sample: {billing: 12.5, newsletter: null}
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

from collections.abc import Mapping
from typing import Any, cast

from ansible_collections.sendclean.email.plugins.module_utils import _bindings, _client, _module, _options, _rebind


def work(params: Mapping[str, Any], client: _client.Client, record: _bindings.Record | None, check_mode: bool) -> dict[str, Any]:
    """Do what is said about the bindings, and return the task's result."""
    _options.refuse_values((*_options.binding_problems(params["bindings"]), *_options.delivered_problems(params["delivered"])))
    word = _rebind.Word(params["bindings"], params["unbind"], params["acknowledge"], params["delivered"])
    # There is one, since one of the options is required.
    return _rebind.rebind(client, cast(_bindings.Record, record), word, check_mode)


def main() -> None:
    """Run the module."""
    module = _module.Module(
        argument_spec={
            **_module.CONNECTION_OPTIONS,
            **_module.BINDINGS_OPTIONS,
            "bindings": {"type": "dict", "default": {}},
            "unbind": {"type": _module.LIST, "elements": _module.TEXT, "default": []},
            "acknowledge": {"type": _module.LIST, "elements": _module.TEXT, "default": []},
            "delivered": {"type": "dict", "default": {}},
        },
        required_one_of=[tuple(_module.BINDINGS_OPTIONS)],
        supports_check_mode=True,
    )
    _module.run(module, work)


if __name__ == "__main__":
    main()
