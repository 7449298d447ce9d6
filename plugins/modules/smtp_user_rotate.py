#!/usr/bin/python
# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a new password for an alias, by a second user who takes turns with the first."""

from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_user_rotate
short_description: Rotate the password of an alias of a SendClean account without an outage
version_added: 1.0.0
author:
  - sendclean.email contributors (@sendclean-email)
description:
  - A reset kills the old password at once. Here an alias has two users who take turns, never more, so that old credentials go on
    working until every consumer has the new ones.
  - A former user whose overlap is over is disabled first. If the password is due then, the user on standby gets a new password,
    the limits of the alias's user, and is enabled, or is created where there is none. At last the alias means that user, and
    the former one works for O(overlap_hours) more.
  - Each part is durable and safe to repeat, whatever ends a run in between. All modules know of standbys. They are never
    unclaimed, never purged, and belong to no other alias.
  - The second user is created exactly once, as any other one by M(sendclean.email.smtp_user), and not where the account shows
    one that may be it, say because the bindings are an old copy.
  - While a former user is within its overlap nothing is rotated, see RV(waiting_until). A leaked password is for
    M(sendclean.email.smtp_password_reset), at once.
extends_documentation_fragment:
  - sendclean.email.sendclean
  - sendclean.email.sendclean.bindings
  - sendclean.email.sendclean.attributes
attributes:
  check_mode:
    support: full
    details: >-
      An alias that has no user yet is no error here, since a task before this one may create it in the real run. A warning
      names it.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: With O(max_age_days) greater than zero. Without, it rotates whenever no former user is within its overlap.
options:
  alias:
    description: The alias whose password is rotated. Needs O(bindings_path) or O(bindings_url), and must have a user.
    type: str
    required: true
  max_age_days:
    description:
      - Rotate only when the active password is older than this number of days, or when its age is not known.
      - Zero or more, fractions included.
    type: float
  overlap_hours:
    description:
      - For how many hours after the switch the former user goes on working at least. The first run after that disables it.
      - Zero or more, fractions included.
    type: float
    default: 24.0
seealso:
  - module: sendclean.email.smtp_password_reset
  - module: sendclean.email.smtp_credentials
notes:
  - The result holds a password in clear when something has changed. Use C(no_log) on the task.
  - Two users for an alias count twice against the maximum of the account, and each has a total limit of its own.
  - A disabled user is left alone, so that nobody is enabled by a rotation.
  - As in M(sendclean.email.smtp_user), a second user is created only where it cannot be there yet. It is refused while an enabled
    user whom the bindings do not know has just these limits.
"""

EXAMPLES = r"""
- name: Rotate the password of billing every 90 days, old credentials work for two more days
  sendclean.email.smtp_user_rotate:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    alias: billing
    max_age_days: 90
    overlap_hours: 48
  no_log: true
  register: billing
"""

RETURN = r"""
alias:
  description: The alias.
  returned: success
  type: str
  sample: billing
smtp_user_name:
  description: The user whom the alias means after the task. Null in check mode where it would be created.
  returned: success
  type: str
  sample: smtp12345
smtp_password:
  description: The password of that user in clear.
  returned: changed, and not in check mode
  type: str
  sample: VALUE_SPECIFIED_IN_NO_LOG_PARAMETER
former:
  description: The user whom the alias meant before, while it still works. Null where there is none.
  returned: success
  type: dict
  contains:
    smtp_user_name:
      description: The user's name at SendClean.
      type: str
      returned: always
      sample: smtp67890
    retires_at:
      description: Until when it works at least, in UTC. Null in check mode.
      type: str
      returned: always
      sample: "2026-01-31T12:00:00Z"
waiting_until:
  description: A rotation is due, and waits until then for a former user within its overlap.
  returned: when that is so
  type: str
  sample: "2026-01-31T12:00:00Z"
operations:
  description: The calls that wrote to the account or, in check mode, would, as in M(sendclean.email.smtp_user).
  returned: when the account could be listed and nothing was refused
  type: list
  elements: dict
  sample:
    - call: editSmtp
      smtp_user_name: smtp67890
      parameters:
        status: Disable
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

import itertools
from collections.abc import Mapping
from typing import Any, cast

from ansible_collections.sendclean.email.plugins.module_utils import _bindings, _client, _module, _options, _rotate


def work(params: Mapping[str, Any], client: _client.Client, record: _bindings.Record | None, check_mode: bool) -> dict[str, Any]:
    """Rotate the password if it is due, and return the task's result."""
    problems = (
        _options.duration_problems("max_age_days", params, "days"),
        _options.duration_problems("overlap_hours", params, "hours", most=10**6),
    )
    _options.refuse_values(itertools.chain(*problems))
    # There is a record, since alias, which is required, needs one.
    return _rotate.rotate(client, cast(_bindings.Record, record), params, check_mode)


def main() -> None:
    """Run the module."""
    module = _module.Module(
        argument_spec={
            **_module.CONNECTION_OPTIONS,
            **_module.BINDINGS_OPTIONS,
            "alias": {"type": _module.TEXT, "required": True},
            "max_age_days": {"type": _module.NUMBER},
            "overlap_hours": {"type": _module.NUMBER, "default": 24.0},
        },
        supports_check_mode=True,
    )
    _module.run(module, work, needs_bindings=["alias"])


if __name__ == "__main__":
    main()
