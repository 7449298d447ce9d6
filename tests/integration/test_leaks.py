# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No secret is shown or left, whatever fails. Project.run searches each run, those of all other tests too; here are the rest."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from ansible.release import __version__
from integration.project import OWNER_ID, TOKEN, VERBOSE, Project
from simulator import FAULT_KINDS, Service

PASSWORD = "the-password-of-a-listing-that-makes-no-sense"
# What the faults need that say more than their kind; both quote a secret.
DETAILS: dict[str, dict[str, object]] = {
    "redirect": {"location": f"http://127.0.0.1:9/?token={TOKEN}"},
    "slow_before": {"seconds": 3},
    "slow_after": {"seconds": 3},
    "with_settings": {"value": {"listing_entries": [{"password": PASSWORD, "status": PASSWORD}]}},
    "wrong_listing": {"value": [{"smtp_user_name": 1, "password": PASSWORD}]},
}
KINDS = sorted(FAULT_KINDS)
LISTS = {("listSmtp", kind) for kind in KINDS}
# Each kind with one of the calls, and with one of those that only read: in one process
# tests/unit/exactly_once/test_fault_matrix.py has each with all.
CALLS = ("addSmtp", "editSmtp", "resetSmtpPassword")
WRITES = {(CALLS[number % 3], kind) for number, kind in enumerate(KINDS) if kind != "wrong_listing"}

# Each host is an account of its own, with one user, and a fault of its own.
PLAY: dict[str, Any] = {
    "hosts": "all",
    "gather_facts": False,
    "strategy": "free",
    "ignore_errors": True,
    "module_defaults": {
        "group/sendclean.email.sendclean": {
            "owner_id": "{{ inventory_hostname }}",
            "bindings_path": "{{ inventory_dir }}/../bindings-{{ inventory_hostname }}.json",
            "timeout": 2,
            "retry_timeout": 1,
            "requests_per_minute": 0,
        }
    },
}
WRITING = [
    {"sendclean.email.smtp_user": {"alias": "billing", "total_limit": 100, "hourly_limit": 10}},
    {"sendclean.email.smtp_users": {"users": [{"smtp_user_name": "smtp-{{ inventory_hostname }}", "hourly_limit": 20}]}},
    {
        "sendclean.email.smtp_password_reset": {
            "smtp_user_name": "smtp-{{ inventory_hostname }}",
            "current_password": "{{ passwords[inventory_hostname] }}",
        }
    },
]
READING = [
    {"sendclean.email.smtp_user_info": {"token": "{{ token }}"}},
    {
        "sendclean.email.smtp_credentials": {
            "token": "{{ token }}",
            "smtp_user_names": ["smtp-{{ inventory_hostname }}"],
            "dest": "{{ inventory_dir }}/../credentials-{{ inventory_hostname }}.yml",
        }
    },
]
WRITING, READING = (
    [{**task, "when": f"groups.all.index(inventory_hostname) % {len(tasks)} == {number}"} for number, task in enumerate(tasks)]
    for tasks in (WRITING, READING)
)


