# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a rotation with an overlap, and of one that delivers. What modules and users do: tests/integration."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.sendclean.email.plugins.plugin_utils import _rotating
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.steps import FAILED, Step

PAST, LATER = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
FILE = f"{tempfile.gettempdir()}/c.yml"
Answers = dict[str, Any]


def user(number: int, alias: str | None, age: float | None = 9.0, **more: Any) -> dict[str, Any]:
    """One row of smtp_user_info."""
    return {
        "alias": alias,
        "smtp_user_name": f"smtp{number}",
        "smtp_password": f"secret{number}",
        "status": "Enable",
        "standby_of": None,
        "password_age_days": age,
        **more,
    }


USERS = [user(1, "billing"), user(2, "news"), user(3, "shop"), user(4, None, standby_of="news")]
WHO: dict[str, Any] = {
    "bindings": {"billing": "smtp1", "news": "smtp2", "shop": "smtp3"},
    "standbys": {
        "news": {"smtp_user_name": "smtp4", "retires_at": PAST},
        "shop": {"smtp_user_name": "smtp5", "retires_at": LATER},
    },
    "delivered": {"billing": "smtp1", "news": "smtp2", "shop": "smtp3"},
}
# In a process that is not Ansible's own, nothing is found in ansible.builtin.
DELIVER: dict[str, Any] = {"debug": {"msg": "delivered"}}
META = {"meta": "end_host"}
KEPT: dict[str, Any] = {"updated": [], "added": [], "unknown": []}


def switched(number: int, until: str | None = LATER) -> dict[str, Any]:
    """What smtp_user_rotate returns."""
    return {
        "changed": True,
        "smtp_user_name": f"smtp{number}",
        "smtp_password": f"fresh{number}",
        "former": {"retires_at": until},
        "waiting_until": None,
    }


def answers(**more: Any) -> Answers:
    """What the modules say if all goes well."""
    return {
        "smtp_credentials": KEPT,
        "smtp_user_info": {"smtp_users": USERS},
        "smtp_bindings": WHO,
        "smtp_user_rotate": switched(8),
        "smtp_password_reset": {"changed": True, "smtp_user_name": "smtp1", "smtp_password": "fresh1"},
        **more,
    }


OVERLAP = {"credentials_file": FILE, "rotate_aliases": "billing", "rotate_overlap_hours": "2"}


@pytest.fixture
def hook(tmp_path: Path) -> str:
    """A file of tasks that deliver."""
    place = tmp_path / "deploy.yml"
    place.write_text(yaml.safe_dump([DELIVER]), encoding="utf-8")
    return str(place)


def options_of(calls: list[tuple[str, dict[str, Any]]], module: str) -> list[dict[str, Any]]:
    """Return with what a module was run, but for the account."""
    return [
        {name: value for name, value in options.items() if name not in ("token", "bindings_path")}
        for name, options in calls
        if name == module
    ]


def test_who_is_due_is_switched_and_who_is_past_the_overlap_retires(step: Step) -> None:
    retired = {**switched(2), "former": None}
    result, calls = step("rotate", answers(smtp_user_rotate=[switched(8), retired]), **OVERLAP)
    assert [name for name, _options in calls] == [
        "smtp_credentials",
        "smtp_user_info",
        "smtp_bindings",
        "smtp_user_rotate",
        "smtp_user_rotate",
        "smtp_credentials",
    ]
    assert options_of(calls, "smtp_user_info") == [{"include_passwords": True}]
    assert options_of(calls, "smtp_user_rotate") == [
        {"alias": "billing", "overlap_hours": 2.0},
        {"alias": "news", "overlap_hours": 2.0, "max_age_days": 1e6},
    ]
    # What is in force, in case that the account does not show it yet.
    assert options_of(calls, "smtp_credentials") == [{"dest": FILE}, {"dest": FILE, "answered_passwords": {"smtp8": "fresh8"}}]
    assert result == {
        "changed": True,
        "told": [
            "These aliases have a new user with a new password, redeploy what uses it while the old one works: "
            f"billing (until {LATER})",
            "Retired, so that the old credentials work no more: news",
        ],
        "failure": [],
        "details": {},
        "deliver": {},
        "hook": None,
        "rotated": ["billing"],
    }


