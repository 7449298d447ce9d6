#!/usr/bin/python
# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the SMTP users of a SendClean account, all at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_users
short_description: Manage the SMTP users of a SendClean account in one task
version_added: 1.0.0
author:
  - sendclean.email contributors (@sendclean-email)
description:
  - Holds an account at SendClean to a list of SMTP users. Each entry means what the same options mean in
    M(sendclean.email.smtp_user).
  - The account is listed once, each user that differs costs one call, and if anything was written the account is listed once
    more. In check mode it is listed once.
  - All entries that cannot be right are reported together, before anything is written.
  - Nobody is created who may be there already, see M(sendclean.email.smtp_user).
  - A failure of one user does not stop the others. The task fails at the end and says in RV(failures) what failed. Only when
    SendClean does not accept the account any more, the task stops at once.
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
  users:
    description:
      - The users. Each needs an O(users[].alias) or a O(users[].smtp_user_name), and none may be named twice.
    type: list
    elements: dict
    required: true
    suboptions:
      alias:
        description: A name of your own for the user, kept in the bindings file. Needs O(bindings_path) or O(bindings_url).
        type: str
      smtp_user_name:
        description:
          - The name that SendClean gave the user.
          - Together with an O(users[].alias) that is not bound yet, the user is adopted, that is, bound to the alias.
        type: str
      state:
        description:
          - V(present) ensures that the user exists, is enabled and has the limits that are given.
          - V(absent) ensures that the user is disabled. Limits are not enforced.
        type: str
        choices: [present, absent]
        default: present
      total_limit:
        description: How many messages the user may send in all. Greater than zero. Required to create a user.
        type: int
      hourly_limit:
        description: How many messages the user may send in an hour. Greater than zero. Required to create a user.
        type: int
      renamed_from:
        description:
          - An alias that the user had before. While that one is bound and O(users[].alias) is not, the binding moves.
          - It may stay in the list for ever. No other entry may have that alias.
        type: str
  purge:
    description:
      - Whether enabled users that O(users) does not name are disabled, those of O(purge_scope) without those of
        O(purge_exclude).
      - Refused while O(users) is empty, beyond O(purge_limit), and where a user of the bindings file would be disabled while one
        with the very same limits is created. That looks like an alias with another name, see O(users[].renamed_from).
    type: bool
    default: false
  purge_scope:
    description:
      - V(managed) purges users that the bindings file has an alias for. Needs O(bindings_path) or O(bindings_url).
      - V(account) purges all users of the account, also those of other teams. Refused where O(users) has aliases and the
        bindings file has none of the account.
    type: str
    choices: [managed, account]
    default: managed
  purge_exclude:
    description: Users that O(purge) leaves alone, as shell patterns on their C(smtp_user_name), such as V(smtps*).
    type: list
    elements: str
    default: []
  purge_limit:
    description:
      - How many users O(purge) may disable, a number, or a percentage of the account's enabled users, rounded down and never
        fewer than three.
      - A purge of more is refused before anything is written, in check mode too. What O(users) asks for user by user does not
        count.
    type: str
    default: 30%
  plan_checksum:
    description:
      - The RV(plan_checksum) of the plan that was approved, mostly that of a run in check mode. No other plan is carried out.
      - A run that would do anything else, since the account, the bindings or O(users) is another by now, is refused before
        anything is written, in check mode too. Its RV(operations) and its RV(plan_checksum) say what it would do.
      - A run that has nothing to do is not refused, so that a run that was done may be repeated.
      - After a failure of some users, what is left to do is another plan, with another checksum. Look at it in check mode again.
    type: str
  include_passwords:
    description: Whether the result holds the users' passwords, in clear. Use C(no_log) on the task then.
    type: bool
    default: false
seealso:
  - module: sendclean.email.smtp_user
  - module: sendclean.email.smtp_bindings
  - module: sendclean.email.smtp_user_info
notes:
  - Users are created and adopted first, while other runs that share the bindings file wait. Then limits and status are
    changed, and other users disabled.
  - >-
    A task that takes long says every 15 seconds how far it is, such as C(production: 120 of 300 users, about 3 minutes left), on
    standard error, where the module runs with the connection C(local) and without C(async). Not where Ansible is told with
    C(display_ok_hosts=false) to show nothing of tasks that are in order.
