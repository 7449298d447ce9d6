# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the role, through its real action: what is run, with what, and what is not. Modules answer as they are told to."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible_collections.sendclean.email.plugins.plugin_utils import _control_node, _steps
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.steps import FAILED, Answers, Step, action_with

USER = {
    "alias": "billing",
    "smtp_user_name": "smtp1",
    "smtp_password": "one",
    "status": "Enable",
    "total_limit": 5,
    "hourly_limit": 1,
    "standby_of": None,
    "password_age_days": 9.0,
}
NOBODYS = {**USER, "alias": None, "smtp_user_name": "smtp2"}
KEPT = {"updated": [], "unknown": [], "password_age_days": {"billing": 9.0}}


def test_the_list_and_what_is_given_reach_the_module(step: Step, tmp_path: Path) -> None:
    result, ((module, options),) = step(
        "enforce", list=[{"alias": "a"}], defaults={"total_limit": 5}, purge="yes", timeout="", purge_exclude=None
    )
    assert (module, result["changed"]) == ("smtp_users", False)
    assert options == {
        "token": "a token",
        "bindings_path": f"{tmp_path}/bindings.json",
        "users": [{"alias": "a", "total_limit": 5}],
        "purge": True,
        "include_passwords": False,
    }


@pytest.mark.parametrize("name", ["enforce", "keep"])
def test_all_that_is_wrong_is_told_and_nothing_is_run(name: str, step: Step, tmp_path: Path) -> None:
    folder = {"ansible_inventory_sources": None}
    given = {"list": ["billing", {"alias": 7}], "token": 5, "report_path": "plan.html"}
    result, calls = step(name, credentials_file="/srv/credentials.yml", **given, **folder)
    assert calls == []
    assert [problem.split()[0] for problem in result["msg"]] == [
        "smtp_users_list[0]",
        "smtp_users_list[1].alias",
        "smtp_users_token",
        "smtp_users_report_path",
    ]
    # Where nothing is to be kept, that was told by the step before.
    assert step("keep", **given)[0] == step("keep", credentials_file="", **given)[0] == {"skipped": True}


def test_an_empty_list_is_refused_with_a_purge(step: Step) -> None:
    result, calls = step("enforce", list=[], purge=True)
    assert (len(result["msg"]), calls) == (1, [])
    assert step("enforce", list=[], purge="")[1]
    assert step("enforce", list=[], bindings_path="bindings.json")[0]["msg"][0].startswith("smtp_users_bindings_path must be")


URL = "postgresql://smtp@db.example/bindings"
DEFAULT = "{{ __smtp_users_bindings_default }}"