@pytest.mark.parametrize("variables", [{}, {"rotate_overlap_hours": "2"}])
def test_nothing_is_reset_whose_password_could_not_be_kept(step: Step, tmp_path: Path, variables: dict[str, Any]) -> None:
    """The file has all that there is to keep before, so that nothing has to be written yet."""
    (tmp_path / "c.yml.lock").mkdir()
    where = {"credentials_file": f"{tmp_path}/c.yml", "rotate_aliases": "billing", **variables}
    result, calls = step("rotate", answers(), **where)
    assert not {"smtp_password_reset", "smtp_user_rotate"} & {name for name, _options in calls}
    assert (result["changed"], result["failure"][0].partition(":")[0].partition(" is a ")[0]) == (
        False,
        f"The lock {tmp_path}/c.yml.lock of smtp_users_credentials_file",
    )
    dry, _calls = step("rotate", answers(), check=True, **where)
    assert (dry["changed"], dry["failure"]) == (True, [])


def test_a_dry_run_of_it_says_for_how_long(step: Step) -> None:
    dry = {**switched(8, None), "smtp_user_name": None, "smtp_password": None}
    result, calls = step("rotate", answers(smtp_user_rotate=[dry, {**switched(2), "former": None}]), check=True, **OVERLAP)
    assert len(options_of(calls, "smtp_credentials")) == 1
    assert result["told"][0].endswith("while the old one works: billing (for 2 hours)")
    assert (result["changed"], result["rotated"]) == (True, [])


def test_by_age_the_module_judges_again(step: Step) -> None:
    given = {**OVERLAP, "rotate_aliases": None, "rotate_max_age_days": "8"}
    left = {"changed": False, "smtp_user_name": "smtp1", "waiting_until": LATER}
    off = [user(1, "billing", status="Disable"), *USERS[1:3]]
    result, calls = step("rotate", answers(smtp_user_info={"smtp_users": off}, smtp_user_rotate=left), **given)
    assert options_of(calls, "smtp_user_rotate") == [
        {"alias": alias, "overlap_hours": 2.0, "max_age_days": 8.0} for alias in ("billing", "news", "shop")
    ]
    assert result["told"] == [
        "Nobody has a new password.",
        f"Due, and left alone while a former user works until: billing ({LATER}), news ({LATER}), shop ({LATER})",
        "Disabled, and so left alone: billing",
    ]
    assert not result["changed"]


def test_who_fails_stops_nobody_else_and_is_told(step: Step) -> None:
    results = [FAILED, switched(9), {"changed": False}]
    result, calls = step("rotate", answers(smtp_user_rotate=results), **{**OVERLAP, "rotate_aliases": ["billing", "shop"]})
    assert [options["alias"] for options in options_of(calls, "smtp_user_rotate")] == ["billing", "shop", "news"]
    assert result["failure"] == ["no answer"]
    assert result["rotated"] == ["shop"]


def test_what_cannot_be_kept_after_it_fails_with_what_was_changed(step: Step) -> None:
    broken = {**FAILED, "error": {"code": "a"}, "create_table": "create", "other": 1}
    rotated = answers(smtp_credentials=[KEPT, broken], smtp_user_rotate=[switched(8), {"changed": False}])
    result, _calls = step("rotate", rotated, **OVERLAP)
    assert (result["changed"], result["failure"], result["rotated"]) == (True, ["no answer"], ["billing"])
    assert result["told"][0].endswith(f"which the next run keeps while the old one works: billing (until {LATER})")
    result, _calls = step("rotate", answers(smtp_credentials=broken), **OVERLAP)
    assert result == {"changed": False, "failure": "no answer", "details": {"error": {"code": "a"}, "create_table": "create"}}
    told, _calls = step("judge_rotation", raw={"__smtp_users_rotation": result})
    assert told == {"failed": True, "msg": "no answer", "error": {"code": "a"}, "create_table": "create"}


@pytest.mark.parametrize(("password", "guards"), [("space ", {}), (" ", {}), (None, {}), ("p w", {"current_password": "p w"})])
def test_a_password_that_the_guard_refuses_can_be_reset(step: Step, password: Any, guards: dict[str, str]) -> None:
    given = answers(smtp_user_info={"smtp_users": [user(1, "billing", smtp_password=password)]})
    calls = step("rotate", given, credentials_file=FILE, rotate_aliases="billing")[1]
    assert options_of(calls, "smtp_password_reset") == [{"smtp_user_name": "smtp1", **guards}]


