# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action smtp_credentials in real runs: each way to give a vault secret, several at once, and what a person sees."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from integration.project import OWNER_ID, TOKEN, VERBOSE, Project
from simulator import Service, Settings

STORE = """\
- hosts: all
  gather_facts: false
  module_defaults:
    group/sendclean.email.sendclean:
      owner_id: "{{ sendclean_owner_id }}"
      token: "{{ sendclean_token }}"
      bindings_path: bindings.json
  tasks:
    - sendclean.email.smtp_credentials:
        dest: credentials.yml
        variable: "{{ variable | default(omit) }}"
        smtp_user_names: "{{ names | default(omit) }}"
        vault_id: "{{ vault_id | default(omit) }}"
"""
RUN = "ansible-playbook -i inventory store.yml"
# Neither Ansible nor YAML may take them for anything but text.
AWKWARD = [
    "{{ lookup('pipe', 'id') }}",
    "{% raw %}",
    "{# gone #}",
    "a{{",
    "!vault |",
    "%TAG",
    "yes",
    "0123",
    "~",
    " 'a\" \\n \\",
    "two\nlines\n",
    "é😀\x85\u2028\x7f",
    "#jinja2: x",
]


@pytest.fixture
def store(project: Project) -> Project:
    """A project with the playbook store.yml and files with vault passwords; a script gives one of them."""
    project.write("store.yml", STORE)
    project.write_vault_password("one", "pässwörd one")
    project.write_vault_password("two", "S3CRET two")
    project.write("script", "#!/bin/sh\ncat two\n")
    (project.folder / "script").chmod(0o700)
    return project


def header(project: Project) -> str:
    """The first line of the file."""
    return (project.folder / "credentials.yml").read_text(encoding="utf-8").partition("\n")[0]


def test_a_run_without_a_vault_secret_makes_no_call(store: Project, service: Service) -> None:
    service.create_user(OWNER_ID, smtp_user_name="smtp1")
    run = store.run(RUN)
    assert run.returncode == 2
    assert "which is always encrypted. Run with --vault-id, --vault-password-file" in run.output
    assert not service.log
    assert not (store.folder / "credentials.yml").exists()


@pytest.mark.parametrize(
    ("arguments", "line", "view"),
    [
        ("--vault-password-file script", "$ANSIBLE_VAULT;1.1;AES256", "two"),
        ("--vault-id dev@one --vault-id prod@two", "$ANSIBLE_VAULT;1.2;AES256;dev", "one"),
        ("--vault-id dev@one --vault-id prod@two -e vault_id=prod", "$ANSIBLE_VAULT;1.2;AES256;prod", "two"),
    ],
)
def test_each_way_to_give_a_secret_works(arguments: str, line: str, view: str, store: Project, service: Service) -> None:
    user = service.create_user(OWNER_ID, smtp_user_name="smtp1")
    command = f"{RUN} {arguments} -e '{json.dumps({'names': ['smtp1']})}'"

    # All that can be shown, and not the password that the file is opened with.
    assert "smtp1: added" in store.run(command, **VERBOSE).succeeded().output

    assert header(store) == line
    expected = {"smtp1": {"smtp_user_name": "smtp1", "smtp_password": user.smtp_password}}
    assert store.decrypted("credentials.yml", view) == {"smtp_credentials": expected}


def test_a_file_stays_with_its_secret_and_another_run_without_it_is_refused(store: Project, service: Service) -> None:
    service.create_user(OWNER_ID, smtp_user_name="smtp1")
    names = f"-e '{json.dumps({'names': ['smtp1']})}'"
    store.run(f"{RUN} {names} --vault-id prod@two").succeeded()
    service.update_user(OWNER_ID, "smtp1", smtp_password="another")
    before = (store.folder / "credentials.yml").read_bytes()
    service.clear_log()

    refused = store.run(f"{RUN} {names} --vault-id prod@one")
    assert "dest cannot be decrypted with the vault secrets of this run (prod)" in refused.output
    assert not service.log
    assert (store.folder / "credentials.yml").read_bytes() == before

    assert store.run(f"{RUN} {names} --vault-id dev@one --vault-id prod@two").succeeded().changed == 1
    assert header(store) == "$ANSIBLE_VAULT;1.2;AES256;prod"


def test_any_password_and_any_alias_load_back_as_the_text_that_they_are(store: Project, service: Service) -> None:
    aliases = {}
    for number, text in enumerate(AWKWARD):
        service.create_user(OWNER_ID, smtp_user_name=f"smtp{number}", smtp_password=text)
        aliases[text] = f"smtp{number}"
    store.write_bindings({OWNER_ID: {"aliases": aliases}}, "bindings.json")
    write = {"ansible.builtin.copy": {"content": "{{ smtp_credentials | to_json }}", "dest": "loaded.json", "mode": "0600"}}
    store.write_play("at_the_start.yml", write, vars_files=["credentials.yml"])
    store.write_play("later.yml", {"ansible.builtin.include_vars": "credentials.yml"}, write)

    run = store.run(f"{RUN} at_the_start.yml later.yml store.yml --vault-password-file one").succeeded()

    # Both ways to load it give the same.
    assert run.changes == [1, 1, 0, 0]
    expected = {text: {"smtp_user_name": name, "smtp_password": text} for text, name in aliases.items()}
    assert json.loads((store.folder / "loaded.json").read_text(encoding="utf-8")) == expected


