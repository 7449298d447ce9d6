# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files of tasks may deliver, by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.vars.manager import VariableManager
from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.steps import action_with

# In a process that is not Ansible's own, nothing is found in ansible.builtin.
DELIVER: dict[str, Any] = {"debug": {"msg": "delivered"}}


@pytest.mark.parametrize(
    ("handlers", "tasks", "told"),
    [
        ([], [{**DELIVER, "notify": "restart"}], "notifies restart, and the play has no handlers"),
        ([], [{**DELIVER, "notify": ["restart", "tell"]}], "notifies restart, tell, and the play has no handlers"),
        ([{"name": "restart", **DELIVER}], [{**DELIVER, "notify": "restart"}], None),
        ([], [{**DELIVER, "notify": "restart"}, {"include_role": {"name": "web"}}], None),
        ([], [{**DELIVER, "when": "x is changed"}], None),
    ],
)
def test_what_notifies_needs_a_play_with_handlers(handlers: Any, tasks: Any, told: str | None, tmp_path: Path) -> None:
    place = tmp_path / "deploy.yml"
    place.write_text(yaml.safe_dump(tasks), encoding="utf-8")
    action, known = action_with({}, {})
    data = {"name": "Rotate", "hosts": "all", "handlers": handlers}
    play = Play.load(data, loader=DataLoader(), variable_manager=VariableManager())
    action._task._parent = Block(play=play)
    node = ControlNode(action, known)
    if told is None:
        node.require_tasks("an_option", str(place))
    else:
        with pytest.raises(OptionError) as caught:
            node.require_tasks("an_option", str(place))
        assert str(caught.value) == f"an_option {told}: {place}. Use when, with what is changed"


def test_what_is_imported_lies_beside_and_is_looked_at_too(tmp_path: Path) -> None:
    place = tmp_path / "deploy.yml"
    place.write_text(yaml.safe_dump([DELIVER, {"import_tasks": "more.yml"}]), encoding="utf-8")
    (tmp_path / "more.yml").write_text(yaml.safe_dump([{"meta": "end_play"}]), encoding="utf-8")
    action, known = action_with({}, {})
    action._task._variable_manager = variables = VariableManager(DataLoader())
    action._task._parent = Block(play=Play.load({"hosts": "all"}, loader=DataLoader(), variable_manager=variables))
    with pytest.raises(OptionError) as caught:
        ControlNode(action, known).require_tasks("an_option", str(place))
    assert str(caught.value) == (
        f"an_option has meta: end_play, which keeps all that follows from being done: {place}. Use when instead"
    )
