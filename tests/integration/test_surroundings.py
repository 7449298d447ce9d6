# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role runs on the control node as the caller, whatever inventory, configuration, play and command line say."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.project import NO_CREDENTIALS, OWNER_ID, Project, Run
from simulator import Service

# A host that nobody can reach, a user and a shell that nobody has: what is done there fails, and what is done as them, too.
ELSEWHERE: dict[str, Any] = {
    "ansible_become": True,
    "ansible_become_user": "nobody-at-all",
    "ansible_become_exe": "/nowhere/sudo",
    "ansible_connection": "ssh",
    "ansible_host": "192.0.2.1",
    "ansible_ssh_executable": "/nowhere/ssh",
    "ansible_user": "nobody-at-all",
    "ansible_shell_type": "powershell",
    "ansible_shell_executable": "/nowhere/sh",
    "ansible_remote_tmp": "/nowhere/tmp",
    "ansible_python_interpreter": "/nowhere/python",
}
KEYWORDS = {"become": True, "become_user": "nobody-at-all", "remote_user": "nobody-at-all", "connection": "ssh"}
CONFIGURATION = """\
[defaults]
executable = /nowhere/sh
interpreter_python = /nowhere/python
remote_user = nobody-at-all
transport = ssh
[privilege_escalation]
become = true
become_user = nobody-at-all
[sudo_become_plugin]
executable = /nowhere/sudo
"""
ROLE = "sendclean.email.smtp_users"
PLAYBOOKS = "sendclean.email.enforce sendclean.email.export sendclean.email.rotate"
CHOICE = "-e smtp_users_rotate_aliases=billing"
PLAY = "ansible-playbook -i inventory play.yml"


def entries(**more: Any) -> list[dict[str, Any]]:
    """Tasks for the entry points of the role, in the order of the playbooks."""
    names = ("main", "export", "rotate")
    return [{"ansible.builtin.include_role": {"name": ROLE, "tasks_from": name}, **more} for name in names]