def test_three_hosts_write_three_variables_of_one_file_at_the_same_time(store: Project, service: Service) -> None:
    """The task runs on the control node: these hosts cannot be reached."""
    names = ["smtp1", "smtp2", "smtp3"]
    hosts = {name: {"variable": f"of_{name}", "names": [name], "ansible_host": "192.0.2.1"} for name in names}
    everyone = {"sendclean_owner_id": OWNER_ID, "sendclean_token": TOKEN}
    store.write("inventory/hosts.yml", yaml.safe_dump({"all": {"hosts": hosts, "vars": everyone}}))
    for name in names:
        service.create_user(OWNER_ID, smtp_user_name=name)
    # Time enough for all to read the file before one writes, if they did not wait for each other.
    service.settings = Settings(latency=0.5)
    store.run(f"{RUN} --forks 3 --vault-password-file one").succeeded()

    loaded = store.decrypted("credentials.yml", "one")
    assert {variable: list(users) for variable, users in loaded.items()} == {f"of_{name}": [name] for name in names}


def test_an_answered_password_is_stored_whatever_the_account_shows_and_is_not_shown(store: Project, service: Service) -> None:
    """As the role does it: what the resets answered, those that failed included, goes into the next task."""
    names = {alias: service.create_user(OWNER_ID).smtp_user_name for alias in ("billing", "shop", "gone")}
    store.write_bindings({OWNER_ID: {"aliases": names}}, "bindings.json")
    service.add_fault("resetSmtpPassword", "validation_error", skip=2)
    shared = {"bindings_path": "bindings.json"}
    reset = {
        "sendclean.email.smtp_password_reset": {**shared, "alias": "{{ item }}"},
        "loop": list(names),
        "register": "resets",
        "ignore_errors": True,
        "no_log": True,
    }
    answered = "{{ resets.results | selectattr('smtp_password', 'defined') | items2dict('smtp_user_name', 'smtp_password') }}"
    keep = {"sendclean.email.smtp_credentials": {**shared, "dest": "credentials.yml", "answered_passwords": answered}}
    store.write_play("rotate.yml", {**keep, "vars": {"resets": {"results": []}}}, reset, keep)
    # Nothing that is changed is shown for as long as the test lasts.
    service.settings = Settings(listing_lag=3600)

    run = store.run("ansible-playbook -i inventory rotate.yml --vault-password-file one", **VERBOSE).succeeded()

    assert "billing: smtp_password changed" in run.output
    stored = store.decrypted("credentials.yml", "one")["smtp_credentials"]
    in_force = {user.smtp_user_name: user.smtp_password for user in service.users(OWNER_ID)}
    assert stored == {alias: {"smtp_user_name": name, "smtp_password": in_force[name]} for alias, name in names.items()}


def test_the_first_dry_run_says_whom_it_cannot_know(store: Project, service: Service) -> None:
    shared = {"bindings_path": "{{ inventory_dir }}/../bindings.json"}
    user = {"sendclean.email.smtp_user": {**shared, "alias": "billing", "total_limit": 10, "hourly_limit": 5}}
    reset = {"sendclean.email.smtp_password_reset": {**shared, "alias": "billing", "max_age_days": 90}}
    keep = {"sendclean.email.smtp_credentials": {**shared, "dest": "credentials.yml", "aliases": ["billing"]}}
    everybody = {"sendclean.email.smtp_credentials": {**shared, "dest": "everybody.yml"}}
    store.write_play("first.yml", user, reset, keep, everybody)
    command = "ansible-playbook -i inventory first.yml --diff --vault-password-file one"

    dry = store.run(f"{command} --check", ANSIBLE_VERBOSITY="3", COLUMNS="1000").succeeded()
    real = store.run(command, COLUMNS="1000").succeeded()

    for run in (dry, real):
        assert run.changed == 3
        assert "\nbilling: added\n" in run.output
    # Not only in the results: people see them.
    warnings = re.findall(r"^\[WARNING\]: (.+)$", dry.output, re.MULTILINE)
    assert [words for words in (
        'alias "billing" has no user in bindings_path yet',
        "bindings_path does not have billing yet",
        "bindings_path has no alias for this account yet",
    ) if not any(words in warning for warning in warnings)] == []  # fmt: skip
    assert not re.search(r"^\[(WARNING|DEPRECATION)", real.output, re.MULTILINE)
    assert len(service.users(OWNER_ID)) == 1
