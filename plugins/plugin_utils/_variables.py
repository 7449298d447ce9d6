# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the role that a task sees, with the place of the bindings that follows from them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._errors import RoleError
from ansible_collections.sendclean.email.plugins.plugin_utils import _role
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode

_BINDINGS_PATH, _BINDINGS_URL = "smtp_users_bindings_path", "smtp_users_bindings_url"
# Where the path is not given.
_DEFAULT_PLACE = "__smtp_users_bindings_default"


def looked_at(node: ControlNode, kinds: Mapping[str, _role.Kind]) -> tuple[dict[str, Any], list[str]]:
    """Return the variables that are given, and all that is wrong, also with the place of the bindings."""
    given = node.given(_role.PREFIX + name for name in kinds)
    values, problems = _with_bindings(node, given, kinds) if "bindings_path" in kinds else _role.converted(given, kinds)
    return values, [*problems, *_role.report_problems(values)]


def _with_bindings(node: ControlNode, given: dict[str, Any], kinds: Mapping[str, _role.Kind]) -> tuple[dict[str, Any], list[str]]:
    """Return the same, with the place of the bindings among what is given, or taken away from it."""
    # That of defaults/main.yml is nobody's choice: a database comes before it.
    chosen = _BINDINGS_PATH in given and node.variables[_BINDINGS_PATH] != f"{{{{ {_DEFAULT_PLACE} }}}}"
    has_url = _has_url(node)
    if not chosen:
        given.pop(_BINDINGS_PATH, None)
        if has_url or os.environ.get("SENDCLEAN_BINDINGS_URL"):
            return _role.converted(given, kinds)
        default = node.given([_DEFAULT_PLACE]).get(_DEFAULT_PLACE)
        given |= {_BINDINGS_PATH: default} if default else {}
    values, problems = _role.converted(given, kinds)
    if has_url:
        values.pop("bindings_path", None)
        problems.append(f"{_BINDINGS_URL} and {_BINDINGS_PATH} exclude each other: give one of the two")
    elif "bindings_path" in values or _BINDINGS_PATH not in given:
        sources = node.given(["ansible_inventory_sources"]).get("ansible_inventory_sources", [])
        problems += _role.place_problems(values.get("bindings_path"), str(node.variables["inventory_hostname"]), sources)
    return values, problems


def _has_url(node: ControlNode) -> bool:
    """Say whether there is a database, be it that its variable has a mistake: that is told where it is looked at."""
    try:
        return bool(node.given([_BINDINGS_URL]))
    except RoleError:
        return True