def test_whose_credentials_are_only_now_kept_retires_later(step: Step) -> None:
    """Nobody could deploy them yet."""
    quiet = {**OVERLAP, "rotate_aliases": "shop"}
    for kept in ({**KEPT, "updated": ["news"]}, {**KEPT, "added": ["news"]}):
        result, calls = step("rotate", answers(smtp_credentials=[kept, KEPT]), **quiet)
        assert [options["alias"] for options in options_of(calls, "smtp_user_rotate")] == ["shop"]
    # Who has waited for that is told until when the old ones work.
    assert step("rotate", answers(smtp_credentials=[{**KEPT, "updated": ["news"]}, KEPT]), **quiet)[0]["told"][0].endswith(
        f"while the old one works: news (until the next run), shop (until {LATER})"
    )


def test_of_whom_the_account_shows_no_password_nothing_is_rotated(step: Step) -> None:
    result, calls = step("rotate", answers(smtp_credentials={**KEPT, "unknown": ["billing", "news"]}), **OVERLAP)
    assert options_of(calls, "smtp_user_rotate") == []
    assert result["failure"] == [
        "the account shows no password of billing, news, so that it cannot be kept: nothing was rotated or retired there. Reset "
        "it with sendclean.email.smtp_password_reset, or ask SendClean"
    ]


def test_a_leaked_password_is_reset_at_once_also_of_who_takes_turns(step: Step) -> None:
    given = {"credentials_file": FILE, "rotate_leaked_password": "secret1", "rotate_overlap_hours": 2}
    users = [*USERS[:3], user(4, None, standby_of="news", smtp_password="secret1"), user(6, None, smtp_password="secret1")]
    reset = [{"changed": True, "smtp_user_name": f"smtp{number}", "smtp_password": f"fresh{number}"} for number in (1, 4)]
    retired = {**switched(2), "former": None}
    result, calls = step(
        "rotate",
        answers(smtp_user_info={"smtp_users": users}, smtp_password_reset=reset, smtp_user_rotate=retired),
        **given,
    )
    assert options_of(calls, "smtp_password_reset") == [
        {"smtp_user_name": "smtp1", "current_password": "secret1"},
        {"smtp_user_name": "smtp4", "current_password": "secret1"},
    ]
    assert options_of(calls, "smtp_credentials")[1]["answered_passwords"] == {"smtp1": "fresh1", "smtp4": "fresh4"}
    assert result["told"] == [
        "These users have a new password, redeploy what uses it: billing",
        "Retired, so that the old credentials work no more: news",
        "The former users of these had the leaked password, and were reset, too: news",
    ]
    assert result["failure"].startswith("smtp_users_rotate_leaked_password is still that of smtp6, without an alias")


# --- with tasks that deliver ----------------------------------------------------------------------------------


def test_what_is_new_is_handed_to_the_tasks_that_deliver(step: Step, hook: str) -> None:
    given = {**OVERLAP, "rotate_deploy_tasks": hook}
    kept = {**KEPT, "updated": ["shop"]}
    retired = {**switched(2), "former": None}
    result, calls = step("rotate", answers(smtp_credentials=[kept, KEPT], smtp_user_rotate=[switched(8), retired]), **given)
    assert (result["hook"], result["failure"]) == (hook, [])
    assert result["deliver"] == {
        "billing": {"smtp_user_name": "smtp8", "smtp_password": "fresh8"},
        "shop": {"smtp_user_name": "smtp3", "smtp_password": "secret3"},
    }
    assert "which smtp_users_rotate_deploy_tasks delivers while" in result["told"][0]
    assert result["told"][0].endswith(f"billing (until {LATER}), shop (until {LATER})")
    # By themselves they are no reason to write down anything.
    assert options_of(calls, "smtp_bindings") == [{}]
    dry, _calls = step("rotate", answers(smtp_credentials=kept, smtp_user_rotate=[switched(8), retired]), check=True, **given)
    assert dry["deliver"] == {}


