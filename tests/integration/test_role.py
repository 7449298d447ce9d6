# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role smtp_users and the playbook enforce, on the inventory that the role's README shows and on others."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from typing import Any

import pytest
from integration.guides import ACCOUNTS, ROOT, follow
from integration.project import NO_CREDENTIALS, OWNER_ID, TOKEN, Project
from simulator import RunningServer, Service

ENFORCE = "ansible-playbook -i inventory sendclean.email.enforce"
EXPORT = "ansible-playbook -i inventory sendclean.email.export"


def limits(service: Service, owner_id: str) -> list[tuple[int, int]]:
    """Return the limits of an account's users."""
    return sorted((user.total_limit, user.hourly_limit) for user in service.users(owner_id))


def test_three_environments_share_a_list_and_a_second_run_changes_nothing(project: Project, service: Service) -> None:
    """As the role's README has it; follow() looks at what each run has changed."""
    project.have_vault_password()
    for owner_id, token in ACCOUNTS.items():
        service.add_account(owner_id, token)
    together = threading.Barrier(len(ACCOUNTS))
    met = []

    def wait_for_the_others(call: str, owner_id: str) -> None:
        # The accounts are worked on at the same time: the first call of each is answered only once all have made theirs.
        if owner_id not in met:
            together.wait(timeout=60)
            met.append(owner_id)

    service.before_call = wait_for_the_others
    _encrypted, dry, *_others = follow(project, ROOT / "roles" / "smtp_users" / "README.md")

    assert dry.output.count('+    "alias": "newsletter"') == 3
    assert limits(service, "1001") == [(1000, 10), (1000, 20), (1000, 100)]
    assert limits(service, "1002") == [(5000, 20), (5000, 50), (5000, 500)]
    assert limits(service, "1003") == [(100000, 20), (100000, 1000), (100000, 10000), (500000, 1000)]
    bound = {owner_id: len(account["aliases"]) for owner_id, account in project.read_bindings().items()}
    assert bound == {"1001": 3, "1002": 3, "1003": 4}
    # A dry run, one that creates and looks whether it did, one that finds nothing to do, and a dry run of the reader's own play.
    calls = Counter((entry.owner_id, entry.call) for entry in service.log)
    assert calls == {
        **{(owner_id, "listSmtp"): 5 for owner_id in ACCOUNTS},
        **{(owner_id, "addSmtp"): len(service.users(owner_id)) for owner_id in ACCOUNTS},
    }


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "shape": ({"smtp_users_list": {"alias": "billing"}}, ["smtp_users_list must be a list of users"]),
    "nested": (
        {"smtp_users_list": [{"alias": 7}, *({"alias": "a", "hourly_limit": limit} for limit in (10, True, "0", [], {"a": 1}))]},
        [
            "smtp_users_list[0].alias must be a string, not 7: put it in quotes",
            *(
                f"smtp_users_list[{index}].hourly_limit must be a positive integer, not {shown}"
                for index, shown in enumerate(["true", '"0"', "[]", '{"a": 1}'], 2)
            ),
        ],
    ),
    "defaults": (
        {"smtp_users_defaults": {"total_limit": True}},
        ["smtp_users_defaults.total_limit must be a positive integer, not true"],
    ),
    "purge": (
        {"smtp_users_purge": True},
        ["smtp_users_purge is refused while smtp_users_list is empty: it would disable every user of the account"],
    ),
    "scope": (
        {"smtp_users_purge_scope": "all", "smtp_users_purge_limit": 2.5},
        [
            'smtp_users_purge_scope must be managed or account, not "all"',
            "smtp_users_purge_limit must be a number of users or a percentage such as 30%, not 2.5",
        ],
    ),
    "renamed": (
        {"smtp_users_list": [{"alias": "a", "renamed_from": "a"}]},
        ["smtp_users_list[0].renamed_from is the alias itself: give the one that the user had before"],
    ),
}


def test_what_is_wrong_is_named_before_any_call_and_stops_no_other_account(project: Project, service: Service) -> None:
    """Not even with a setting that would end the run. Each host has something else wrong."""
    page = project.folder / "plan.html"
    page.write_text("the page of an earlier run", encoding="utf-8")
    service.add_account("1001", "a token")
    service.add_account("1002", "another token")
    users = [{"alias": "billing", "total_limit": 100, "hourly_limit": 10}]
    project.write_hosts({
        **{host: {"smtp_users_list": [], **variables} for host, (variables, _problems) in WRONG.items()},
        "nolist": {},
        "refused": {"smtp_users_list": users, "smtp_users_timeout": "soon", "smtp_users_report_path": str(page)},
        "locked-out": {"smtp_users_list": users, "smtp_users_owner_id": "1001", "smtp_users_token": "one not theirs"},
        "fine": {"smtp_users_list": users, "smtp_users_owner_id": "1002", "smtp_users_token": "another token"},
    })  # fmt: skip

    run = project.run(ENFORCE, ANSIBLE_ANY_ERRORS_FATAL="1")

    assert run.returncode == 2
    failures = run.failures
    assert "smtp_users_list" in failures.pop("nolist")
    assert failures.pop("refused") == ['smtp_users_timeout must be a number, not "soon"']
    assert "Check owner_id and token" in failures.pop("locked-out")
    assert failures == {host: problems for host, (_variables, problems) in WRONG.items()}
    assert [(owner_id, len(service.users(owner_id))) for owner_id in (OWNER_ID, "1001", "1002")] == [
        (OWNER_ID, 0), ("1001", 0), ("1002", 1),
    ]  # fmt: skip
    assert not service.calls(owner_id=OWNER_ID)
    shown = page.read_text(encoding="utf-8")
    assert "smtp_users_timeout must be a number" in shown, "nobody is to approve the page of before"


