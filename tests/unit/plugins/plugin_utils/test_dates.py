# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where there are dates in a task's options. How that looks in a playbook is seen in tests/integration/test_values.py."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import normal
from ansible_collections.sendclean.email.plugins.plugin_utils._dates import ActionModule, unspeakable

DAY = datetime.date(2026, 1, 31)


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ({"alias": DAY}, ["alias"]),
        ({"alias": datetime.datetime(2026, 1, 31, 10)}, ["alias"]),
        ({"users": [{"alias": "a"}, {"alias": DAY, "renamed_from": DAY}]}, ["users[1].alias", "users[1].renamed_from"]),
        ({"purge_exclude": ["a", DAY], "bindings": {"a": DAY}}, ["purge_exclude[1]", "bindings.a"]),
        ({"alias": "2026-01-31", "total_limit": 5, "users": [], "state": None, "purge": True}, []),
    ],
)
def test_dates_are_found_with_their_places(value: Any, places: list[str]) -> None:
    assert list(unspeakable("", value)) == [f"{place} is a date in YAML: put it in quotes" for place in places]


@pytest.mark.parametrize("name", [True, None, 7, 1.5, DAY])
def test_names_that_are_no_text_are_found(name: Any) -> None:
    """JSON makes "true", "null", "7" of them, which would be an alias."""
    assert list(unspeakable("", {"bindings": {name: "smtp1", "a": "smtp2"}})) == [
        f"bindings.{name} has a name that is no string: put it in quotes"
    ]


def test_with_a_date_no_module_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[Any, ...]] = []
    monkeypatch.setattr(normal.ActionModule, "run", lambda action, *arguments: [ran.append(arguments), {"changed": True}][1])
    task = SimpleNamespace(args={"alias": DAY, "users": [DAY]}, async_val=0)
    action = ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)), None, DataLoader(), None, None)
    assert action.run(None, {"a": 1}) == {
        "failed": True,
        "msg": "alias is a date in YAML: put it in quotes\nusers[0] is a date in YAML: put it in quotes",
    }
    assert ran == []
    task.args = {"alias": "2026-01-31"}
    assert action.run("folder", {"a": 1}) == {"changed": True}
    assert ran == [("folder", {"a": 1})]
