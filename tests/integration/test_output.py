# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person sees of a run: names and limits, in check mode too, and never a secret, which Project.run sees to."""

from __future__ import annotations

import pytest
from integration.project import OWNER_ID, Project
from simulator import Service

PLAYBOOK = """\
- hosts: all
  gather_facts: false
  module_defaults:
    group/sendclean.email.sendclean:
      owner_id: "{{ sendclean_owner_id }}"
      token: "{{ sendclean_token }}"
      bindings_path: "{{ inventory_dir }}/../bindings.json"
  tasks:
    - sendclean.email.smtp_user:
        alias: billing
        total_limit: 1234
        hourly_limit: 56
    - sendclean.email.smtp_user:
        smtp_user_name: smtp12345
        hourly_limit: 78
    - sendclean.email.smtp_user_info:
    - sendclean.email.smtp_password_reset:
        smtp_user_name: smtp12345
        current_password: "{{ leaked_password }}"
      no_log: true
"""


@pytest.mark.parametrize("mode", ["--check --diff", "--diff"])
def test_the_most_verbose_output_shows_what_changes_and_no_secret(mode: str, project: Project, service: Service) -> None:
    leaked = service.create_user(OWNER_ID, smtp_user_name="smtp12345", total_limit=900, hourly_limit=90).smtp_password
    project.write("play.yml", PLAYBOOK)
    project.write("variables.yml", f"leaked_password: {leaked}\n")

    command = f"ansible-playbook -i inventory -e @variables.yml play.yml -vvvv {mode}"
    # Newer versions leave the arguments out of a result otherwise.
    output = project.run(command, ANSIBLE_INJECT_INVOCATION="1").succeeded().output

    for shown in ('+    "alias": "billing"', '+    "total_limit": 1234', '-    "hourly_limit": 90', '+    "hourly_limit": 78'):
        assert shown in output
    assert '"token": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"' in output


def test_check_mode_does_not_write(project: Project, service: Service) -> None:
    leaked = service.create_user(OWNER_ID, smtp_user_name="smtp12345").smtp_password
    before = service.users(OWNER_ID)
    project.write("play.yml", PLAYBOOK)

    run = project.run(f"ansible-playbook -i inventory -e leaked_password={leaked} play.yml --check").succeeded()

    assert run.changed == 3
    assert [entry.call for entry in service.log] == ["listSmtp"] * 4
    assert service.users(OWNER_ID) == before
    assert not project.bindings.exists()


def test_a_server_that_echoes_the_token_does_not_get_it_into_the_output(project: Project, service: Service) -> None:
    service.add_fault("listSmtp", "echo_request")
    project.write("play.yml", PLAYBOOK)

    run = project.run("ansible-playbook -i inventory play.yml -vvvv", ANSIBLE_INJECT_INVOCATION="1")

    assert run.returncode == 2
    assert "SendClean answered listSmtp with an error" in run.output
    assert "Traceback" not in run.output


@pytest.mark.parametrize("variable", ["SENDCLEAN_OWNER_ID", "SENDCLEAN_TOKEN"])
def test_missing_credentials_are_named(variable: str, project: Project, service: Service) -> None:
    project.write("play.yml", "- {hosts: all, gather_facts: false, tasks: [{sendclean.email.smtp_user_info: {}}]}\n")

    run = project.run("ansible-playbook -i inventory play.yml", **{variable: None})

    assert run.returncode == 2
    assert f"missing required arguments: {variable.removeprefix('SENDCLEAN_').lower()}" in run.output
    assert not service.log
