# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that write and take away reports, through the role's real action."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.plugin_utils._overview import row_of
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.pages import ACTIONS
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.steps import FAILED, Step

NO_ACTION = dict.fromkeys(ACTIONS, 0)


def test_a_page_is_written_where_there_is_something_to_tell(step: Step, tmp_path: Path) -> None:
    place = tmp_path / "plan.html"
    assert step("page", report_path=str(place))[0]["skipped"]
    assert step("page", result=FAILED)[0]["skipped"]
    result, calls = step("page", result={**FAILED, "msg": ["<wrong>"]}, report_path=str(place), list="{{ nowhere }}")
    assert (result["changed"], calls) == (False, [])
    assert "&lt;wrong&gt;" in place.read_text(encoding="utf-8")


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
        step("page", **{"result": done, "report_path": f"{tmp_path}/plan.md", **variables})
        text = (tmp_path / "plan.md").read_text(encoding="utf-8")
        assert f"| Owner ID | `{owner_id}` |" in text
        assert ("− disabled |" in text, "− disabled, not in the list" in text) == (is_listed, not is_listed)


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


def test_a_link_to_a_report_stays_a_link(step: Step, tmp_path: Path) -> None:
    place, link = tmp_path / "pages" / "plan.md", tmp_path / "plan.md"
    place.parent.mkdir()
    link.symlink_to("pages/plan.md")
    for _time in range(2):
        assert step("page", result=FAILED, report_path=str(link))[0]["row"]["page"] == str(link)
        assert link.is_symlink() and "no answer" in place.read_text(encoding="utf-8")
    for _time in range(2):
        assert step("clear", report_path=str(link))[0]["changed"] is False
        assert link.is_symlink() and not place.exists()