@contextlib.contextmanager
def arguments_of_processes() -> Iterator[set[str]]:
    """Collect the arguments of all processes that are started while the block runs."""
    seen: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        # No module ends sooner.
        while not ended.wait(0.1):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    seen.add(" ".join(process.cmdline()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def accounts(project: Project, service: Service) -> Project:
    """The project with an account for each kind of fault, and all secrets in an encrypted file."""
    service.secrets.add(PASSWORD)
    for kind in FAULT_KINDS:
        service.add_account(kind, TOKEN)
    users = {kind: service.create_user(kind, smtp_user_name=f"smtp-{kind}") for kind in FAULT_KINDS}
    for kind in FAULT_KINDS:
        # Whoever is there already is somebody else.
        project.write_bindings({kind: {"known": [f"smtp-{kind}"]}}, f"bindings-{kind}.json")
    hosts = {"hosts": dict.fromkeys(FAULT_KINDS), "vars": {"ansible_connection": "local"}}
    project.write("inventory/hosts.yml", yaml.safe_dump({"all": hosts}))
    passwords = {kind: user.smtp_password for kind, user in users.items()}
    project.have_vault_password()
    encrypted = project.vault().encrypt(yaml.safe_dump({"token": TOKEN, "passwords": passwords}))
    project.write("secrets.yml", encrypted.decode())
    return project


@pytest.mark.parametrize(
    ("tasks", "faults", "environment"),
    [
        pytest.param(WRITING, WRITES, {}, id="writing, with the token from the environment"),
        pytest.param(
            READING,
            LISTS,
            {
                "SENDCLEAN_TOKEN": None,
                "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit,ansible.builtin.tree",
                "ANSIBLE_CALLBACK_TREE_DIR": "tree",
                "JUNIT_OUTPUT_DIR": "junit",
            },
            id="reading, with the token from an encrypted file",
        ),
    ],
)
def test_no_fault_makes_a_module_show_a_secret(
    tasks: list[dict[str, Any]],
    faults: set[tuple[str, str]],
    environment: dict[str, str | None],
    accounts: Project,
    service: Service,
) -> None:
    for call, kind in faults:
        service.add_fault(call, kind, times=100, owner_id=kind, **DETAILS.get(kind, {}))
    accounts.write("play.yml", yaml.safe_dump([{**PLAY, "vars_files": ["secrets.yml"], "tasks": tasks}]))
    log = str(accounts.folder / "home" / "ansible.log")
    with arguments_of_processes() as arguments:
        run = accounts.run(
            "ansible-playbook -i inventory --forks 8 play.yml", **VERBOSE, **environment, ANSIBLE_LOG_PATH=log
        ).succeeded()

    assert {(entry.call, entry.fault) for entry in service.log if entry.fault} == faults
    assert [entry.fault for entry in service.log].count("validation_error") == 1, "the task has met its fault, this one only once"
    assert "Traceback" not in run.output
    # That there was something to be searched.
    assert Path(log).stat().st_size > 1000
    written = [len(list(accounts.folder.glob(f"{callback}/*"))) for callback in ("tree", "junit")]
    assert written == ([len(KINDS), 1] if "ANSIBLE_CALLBACKS_ENABLED" in environment else [0, 0])
    assert any(f"AnsiballZ_{next(iter(tasks[0])).split('.')[-1]}.py" in command for command in arguments)
    assert not accounts.secrets_in("\n".join(arguments))


OPTION = {"sendclean.email.smtp_user_info": {"token": "{{ sendclean_token }}"}}
KEYWORD = {"sendclean.email.smtp_user_info": {}, "environment": {"SENDCLEAN_TOKEN": "{{ sendclean_token }}"}}
KEPT, DEBUG = {"ANSIBLE_KEEP_REMOTE_FILES": "1"}, {"ANSIBLE_DEBUG": "1"}


@pytest.mark.parametrize(
    ("task", "settings", "found"),
    [
        pytest.param(OPTION, KEPT, "left a secret in .*AnsiballZ", id="keeping files, with the token as an option"),
        pytest.param(OPTION, DEBUG, "has shown", id="debugging, with the token as an option"),
        pytest.param(KEYWORD, VERBOSE, "has shown", id="-vvvv, with the token in the keyword environment"),
        pytest.param({"sendclean.email.smtp_user_info": {}}, {**KEPT, **DEBUG, **VERBOSE}, "", id="all, with the token outside"),
    ],
)
def test_what_ansible_itself_shows_and_leaves_is_as_the_readme_says(
    task: dict[str, Any], settings: dict[str, str], found: str, project: Project
) -> None:
    project.write_play("play.yml", task)
    with pytest.raises(AssertionError, match=found) if found else contextlib.nullcontext():
        project.run("ansible-playbook -i inventory play.yml", **settings).succeeded()


def test_a_failing_command_shows_its_arguments_from_2_19_on(project: Project) -> None:
    shows = tuple(map(int, __version__.split(".")[:2])) >= (2, 19)
    with pytest.raises(AssertionError, match="has shown") if shows else contextlib.nullcontext():
        project.run(f"ansible -i inventory all -m sendclean.email.smtp_user_info -a 'token={TOKEN} timeout=0'")


def test_the_search_finds_an_old_password_unless_a_task_has_asked_for_it(project: Project, service: Service) -> None:
    password = service.create_user(OWNER_ID, smtp_user_name="smtp1").smtp_password
    service.update_user(OWNER_ID, "smtp1", smtp_password="another one")
    result = '{\n    "invocation": {"module_args": {"include_password": %s}},\n    "smtp_user": {"smtp_password": "%s"}\n}'
    asked = "ok: [host] => " + result % ("true", password)
    assert project.secrets_in(asked) == []
    assert project.secrets_in("ok: [host] => " + result % ("false", password)) == [password]
    assert project.secrets_in(asked.replace("smtp_password", "msg")) == [password]
    assert project.secrets_in(f"{asked}\nit is {password}") == [password]
    assert project.secrets_in(f'it is "{json.dumps(json.dumps({"password": password}))}"') == [password]
