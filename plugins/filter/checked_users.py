# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role smtp_users asks of its list, in one call: a template that looks at each entry takes long."""

from __future__ import annotations

DOCUMENTATION = r"""
name: checked_users
short_description: Check a list of SMTP users and give each the default limits
version_added: 1.0.0
author:
  - sendclean.email contributors
description:
  - Looks at the shape of a list for the role P(sendclean.email.smtp_users#role), and applies the defaults to it.
  - The messages name the places as the role's variables, such as C(smtp_users_list[3].hourly_limit).
positional: defaults, omit
options:
  _input:
    description: The list of users, as the role's variable C(smtp_users_list). A value of another shape is no error.
    type: raw
    required: true
  defaults:
    description: The limits of users that do not give them, as the role's variable C(smtp_users_defaults).
    type: raw
    required: true
  omit:
    description: Ansible's variable C(omit). A key with this value counts as not given, as does one that is null.
    type: raw
    required: true
seealso:
  - plugin: sendclean.email.smtp_users
    plugin_type: role
"""

EXAMPLES = r"""
- name: Refuse a list of the wrong shape
  ansible.builtin.assert:
    that: not checked.problems
    fail_msg: "{{ checked.problems }}"
  vars:
    checked: "{{ smtp_users_list | sendclean.email.checked_users(smtp_users_defaults, omit) }}"
"""

RETURN = r"""
_value:
  description: What is wrong, and what is wanted.
  type: dict
  contains:
    problems:
      description: A message for each thing that is wrong. Empty if nothing is.
      type: list
      elements: str
      sample:
        - 'smtp_users_list[0].alias must be a string, not 7: put it in quotes'
    users:
      description: The users with their limits, as the module M(sendclean.email.smtp_users) takes them, if nothing is wrong.
      type: list
      elements: dict
      sample:
        - alias: billing
          total_limit: 1000
          hourly_limit: 100
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._model import LIMITS
from ansible_collections.sendclean.email.plugins.module_utils._options import (
    renaming_problems,
    shown,
    text_problem,
    twin_problem,
    twins,
)

NAMES = ("alias", "smtp_user_name")
FIELDS = (*NAMES, "state", *LIMITS, "renamed_from")


def checked_users(users: Any, defaults: Any, omit: Any) -> dict[str, list[Any]]:
    """Return the users, each with the default limits that it does not give, and a message for each thing that is wrong."""
    wanted, problems = [], []
    limits = given(defaults, omit) if isinstance(defaults, Mapping) else {}
    if isinstance(users, (list, tuple)):
        for index, entry in enumerate(users):
            place = f"smtp_users_list[{index}]"
            if isinstance(entry, Mapping):
                user = given(entry, omit)
                problems += [*unknown_keys(place, user, FIELDS), *wrong_names(place, user)]
                problems += [*wrong_state(place, user), *wrong_limits(place, user)]
                wanted.append({**limits, **user})
            else:
                problems.append(f"{place} must be a mapping, such as {{alias: billing}}")
        problems += twin_aliases(wanted)
    else:
        problems.append("smtp_users_list must be a list of users")
    if isinstance(defaults, Mapping):
        problems += [*unknown_keys("smtp_users_defaults", limits, LIMITS), *wrong_limits("smtp_users_defaults", limits)]
    else:
        problems.append("smtp_users_defaults must be a mapping, such as {total_limit: 1000, hourly_limit: 100}")
    return {"problems": problems, "users": wanted}


def given(entry: Mapping[str, Any], omit: Any) -> dict[str, Any]:
    """Return an entry without the keys that are omitted or null. Before ansible-core 2.19 ``omit`` is a string, not an object."""
    return {key: value for key, value in entry.items() if value is not None and value != omit}


def unknown_keys(place: str, entry: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    """Say which keys there are not."""
    for key in entry:
        if key not in known:
            yield f"{place}.{key} is unknown: there are {', '.join(known)}"


def wrong_names(place: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Say which names are no names, and if there is none."""
    names = {name: entry[name] for name in NAMES if name in entry}
    for name, value in names.items():
        yield from map(str, text_problem(f"{place}.{name}", value))
    if not names:
        yield f"{place} needs an alias or a smtp_user_name"
    if "renamed_from" in entry:
        yield from map(str, renaming_problems(f"{place}.renamed_from", entry["renamed_from"], entry.get("alias")))


def twin_aliases(users: list[dict[str, Any]]) -> Iterator[str]:
    """Say which aliases look the same and are not."""
    aliases = [user["alias"] for user in users if isinstance(user.get("alias"), str)]
    for alias, other in twins(aliases).items():
        yield str(twin_problem("smtp_users_list", alias, other))


def wrong_state(place: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Say if the state is none."""
    state = entry.get("state", "present")
    if state not in ("present", "absent"):
        yield f"{place}.state must be present or absent, not {shown(state)}"


def wrong_limits(place: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Say which limits the module would not take. Before ansible-core 2.19 a template gives text, even for a number."""
    for name in LIMITS:
        value = entry.get(name)
        text = str(value) if isinstance(value, (int, str)) else ""
        if value is not None and not re.fullmatch(r"\s*0*[1-9][0-9]*\s*", text, re.ASCII):
            yield f"{place}.{name} must be a positive integer, not {shown(value)}"


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"checked_users": checked_users}
