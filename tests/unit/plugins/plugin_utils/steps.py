# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's action as Ansible makes it, with modules that answer as they are told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.plugins import loader as plugins
from ansible.template import Templar
from ansible_collections.sendclean.email.plugins.action._smtp_users import ActionModule
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode

try:
    from ansible.template import trust_as_template

    OMIT = {}
except ImportError:
    # Before ansible-core 2.19 every text is trusted, and omit is a variable.
    OMIT = {"omit": "__omit_place_holder__01"}

    def trust_as_template(value: str) -> str:
        """Return the text as it is."""
        return value


Answers = Mapping[str, Any]
Calls = list[tuple[str, dict[str, Any]]]
Step = Callable[..., "tuple[dict[str, Any], Calls]"]

FAILED = {"failed": True, "msg": "no answer"}


def action_with(arguments: dict[str, Any], variables: dict[str, Any], check: bool = False) -> tuple[ActionModule, dict[str, Any]]:
    """Return the role's action as Ansible makes it, and the variables of its task."""
    loader = DataLoader()
    known = {name: trust_as_template(value) if isinstance(value, str) else value for name, value in variables.items()}
    task = Task.load({"action": "sendclean.email._smtp_users", "check_mode": check}, loader=loader)
    task.args = arguments
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None, env_prefix=lambda **variables: ""))
    return ActionModule(task, connection, None, loader, Templar(loader, variables=known), plugins), known


def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Return the fixture: step("enforce", {module: result}, …) returns the result, and what was run.

    A variable that is None is not given; ``raw`` are others than the role's.
    """

    def run(
        name: str, answers: Answers | None = None, check: bool = False, raw: Answers | None = None, **variables: Any
    ) -> tuple[dict[str, Any], Calls]:
        calls: Calls = []
        given = {f"smtp_users_{key}": value for key, value in {"token": "a token", **variables}.items()}
        given |= {
            "inventory_hostname": "production",
            "__smtp_users_bindings_default": f"{tmp_path}/bindings.json",
            **OMIT,
            **(raw or {}),
        }
        given["__smtp_users_beside"] = str(tmp_path)
        action, known = action_with({"step": name}, given, check)

        def answer(node: ControlNode, name: str, arguments: dict[str, Any], **keywords: Any) -> dict[str, Any]:
            kind = name.rpartition(".")[2]
            calls.append((kind, arguments))
            found = (answers or {}).get(kind, {"changed": False})
            result: dict[str, Any] = found.pop(0) if isinstance(found, list) else found
            return result

        with monkeypatch.context() as patch:
            patch.setattr(ControlNode, "run", answer)
            return action.run(task_vars=known), calls

    return run
