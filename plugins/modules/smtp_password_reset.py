#!/usr/bin/python
# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a new password for an SMTP user of a SendClean account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_password_reset
short_description: Reset the password of an SMTP user of a SendClean account
version_added: 1.0.0
author:
  - sendclean.email contributors (@sendclean-email)
description:
  - Gives an SMTP user a new password, which SendClean chooses, and returns it.
  - Without O(current_password) or O(max_age_days) this is an action, it resets the password every time. With one of them,
    or both, it resets the password only where that is needed.
  - The password is reset once, also when the answer to the reset is lost. C(listSmtp) tells then what happened.
extends_documentation_fragment:
  - sendclean.email.sendclean
  - sendclean.email.sendclean.bindings
  - sendclean.email.sendclean.attributes
attributes:
  check_mode:
    support: full
    details: >-
      An alias that has no user yet is no error here, since a task before this one may create it in the real run: a warning names
      it, and RV(smtp_user_name) is null. RV(ignore:changed) is then what it would be for a user who has just been created.
  diff_mode:
    support: none
    details: What changes is a password, which is not shown.
  idempotent:
    support: partial
    details: With O(current_password), or with O(max_age_days) greater than zero. Without, it is an action.
options:
  smtp_user_name:
    description: The user's name at SendClean. One of O(smtp_user_name) and O(alias) is required.
    type: str
  alias:
    description: The user's alias in the bindings file. Needs O(bindings_path) or O(bindings_url).
    type: str
  current_password:
    description:
      - Reset the password only while this is still the one in force, so that a leaked password is replaced once.
      - With O(alias) it may also be that of the user who takes turns with the alias's, see M(sendclean.email.smtp_user_rotate).
        Then that one is reset. RV(standby_of) tells, and the credentials of the alias are the same as before.
    type: str
  max_age_days:
    description:
      - Reset the password only when the last one known is older than this number of days, or when none is known.
      - Zero or more, fractions included. Needs O(bindings_path), where the time of each creation and reset is kept.
    type: float
seealso:
  - module: sendclean.email.smtp_user
notes:
  - The result holds the new password in clear. Use C(no_log) on the task.
  - A task that fails after SendClean has accepted the reset, since the account does not show the new password or its time
    cannot be kept, has it in its result all the same.
  - O(sendclean.email.smtp_credentials#module:answered_passwords) stores new passwords that the account does not show yet.
  - Nothing is reset where O(bindings_path) is given and cannot be written. Where no reset is due, it may be read-only.
"""

EXAMPLES = r"""
- name: Replace the password of billing every 90 days
  sendclean.email.smtp_password_reset:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    alias: billing
    max_age_days: 90
  no_log: true
  register: billing_password

- name: Replace a password that has leaked, once
  sendclean.email.smtp_password_reset:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    smtp_user_name: smtp12345
    current_password: "{{ leaked_password }}"
  no_log: true
"""

RETURN = r"""
smtp_user_name:
  description: The user's name at SendClean. Null in check mode for an alias that has no user yet.
  returned: success
  type: str
  sample: smtp12345
alias:
  description: The user's alias in the bindings, null where it has none or no bindings were given.
  returned: success
  type: str
  sample: billing
standby_of:
  description: The alias whose former user it is. Its password is not for the alias's consumers.
  returned: for a former user, or one on standby
  type: str
  sample: billing
smtp_password:
  description: The new password in clear.
  returned: changed, and not in check mode; also on failure where SendClean has answered one
  type: str
  sample: VALUE_SPECIFIED_IN_NO_LOG_PARAMETER
error:
  description: The API call that failed, as in M(sendclean.email.smtp_user).
  returned: failure of a call
  type: dict
  sample:
    call: resetSmtpPassword
    name: ValidationError
    code: -1
    message: smtp user required !!
    http_status: 200
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils import _bindings, _client, _errors, _module, _options, _reset


def reset(params: Mapping[str, Any], client: _client.Client, record: _bindings.Record | None, check_mode: bool) -> dict[str, Any]:
    """Reset the password if the guards allow it, and return the task's result."""
    # Not left to Ansible, which takes a name that is null for given.
    for problem in _options.name_problems(params):
        raise problem
    if params["alias"] is not None and params["smtp_user_name"] is not None:
        raise _errors.OptionError("alias", "and smtp_user_name exclude each other: give one of the two")
    _options.refuse_values(_options.duration_problems("max_age_days", params, "days"))
    return _reset.reset_password(client, record, params, check_mode)


def main() -> None:
    """Run the module."""
    module = _module.Module(
        argument_spec={
            **_module.CONNECTION_OPTIONS,
            **_module.BINDINGS_OPTIONS,
            "smtp_user_name": {"type": _module.TEXT},
            "alias": {"type": _module.TEXT},
            "current_password": {"type": _module.TEXT, "no_log": True},
            "max_age_days": {"type": _module.NUMBER},
        },
        required_one_of=[("smtp_user_name", "alias")],
        supports_check_mode=True,
    )
    _module.run(module, reset, needs_bindings=["alias", "max_age_days"])


if __name__ == "__main__":
    main()