def test_limits_come_from_the_entry_then_from_the_defaults_and_a_purge_disables_the_rest(
    project: Project, service: Service
) -> None:
    """A limit that is null is not given. Users that the purge excludes, or that have no alias, are left alone."""
    project.write_bindings({OWNER_ID: {"aliases": {"former": "smtp5", "spared": "smtp91"}}})
    for name in ("smtp1", "smtp2", "smtp3", "smtp4", "smtp5", "smtp6", "smtp91"):
        service.create_user(OWNER_ID, smtp_user_name=name, total_limit=7, hourly_limit=7)
    entries = [
        {"smtp_user_name": "smtp1"},
        {"smtp_user_name": "smtp2", "total_limit": "{{ 10 * 100 }}", "hourly_limit": "{{ nowhere | default(omit) }}"},
        {"smtp_user_name": "smtp3", "total_limit": None},
        {"smtp_user_name": "smtp4", "state": "absent"},
    ]
    project.write_hosts({
        "production": {
            "smtp_users_list": entries,
            "smtp_users_defaults": {"total_limit": 50, "hourly_limit": 5},
            "smtp_users_purge": True,
            "smtp_users_purge_exclude": ["smtp9*"],
        }
    })  # fmt: skip

    project.run(ENFORCE).succeeded()

    held = {user.smtp_user_name: (user.status, user.total_limit, user.hourly_limit) for user in service.users(OWNER_ID)}
    assert held == {
        "smtp1": ("Enable", 50, 5),
        "smtp2": ("Enable", 1000, 5),
        "smtp3": ("Enable", 50, 5),
        "smtp4": ("Disable", 7, 7),
        "smtp5": ("Disable", 7, 7),
        "smtp6": ("Enable", 7, 7),
        "smtp91": ("Enable", 7, 7),
    }


def test_a_purge_has_a_scope_and_a_limit(project: Project, service: Service) -> None:
    """All in one run: four accounts, each with a user of the list, four that were in it, and one of another team."""
    accounts = {**ACCOUNTS, OWNER_ID: TOKEN}
    chosen: dict[str, dict[str, Any]] = {
        "limited": {},
        "meant": {"smtp_users_purge_limit": 4},
        "blank": {"smtp_users_purge_limit": "100%", "smtp_users_purge_scope": ""},
        "everybody": {"smtp_users_purge_limit": "5", "smtp_users_purge_scope": "account"},
    }
    hosts = {}
    for (host, variables), (owner_id, token) in zip(chosen.items(), accounts.items()):
        service.add_account(owner_id, token)
        for index in range(6):
            service.create_user(owner_id, smtp_user_name=f"{host}{index}")
        hosts[host] = {"smtp_users_owner_id": owner_id, "smtp_users_token": token, **variables}
    project.write_bindings({
        variables["smtp_users_owner_id"]: {"aliases": {f"alias{index}": f"{host}{index}" for index in range(5)}}
        for host, variables in hosts.items()
    })  # fmt: skip
    purge = {"smtp_users_list": [{"alias": "alias0"}], "smtp_users_purge": True}
    project.write_hosts({host: {**purge, **variables} for host, variables in hosts.items()})

    run = project.run(ENFORCE, **NO_CREDENTIALS)

    assert list(run.failures) == ["limited"], run.output
    assert "purge_limit 30% lets 3 pass: limited1, limited2, limited3, limited4" in run.failures["limited"]
    can_send = {
        host: len([user for user in service.users(hosts[host]["smtp_users_owner_id"]) if user.status == "Enable"])
        for host in hosts
    }
    assert can_send == {"limited": 6, "meant": 2, "blank": 2, "everybody": 1}


