# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook export beyond what docs/adopting-an-existing-account.md shows: names, limits and files that are special."""

from __future__ import annotations

import json
from typing import Any

import yaml
from integration.project import NO_CREDENTIALS, OWNER_ID, Project, Run
from simulator import Service

# Names that YAML or Ansible would take for something else.
STRANGE = ("{{ 6 * 7 }}", "{% set a %}", "#jinja2: lstrip_blocks: 'x'", "0123", "no", "a: b # c", "é'\"\\ 😀")
ALIASES = {"my 'news: 😀": "smtp1", "old": "smtp2"}
PLAIN = """\
  - smtp_user_name: "smtp3"
    total_limit: 5
    hourly_limit: 100
"""


def run_for(project: Project, playbook: str, *hosts: str) -> Run:
    """Run a playbook for these accounts."""
    return project.run(f"ansible-playbook -i inventory sendclean.email.{playbook} --limit {','.join(hosts)}", **NO_CREDENTIALS)


def lay_out(project: Project, service: Service) -> None:
    """Have accounts of each kind, as hosts of the inventory that export what they have to where their variables are."""
    for owner_id in ("strange", "plain", "empty", "limitless"):
        service.add_account(owner_id, f"the token of {owner_id}")
    service.create_user("strange", smtp_user_name="smtp1", total_limit=123, hourly_limit=4)
    service.create_user("strange", smtp_user_name="smtp2", status="Disable")
    for name in STRANGE:
        service.create_user("strange", smtp_user_name=name)
    service.create_user("plain", smtp_user_name="smtp3", total_limit=5)
    limitless = {"smtp_user_name": "smtp4", "password": "", "status": "Enable", "total_limit": None, "hourly_limit": 0}
    service.add_fault("listSmtp", "wrong_listing", times=2, owner_id="limitless", value=[limitless])
    hosts: dict[str, dict[str, Any]] = {host: {"smtp_users_owner_id": host} for host in ("strange", "empty", "limitless")}
    hosts |= {host: {"smtp_users_owner_id": "plain"} for host in ("same", "differs", "overwritten")}
    for variables in hosts.values():
        variables["smtp_users_token"] = f"the token of {variables['smtp_users_owner_id']}"
        variables["smtp_users_export_path"] = "{{ inventory_dir }}/host_vars/{{ inventory_hostname }}.yml"
        variables["smtp_users_defaults"] = {"total_limit": 1000, "hourly_limit": 100}
        # Which finds nothing in an account that is held to what was exported.
        variables["smtp_users_purge"] = variables["smtp_users_owner_id"] != "empty"
    hosts["overwritten"]["smtp_users_export_overwrite"] = True
    # A limit that is not shown is not exported, so that the defaults would count for it.
    del hosts["limitless"]["smtp_users_defaults"]
    project.write_hosts(hosts)
    (project.folder / "inventory" / "host_vars").mkdir()
    project.write_bindings({"strange": {"aliases": ALIASES}})


def test_an_exported_account_is_found_unchanged(project: Project, service: Service) -> None:
    lay_out(project, service)
    hosts = ("strange", "empty", "limitless")
    assert run_for(project, "export", *hosts).succeeded().counts("changed") == dict.fromkeys(hosts, 1)
    service.clear_log()

    run = run_for(project, "enforce", *hosts).succeeded()

    assert run.counts("changed") == dict.fromkeys(hosts, 0), run.output
    assert sorted((entry.owner_id, entry.call) for entry in service.log) == [(host, "listSmtp") for host in sorted(hosts)]
    exported = project.folder / "inventory" / "host_vars"
    text = (exported / "strange.yml").read_text(encoding="utf-8")
    assert 'alias: "my \'news: 😀"' in text
    assert (exported / "strange.yml").stat().st_mode & 0o777 == 0o644
    assert yaml.safe_load((exported / "empty.yml").read_text(encoding="utf-8")) == {"smtp_users_list": []}


def test_an_export_replaces_what_says_something_else_only_when_asked(project: Project, service: Service) -> None:
    lay_out(project, service)
    folder = project.folder / "inventory" / "host_vars"
    hosts = ("same", "differs", "overwritten")
    assert run_for(project, "export", "same").succeeded().changed == 1
    exported = {host: (folder / "same.yml").read_text(encoding="utf-8").replace("same", host) for host in hosts}
    assert PLAIN in exported["same"]
    before = {host: text if host == "same" else text.replace("limit: 5", "limit: 6") for host, text in exported.items()}
    for host, text in before.items():
        project.write(f"inventory/host_vars/{host}.yml", text)
    (folder / "overwritten.yml").chmod(0o600)

    for mode, after in (("--check", before), ("", {**before, "overwritten": exported["overwritten"]})):
        run = run_for(project, f"export {mode}", *hosts)
        assert "says something else" in run.failures["differs"]
        assert run.counts("changed") == {"same": 0, "differs": 0, "overwritten": 1}
        assert {host: (folder / f"{host}.yml").read_text(encoding="utf-8") for host in hosts} == after
    assert (folder / "overwritten.yml").stat().st_mode & 0o777 == 0o600


def test_an_export_of_odd_names_does_no_harm_to_the_inventory(project: Project, service: Service) -> None:
    """What lies among the inventory's variables is loaded by each run, whatever it is for."""
    names = ("a\x92b", "a\x7fb", "a\x85b", "a\u2028b", "\ufeffa", "a\uffffb", "a\0b", "a\nb")
    for name in names:
        service.create_user(OWNER_ID, smtp_user_name=name)
    project.write_bindings({OWNER_ID: {"aliases": {f"the {name}": name for name in names}}})
    project.write_hosts({"odd": {"smtp_users_export_path": "{{ inventory_dir }}/host_vars/odd.yml"}})
    (project.folder / "inventory" / "host_vars").mkdir()
    command = "ansible-playbook -i inventory sendclean.email.export"
    assert project.run(command).succeeded().changed == 1
    assert project.run(command).succeeded().changed == 0
    listed = project.run("ansible-inventory -i inventory --host odd").succeeded().output
    entries = json.loads(listed)["smtp_users_list"]
    assert {entry["smtp_user_name"]: entry["alias"] for entry in entries} == {name: f"the {name}" for name in names}