def test_that_a_reset_is_to_be_delivered_is_written_down_before(step: Step, hook: str) -> None:
    given = {"credentials_file": FILE, "rotate_aliases": "billing", "rotate_deploy_tasks": hook}
    result, calls = step("rotate", answers(), **given)
    assert [name for name, _options in calls][2:5] == ["smtp_bindings", "smtp_bindings", "smtp_password_reset"]
    assert options_of(calls, "smtp_bindings")[1] == {"delivered": {"billing": None}}
    assert result["deliver"] == {"billing": {"smtp_user_name": "smtp1", "smtp_password": "fresh1"}}
    _result, calls = step("rotate", answers(), check=True, **given)
    assert options_of(calls, "smtp_bindings") == [{}]
    # Without a file there is nothing to keep, and with the tasks no need to.
    result, calls = step("rotate", answers(), **{**given, "credentials_file": None})
    assert options_of(calls, "smtp_credentials") == []
    assert result["deliver"] == {"billing": {"smtp_user_name": "smtp1", "smtp_password": "fresh1"}}


def test_what_cannot_be_kept_is_delivered_all_the_same(step: Step, hook: str) -> None:
    broken = {**FAILED, "error": {"code": "a"}}
    result, _calls = step("rotate", answers(smtp_credentials=[KEPT, broken]), rotate_deploy_tasks=hook, **OVERLAP)
    assert (result["failure"], result["details"]) == (["no answer"], {"error": {"code": "a"}})
    assert "billing" in result["deliver"]


OWED = {**WHO, "delivered": {**WHO["delivered"], "billing": None, "news": "smtp4"}}


def test_what_an_earlier_run_has_not_delivered_is_returned(step: Step, hook: str) -> None:
    given = {**OVERLAP, "rotate_deploy_tasks": hook}
    found = {"smtp_users": [*USERS[:1], user(2, "news", smtp_password=None)]}
    result, calls = step("owed", {"smtp_bindings": OWED, "smtp_user_info": found}, **given)
    assert options_of(calls, "smtp_user_info") == [{"aliases": ["billing", "news"], "include_passwords": True}]
    billing = {"billing": {"smtp_user_name": "smtp1", "smtp_password": "secret1"}}
    assert result == {"changed": False, "deliver": billing, "hook": hook}

    nobody = {"changed": False, "deliver": {}}
    assert step("owed", {"smtp_bindings": WHO}, **given)[0] == nobody
    # The step that rotates tells.
    assert step("owed", {"smtp_bindings": FAILED}, **given)[0] == nobody
    assert step("owed", {"smtp_bindings": OWED, "smtp_user_info": FAILED}, **given)[0] == nobody
    assert step("owed", **{**given, "rotate_aliases": ""})[0] == nobody
    for check, variables in ((True, given), (False, OVERLAP)):
        assert step("owed", check=check, **variables) == ({**nobody, "skipped": True}, [])


def test_nobody_is_rotated_for_whom_the_last_credentials_were_not_delivered(step: Step, hook: str) -> None:
    given = {**OVERLAP, "rotate_aliases": ["billing", "news", "shop"], "rotate_deploy_tasks": hook}
    before = {"__smtp_users_owed": {"deliver": {"news": {}}}}
    result, calls = step("rotate", answers(smtp_bindings=OWED), raw=before, **given)
    assert [options["alias"] for options in options_of(calls, "smtp_user_rotate")] == ["shop"]
    assert result["failure"] == [
        "the account shows no password of billing, or could not be listed: smtp_users_rotate_deploy_tasks could not deliver it. "
        "Run again, and if it stays so, ask SendClean"
    ]
    assert "Delivered now, since that was still to be done: news" in result["told"]
    assert {*result["deliver"]} == {"shop"}
    result, calls = step("rotate", answers(smtp_bindings=OWED), check=True, **given)
    assert (result["failure"], result["deliver"]) == ([], {})
    assert "Delivered (in the real run) now, since that was still to be done: billing, news" in result["told"]
    broken = {"__smtp_users_owed": {"failed": True}}
    assert step("rotate", answers(smtp_bindings=OWED), raw=broken, **given)[0]["failure"][0].startswith(
        "the account shows no password of billing, news"
    )


def test_who_was_delivered_is_written_down(step: Step, hook: str) -> None:
    credentials = {"smtp_user_name": "smtp8", "smtp_password": "fresh8"}
    loop = {"smtp_users_rotated_alias": "billing", "smtp_users_rotated_credentials": credentials}
    given = {**OVERLAP, "rotate_deploy_tasks": hook}
    result, calls = step("delivered", {"smtp_bindings": WHO}, raw=loop, **given)
    assert (result, options_of(calls, "smtp_bindings")) == ({"changed": False}, [{"delivered": {"billing": "smtp8"}}])
    result, _calls = step("delivered", {"smtp_bindings": {**FAILED, "create_table": "create"}}, raw=loop, **given)
    assert (result["failed"], result["msg"], result["create_table"]) == (True, "no answer", "create")


