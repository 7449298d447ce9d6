# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values as YAML and Ansible's vault give them to modules and the action: none becomes another one on the way."""

from __future__ import annotations

import json
import re
import textwrap

from integration.project import NO_CREDENTIALS, OWNER_ID, TOKEN, VERBOSE, Project
from simulator import Service

RESET = "smtp_password_reset: {smtp_user_name: smtp1, current_password: "
# A task, and what it fails with.
REFUSED = {
    "smtp_user: {alias: 2026-01-31}": "alias is a date in YAML: put it in quotes",
    "smtp_user: {alias: 2026-01-31 10:00:00}": "alias is a date in YAML: put it in quotes",
    "smtp_user: {alias: no}": "alias must be a string, not false: put it in quotes",
    "smtp_user: {smtp_user_name: smtp1, total_limit: 1_000.5}": "total_limit must be a positive integer, not 1000.5",
    "smtp_users: {users: [{alias: a}, {alias: 2026-01-31}]}": "users[1].alias is a date in YAML: put it in quotes",
    "smtp_user_info: {smtp_user_names: yes}": "smtp_user_names[0] must be a string, not true: put it in quotes",
    "smtp_user_info: {token: null, owner_id: null}": "missing required arguments: owner_id, token",
    RESET + "01234567}": "current_password must be a string: put it in quotes",
    RESET + "2026-01-31}": "current_password is a date in YAML: put it in quotes",
    "smtp_bindings: {unbind: [2026-01-31]}": "unbind[0] is a date in YAML: put it in quotes",
    "smtp_credentials: {dest: 2026-01-31}": "dest must be a string: put it in quotes",
    "smtp_credentials: {dest: c.yml, aliases: [1_000]}": "aliases[0] must be a string, not 1000: put it in quotes",
    'smtp_credentials: {dest: c.yml, vault_id: "prod\\n"}': "vault_id has a line break (U+000A) at its end: take it out",
    "smtp_credentials: {dest: null}": "missing required arguments: dest",
}
PLAY = """\
- hosts: all
  gather_facts: false
  module_defaults:
    group/sendclean.email.sendclean:
      bindings_path: "{{ playbook_dir }}/bindings.json"
  tasks:
"""


def test_what_is_not_what_it_looks_like_in_yaml_is_refused_by_name(project: Project, service: Service) -> None:
    project.have_vault_password()
    tasks = "".join(f"    - sendclean.email.{task}\n      ignore_errors: true\n" for task in REFUSED)
    given = '      owner_id: "{{ sendclean_owner_id }}"\n      token: "{{ sendclean_token }}"\n'
    project.write("play.yml", PLAY.replace("  tasks:\n", f"{given}  tasks:\n") + tasks)
    run = project.run("ansible-playbook -i inventory play.yml", **NO_CREDENTIALS).succeeded()
    told = [json.loads(result)["msg"] for result in re.findall(r"^fatal: .*FAILED! => (.+)$", run.output, re.MULTILINE)]
    assert told == list(REFUSED.values())
    assert service.log == []


def test_inline_vaulted_values_are_taken_everywhere_and_shown_nowhere(project: Project, service: Service) -> None:
    project.have_vault_password()
    password = service.create_user(OWNER_ID, smtp_user_name="smtp1").smtp_password

    def vaulted(indent: int, **values: str) -> str:
        """Return options with encrypted values."""
        return "".join(
            " " * indent + f"{name}: !vault |\n" + textwrap.indent(project.vault().encrypt(value).decode(), " " * (indent + 2))
            for name, value in values.items()
        )

    connection = vaulted(8, owner_id=OWNER_ID, token=TOKEN, timeout="5", bindings_path=str(project.bindings))
    tasks = {
        "smtp_user": vaulted(8, alias="billing", smtp_user_name="smtp1"),
        "smtp_user_info": vaulted(8, status="Enable"),
        "smtp_credentials": vaulted(8, dest=str(project.folder / "c.yml"), variable="ours")
        + "        aliases:\n"
        + vaulted(10, x="billing").replace("x:", "-", 1),
        "smtp_users": "        users:\n" + vaulted(12, alias="billing", total_limit="7").replace("  alias", "- alias", 1),
        "smtp_password_reset": vaulted(8, smtp_user_name="smtp1", current_password=password),
    }
    play = PLAY + "".join(f"    - sendclean.email.{name}:\n{connection}{options}" for name, options in tasks.items())
    project.write("play.yml", play)
    run = project.run("ansible-playbook -i inventory play.yml", **{**NO_CREDENTIALS, **VERBOSE}).succeeded()
    assert run.changed == 4
    assert project.decrypted("c.yml") == {"ours": {"billing": {"smtp_user_name": "smtp1", "smtp_password": password}}}

    project.write_vault_password("other", "another password")
    refused = project.run("ansible-playbook -i inventory play.yml --vault-password-file other", ANSIBLE_VAULT_PASSWORD_FILE=None)
    assert refused.returncode == 2
    assert "Decryption failed" in refused.output and "Traceback" not in refused.output