"""

EXAMPLES = r"""
- name: The account has these users
  sendclean.email.smtp_users:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    users:
      - alias: billing
        total_limit: 10000
        hourly_limit: 500
      - alias: newsletter
        smtp_user_name: smtp12345
        hourly_limit: 200
      - smtp_user_name: smtp67890
        state: absent

- name: The account has these users and no others, those of a colleague aside
  sendclean.email.smtp_users:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    users:
      - alias: billing
      - alias: newsletter
        smtp_user_name: smtp12345
    purge: true
    purge_scope: account
    purge_exclude:
      - smtps*

- name: What would be done, for somebody to look at
  sendclean.email.smtp_users:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    users:
      - smtp_user_name: smtp12345
        total_limit: 5000
  check_mode: true
  register: plan

- name: Just that, or nothing
  sendclean.email.smtp_users:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    users:
      - smtp_user_name: smtp12345
        total_limit: 5000
    plan_checksum: "{{ plan.plan_checksum }}"
"""

RETURN = r"""
smtp_users:
  description:
    - The users in the order of O(users), as SendClean holds them after the task or, in check mode, would hold them.
    - Former users of theirs that still work and differ come next, see M(sendclean.email.smtp_user_rotate). Users that were purged
      come last, by name.
  returned: when the account could be listed and nothing was refused
  type: list
  elements: dict
  contains:
    alias:
      description: The user's alias in the bindings, null where it has none or no bindings were given.
      type: str
      returned: always
      sample: billing
    smtp_user_name:
      description: The name that SendClean chose. Null in check mode for a user that would be created, and where there is none.
      type: str
      returned: always
      sample: smtp12345
    status:
      description: V(Enable) or V(Disable). Null where there is no such user, or SendClean shows neither.
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
    action:
      description:
        - What was done, the first that applies of V(failed), V(created), V(adopted), V(renamed), V(disabled), V(enabled),
          V(updated), V(unchanged).
      type: str
      returned: always
      sample: updated
    password_age_days:
      description:
        - How many days ago the user got its password, by the bindings file. Null where that does not say so, as of a user who was
          adopted.
      type: float
      returned: always
      sample: 42.5
    standby_of:
      description: The alias whose former user it is, see M(sendclean.email.smtp_user_rotate).
      type: str
      returned: for a former user
      sample: billing
    smtp_password:
      description: The password in clear.
      type: str
      returned: O(include_passwords=true)
      sample: VALUE_SPECIFIED_IN_NO_LOG_PARAMETER
summary:
  description:
    - How many users there are of each action.
    - In check mode also C(estimated_calls), how many calls the real run makes, and C(estimated_minutes), how long they take
      at O(requests_per_minute) at least, since pacing stays somewhat below it.
  returned: when the account could be listed and nothing was refused
  type: dict
  sample:
    failed: 0
    created: 1
    adopted: 0
    renamed: 0
    disabled: 0
    enabled: 0
    updated: 2
    unchanged: 40
operations:
  description: The calls that wrote to the account or, in check mode, would, as in M(sendclean.email.smtp_user).
  returned: when the account could be listed and nothing, or only another plan than that of O(plan_checksum), was refused
  type: list
  elements: dict
  sample:
    - call: editSmtp
      smtp_user_name: smtp12345
      parameters:
        hourly_limit: 200
plan_checksum:
  description:
    - 32 hex digits for the plan, that is for what has to be done when the task begins, to be given as O(plan_checksum).
    - The same for the same plan, in check mode and in the real run. Another one if a call or its parameters differ, or a binding
      to be made, or what a user was before who is written or bound.
    - Users that are left as they are do not count, nor do passwords, nor the order of O(users).
  returned: when the account could be listed and nothing, or only another plan than that of O(plan_checksum), was refused
  type: str
  sample: c1d7a4b0b2f94e6c8a3f5e7d9b1c3a5e
unclaimed:
  description:
    - Enabled users that the bindings file has no alias for and O(users) does not name. They can send in the company's name, too.
  returned: when the account could be listed and nothing was refused
  type: list
  elements: str
  sample: [smtp34567]