def test_bindings_have_one_place(step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = ("bindings_path", "bindings_url")
    beside, chosen = f"{tmp_path}/bindings.json", f"{tmp_path}/chosen.json"
    for given, found in (
        ({}, {"bindings_path": beside}),
        ({"bindings_path": DEFAULT}, {"bindings_path": beside}),
        ({"bindings_path": chosen}, {"bindings_path": chosen}),
        # That of the role's defaults is nobody's choice.
        ({"bindings_path": DEFAULT, "bindings_url": URL}, {"bindings_url": URL}),
        ({"bindings_url": URL}, {"bindings_url": URL}),
    ):
        _result, ((_module, options),) = step("enforce", list=[], **given)
        assert {name: options[name] for name in places if name in options} == found
    for url in (URL, "{{ nowhere }}"):
        result, calls = step("enforce", list=[], bindings_path=chosen, bindings_url=url)
        assert calls == []
        assert url != URL or result["msg"] == [
            "smtp_users_bindings_url and smtp_users_bindings_path exclude each other: give one of the two"
        ]
    nowhere = {"raw": {"__smtp_users_bindings_default": ""}, "list": []}
    result, calls = step("enforce", **nowhere)
    assert calls == []
    assert result["msg"][0].startswith("smtp_users_bindings_path must be given, since production is in no inventory file")
    monkeypatch.setenv("SENDCLEAN_BINDINGS_URL", URL)
    _result, ((_module, options),) = step("enforce", **nowhere)
    assert not {*places} & {*options}


def test_bindings_are_not_inside_of_an_inventory(step: Step, tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    place = f"{tmp_path}/inventory/bindings.json"
    sources = {"ansible_inventory_sources": [f"{tmp_path}/inventory", f"{tmp_path}/hosts.yml"]}
    result, calls = step("enforce", raw=sources, list=[], bindings_path=place)
    assert calls == []
    assert result["msg"][0].startswith(f"smtp_users_bindings_path is {place}, which Ansible reads as inventory")
    assert len(step("enforce", raw=sources, list=[])[1]) == 1


def test_a_mistake_in_a_variable_is_told(step: Step) -> None:
    result, calls = step("enforce", list=[], token="{{ nowhere }}", timeout="{{ omit }}")
    assert calls == []
    assert result["msg"][0].startswith("smtp_users_token cannot be evaluated: ")


def test_what_is_omitted_is_not_given(step: Step) -> None:
    _result, ((_module, options),) = step("enforce", list=[], owner_id="{{ nowhere | default(omit) }}")
    assert "owner_id" not in options


def test_credentials_are_kept_where_there_is_a_file(step: Step) -> None:
    variables = {"list": [], "credentials_vault_id": "prod", "credentials_variable": "x"}
    assert step("keep", credentials_file="", **variables)[0]["skipped"]
    _result, ((module, options),) = step("keep", credentials_file="/srv/c.yml", **variables)
    assert module == "smtp_credentials"
    assert {name: options[name] for name in ("dest", "variable", "vault_id")} == {
        "dest": "/srv/c.yml",
        "variable": "x",
        "vault_id": "prod",
    }


def test_an_account_is_exported_beside_the_inventory_once(step: Step, tmp_path: Path) -> None:
    account = {"smtp_user_info": {"smtp_users": [USER]}}
    place = tmp_path / "smtp_users.production.yml"
    dry, calls = step("export", account, check=True)
    assert ([name for name, _options in calls], [*tmp_path.iterdir()]) == (["smtp_user_info"], [])
    result, _calls = step("export", account)
    text = place.read_text(encoding="utf-8")
    assert result == dry == {"changed": True, "dest": str(place), "diff": result["diff"]}
    assert (result["diff"]["before"], result["diff"]["after"], place.stat().st_mode & 0o777) == ("", text, 0o644)
    assert step("export", account)[0] == {"changed": False, "dest": str(place)}
    place.write_text("mine", encoding="utf-8")
    place.chmod(0o640)
    assert "says something else than the account" in step("export", account)[0]["msg"]
    for check, after in ((True, "mine"), (False, text)):
        result, _calls = step("export", account, check=check, export_overwrite="yes")
        assert (result["changed"], result["diff"]["before"], place.read_text(encoding="utf-8")) == (True, "mine", after)
    assert (place.stat().st_mode & 0o777, [*tmp_path.iterdir()]) == (0o640, [place])


def test_an_export_that_cannot_be_is_told_also_by_a_dry_run(step: Step, tmp_path: Path) -> None:
    account = {"smtp_user_info": {"smtp_users": [USER]}}
    nowhere = str(tmp_path / "nowhere" / "list.yml")
    for check in (True, False):
        assert (
            "smtp_users_export_path cannot be read" in step("export", account, check=check, export_path=str(tmp_path))[0]["msg"]
        )
        message = step("export", account, check=check, export_path=nowhere)[0]["msg"]
        assert message == f"smtp_users_export_path cannot be written: {nowhere}: No such file or directory"
        assert step("export", {"smtp_user_info": FAILED}, check=check)[0]["msg"] == "no answer"


ROTATE = {"credentials_file": f"{tempfile.gettempdir()}/c.yml", "rotate_aliases": "billing"}


def test_a_password_is_reset_between_two_looks_at_the_file(step: Step) -> None:
    answers = {
        "smtp_credentials": [KEPT, {**KEPT, "updated": ["billing"]}],
        "smtp_user_info": {"smtp_users": [USER, NOBODYS]},
        "smtp_password_reset": {"changed": True},
    }
    result, calls = step("rotate", answers, **ROTATE)
    assert [name for name, _arguments in calls] == [
        "smtp_credentials",
        "smtp_user_info",
        "smtp_password_reset",
        "smtp_credentials",
    ]
    assert {name: calls[2][1].get(name) for name in ("smtp_user_name", "current_password", "max_age_days")} == {
        "smtp_user_name": "smtp1",
        "current_password": "one",
        "max_age_days": None,
    }
    assert result["rotated"] == ["billing"]
    assert (result["changed"], result["failure"]) == (True, [])
    assert "'one'" not in str(result)


def test_a_dry_run_keeps_nothing_after_its_resets(step: Step) -> None:
    answers = {
        "smtp_credentials": KEPT,
        "smtp_user_info": {"smtp_users": [USER]},
        "smtp_password_reset": {"changed": True},
    }
    variables = {**ROTATE, "rotate_aliases": None, "rotate_max_age_days": "8"}
    result, calls = step("rotate", answers, check=True, **variables)
    assert [name for name, _arguments in calls] == ["smtp_credentials", "smtp_user_info", "smtp_password_reset"]
    assert calls[2][1]["max_age_days"] == 8.0
    assert "(in the real run)" in result["told"][0]
    assert result["rotated"] == []


@pytest.mark.parametrize(
    ("answers", "variables", "told"),
    [
        ({"smtp_credentials": FAILED}, {}, "no answer"),
        ({"smtp_user_info": FAILED}, {}, "no answer"),
        (
            {},
            {"rotate_aliases": "nobody"},
            "smtp_users_rotate_aliases names nobody of the account with nobody. Nothing was reset",
        ),
    ],
)
def test_a_rotation_that_cannot_go_on_fails(answers: Answers, variables: dict[str, Any], told: str, step: Step) -> None:
    all_well = {"smtp_credentials": KEPT, "smtp_user_info": {"smtp_users": [USER]}, "smtp_password_reset": {"changed": True}}
    result, calls = step("rotate", {**all_well, **answers}, **{**ROTATE, **variables})
    # Under no_log nobody would see why it failed: another step fails with it.
    assert ("failed" in result, "told" in result) == (False, False)
    assert step("judge_rotation", raw={"__smtp_users_rotation": result})[0] == {"failed": True, "msg": told}
    assert "smtp_password_reset" not in dict(calls)


def test_what_could_not_be_reset_is_told_at_the_end(step: Step) -> None:
    answers = {"smtp_credentials": KEPT, "smtp_user_info": {"smtp_users": [USER, NOBODYS]}, "smtp_password_reset": FAILED}
    assert step("rotate", answers, **ROTATE)[0]["failure"] == ["no answer"]
    leaked = {**ROTATE, "rotate_aliases": "", "rotate_leaked_password": "one"}
    assert step("rotate", answers, **leaked)[0]["failure"][1].startswith(
        "smtp_users_rotate_leaked_password is still that of smtp2"
    )
    result, _calls = step("rotate", {**answers, "smtp_password_reset": {"changed": False}}, **leaked)
    assert result["failure"].startswith("smtp_users_rotate_leaked_password is still that of smtp2, without an alias")
    assert result["told"] == ["Nobody has a new password."]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"rotate_aliases": ""}, ["not 0 of them", "smtp_users_rotate_aliases is empty"]),
        (
            {"rotate_aliases": None, "rotate_leaked_password": ""},
            ["not 0 of them", "smtp_users_rotate_aliases is empty", "ed_password is empty"],
        ),
        ({"rotate_aliases": []}, ["smtp_users_rotate_aliases is empty"]),
        ({"rotate_aliases": None, "rotate_max_age_days": None}, ["not 0", "aliases is empty", "max_age_days is empty"]),
        ({"rotate_max_age_days": 0}, ["not 2 of them"]),
        ({"credentials_file": None}, ["smtp_users_credentials_file must be given"]),
        ({"rotate_max_age_days": "soon"}, ["smtp_users_rotate_max_age_days must be a number"]),
    ],
)
def test_a_rotation_needs_one_choice_and_a_place(variables: dict[str, Any], told: list[str], step: Step) -> None:
    result, calls = step("rotate", **{**ROTATE, **variables})
    assert calls == []
    assert len(result["failure"]) == len(told)
    assert all(part in said for part, said in zip(told, result["failure"]))


