# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a step of the role looks at before it does anything: all its variables, and all that is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._errors import RoleError
from ansible_collections.sendclean.email.plugins.plugin_utils import _role
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode

_BINDINGS_PATH, _BINDINGS_URL = "smtp_users_bindings_path", "smtp_users_bindings_url"
# Where the path is not given.
_DEFAULT_PLACE = "__smtp_users_bindings_default"


def main_of(node: ControlNode) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the variables of the entry point main, and the options that say which users are wanted."""
    values, problems = looked_at(node, _role.MAIN)
    options, wrong = _role.users_of(values, node.omit)
    refuse([*wrong, *problems, *_role.approval_problems(values)])
    return values, options


def chosen_in(node: ControlNode) -> dict[str, Any]:
    """Return the variables of the entry point rotate."""
    values, problems = looked_at(node, _role.ROTATE)
    blank = {name for name in _role.CHOICES if _role.PREFIX + name in node.variables and name not in values}
    refuse([*([] if problems else _role.choice_problems(values, blank)), *problems])
    if "rotate_deploy_tasks" in values:
        node.require_tasks("smtp_users_rotate_deploy_tasks", values["rotate_deploy_tasks"])
    return values


def values_of(node: ControlNode, kinds: Mapping[str, _role.Kind]) -> dict[str, Any]:
    """Return the variables that are given. Raises RoleError with all that is wrong."""
    values, problems = looked_at(node, kinds)
    refuse(problems)
    return values


def tried(node: ControlNode, kinds: Mapping[str, _role.Kind]) -> tuple[dict[str, Any], list[str]]:
    """Return the variables that are given, and what is wrong, for a step that goes on all the same."""
    try:
        return looked_at(node, kinds)
    except RoleError as error:
        return {}, error.problems


def looked_at(node: ControlNode, kinds: Mapping[str, _role.Kind]) -> tuple[dict[str, Any], list[str]]:
    """Return the variables that are given, and all that is wrong, also with the place of the bindings."""
    names = (_role.PREFIX + name for name in kinds)
    # The default of the path is evaluated with the places, and only there: it takes longer than all others.
    given = node.given(name for name in names if name != _BINDINGS_PATH or not _is_default(node))
    problems = list(_places(node, given)) if "bindings_path" in kinds else []
    values, wrong = _role.converted(given, kinds)
    if "bindings_path" in values:
        sources = node.given(["ansible_inventory_sources"]).get("ansible_inventory_sources", [])
        problems += _role.place_problems(values["bindings_path"], host_of(node), sources)
    return values, [*wrong, *problems, *_role.report_problems(values)]


def _places(node: ControlNode, given: dict[str, Any]) -> Iterator[str]:
    """Leave in ``given`` one place of the bindings at most, and yield what is wrong with them."""
    has_url = _has_url(node)
    if _BINDINGS_PATH in given:
        if has_url:
            del given[_BINDINGS_PATH]
            yield f"{_BINDINGS_URL} and {_BINDINGS_PATH} exclude each other: give one of the two"
        return
    if has_url or os.environ.get("SENDCLEAN_BINDINGS_URL"):
        return
    default = node.given([_DEFAULT_PLACE]).get(_DEFAULT_PLACE)
    if default:
        given[_BINDINGS_PATH] = default
    else:
        yield from _role.place_problems(None, host_of(node), [])


def _is_default(node: ControlNode) -> bool:
    """Say whether the path is that of defaults/main.yml, which is nobody's choice: a database comes before it."""
    return bool(node.variables.get(_BINDINGS_PATH) == f"{{{{ {_DEFAULT_PLACE} }}}}")


def _has_url(node: ControlNode) -> bool:
    """Say whether there is a database, be it that its variable has a mistake: that is told where it is looked at."""
    try:
        return bool(node.given([_BINDINGS_URL]))
    except RoleError:
        return True


def host_of(node: ControlNode) -> str:
    return str(node.variables["inventory_hostname"])


def refuse(problems: list[str]) -> None:
    if problems:
        raise RoleError(problems)