def test_a_report_that_is_mounted_by_itself_is_told_what_to_do(
    step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "plan.md"
    place.write_text("an older one", encoding="utf-8")

    def busy(*_paths: str) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(os, "replace", busy)
    told = step("page", result=FAILED, report_path=str(place))[0]
    assert told["msg"].startswith(f"smtp_users_report_path cannot be written: {place}: {os.strerror(errno.EBUSY)}. ")
    assert told["msg"].endswith("Mount its folder")
    assert ([*tmp_path.iterdir()], place.read_text(encoding="utf-8")) == ([place], "an older one")


def test_what_cannot_be_taken_away_is_told(step: Step, tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    result, _calls = step("clear", overview_path=f"{tmp_path}/folder.md")
    assert result["failed"]
    assert result["msg"].startswith("smtp_users_overview_path cannot be taken away: ") and "folder.md" in result["msg"]


def test_the_row_of_an_account_is_there_whatever_becomes_of_its_report(step: Step, tmp_path: Path) -> None:
    place, nowhere, all_accounts = f"{tmp_path}/plan.md", f"{tmp_path}/nowhere/plan.md", f"{tmp_path}/all.json"
    done = {"changed": False, "smtp_users": [], "summary": NO_ACTION}
    cases: list[tuple[dict[str, Any], str, str | None, str]] = [
        ({"report_path": place}, "", place, "in_order"),
        (
            {"report_path": nowhere},
            f"smtp_users_report_path cannot be written: {nowhere}: No such file or directory",
            None,
            "in_order",
        ),
        ({}, "", None, "in_order"),
        ({"result": FAILED}, "", None, "failed"),
        ({"report_path": "plan.md"}, "smtp_users_report_path must be an absolute path, not plan.md", None, "in_order"),
        ({"credentials_result": FAILED}, "", None, "failed"),
    ]
    for variables, problem, page, state in cases:
        result, _calls = step("page", **{"result": done, "overview_path": all_accounts, **variables})
        assert (result["row"]["page"], result["row"]["state"]) == (page, state)
        assert result["overview_path"] == all_accounts
        assert (result.get("failed", False), problem in str(result.get("msg", ""))) == (bool(problem), True)
        assert (tmp_path / "plan.md").exists() == (page is not None)
        (tmp_path / "plan.md").unlink(missing_ok=True)
    wrong, _calls = step("page", result=FAILED, overview_path="all.json")
    assert (wrong["failed"], wrong["overview_path"], wrong["row"]["why"]) == (True, None, "no answer")


def known(host: str, path: str | None, **row: Any) -> dict[str, Any]:
    """What a host has registered."""
    return {"__smtp_users_page": {"row": row_of(host, FAILED, True) | row, "overview_path": path, "play": ""}}


def overviews(step: Step, folder: Path, hosts: dict[str, Any]) -> dict[str, list[str]]:
    """Return whom each overview has that is written into a folder."""
    everyone = {"hostvars": hosts, "ansible_play_hosts_all": [*hosts, "unheard_of"]}
    result, calls = step("overview", check=True, raw=everyone)
    found = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir()}
    assert (result, calls) == ({"changed": False} if found else {"skipped": True}, [])
    for name in found:
        (folder / name).unlink()
    return {name: [account["account"] for account in content["accounts"]] for name, content in found.items()}


def test_the_overview_has_all_accounts_of_the_play(step: Step, tmp_path: Path) -> None:
    place = f"{tmp_path}/all.json"
    everybody = {"b": known("b", place), "a": known("a", place), "c": {}}
    assert overviews(step, tmp_path, everybody) == {"all.json": ["a", "b", "c", "unheard_of"]}
    # What another play has registered is not of this one.
    stale = {"__smtp_users_page": {**known("a", place)["__smtp_users_page"], "play": "another"}}
    found = overviews(step, tmp_path, {"a": stale, "b": known("b", place, state="in_order")})
    assert found == {"all.json": ["a", "unheard_of", "b"]}
    two = {"a": known("a", f"{tmp_path}/a.json"), "b": known("b", f"{tmp_path}/b.json"), "c": known("c", None)}
    assert overviews(step, tmp_path, two) == {"a.json": ["a", "c", "unheard_of"], "b.json": ["b", "c", "unheard_of"]}
    assert overviews(step, tmp_path, {"a": known("a", None), "b": {}}) == {}


def test_an_overview_says_what_the_run_was_limited_to_and_one_that_cannot_be_written_fails(step: Step, tmp_path: Path) -> None:
    place = tmp_path / "all.json"
    variables = {"hostvars": {"a": known("a", str(place))}, "ansible_play_hosts_all": ["a"], "ansible_limit": "a"}
    step("overview", raw=variables)
    assert json.loads(place.read_text(encoding="utf-8"))["limit"] == "a"
    place.unlink()
    place.mkdir()
    result, _calls = step("overview", raw=variables)
    assert (result["failed"], result["msg"]) == (True, f"smtp_users_overview_path cannot be written: {place}: Is a directory")
    assert list(tmp_path.iterdir()) == [place]


def test_two_accounts_with_one_report_are_told(step: Step, tmp_path: Path) -> None:
    """With and without an overview, which is written all the same."""
    page, place = str(tmp_path / "plan.html"), tmp_path / "all.json"
    for path in (None, str(place)):
        hosts = {host: known(host, path, page=page) for host in ("b", "a")} | {host: known(host, path) for host in ("c", "d")}
        result, _calls = step("overview", raw={"hostvars": hosts, "ansible_play_hosts_all": [*hosts]})
        assert result["failed"]
        assert result["msg"].startswith(
            "smtp_users_report_path is the same for a, b, so that one report has replaced the other: "
        )
        assert place.exists() == (path is not None)
    # Of another play, which may well write it anew.
    hosts["a"]["__smtp_users_page"]["play"] = "another"
    assert step("overview", raw={"hostvars": hosts, "ansible_play_hosts_all": [*hosts]})[0] == {"changed": False}


def test_a_later_batch_leaves_the_overview_of_earlier_ones(step: Step, tmp_path: Path) -> None:
    place = tmp_path / "all.md"
    place.touch()
    before = {"hostvars": {"a": known("a", str(place))}, "ansible_play_hosts_all": ["a", "b"]}
    assert step("clear", overview_path=str(place), raw=before)[0]["skipped"]
    assert place.exists()
    assert step("clear", overview_path=str(place), raw={**before, "hostvars": {"a": {}}})[0] == {"changed": False}
    assert not place.exists()


def test_a_report_takes_the_place_of_an_older_one_as_a_whole_and_all_may_read_it(step: Step, tmp_path: Path) -> None:
    """In a dry run, too. Who reads meanwhile has the old one; a name with which no text can be written does not matter."""
    place = tmp_path / "plan.md"
    place.write_text("old", encoding="utf-8")
    place.chmod(0o600)
    with place.open(encoding="utf-8") as reader:
        step("page", check=True, result={**FAILED, "msg": "\ud800"}, report_path=str(place))
        assert reader.read() == "old"
    assert "\\ud800" in place.read_text(encoding="utf-8")
    assert place.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [place]
