# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role has refused does not happen, whatever lets the run go on: keywords, tags, starting in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.project import NO_CREDENTIALS, Project, Run
from simulator import Service

ROLE = "sendclean.email.smtp_users"
GO_ON = {"ignore_errors": True, "ignore_unreachable": True, "any_errors_fatal": False, "max_fail_percentage": 100}
CREDENTIALS = "{{ inventory_dir }}/../credentials-{{ inventory_hostname }}.yml"
BILLING = {"alias": "billing", "total_limit": 100, "hourly_limit": 10}

# For each entry point accounts with one user, "billing", whom nothing may change, and what of each is refused.
REFUSED: dict[str, dict[str, tuple[dict[str, Any], str]]] = {
    "main": {
        "typo": ({"smtp_users_list": ["billing"], "smtp_users_purge": True}, "must be a mapping"),
        "empty": ({"smtp_users_list": [], "smtp_users_purge": True}, "while smtp_users_list is empty"),
        "nothing": ({"smtp_users_list": "", "smtp_users_purge": True}, "must be a list of users"),
        "defaults": ({"smtp_users_list": [BILLING], "smtp_users_defaults": {"limit": 1}}, "smtp_users_defaults.limit"),
        "relative": ({"smtp_users_list": [BILLING], "smtp_users_bindings_path": "bindings.json"}, "must be an absolute path"),
        "pattern": (
            {"smtp_users_list": [BILLING], "smtp_users_purge": True, "smtp_users_purge_exclude": ["smtp*\r"]},
            "smtp_users_purge_exclude[0]",
        ),
        "mistake": ({"smtp_users_list": [BILLING], "smtp_users_timeout": "{{ nowhere }}"}, "nowhere"),
        "page": ({"smtp_users_list": [BILLING], "smtp_users_report_path": "plan.html"}, "smtp_users_report_path"),
    },
    "export": {
        "differs": ({"smtp_users_export_path": "{{ inventory_dir }}/../exported.yml"}, "says something else"),
        "here": ({"smtp_users_export_path": "exported.yml"}, "must be an absolute path"),
    },
    "rotate": {
        "unchosen": ({}, "not 0 of them"),
        "doubly": ({"smtp_users_rotate_max_age_days": 0, "smtp_users_rotate_aliases": ["billing"]}, "not 2 of them"),
        "survey": ({"smtp_users_rotate_max_age_days": None}, "not 0 of them"),
        "strangers": ({"smtp_users_rotate_aliases": ["billing", "nobody"]}, "names nobody of the account with nobody"),
        "nowhere": ({"smtp_users_rotate_max_age_days": 0, "smtp_users_credentials_file": ""}, "must be given"),
        "near": ({"smtp_users_rotate_max_age_days": 0, "smtp_users_credentials_file": "kept.yml"}, "must be an absolute path"),
        "secretless": (
            {"smtp_users_rotate_max_age_days": 0, "smtp_users_credentials_vault_id": "unknown"},
            "no vault secret of this run has that ID",
        ),
    },
}
FIRST = {
    "main": "Hold the SMTP users to the list",
    "export": "Write the account as a list",
    "rotate": "Reset the passwords that are due",
}


@pytest.fixture
def accounts(project: Project, service: Service) -> Project:
    """An account for each of the above, with all of its variables."""
    hosts: dict[str, dict[str, Any]] = {}
    bindings = {}
    for cases in REFUSED.values():
        for host, (variables, _message) in cases.items():
            service.add_account(host, f"the token of {host}")
            user = service.create_user(host)
            bindings[host] = {"aliases": {"billing": user.smtp_user_name}}
            hosts[host] = {
                "smtp_users_owner_id": host,
                "smtp_users_token": f"the token of {host}",
                "smtp_users_credentials_file": CREDENTIALS,
                **variables,
            }
    project.have_vault_password()
    project.write_hosts(hosts)
    project.write_bindings(bindings)
    project.write("exported.yml", "mine: true\n")
    service.clear_log()
    return project


