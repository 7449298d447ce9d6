# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the playbooks beside enforce, through the role's real action. Modules answer as they are told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.sendclean.email.plugins.plugin_utils import _steps
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, TOKEN, made
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.pages import ACTIONS
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.steps import FAILED, Step
from simulator import RunningServer, Service

ACCOUNT: dict[str, Any] = {
    "changed": False,
    "bindings": {},
    "standbys": {"news": {"smtp_user_name": "smtp7"}},
    "unclaimed": ["smtp2", "smtp3"],
    "known": [],
    "begun": {"more": {"smtp_user_names": ["smtp3"]}},
    "diff": {"before": {"bindings": {}}},
}
BOUND = {**ACCOUNT, "changed": True}
SECRET = VaultSecret(b"what opens the vault")


@pytest.fixture
def connection(tmp_path: Path) -> dict[str, Any]:
    """What each module is given of the account."""
    return {"token": "a token", "bindings_path": f"{tmp_path}/bindings.json"}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is shown to people."""
    texts: list[str] = []
    monkeypatch.setattr(ControlNode, "show", lambda node, text: texts.append(text))
    return texts


def exported(folder: Path, **variables: Any) -> str:
    """Write a vars file."""
    place = folder / "exported.yml"
    place.write_text(yaml.safe_dump(variables), encoding="utf-8")
    return str(place)


USERS = [{"alias": "billing", "smtp_user_name": "smtp1"}, {"alias": "news", "smtp_user_name": "smtp7"}]


@pytest.mark.parametrize("check", [False, True])
def test_aliases_are_bound_as_an_exported_list_has_them(
    check: bool, step: Step, connection: dict[str, Any], tmp_path: Path
) -> None:
    place = exported(tmp_path, smtp_users_list=USERS)
    result, calls = step("recover", {"smtp_bindings": [ACCOUNT, BOUND]}, check, recover_path=place)
    # Whom a rotation has replaced since stays so.
    bind = {**connection, "bindings": {"billing": "smtp1"}}
    assert calls == [("smtp_bindings", connection), ("smtp_bindings", bind)]
    assert result["changed"]
    assert result["told"] == [
        f"Bound{' (in the real run)' if check else ''}: billing = smtp1",
        "Left as they are, since what is given has their former users: news",
        "Nobody has claimed smtp2, smtp3",
    ]


def test_the_list_of_the_inventory_will_do_if_it_says_who_is_who(step: Step, connection: dict[str, Any]) -> None:
    assert step("recover", {"smtp_bindings": ACCOUNT}, list=USERS[:1])[1][1][1]["bindings"] == {"billing": "smtp1"}
    for users in ([{"alias": "billing"}], [], None):
        result, calls = step("recover", {"smtp_bindings": ACCOUNT}, list=users)
        assert result["msg"].startswith("smtp_users_credentials_file or smtp_users_recover_path must be given")
        assert calls == []


@pytest.mark.parametrize("variable", [None, "mail_credentials"])
def test_aliases_are_bound_as_the_credentials_file_has_them(
    variable: str | None, step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "credentials.yml"
    names = {"billing": "smtp1", "smtp2": "smtp2", "smtp3": "smtp3"}
    stored = {alias: {"smtp_user_name": name, "smtp_password": "secret"} for alias, name in names.items()}
    text = yaml.safe_dump({variable or "smtp_credentials": stored})
    place.write_bytes(VaultLib().encrypt(text, secret=SECRET))
    given = {"credentials_file": str(place), "credentials_variable": variable, "list": [{"alias": "smtp3"}]}

    result, calls = step("recover", {"smtp_bindings": ACCOUNT}, **given)
    assert result["msg"].startswith("There is no vault secret for smtp_users_credentials_file") and calls == []
    monkeypatch.setattr(_steps, "secrets_of", lambda *unused: [("default", SECRET)])
    result, calls = step("recover", {"smtp_bindings": [ACCOUNT, BOUND]}, **given)
    assert calls[1][1]["bindings"] == {"billing": "smtp1", "smtp3": "smtp3"}
    assert result["told"][1] == "Left out, since they had no alias: smtp2"
    other = {**given, "credentials_variable": "another"}
    assert step("recover", **other)[0]["msg"].startswith(
        f"smtp_users_credentials_file has no another: {place}. Check smtp_users_credentials_variable"
    )
    place.write_text(text, encoding="utf-8")
    assert step("recover", **given)[0]["msg"].startswith(
        f"smtp_users_credentials_file is there and is not encrypted as a whole: {place}"
    )
    place.unlink()
    assert step("recover", **given)[0]["msg"] == (
        f"smtp_users_credentials_file cannot be read: No such file or directory: {place}"
    )


@pytest.mark.parametrize("variables", [{}, {"smtp_users": USERS}, USERS])
def test_a_file_without_a_list_is_refused(variables: Any, step: Step, tmp_path: Path) -> None:
    place = tmp_path / "list.yml"
    place.write_text(yaml.safe_dump(variables), encoding="utf-8")
    result, calls = step("recover", recover_path=str(place))
    assert result["msg"] == f"smtp_users_recover_path has no smtp_users_list: {place}. Give one of sendclean.email.export"
    assert calls == []
    place.write_text("a: [", encoding="utf-8")
    assert step("recover", recover_path=str(place))[0]["msg"].startswith(
        f"smtp_users_recover_path cannot be read as YAML: {place}. Check the path"
    )


@pytest.mark.parametrize(("name", "variables"), [("recover", {"list": USERS}), ("acknowledge", {})])
def test_what_a_module_says_ends_the_step(name: str, variables: dict[str, Any], step: Step) -> None:
    for answers in ([FAILED], [ACCOUNT, FAILED]):
        result, calls = step(name, {"smtp_bindings": [*answers]}, **variables)
        assert (result, len(calls)) == (FAILED, len(answers))


@pytest.mark.parametrize("check", [False, True])
def test_who_is_nobodys_is_acknowledged(check: bool, step: Step, connection: dict[str, Any]) -> None:
    result, calls = step("acknowledge", {"smtp_bindings": [ACCOUNT, BOUND]}, check)
    assert calls == [("smtp_bindings", connection), ("smtp_bindings", {**connection, "acknowledge": ["smtp2"]})]
    assert result["changed"]
    would = " (in the real run)" if check else ""
    assert result["told"][0] == f"Acknowledged{would} as somebody else's: smtp2"
    assert result["told"][1].startswith("Left out, since a creation was begun that may have made them: smtp3")


def test_somebody_chosen_is_acknowledged_whatever_was_begun(step: Step) -> None:
    result, calls = step("acknowledge", {"smtp_bindings": [ACCOUNT, BOUND]}, acknowledge_names="smtp3")
    assert calls[1][1]["acknowledge"] == ["smtp3"]
    assert result["told"] == ["Acknowledged as somebody else's: smtp3"]
    # Blank, it is not everybody.
    for blank in ("", []):
        result, calls = step("acknowledge", {"smtp_bindings": ACCOUNT}, acknowledge_names=blank)
        assert result["msg"].startswith("smtp_users_acknowledge_names is empty") and calls == []
    settled = {**ACCOUNT, "unclaimed": [], "begun": {}}
    result, calls = step("acknowledge", {"smtp_bindings": [settled]})
    assert (result["told"], len(calls)) == (["Nobody is to be acknowledged"], 1)


PLAN = {"smtp_users_result": {"plan_checksum": "a1"}, "ansible_play_hosts_all": ["production", "other"]}


def test_a_dry_run_hands_on_which_plan_was_looked_at(step: Step) -> None:
    assert step("hand_on", raw=PLAN)[0] == {"skipped": True}
    known = {"production": "b2", "other": "b2", "elsewhere": "c3"}
    for variables, checksums in (
        ({}, {"production": "a1"}),
        ({"plan_checksums": known}, {"production": "a1", "elsewhere": "c3"}),
    ):
        result, _calls = step("hand_on", check=True, raw=PLAN, **variables)
        assert result == {
            "changed": False,
            "ansible_stats": {"data": {"smtp_users_plan_checksums": checksums}, "aggregate": True, "per_host": False},
        }
    nothing = {**PLAN, "smtp_users_result": FAILED}
    assert step("hand_on", check=True, raw=nothing)[0]["ansible_stats"]["data"] == {"smtp_users_plan_checksums": {}}
    del nothing["smtp_users_result"]
    assert step("hand_on", check=True, raw=nothing)[0]["ansible_stats"]["data"] == {"smtp_users_plan_checksums": {}}


# --- the doctor -----------------------------------------------------------------------------------------------


def test_the_doctor_looks_tells_and_writes_down(
    step: Step, service: Service, server: RunningServer, tmp_path: Path, shown: list[str]
) -> None:
    account = {"owner_id": OWNER, "token": TOKEN, "api_url": server.base_url, "requests_per_minute": "0"}
    raw = {"ansible_version": {"full": "2.19.0"}}
    result, calls = step("doctor", raw=raw, **account)
    assert (calls, made(service)) == ([], {"listSmtp": 1})
    assert (result["changed"], result["in_order"], result["verdict"]) == (False, True, "nothing needs a hand")
    assert result["page"].startswith("production: nothing needs a hand")
    assert result["versions"]["ansible-core"] == "2.19.0"
    assert step("judge", raw={"__smtp_users_doctor": result, "__smtp_users_doctor_report": {"rivals": {}}})[0] == {
        "changed": False
    }

    service.create_user(OWNER)
    wrong, _calls = step("doctor", raw=raw, **account)
    assert (wrong["in_order"], wrong["verdict"]) == (False, "1 thing needs a hand")
    assert step("tell", raw={"__smtp_users_doctor": wrong})[0] == {"changed": False}
    assert shown == [wrong["page"]]
    failed = {"__smtp_users_doctor": wrong, "__smtp_users_doctor_report": {"rivals": {}, "failure": "no disk"}}
    assert step("judge", raw=failed)[0]["msg"] == ["1 thing needs a hand: the page above says what to do", "no disk"]

    place = tmp_path / "report.json"
    hosts = {
        "b": {"__smtp_users_doctor": wrong},
        "a": {"__smtp_users_doctor": result},
        "c": {},
        "d": {"__smtp_users_doctor": FAILED},
    }
    play = {"hostvars": hosts, "ansible_play_hosts_all": ["b", "a", "c", "d"]}
    assert step("report", raw=play)[0] == {"changed": False, "rivals": {}, "skipped": True}
    assert not place.exists()
    assert step("report", raw={**play, "sendclean_doctor_report": str(place)})[0] == {"changed": False, "rivals": {}}
    text = place.read_text(encoding="utf-8")
    written = json.loads(text)
    assert text == json.dumps(written, indent=2, sort_keys=True) + "\n"
    assert written["accounts"] == [json.loads(json.dumps(each["report"])) for each in (result, wrong)]
    assert written["versions"] == result["versions"]


def test_a_report_that_cannot_be_written_is_a_failure_that_others_tell(step: Step, tmp_path: Path) -> None:
    play = {"hostvars": {"a": {}}, "ansible_play_hosts_all": ["a"]}
    other = tmp_path / "other.json"
    assert step("report", raw={**play, "sendclean_doctor_report": str(other)})[0] == {"changed": False, "rivals": {}}
    assert json.loads(other.read_text(encoding="utf-8"))["accounts"] == []
    other.write_bytes(b"caf\xe9")
    for place, told in (
        (str(other), "sendclean_doctor_report is there and is no report of the doctor"),
        (7, "sendclean_doctor_report must be"),
        (f"{tmp_path}/nowhere/r.json", f"sendclean_doctor_report cannot be written: {tmp_path}/nowhere/r.json: No such file"),
        (f"{tmp_path}/ansible_collections/an/other/r.json", f"sendclean_doctor_report is {tmp_path}"),
    ):
        result, _calls = step("report", raw={**play, "sendclean_doctor_report": place})
        assert (result["changed"], list(result)) == (False, ["changed", "rivals", "failure"])
        assert result["failure"].startswith(told)


# --- drift ----------------------------------------------------------------------------------------------------

IN_ORDER = {"changed": False, "smtp_users": [], "summary": dict.fromkeys(ACTIONS, 0)}
LIMITS = {"total_limit": 5, "hourly_limit": 1}
ROW = {"alias": "billing", "smtp_user_name": None, "action": "created", "standby_of": None, "status": "Enable", **LIMITS}
DRIFTED = {"changed": True, "smtp_users": [ROW], "summary": {**dict.fromkeys(ACTIONS, 0), "created": 1}}
KEPT = {"changed": False, "updated": []}


def test_an_account_is_compared_with_its_list_by_a_dry_run(step: Step, connection: dict[str, Any], tmp_path: Path) -> None:
    answers: dict[str, Any] = {"smtp_users": IN_ORDER, "smtp_credentials": KEPT}
    result, calls = step("drift", answers, list=[{"alias": "a"}], plan_checksum="0" * 64)
    # Whatever was approved.
    assert calls == [("smtp_users", {**connection, "users": [{"alias": "a"}], "include_passwords": False})]
    assert (result["changed"], result["problems"], result["row"]["state"]) == (False, [], "in_order")
    assert (result["overview_path"], result["play"]) == (None, "")

    result, calls = step("drift", {**answers, "smtp_users": DRIFTED}, list=[], credentials_file="/srv/c.yml")
    assert [name for name, _options in calls] == ["smtp_users", "smtp_credentials"]
    assert result["problems"] == [
        "is not as its list says: billing (created). Run sendclean.email.enforce, which does so, or change the list"
    ]
    assert (result["row"]["account"], result["row"]["state"], result["row"]["created"]) == ("production", "to_change", 1)
    place = tmp_path / "drift.json"
    result, _calls = step("drift", answers, list=[], report_path=str(place), overview_path=f"{place}l.md")
    assert json.loads(place.read_text(encoding="utf-8"))["state"] == "in_order"
    assert (result["row"]["page"], result["overview_path"]) == (str(place), f"{place}l.md")


def test_what_cannot_be_compared_has_drifted(step: Step, tmp_path: Path) -> None:
    result, calls = step("drift", {"smtp_users": FAILED}, list=[], credentials_file="/srv/c.yml")
    assert [name for name, _options in calls] == ["smtp_users"]
    assert (result["problems"], result["row"]["state"]) == (["no answer"], "failed")
    result, calls = step("drift", {}, list=[{"alias": 7}], token=5)
    assert calls == []
    assert [problem.split()[0] for problem in result["problems"]] == ["smtp_users_list[0].alias", "smtp_users_token"]
    result, _calls = step("drift", {"smtp_users": IN_ORDER, "smtp_credentials": FAILED}, list=[], credentials_file="/srv/c.yml")
    assert (result["problems"], result["row"]["state"]) == (["no answer"], "failed")
    # A report that cannot be written is one problem more.
    result, _calls = step("drift", {"smtp_users": DRIFTED}, list=[], report_path=f"{tmp_path}/nowhere/drift.md")
    assert (len(result["problems"]), result["problems"][1].partition(":")[0]) == (2, "smtp_users_report_path cannot be written")


def test_the_accounts_that_were_compared_are_shown_and_those_that_have_drifted_fail(step: Step, shown: list[str]) -> None:
    hosts = {}
    for host, answer in (("a", DRIFTED), ("b", IN_ORDER), ("z", IN_ORDER)):
        found = step("drift", {"smtp_users": answer}, list=[])[0]
        hosts[host] = {"__smtp_users_page": {**found, "row": {**found["row"], "account": host}}}
    hosts["elsewhere"] = hosts.pop("z")
    play = {"hostvars": hosts, "ansible_play_hosts_all": ["a", "b", "broken", "later"], "ansible_play_batch": ["b", "broken"]}
    assert step("table", raw=play)[0] == {"changed": False}
    accounts = [line.split()[0] for line in shown[0].splitlines()]
    # Not of other plays, and not of whom a later batch is to look at.
    assert {"a", "b", "broken"} <= {*accounts} and not {"elsewhere", "later"} & {*accounts}
    assert step("judge_drift", raw=hosts["b"])[0] == {"changed": False}
    assert step("judge_drift", raw=hosts["a"])[0]["msg"] == hosts["a"]["__smtp_users_page"]["problems"]


@pytest.mark.parametrize("name", ["judge_drift", "tell", "judge"])
@pytest.mark.parametrize("found", [None, {"skipped": True, "changed": False}])
def test_what_was_left_out_is_told_by_who_needs_it(name: str, found: Any, step: Step) -> None:
    raw = {"__smtp_users_page": found, "__smtp_users_doctor": found, "__smtp_users_doctor_report": found} if found else {}
    result, _calls = step(name, raw=raw)
    assert result["failed"] and result["msg"] == ["a task before this one was left out, as with --step: run all of them"]


def test_a_run_that_has_compared_nobody_is_refused(step: Step) -> None:
    compared = {"__smtp_users_page": step("drift", {"smtp_users": IN_ORDER}, list=[])[0]}
    enforced = {"__smtp_users_page": step("page", result=IN_ORDER, report_path="")[0]}
    hosts = {"a": enforced, "b": {}, "c": compared, "d": {"__smtp_users_page": {"skipped": True}}}
    play = {"hostvars": hosts, "groups": {"all": [*hosts]}}
    assert step("anybody", raw=play)[0] == {"changed": False}
    result, _calls = step("anybody", raw={**play, "groups": {"all": ["a", "b", "d"]}})
    assert result["msg"].startswith("sendclean_hosts names no host of the inventory")


def test_a_row_that_is_another_hosts_is_nobodys(step: Step, shown: list[str]) -> None:
    """So run_once registers it."""
    found = {"__smtp_users_page": step("drift", {"smtp_users": IN_ORDER}, list=[])[0]}
    both = ["another", "production"]
    play = {"hostvars": dict.fromkeys(both, found), "ansible_play_hosts_all": both, "ansible_play_batch": both}
    step("table", raw=play)
    states = {line.split()[0]: "in order" in line for line in shown[0].splitlines()[1:-1]}
    assert states["production"] and not states["another"]


# --- moving house ---------------------------------------------------------------------------------------------


def test_bindings_move_where_they_are_told_to(step: Step, tmp_path: Path) -> None:
    source, target = tmp_path / "old.json", tmp_path / "new.json"
    accounts = {"https://api.sendclean.net/v1.0": {"4711": {"aliases": {"billing": "smtp1"}}}}
    source.write_text(json.dumps({"version": 1, "accounts": accounts}), encoding="utf-8")
    given = {"sendclean_from": str(source), "sendclean_to": str(target)}
    assert step("move", check=True, raw=given)[0]["changed"] and not target.exists()
    result, _calls = step("move", raw=given)
    assert (result["changed"], result["aliases"]) == (True, 1)
    assert json.loads(target.read_text(encoding="utf-8"))["accounts"] == accounts
    assert step("move")[0]["msg"] == [f"{name} must be given, as a path or a URL" for name in given]
    assert step("move", raw={"sendclean_to": str(target)})[0]["msg"] == ["sendclean_from must be given, as a path or a URL"]
    for wrong in (7, "postgresql://user:secret@db/x", f"{tmp_path}/ansible_collections/an/other/b.json"):
        result, _calls = step("move", raw={**given, "sendclean_to": wrong})
        assert result["failed"] and result["msg"].startswith("sendclean_to") and "secret" not in result["msg"]