@pytest.mark.parametrize(("failure", "first"), [([], []), (["one", "two"], ["one", "two"]), ("one", ["one"])])
def test_who_was_not_delivered_is_told_in_the_end(failure: Any, first: list[str], step: Step) -> None:
    raw = {"__smtp_users_rotation": {"failure": failure}, "__smtp_users_undelivered": ["billing", "news"]}
    result, _calls = step("judge_rotation", raw=raw)
    assert result["failed"] and result["msg"][:-1] == first
    assert result["msg"][-1].startswith("smtp_users_rotate_deploy_tasks failed for billing, news: see above")
    assert step("judge_rotation", raw={**raw, "__smtp_users_undelivered": []})[0].get("msg", []) == failure
    assert step("judge_rotation")[0] == {"changed": False}


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ([], "has no list of tasks"),
        ({"tasks": []}, "has no list of tasks"),
        ([{"no_such_keyword": 1}], "cannot be included"),
        ([DELIVER, META], "has meta: end_host, which keeps all that follows from being done"),
        ([{"block": [DELIVER], "rescue": [META]}], "has meta: end_host"),
        ([{"block": [DELIVER], "always": [{"block": [{"meta": "end_play"}]}]}], "has meta: end_play"),
        ([{**DELIVER, "notify": "restart"}], None),
        ([DELIVER, {"meta": "flush_handlers"}], None),
    ],
)
def test_tasks_that_cannot_deliver_are_refused(tasks: Any, told: str | None, step: Step, tmp_path: Path) -> None:
    place = tmp_path / "deploy.yml"
    place.write_text(yaml.safe_dump(tasks), encoding="utf-8")
    result, calls = step("rotate", answers(), rotate_deploy_tasks=str(place), **OVERLAP)
    if told is None:
        assert (result["failure"], bool(calls)) == ([], True)
    else:
        assert calls == []
        assert result["failure"].startswith(f"smtp_users_rotate_deploy_tasks {told}") and str(place) in result["failure"]
    place.write_text("a: [", encoding="utf-8")
    result, _calls = step("rotate", answers(), rotate_deploy_tasks=str(place), **OVERLAP)
    assert result["failure"].startswith(f"smtp_users_rotate_deploy_tasks cannot be read as YAML: {place}")


def test_whatever_has_passwords_is_run_without_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: dict[str, bool] = {}
    results = answers(smtp_user_info={"smtp_users": [*USERS, user(6, "sales", age=1.0)]}, smtp_bindings=OWED)

    def run(name: str, options: dict[str, Any], no_log: bool = False) -> dict[str, Any]:
        hidden[name.rpartition(".")[2]] = no_log
        found: dict[str, Any] = results[name.rpartition(".")[2]]
        return found

    node: Any = SimpleNamespace(run=run, check_mode=False, variables={})
    for values in (
        {"credentials_file": FILE, "rotate_max_age_days": 8.0, "rotate_overlap_hours": 2.0},
        {"credentials_file": FILE, "rotate_aliases": ["billing"], "rotate_deploy_tasks": "/srv/deploy.yml"},
        {"credentials_file": FILE, "rotate_aliases": ["sales"]},
    ):
        monkeypatch.setattr(_rotating, "chosen_in", lambda node, values=values: values)
        _rotating.rotate(node)
        _rotating.owed(node)
    assert hidden == {
        "smtp_credentials": False,
        "smtp_bindings": False,
        "smtp_user_info": True,
        "smtp_user_rotate": True,
        "smtp_password_reset": True,
    }


def test_a_rotation_that_failed_after_its_switch_is_left_to_the_next_run(step: Step) -> None:
    result, calls = step("rotate", answers(smtp_user_rotate=[{**switched(8), **FAILED}, {"changed": False}]), **OVERLAP)
    assert (result["failure"], result["told"]) == (["no answer"], ["Nobody has a new password."])
    assert "answered_passwords" not in options_of(calls, "smtp_credentials")[1]
    assert result["rotated"] == []
