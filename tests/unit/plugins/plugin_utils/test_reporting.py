# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that write and take away reports, through the role's real action."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.plugin_utils import _reporting
from ansible_collections.sendclean.email.plugins.plugin_utils._overview import row_of
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.pages import ACTIONS
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.steps import FAILED, Step

NO_ACTION = dict.fromkeys(ACTIONS, 0)


def test_a_page_is_written_where_there_is_something_to_tell(step: Step, tmp_path: Path) -> None:
    place = tmp_path / "plan.html"
    assert step("page", report_path=str(place))[0]["skipped"]
    assert step("page", result=FAILED)[0]["skipped"]
    result, ((module, options),) = step(
        "page", {"copy": {"changed": True}}, result={**FAILED, "msg": ["<wrong>"]}, report_path=str(place), list="{{ nowhere }}"
    )
    assert (module, options["dest"], result["changed"]) == ("copy", str(place), False)
    assert "&lt;wrong&gt;" in options["content"]


def test_a_page_tells_of_the_variables_what_makes_sense(step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDCLEAN_OWNER_ID", "4712")
    row = {"alias": "shop", "smtp_user_name": "smtp1", "status": "Enable", "total_limit": 5, "hourly_limit": 1}
    off = {**row, "status": "Disable"}
    done = {
        "changed": True,
        "smtp_users": [{**off, "action": "disabled", "password_age_days": None}],
        "summary": {**NO_ACTION, "disabled": 1},
        "diff": [{"before": row, "after": off}],
    }
    for variables, owner_id, is_listed in (
        ({"list": [{"alias": "shop"}], "owner_id": 4711}, "4711", True),
        ({"list": "{{ nowhere }}", "owner_id": 4711}, "4711", False),
        ({"list": []}, "4712", False),
    ):
        given = {"result": done, "report_path": f"{tmp_path}/plan.md", **variables}
        _result, ((_module, options),) = step("page", {"copy": {"changed": True}}, **given)
        assert f"| Owner ID | `{owner_id}` |" in options["content"]
        assert ("− disabled |" in options["content"], "− disabled, not in the list" in options["content"]) == (
            is_listed,
            not is_listed,
        )


def test_the_page_of_an_earlier_run_is_taken_away(step: Step, tmp_path: Path) -> None:
    place = tmp_path / "plan.html"
    place.touch()
    assert step("clear")[0]["skipped"]
    # What is wrong is told by the step that has all variables.
    assert step("clear", report_path="plan.html")[0]["skipped"]
    assert step("clear", report_path="{{ nowhere }}")[0]["skipped"]
    assert place.exists()
    for _time in range(2):
        assert step("clear", check=True, report_path=str(place))[0]["changed"] is False
        assert not place.exists()


def test_what_cannot_be_taken_away_is_told(step: Step, tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    result, _calls = step("clear", overview_path=f"{tmp_path}/folder.md")
    assert result["failed"]
    assert result["msg"].startswith("smtp_users_overview_path cannot be taken away: ") and "folder.md" in result["msg"]


def test_the_row_of_an_account_is_there_whatever_becomes_of_its_report(step: Step, tmp_path: Path) -> None:
    place, all_accounts = f"{tmp_path}/plan.md", f"{tmp_path}/all.json"
    done = {"changed": False, "smtp_users": [], "summary": NO_ACTION}
    cases: list[tuple[dict[str, Any], Any, str | None, str]] = [
        ({"report_path": place}, {"changed": True}, place, "in_order"),
        ({"report_path": place}, FAILED, None, "in_order"),
        ({}, {"changed": True}, None, "in_order"),
        ({"result": FAILED}, {"changed": True}, None, "failed"),
        ({"report_path": "plan.md"}, {"changed": True}, None, "in_order"),
        ({"credentials_result": FAILED}, {"changed": True}, None, "failed"),
    ]
    for variables, copied, page, state in cases:
        given = {"result": done, "overview_path": all_accounts, **variables}
        result, calls = step("page", {"copy": copied}, **given)
        assert (result["row"]["page"], result["row"]["state"]) == (page, state)
        assert result["overview_path"] == all_accounts
        assert result.get("failed", False) == (copied is FAILED or variables.get("report_path") == "plan.md")
        assert len(calls) == ("report_path" in variables and variables["report_path"] == place)
    wrong, _calls = step("page", result=FAILED, overview_path="all.json")
    assert (wrong["failed"], wrong["overview_path"], wrong["row"]["why"]) == (True, None, "no answer")


def known(host: str, path: str | None = "/srv/all.json", **row: Any) -> dict[str, Any]:
    """What a host has registered."""
    return {"__smtp_users_page": {"row": row_of(host, FAILED, True) | row, "overview_path": path, "play": ""}}


def overviews(step: Step, hosts: dict[str, Any], **variables: Any) -> dict[str, list[str]]:
    """Return whom each overview has that is written."""
    everyone = {"hostvars": hosts, "ansible_play_hosts_all": [*hosts, "unheard_of"], **variables}
    _result, calls = step("overview", {"copy": {"changed": True}}, check=True, raw=everyone)
    found = [(options["dest"], json.loads(options["content"])) for _module, options in calls]
    return {dest: [account["account"] for account in content["accounts"]] for dest, content in found}


def test_the_overview_has_all_accounts_of_the_play(step: Step) -> None:
    assert overviews(step, {"b": known("b"), "a": known("a"), "c": {}}) == {"/srv/all.json": ["a", "b", "c", "unheard_of"]}
    # What another play has registered is not of this one.
    stale = {"__smtp_users_page": {**known("a")["__smtp_users_page"], "play": "another"}}
    assert overviews(step, {"a": stale, "b": known("b", state="in_order")}) == {"/srv/all.json": ["a", "unheard_of", "b"]}
    two = {"a": known("a", "/srv/a.json"), "b": known("b", "/srv/b.json"), "c": known("c", None)}
    assert overviews(step, two) == {"/srv/a.json": ["a", "c", "unheard_of"], "/srv/b.json": ["b", "c", "unheard_of"]}
    assert overviews(step, {"a": known("a", None), "b": {}}) == {}


def test_an_overview_that_cannot_be_written_fails(step: Step) -> None:
    variables = {"hostvars": {"a": known("a")}, "ansible_play_hosts_all": ["a"], "ansible_limit": "a"}
    result, ((_module, options),) = step("overview", {"copy": FAILED}, raw=variables)
    assert (result["failed"], result["msg"]) == (True, "no answer")
    assert json.loads(options["content"])["limit"] == "a"


def test_a_later_batch_leaves_the_overview_of_earlier_ones(step: Step, tmp_path: Path) -> None:
    place = tmp_path / "all.md"
    place.touch()
    before = {"hostvars": {"a": known("a")}, "ansible_play_hosts_all": ["a", "b"]}
    assert step("clear", overview_path=str(place), raw=before)[0]["skipped"]
    assert place.exists()
    assert step("clear", overview_path=str(place), raw={**before, "hostvars": {"a": {}}})[0] == {"changed": False}
    assert not place.exists()


def test_a_report_is_written_also_by_a_dry_run_and_shows_no_difference() -> None:
    calls: list[Any] = []
    node: Any = SimpleNamespace(run=lambda name, arguments, **keywords: calls.append((name, arguments, keywords)))
    _reporting._write(node, "/srv/p.md", "text")
    arguments = {"content": "text", "dest": "/srv/p.md", "mode": "0644"}
    assert calls == [("ansible.builtin.copy", arguments, {"check_mode": False, "diff": False})]