def play(project: Project, entries: Iterable[str], how: str, **keywords: Any) -> None:
    """Write plays of one's own, each of which applies the role in one of the ways that Ansible has to its accounts."""
    plays = []
    for entry in entries:
        role = {"name": ROLE, "tasks_from": entry}
        tasks: dict[str, dict[str, Any]] = {
            "import": {"ansible.builtin.import_role": role},
            "include": {"ansible.builtin.include_role": role},
            "rescue": {
                "block": [{"ansible.builtin.include_role": role}],
                "rescue": [{"ansible.builtin.debug": {"msg": "never mind"}}],
                "always": [{"ansible.builtin.debug": {"msg": "at last"}}],
            },
        }
        hosts = ",".join(REFUSED[entry])
        plays.append({"hosts": f"production,{hosts}", "gather_facts": False, **keywords, "tasks": [tasks[how]]})
    project.write("play.yml", yaml.safe_dump(plays))


def untouched(project: Project, service: Service, entry: str, run: Run) -> None:
    """Nothing was written, and each refusal was told."""
    assert [entry for entry in service.log if entry.call != "listSmtp"] == []
    for host, (_variables, message) in REFUSED[entry].items():
        lines = [line for line in run.output.splitlines() if line.startswith(("fatal:", "failed:")) and f"[{host}" in line]
        assert any(json.dumps(message)[1:-1] in line for line in lines), (host, run.output)
    assert (project.folder / "exported.yml").read_text(encoding="utf-8") == "mine: true\n"
    assert list(project.folder.rglob("*.html")) == []


@pytest.mark.parametrize(
    ("how", "keywords", "arguments"),
    [
        pytest.param("include", GO_ON, "", id="errors are ignored"),
        pytest.param("rescue", {"force_handlers": True}, "", id="errors are rescued"),
        pytest.param("import", GO_ON, "--skip-tags always", id="without the check of the argument specs"),
    ],
)
def test_what_is_refused_does_not_happen(
    how: str, keywords: dict[str, Any], arguments: str, accounts: Project, service: Service
) -> None:
    """By any of the entry points: a play for each."""
    play(accounts, REFUSED, how, **keywords)
    run = accounts.run(f"ansible-playbook -i inventory play.yml {arguments}", **NO_CREDENTIALS)
    for entry in REFUSED:
        untouched(accounts, service, entry, run)


@pytest.mark.parametrize("entry", ["export", "rotate"])
def test_a_play_that_is_started_at_the_task_that_writes_refuses_all_the_same(
    entry: str, accounts: Project, service: Service
) -> None:
    play(accounts, [entry], "import", **GO_ON)
    run = accounts.run(f"ansible-playbook -i inventory play.yml --start-at-task '{FIRST[entry]}'", **NO_CREDENTIALS)
    untouched(accounts, service, entry, run)


def test_a_playbook_that_is_started_in_the_middle_refuses_all_the_same(accounts: Project, service: Service) -> None:
    """As above, with the playbook that the collection has."""
    limit = ",".join(REFUSED["main"])
    command = f"ansible-playbook -i inventory sendclean.email.enforce -e sendclean_hosts=all --limit {limit}"
    run = accounts.run(f"{command} --start-at-task '{FIRST['main']}'", **NO_CREDENTIALS)
    untouched(accounts, service, "main", run)


@pytest.mark.parametrize("arguments", ["--skip-tags always", f"--start-at-task '{FIRST['main']}'"])
def test_what_is_right_happens_all_the_same(arguments: str, project: Project, service: Service, tmp_path: Path) -> None:
    """Otherwise the tests above would prove nothing."""
    project.have_vault_password()
    project.write_hosts({"production": {"smtp_users_list": [BILLING], "smtp_users_report_path": str(tmp_path / "p.html")}})
    play(project, ["main"], "import", **GO_ON)
    project.run(f"ansible-playbook -i inventory play.yml {arguments}").succeeded()
    assert [user.total_limit for user in service.users("4711")] == [100]
    assert (tmp_path / "p.html").exists()