def test_each_variable_of_the_connection_reaches_the_module(project: Project, server: RunningServer) -> None:
    connection = {
        "api_url": server.base_url,
        "app_domain": "us1-mta1.sendclean.net",
        "ca_path": str(project.folder / "ansible.cfg"),
        "owner_id": OWNER_ID,
        "requests_per_minute": 30,
        "retry_timeout": 7.5,
        "timeout": 8.5,
        "token": TOKEN,
        "validate_certs": False,
    }
    variables = {f"smtp_users_{option}": value for option, value in connection.items()}
    project.write_hosts({"production": {"smtp_users_list": [], **variables}})
    # Asked for in the play, which the role does not pass on, since its result is shown.
    defaults = {"sendclean.email.smtp_users": {"include_passwords": True}}
    project.write_play("play.yml", connection="local", module_defaults=defaults, roles=["sendclean.email.smtp_users"])
    elsewhere = {"SENDCLEAN_API_URL": "http://127.0.0.1:9/v1.0", "ANSIBLE_INJECT_INVOCATION": "1"}

    run = project.run("ansible-playbook -i inventory play.yml -vvv", **elsewhere, **NO_CREDENTIALS).succeeded()

    results = map(json.loads, re.findall(r"^ok: \[production\] => (\{\n.*?^\})$", run.output, re.DOTALL | re.MULTILINE))
    (arguments,) = [result["invocation"]["module_args"] for result in results if "smtp_users" in result]
    masked = {**connection, "token": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "include_passwords": False}
    assert {name: arguments[name] for name in masked} == masked


def test_the_bindings_file_is_found_however_the_inventory_is_given(project: Project, service: Service) -> None:
    """tests/unit/test_role_variables.py has all the ways to lay out an inventory."""
    (project.folder / "inventory" / "hosts.yml").unlink()
    users = [{"alias": "billing", "total_limit": 100, "hourly_limit": 10}]
    project.write_hosts({"production": {"smtp_users_list": users}}, "inventories/production/hosts.yml")

    sources = ("inventories", "inventories/production/hosts.yml")
    changed = [project.run(f"ansible-playbook -i {source} sendclean.email.enforce").succeeded().changed for source in sources]

    assert changed == [1, 0]
    assert list(project.folder.rglob("*.json")) == [project.folder / "sendclean_bindings.json"]


@pytest.mark.parametrize("command", [ENFORCE, EXPORT])
def test_a_bindings_file_among_the_inventory_is_refused_before_any_call(command: str, project: Project, service: Service) -> None:
    """Made with the file as inventory, it would be read as inventory once the folder is given."""
    project.write_hosts({"production": {"smtp_users_list": []}})
    project.write("inventory/sendclean_bindings.json", json.dumps({"version": 1, "accounts": {}}))
    (message,) = project.run(command).failures["production"]
    assert f"{project.folder}/inventory/sendclean_bindings.json, which Ansible reads as inventory" in message
    assert not service.log


def test_a_host_of_no_inventory_file_needs_a_bindings_path(project: Project, service: Service) -> None:
    command = "ansible-playbook -i production, sendclean.email.enforce -e sendclean_hosts=all -e '{\"smtp_users_list\": []}'"
    (message,) = project.run(command).failures["production"]
    assert "smtp_users_bindings_path must be given" in message
    assert not service.log


def test_the_credentials_of_each_account_are_kept_in_a_variable_of_one_file(project: Project, service: Service) -> None:
    for vault_id in ("dev", "prod"):
        project.write_vault_password(f"home/{vault_id}", f"what opens the vault of {vault_id}")
    for owner_id, token in ACCOUNTS.items():
        service.add_account(owner_id, token)
    common = {
        "smtp_users_list": [{"alias": "billing"}, {"alias": "newsletter"}],
        "smtp_users_defaults": {"total_limit": 100, "hourly_limit": 10},
        "smtp_users_credentials_file": "{{ inventory_dir }}/../credentials.yml",
        "smtp_users_credentials_variable": "smtp_{{ inventory_hostname }}",
        "smtp_users_credentials_vault_id": "prod",
    }
    hosts = {"staging": "1002", "production": "1003"}
    project.write_hosts({
        host: {**common, "smtp_users_owner_id": owner_id, "smtp_users_token": ACCOUNTS[owner_id]}
        for host, owner_id in hosts.items()
    })  # fmt: skip
    secrets = "--vault-id dev@home/dev --vault-id prod@home/prod"
    dry = project.run(f"{ENFORCE} --check {secrets}", **NO_CREDENTIALS).succeeded()
    assert dry.counts("changed") == {"staging": 2, "production": 2}
    assert not (project.folder / "credentials.yml").exists()

    run = project.run(f"{ENFORCE} sendclean.email.enforce --diff {secrets}", **NO_CREDENTIALS).succeeded()

    assert run.changes == [4, 0], run.output
    assert "newsletter: added" in run.output
    text = (project.folder / "credentials.yml").read_text(encoding="utf-8")
    assert text.startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    accounts = project.read_bindings()
    passwords = {user.smtp_user_name: user.smtp_password for owner_id in accounts for user in service.users(owner_id)}
    assert project.decrypted("credentials.yml", "home/prod") == {
        f"smtp_{host}": {
            alias: {"smtp_user_name": name, "smtp_password": passwords[name]}
            for alias, name in accounts[owner_id]["aliases"].items()
        }
        for host, owner_id in hosts.items()
    }