failures:
  description: What failed, each with the user, the call, a message for people, and the error of the API, if it was one.
  returned: failure of a user
  type: list
  elements: dict
  contains:
    alias:
      description: The user's alias.
      type: str
      returned: always
      sample: billing
    smtp_user_name:
      description: The user's name at SendClean, null where there is none yet.
      type: str
      returned: always
      sample: smtp12345
    call:
      description: The call that failed, null where it was none.
      type: str
      returned: always
      sample: addSmtp
    msg:
      description: What failed, and what to do.
      type: str
      returned: always
      sample: "SendClean answered addSmtp with an error: You reached the max SMTP user (ValidationError)."
    error:
      description: The API call that failed, as in M(sendclean.email.smtp_user), null where it was none.
      type: dict
      returned: always
      sample:
        call: addSmtp
        name: ValidationError
        code: -1
        message: You reached the max SMTP user
        http_status: 200
error:
  description: The first API call that failed, as in M(sendclean.email.smtp_user). What failed for each user is in RV(failures).
  returned: failure of a call
  type: dict
  sample:
    call: listSmtp
    name: AuthenticationError
    code: -1
    message: Token MissMatch
    http_status: 200
"""

from collections.abc import Sequence

from ansible_collections.sendclean.email.plugins.module_utils import (
    _apply,
    _bindings,
    _client,
    _errors,
    _model,
    _module,
    _options,
    _report,
)


def manage(params: _module.Options, client: _client.Client, record: _bindings.Record | None, check_mode: bool) -> _module.Result:
    """Enforce all users and return the task's result."""
    purge = _options.purge_from(params)
    approved = None if params["plan_checksum"] is None else _options.plan_checksum("plan_checksum", params["plan_checksum"])
    run = _apply.enforce(client, record, wanted_in(params["users"], client, record), check_mode, purge, approved)
    counts = _report.summary(run.steps)
    if check_mode:
        counts.update(_report.estimate(run.steps, params["requests_per_minute"]))
    result = {
        "changed": any(step.changed for step in run.steps),
        "smtp_users": [_report.row(step, params["include_passwords"]) for step in run.steps],
        "summary": counts,
        "operations": _report.operations(run.steps),
        "plan_checksum": run.checksum,
        "unclaimed": run.unclaimed,
        "diff": [_report.named_diff(step) for step in run.steps if step.changed],
        "warnings": run.warnings,
    }
    _report.refuse_failed(run.steps, result)
    return result


def wanted_in(users: Sequence[_module.Options], client: _client.Client, record: _bindings.Record | None) -> list[_model.Wanted]:
    """Return the users that are wanted. Raises RefusedError with all that is wrong, also by what the account shows."""
    wanted: list[_model.Wanted] = []
    problems: list[str] = []
    for index, user in enumerate(users):
        place = f"users[{index}]"
        names = list(_options.name_problems(user, place))
        if user["alias"] is not None and record is None:
            names.append(_errors.OptionError(f"{place}.alias", "needs bindings_path or bindings_url"))
        problems += map(str, [*names, *_options.limit_problems(user, place)])
        if not names:
            # Also with wrong limits, which are not sent: what else is wrong with the user is to be found, too.
            wanted.append(_model.Wanted.of(user, place))
    if problems:
        try:
            _apply.enforce(client, record, wanted, check_mode=True)
        except _errors.RefusedError as error:
            problems.append(str(error))
        except _errors.CallError:
            # What is wrong with the options is to be mended first.
            pass
        raise _errors.RefusedError("\n".join(problems))
    return wanted


def main() -> None:
    """Run the module."""
    module = _module.Module(
        argument_spec={
            **_module.CONNECTION_OPTIONS,
            **_module.BINDINGS_OPTIONS,
            "users": {"type": "list", "elements": "dict", "required": True, "options": _module.USER_OPTIONS},
            "purge": {"type": "bool", "default": False},
            "purge_scope": {"type": "str", "choices": ["managed", "account"], "default": "managed"},
            "purge_exclude": {"type": _module.LIST, "elements": _module.TEXT, "default": []},
            "purge_limit": {"type": _module.TEXT_OR_INTEGER, "default": "30%"},
            "plan_checksum": {"type": _module.TEXT},
            "include_passwords": {"type": "bool", "default": False, "no_log": False},
        },
        supports_check_mode=True,
    )
    _module.run(module, manage)


if __name__ == "__main__":
    main()