def own_play(project: Project, *tasks: dict[str, Any], **keywords: Any) -> None:
    project.write("play.yml", yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": list(tasks), **keywords}]))


@pytest.fixture
def production(project: Project, service: Service) -> Project:
    """An account of which all files are written."""
    project.have_vault_password()
    variables = {
        "smtp_users_list": [{"alias": "billing", "total_limit": 100, "hourly_limit": 10}],
        "smtp_users_report_path": "{{ inventory_dir }}/../plan.html",
        "smtp_users_credentials_file": "{{ inventory_dir }}/../credentials.yml",
    }
    project.write_hosts({"production": variables})
    (project.folder / "inventory" / "group_vars").mkdir()
    return project


def all_is_done(project: Project, service: Service, run: Run) -> None:
    """The files are there, the caller's own, and the password that is in force is that of the file."""
    run.succeeded()
    (user,) = service.users(OWNER_ID)
    assert project.decrypted("credentials.yml")["smtp_credentials"]["billing"]["smtp_password"] == user.smtp_password
    assert [entry.call for entry in service.log if entry.call != "listSmtp"] == ["addSmtp", "resetSmtpPassword"]
    for name in ("plan.html", "credentials.yml", "smtp_users.production.yml", "sendclean_bindings.json"):
        assert (project.folder / name).stat().st_uid == project.folder.stat().st_uid


def test_the_playbooks_do_not_care_for_the_inventory(production: Project, service: Service) -> None:
    # Passwords that are looked up somewhere, where the account has none.
    passwords = dict.fromkeys(("ansible_password", "ansible_become_password"), "{{ passwords[inventory_hostname] }}")
    production.write("inventory/group_vars/all.yml", yaml.safe_dump({**ELSEWHERE, **passwords}))
    all_is_done(production, service, production.run(f"ansible-playbook -i inventory {PLAYBOOKS} {CHOICE}"))


def test_the_playbooks_do_not_care_for_the_configuration(production: Project, service: Service) -> None:
    production.write("ansible.cfg", CONFIGURATION)
    command = f"ansible-playbook -i inventory {PLAYBOOKS} {CHOICE}"
    all_is_done(production, service, production.run(command, ANSIBLE_PYTHON_INTERPRETER=None))


def test_the_playbooks_do_not_care_for_the_command_line(production: Project, service: Service) -> None:
    extra = yaml.safe_dump(ELSEWHERE, default_flow_style=True, width=10**6).strip()
    options = f"--become --become-user nobody-at-all --connection ssh --user nobody-at-all -e '{extra}'"
    run = production.run(f"ansible-playbook -i inventory {PLAYBOOKS} {CHOICE} {options}", ANSIBLE_BECOME="1")
    all_is_done(production, service, run)


def test_the_role_does_not_care_for_the_play(production: Project, service: Service) -> None:
    """Nor for variables of each precedence, and keywords wherever they can be."""
    tasks = entries(vars=ELSEWHERE)
    for task in tasks:
        task["ansible.builtin.include_role"]["apply"] = KEYWORDS
    own_play(production, {"ansible.builtin.set_fact": ELSEWHERE}, *tasks, vars=ELSEWHERE, **KEYWORDS)
    all_is_done(production, service, production.run(f"{PLAY} {CHOICE}"))


def test_the_role_does_not_care_for_delegation(production: Project, service: Service) -> None:
    production.write("inventory/more.yml", yaml.safe_dump({"elsewhere": {"hosts": {"remote": ELSEWHERE}}}))
    apply = {"delegate_to": "remote", **KEYWORDS}
    tasks = [{"ansible.builtin.include_role": {**task["ansible.builtin.include_role"], "apply": apply}} for task in entries()]
    own_play(production, *tasks, hosts="sendclean_accounts")
    all_is_done(production, service, production.run(f"{PLAY} {CHOICE}"))


def test_another_python_is_that_of_a_variable_for_it(production: Project, service: Service) -> None:
    run = production.run("ansible-playbook -i inventory sendclean.email.enforce -e sendclean_python=/nowhere/python")
    assert "/nowhere/python" in run.output
    assert not service.users(OWNER_ID)


def test_what_is_said_and_kept_follows_what_was_done(production: Project, service: Service) -> None:
    """A play with the keyword check_mode is no dry run by Ansible's variable."""
    production.run("ansible-playbook -i inventory sendclean.email.enforce").succeeded()
    before = {path: path.read_bytes() for path in production.folder.rglob("*.*") if path.is_file() and path.suffix != ".html"}
    own_play(production, *entries(), check_mode=True)
    run = production.run(f"{PLAY} {CHOICE}").succeeded()
    assert "These users have (in the real run) a new password, redeploy what uses it: billing" in run.output
    assert before == {path: path.read_bytes() for path in before}
    assert not (production.folder / "smtp_users.production.yml").exists()
    assert "Everything is in order: a run would change nothing." in (production.folder / "plan.html").read_text()

    # And a play that is none, in a run that is one.
    own_play(production, *entries(), check_mode=False)
    run = production.run(f"{PLAY} {CHOICE} --check").succeeded()
    assert "These users have a new password, redeploy what uses it: billing" in run.output
    (user,) = service.users(OWNER_ID)
    assert production.decrypted("credentials.yml")["smtp_credentials"]["billing"]["smtp_password"] == user.smtp_password


def test_a_loop_of_ones_own_reaches_each_account(project: Project, service: Service) -> None:
    project.have_vault_password()
    accounts = ["1001", "1002"]
    for owner_id in accounts:
        service.add_account(owner_id, f"the token of {owner_id}")
    names = {owner_id: service.create_user(owner_id).smtp_user_name for owner_id in [OWNER_ID, *accounts]}
    project.write_bindings({owner_id: {"aliases": {"billing": name}} for owner_id, name in names.items()})
    variables = {
        "smtp_users_owner_id": "{{ item }}",
        "smtp_users_token": "the token of {{ item }}",
        "smtp_users_credentials_file": "{{ inventory_dir }}/../credentials-{{ item }}.yml",
        "smtp_users_rotate_aliases": ["billing"],
    }
    own_play(project, {**entries()[2], "loop": accounts, "vars": variables})
    project.run(PLAY).succeeded()
    resets = [entry.owner_id for entry in service.log if entry.call == "resetSmtpPassword"]
    assert resets == accounts
    for owner_id in accounts:
        (user,) = service.users(owner_id)
        kept = project.decrypted(f"credentials-{owner_id}.yml")["smtp_credentials"]
        assert kept["billing"]["smtp_password"] == user.smtp_password


def test_a_mistake_in_a_variable_is_an_error_of_every_entry_point(production: Project, service: Service) -> None:
    """Not the account of the environment, which is another one."""
    mistakes = {"key": "{{ tokens[inventory_hostname] }}", "name": "{{ nowhere }}", "filtered": "{{ nowhere | upper }}"}
    file = {"smtp_users_credentials_file": "{{ inventory_dir }}/../credentials.yml"}
    production.write_hosts({host: {"smtp_users_token": mistake, **file} for host, mistake in mistakes.items()})
    own_play(production, *entries(vars={"tokens": {}}), ignore_errors=True)
    run = production.run(f"{PLAY} {CHOICE}")
    assert service.log == []
    # Of the entry point main two tasks: one that holds the account to the list, and one that keeps its credentials.
    told = re.findall(r"^fatal: \[(\w+)\].*smtp_users_token cannot be evaluated", run.output, re.MULTILINE)
    assert Counter(told) == dict.fromkeys(mistakes, 4), run.output


@pytest.mark.parametrize("blank", [None, ""])
def test_a_blank_answer_counts_as_not_given(blank: Any, project: Project, service: Service) -> None:
    """As AWX passes it on from a survey: it is in the extra variables, and wins over all."""
    service.create_user(OWNER_ID, smtp_user_name="smtp-of-nobody")
    project.write_bindings({OWNER_ID: {"known": ["smtp-of-nobody"]}})
    users = [{"alias": "billing", "total_limit": 100, "hourly_limit": 10}]
    project.write_hosts({"production": {"smtp_users_list": users}})
    specs = Path(__file__).resolve().parents[2] / "roles" / "smtp_users" / "meta" / "argument_specs.yml"
    options = [spec["options"] for spec in yaml.safe_load(specs.read_text(encoding="utf-8"))["argument_specs"].values()]
    names = {name for spec in options for name in spec} - {"smtp_users_list"}
    approvals = {"smtp_users_plan_checksum", "smtp_users_plan_checksums"}
    project.write("blank.yml", yaml.safe_dump(dict.fromkeys(sorted(names), blank)))
    if blank is not None:
        # But a blank approves nothing.
        refused = project.run(f"ansible-playbook -i inventory {PLAYBOOKS} -e @blank.yml").failures["production"]
        assert refused == [f"{name} is empty: give what was approved, or leave it out" for name in sorted(approvals)]
        assert service.log == []
        project.write("blank.yml", yaml.safe_dump(dict.fromkeys(sorted(names - approvals), blank)))

    run = project.run(f"ansible-playbook -i inventory {PLAYBOOKS} -e @blank.yml")

    assert [entry.call for entry in service.log if entry.call != "listSmtp"] == ["addSmtp"]
    assert sorted(user.status for user in service.users(OWNER_ID)) == ["Enable", "Enable"]
    assert (project.folder / "sendclean_bindings.json").exists()
    assert (project.folder / "smtp_users.production.yml").exists()
    (problems,) = run.failures.values()
    assert "not 0 of them" in problems[0]
    assert "smtp_users_credentials_file must be given" in problems[-1]


def test_answers_of_a_survey_are_text(project: Project, service: Service) -> None:
    project.have_vault_password()
    for name in ("smtp1", "smtp2", "kept1", "kept2"):
        service.create_user(OWNER_ID, smtp_user_name=name)
    project.write_bindings({OWNER_ID: {"aliases": {"billing": "smtp1"}}})
    users = [{"alias": "billing", "smtp_user_name": "smtp1"}]
    project.write_hosts({
        "production": {"smtp_users_list": users, "smtp_users_credentials_file": "{{ inventory_dir }}/../credentials.yml"}
    })  # fmt: skip
    answers = {
        "smtp_users_purge": "true",
        "smtp_users_purge_scope": "account",
        "smtp_users_purge_limit": "1",
        "smtp_users_purge_exclude": "kept1,kept2",
        "smtp_users_timeout": "20",
        "smtp_users_requests_per_minute": "0",
        "smtp_users_validate_certs": "yes",
        "smtp_users_export_overwrite": "no",
        "smtp_users_rotate_max_age_days": "90",
    }
    project.write("answers.yml", yaml.safe_dump(answers))
    project.run(f"ansible-playbook -i inventory {PLAYBOOKS} -e @answers.yml").succeeded()
    assert [(user.smtp_user_name, user.status) for user in service.users(OWNER_ID) if user.status == "Disable"] == [
        ("smtp2", "Disable")
    ]
    assert [entry.call for entry in service.log].count("resetSmtpPassword") == 1


def test_inline_encrypted_values_work_in_every_entry_point(production: Project, service: Service) -> None:
    """With !vault, which ansible-core before 2.19 makes an object of."""
    leaked = service.create_user(OWNER_ID, smtp_user_name="smtp1").smtp_password
    production.write_bindings({OWNER_ID: {"aliases": {"billing": "smtp1"}}})
    secrets = {
        "smtp_users_owner_id": OWNER_ID,
        "smtp_users_token": production.environment["SENDCLEAN_TOKEN"],
        "smtp_users_rotate_leaked_password": leaked,
    }
    lines = []
    for name, value in secrets.items():
        encrypted = production.vault().encrypt(value).decode()
        lines += [f"{name}: !vault |", *(f"  {line}" for line in encrypted.splitlines())]
    production.write("inventory/group_vars/all.yml", "\n".join(lines) + "\n")

    run = production.run(f"ansible-playbook -i inventory {PLAYBOOKS} -vvvv --diff", **NO_CREDENTIALS).succeeded()

    assert "redeploy what uses it: billing" in run.output
    assert service.users(OWNER_ID)[0].smtp_password != leaked
    assert "smtp1" in (production.folder / "smtp_users.production.yml").read_text()


def test_the_keyword_timeout_ends_a_task(production: Project, service: Service) -> None:
    """Of each entry point."""
    service.create_user(OWNER_ID, smtp_user_name="smtp1")
    production.write_bindings({OWNER_ID: {"aliases": {"billing": "smtp1"}}})
    # Each entry point's first listing; main goes on, and keeps the credentials.
    tasks = entries()
    production.write_hosts({"production": {"smtp_users_list": []}})
    own_play(production, *tasks, timeout=3, ignore_errors=True)
    service.add_fault("listSmtp", "slow_before", times=9, seconds=60)
    begin = time.monotonic()
    run = production.run(f"{PLAY} {CHOICE} -e smtp_users_credentials_file={production.folder}/credentials.yml")
    assert time.monotonic() - begin < 60
    assert len(re.findall(r"^fatal: .*([Tt]imed out|expected time frame)", run.output, re.MULTILINE)) >= len(tasks), run.output