@pytest.mark.parametrize("arguments", [{}, {"step": "all"}, {"step": "enforce", "users": []}])
def test_a_task_says_which_step_and_nothing_else(arguments: dict[str, Any]) -> None:
    action, known = action_with(arguments, {})
    result = action.run(task_vars=known)
    assert result["msg"] == f"step must be given, as one of {', '.join(_steps.STEPS)}, and nothing else"


class Handler:
    """Stands for an action of Ansible's; tests/integration/test_surroundings.py has the real ones."""

    made: list[Handler] = []

    def __init__(self, name: str, **parts: Any) -> None:
        self.name, self.parts = name, parts
        self.made.append(self)

    def run(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        self.variables, self.shell = task_vars, constants.DEFAULT_EXECUTABLE
        return {"ran": self.name}

    def cleanup(self) -> None:
        self.cleaned = True


@pytest.mark.parametrize("python", [None, "/srv/python"])
def test_a_module_and_an_action_are_run_here_as_the_caller(python: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {"ansible_python_interpreter": "/nowhere", "ansible_delegated_vars": {"remote": {}}, "sendclean_python": python}
    action, known = action_with({"step": "enforce"}, elsewhere)
    action._task.become, action._task.delegate_to = True, "remote"
    options: list[dict[str, Any]] = []
    shell = SimpleNamespace(set_options=lambda **given: options.append(given))
    connection = SimpleNamespace(set_options=lambda **given: options.append(given), _shell=shell)
    contexts: list[Any] = []
    monkeypatch.setattr(
        _control_node.connection_loader, "get", lambda name, context, *more: [contexts.append((name, context)), connection][1]
    )
    monkeypatch.setattr(_control_node.action_loader, "get", Handler)
    monkeypatch.setattr(_control_node.action_loader, "has_plugin", lambda name: name == "an.action")
    monkeypatch.setattr(constants, "DEFAULT_EXECUTABLE", "/nowhere/sh")
    node = ControlNode(action, known)

    assert node.run("a.module", {"a": 1}, no_log=True) == {"ran": "ansible.legacy.normal"}
    assert node.run("an.action", {"a": 1}) == {"ran": "an.action"}

    handler, other = Handler.made[-2:]
    task = handler.parts["task"]
    assert (task.action, task.args, task.become, task.delegate_to, task.no_log) == ("a.module", {"a": 1}, False, None, True)
    assert not other.parts["task"].no_log
    assert handler.variables["ansible_python_interpreter"] == (python or sys.executable)
    assert handler.variables["ansible_delegated_vars"] == {}
    assert (handler.shell, constants.DEFAULT_EXECUTABLE, handler.cleaned) == ("/bin/sh", "/nowhere/sh", True)
    assert handler.parts["connection"] is connection
    ((name, context), _other) = contexts
    assert (name, context.connection, context.become, context.executable) == ("ansible.builtin.local", "local", False, "/bin/sh")
    # Nothing of the task's variables.
    own_folder = {"var_options": {}, "direct": {"remote_tmp": constants.DEFAULT_LOCAL_TMP}}
    assert options == [{"var_options": {}}, own_folder] * 2
    assert (action._task.become, action._task.delegate_to) == (True, "remote")


def test_an_inline_encrypted_value_is_its_text() -> None:
    """Before ansible-core 2.19 it is an object, which templates leave as it is."""

    class Encrypted:
        __ENCRYPTED__ = True

        def __str__(self) -> str:
            return "a token"

    action, _known = action_with({}, {})
    action._templar = SimpleNamespace(template=lambda value: value)
    assert ControlNode(action, {"smtp_users_token": Encrypted()}).given(["smtp_users_token"]) == {"smtp_users_token": "a token"}


def test_to_import_the_steps_is_not_to_import_requests() -> None:
    """Each run of the role would pay for it, though only the doctor asks an account without a module."""
    steps = "ansible_collections.sendclean.email.plugins.plugin_utils._steps"
    program = f"import sys; sys.path[:0] = {sys.path!r}; import {steps}; print('requests' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert run.stdout == "False\n"
