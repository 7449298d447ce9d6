# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role smtp_users and the playbooks enforce and export, on the inventory that the role's README shows."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.project import OWNER_ID, TOKEN, Project, Run
from integration.test_documents import blocks
from simulator import RunningServer, Service

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "smtp_users"
ENFORCE = "ansible-playbook -i inventory sendclean.email.enforce"
EXPORT = "ansible-playbook -i inventory sendclean.email.export"
# Each account has its own in the inventory.
NO_CREDENTIALS = {"SENDCLEAN_OWNER_ID": None, "SENDCLEAN_TOKEN": None}


def counts(run: Run, what: str) -> dict[str, int]:
    """Return how many tasks of each host were ok, changed, failed, as the recap of a playbook run says."""
    return {host: int(number) for host, number in re.findall(rf"^(\S+) +: ok=.*\b{what}=(\d+)", run.output, re.MULTILINE)}


def failures(run: Run) -> dict[str, Any]:
    """Return the messages with which hosts failed."""
    found = re.findall(r"^fatal: \[(\S+)\]: FAILED! => (.+)$", run.output, re.MULTILINE)
    return {host: json.loads(result)["msg"] for host, result in found}


def limits(service: Service, owner_id: str) -> list[tuple[int, int]]:
    """Return the limits of an account's users."""
    return sorted((user.total_limit, user.hourly_limit) for user in service.users(owner_id))


def write_hosts(project: Project, hosts: dict[str, dict[str, Any]], path: str = "inventory/hosts.yml") -> None:
    """Make these hosts the accounts of the inventory."""
    project.write(path, yaml.safe_dump({"sendclean_accounts": {"hosts": hosts}}))


def write_list(project: Project, users: list[dict[str, Any]], **variables: Any) -> None:
    """Make the account of the environment the only one of the inventory, with this list."""
    write_hosts(project, {"production": {"smtp_users_list": users, **variables}})


@pytest.fixture
def environments(project: Project, service: Service) -> dict[str, str]:
    """The inventory of the role's README, and its accounts at SendClean: the owner_id of each host."""
    for language, text in blocks(ROLE / "README.md"):
        named = re.match(r"# (inventory/\S+)\n", text)
        if language == "yaml" and named:
            project.write(named[1], text)
    inventory = project.folder / "inventory"
    hosts = yaml.safe_load((inventory / "hosts.yml").read_text(encoding="utf-8"))["sendclean_accounts"]["hosts"]
    group = inventory / "group_vars" / "sendclean_accounts"
    tokens = yaml.safe_load((group / "tokens.yml").read_text(encoding="utf-8"))["tokens"]
    owner_ids = {host: variables["smtp_users_owner_id"] for host, variables in hosts.items()}
    for host, owner_id in owner_ids.items():
        service.add_account(owner_id, tokens[host])
    return owner_ids


def test_three_environments_share_a_list_and_a_second_run_changes_nothing(
    environments: dict[str, str], project: Project, service: Service
) -> None:
    assert set(environments) == {"development", "staging", "production"}

    first = project.run(ENFORCE, **NO_CREDENTIALS).succeeded()

    assert counts(first, "changed") == dict.fromkeys(environments, 1)
    assert limits(service, environments["development"]) == [(1000, 10), (1000, 20), (1000, 100)]
    assert limits(service, environments["staging"]) == [(5000, 20), (5000, 50), (5000, 500)]
    assert limits(service, environments["production"]) == [(100000, 20), (100000, 1000), (100000, 10000), (500000, 1000)]
    (aliases,) = json.loads((project.folder / "sendclean_bindings.json").read_text(encoding="utf-8"))["accounts"].values()
    assert {owner_id: len(account["aliases"]) for owner_id, account in aliases.items()} == {"1001": 3, "1002": 3, "1003": 4}

    service.clear_log()
    second = project.run(ENFORCE, **NO_CREDENTIALS).succeeded()

    assert counts(second, "changed") == dict.fromkeys(environments, 0)
    assert Counter((entry.owner_id, entry.call) for entry in service.log) == {
        (owner_id, "listSmtp"): 1 for owner_id in environments.values()
    }


def test_a_dry_run_says_the_same_and_writes_only_the_pages(
    environments: dict[str, str], project: Project, service: Service
) -> None:
    run = project.run(f"{ENFORCE} --check --diff", **NO_CREDENTIALS).succeeded()

    assert counts(run, "changed") == dict.fromkeys(environments, 1)
    assert run.output.count('+    "alias": "newsletter"') == 3
    assert "<html" not in run.output
    assert [entry.call for entry in service.log] == ["listSmtp"] * 3
    assert {path.name for path in project.folder.glob("*.*")} == {"ansible.cfg", *(f"plan-{host}.html" for host in environments)}


def test_accounts_are_worked_on_at_the_same_time(environments: dict[str, str], project: Project, service: Service) -> None:
    together = threading.Barrier(len(environments))
    met = []

    def wait_for_the_others(call: str, owner_id: str) -> None:
        # The first call of each account is answered only once all have made theirs.
        if call == "listSmtp" and owner_id not in met:
            together.wait(timeout=20)
            met.append(owner_id)

    service.before_call = wait_for_the_others
    project.run(f"{ENFORCE} --check --forks 3", **NO_CREDENTIALS).succeeded()
    assert sorted(met) == sorted(environments.values())


def test_an_account_that_fails_does_not_stop_the_others(
    environments: dict[str, str], project: Project, service: Service
) -> None:
    """Neither where its list is refused nor where its token is, not even with a setting that would end the run."""
    project.write("inventory/host_vars/development.yml", "smtp_users_list: [{alias: 7}]\n")
    project.write("inventory/host_vars/staging.yml", "smtp_users_token: a token that is not theirs\n")

    run = project.run(ENFORCE, ANSIBLE_ANY_ERRORS_FATAL="1", **NO_CREDENTIALS)

    assert run.returncode == 2
    assert counts(run, "failed") == {"development": 1, "staging": 1, "production": 0}
    assert failures(run)["development"] == ["smtp_users_list[0].alias must be a string, not 7: put it in quotes"]
    assert "Check owner_id and token" in failures(run)["staging"]
    held = {host: len(service.users(owner_id)) for host, owner_id in environments.items()}
    assert held == {"development": 0, "staging": 0, "production": 4}


WRONG = {
    "smtp_users_list": {
        "text": ("billing", ["smtp_users_list must be a list of users"]),
        "mapping": ({"alias": "billing"}, ["smtp_users_list must be a list of users"]),
        "number": (7, ["smtp_users_list must be a list of users"]),
        "entries": (["billing", {"alias": "shop"}, None], [
            "smtp_users_list[0] must be a mapping, such as {alias: billing}",
            "smtp_users_list[2] must be a mapping, such as {alias: billing}",
        ]),
        "keys": ([{"alias": "a", "hourly_limt": 1}], [
            "smtp_users_list[0].hourly_limt is unknown: there are alias, smtp_user_name, state, total_limit, hourly_limit",
        ]),
        "nobody": ([{"alias": None, "total_limit": 1}], ["smtp_users_list[0] needs an alias or a smtp_user_name"]),
        "names": ([{"alias": False}, {"alias": 7}, {"smtp_user_name": " "}], [
            "smtp_users_list[0].alias must be a string, not false: put it in quotes",
            "smtp_users_list[1].alias must be a string, not 7: put it in quotes",
            "smtp_users_list[2].smtp_user_name is empty: give a value or leave it out",
        ]),
        "state": ([{"alias": "a", "state": "gone"}], ['smtp_users_list[0].state must be present or absent, not "gone"']),
        "limits": (
            [{"alias": "a", "hourly_limit": limit} for limit in (10, 0, -1, True, 1.5, "many", "0", [], {"a": 1})],
            [
                f"smtp_users_list[{index}].hourly_limit must be a positive integer, not {shown}"
                for index, shown in enumerate(["0", "-1", "true", "1.5", '"many"', '"0"', "[]", '{"a": 1}'], 1)
            ],
        ),
        "several": ([{"alias": 1, "total_limit": 0}, {}], [
            "smtp_users_list[0].alias must be a string, not 1: put it in quotes",
            "smtp_users_list[0].total_limit must be a positive integer, not 0",
            "smtp_users_list[1] needs an alias or a smtp_user_name",
        ]),
    },
    "smtp_users_defaults": {
        "default-limit": ({"total_limit": True}, ["smtp_users_defaults.total_limit must be a positive integer, not true"]),
    },
    "smtp_users_purge": {
        "purge": (True, [
            "smtp_users_purge is refused while smtp_users_list is empty: it would disable every user of the account",
        ]),
    },
}  # fmt: skip


def test_what_is_wrong_is_named_with_its_place_before_any_call(project: Project, service: Service) -> None:
    """All in one run: each host has something else wrong."""
    expected = {host: problems for hosts in WRONG.values() for host, (_value, problems) in hosts.items()}
    write_hosts(
        project,
        {
            host: {"smtp_users_list": [], variable: value}
            for variable, hosts in WRONG.items()
            for host, (value, _problems) in hosts.items()
        },
    )

    run = project.run(f"{ENFORCE} --check")

    assert run.returncode == 2
    assert failures(run) == expected
    assert not service.log


def test_a_missing_list_is_named(project: Project, service: Service) -> None:
    write_hosts(project, {"production": {}})
    assert "smtp_users_list" in failures(project.run(ENFORCE))["production"]
    assert not service.log


def test_limits_come_from_the_entry_then_from_the_defaults_and_null_is_left_alone(project: Project, service: Service) -> None:
    for name in ("smtp1", "smtp2", "smtp3", "smtp4"):
        service.create_user(OWNER_ID, smtp_user_name=name, total_limit=7, hourly_limit=7)
    entries = [
        {"smtp_user_name": "smtp1"},
        {"smtp_user_name": "smtp2", "total_limit": "{{ 10 * 100 }}", "hourly_limit": "{{ nowhere | default(omit) }}"},
        {"smtp_user_name": "smtp3", "total_limit": None},
        {"smtp_user_name": "smtp4", "state": "absent"},
    ]
    write_list(project, entries, smtp_users_defaults={"total_limit": 50, "hourly_limit": 5})

    project.run(ENFORCE).succeeded()

    held = {user.smtp_user_name: (user.status, user.total_limit, user.hourly_limit) for user in service.users(OWNER_ID)}
    assert held["smtp1"] == ("Enable", 50, 5)
    assert held["smtp2"] == ("Enable", 1000, 5)
    assert held["smtp3"] == ("Enable", 7, 5)
    assert held["smtp4"] == ("Disable", 7, 7)


def test_a_variable_that_is_refused_leaves_no_page_of_before_to_approve(project: Project) -> None:
    page = project.folder / "plan.html"
    page.write_text("the page of an earlier run", encoding="utf-8")
    write_list(project, [], smtp_users_timeout="soon", smtp_users_report_path=str(page))
    assert counts(project.run(f"{ENFORCE} --check"), "failed") == {"production": 1}
    assert not page.exists()


def test_a_purge_disables_the_rest_but_what_is_excluded(project: Project, service: Service) -> None:
    for name in ("smtp1", "smtp2", "smtp91", "smtp92"):
        service.create_user(OWNER_ID, smtp_user_name=name)
    write_list(project, [{"smtp_user_name": "smtp1"}], smtp_users_purge=True, smtp_users_purge_exclude=["smtp9*"])

    project.run(ENFORCE).succeeded()

    assert {user.smtp_user_name for user in service.users(OWNER_ID) if user.status == "Disable"} == {"smtp2"}


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
    write_list(project, [], **{f"smtp_users_{option}": value for option, value in connection.items()})
    # Asked for in the play, which the role does not pass on, since its result is shown.
    defaults = {"sendclean.email.smtp_users": {"include_passwords": True}}
    play = {
        "hosts": "sendclean_accounts",
        "connection": "local",
        "gather_facts": False,
        "module_defaults": defaults,
        "roles": ["sendclean.email.smtp_users"],
    }
    project.write("play.yml", yaml.safe_dump([play]))
    elsewhere = {"SENDCLEAN_API_URL": "http://127.0.0.1:9/v1.0", "ANSIBLE_INJECT_INVOCATION": "1"}

    run = project.run("ansible-playbook -i inventory play.yml -vvv", **elsewhere, **NO_CREDENTIALS).succeeded()

    results = map(json.loads, re.findall(r"^ok: \[production\] => (\{\n.*?^\})$", run.output, re.DOTALL | re.MULTILINE))
    (arguments,) = [result["invocation"]["module_args"] for result in results if "smtp_users" in result]
    masked = {**connection, "token": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "include_passwords": False}
    assert {name: arguments[name] for name in masked} == masked


@pytest.mark.parametrize(
    ("layout", "sources", "place"),
    [
        ("hosts.yml", ["hosts.yml"], ""),
        ("inventory/hosts.yml", ["inventory", "inventory/hosts.yml"], ""),
        ("inventories/production/hosts.yml", ["inventories/production/", "inventories/production/hosts.yml"], "inventories"),
        ("inventories/production/hosts.yml", ["inventories", "inventories/production", "inventories/production/hosts.yml"], ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),
)
def test_the_bindings_file_lies_beside_the_inventory_and_is_found_however_that_is_given(
    layout: str, sources: list[str], place: str, project: Project, service: Service
) -> None:
    (project.folder / "inventory" / "hosts.yml").unlink()
    users = [{"alias": "billing", "total_limit": 100, "hourly_limit": 10}]
    write_hosts(project, {"production": {"smtp_users_list": users}}, layout)

    changed = [project.run(f"ansible-playbook -i {source} sendclean.email.enforce").succeeded().changed for source in sources]

    assert changed == [1] + [0] * (len(sources) - 1)
    assert list(project.folder.rglob("*.json")) == [project.folder / place / "sendclean_bindings.json"]
    assert len(service.users(OWNER_ID)) == 1


def test_a_bindings_file_among_the_inventory_is_refused_before_any_call(project: Project, service: Service) -> None:
    """Made with the file as inventory, it would be read as inventory once the folder is given."""
    write_list(project, [{"alias": "billing", "total_limit": 100, "hourly_limit": 10}])
    project.run("ansible-playbook -i inventory/hosts.yml sendclean.email.enforce").succeeded()
    service.clear_log()

    for command in (ENFORCE, EXPORT):
        (message,) = failures(project.run(command))["production"]
        assert f"{project.folder}/inventory/sendclean_bindings.json, which Ansible reads as inventory" in message
    assert not service.log


def test_a_host_of_no_inventory_file_needs_a_bindings_path(project: Project, service: Service) -> None:
    command = "ansible-playbook -i production, sendclean.email.enforce -e sendclean_hosts=all"
    arguments = json.dumps({"smtp_users_list": [{"alias": "billing", "total_limit": 9, "hourly_limit": 9}]})

    (message,) = failures(project.run(f"{command} -e '{arguments}'"))["production"]
    assert "smtp_users_bindings_path must be given" in message
    assert not service.log

    project.run(f"{command} -e '{arguments}' -e smtp_users_bindings_path={project.bindings}").succeeded()
    assert project.bindings.exists()


def test_the_most_verbose_output_and_the_files_hold_no_secret(project: Project, service: Service) -> None:
    billing = {"alias": "billing", "total_limit": 100, "hourly_limit": 10}
    common = {"smtp_users_token": TOKEN, "smtp_users_report_path": "{{ inventory_dir }}/../{{ inventory_hostname }}.html"}
    hosts = {"run": [billing], "refused": [{"alias": 7}], "failed": [{"alias": "shop"}]}
    write_hosts(project, {host: {"smtp_users_list": users, **common} for host, users in hosts.items()})

    shown = [project.run(f"{command} -vvvv --diff").output for command in (ENFORCE, EXPORT)]

    (user,) = service.users(OWNER_ID)
    files = [f"{host}.html" for host in hosts] + [f"smtp_users.{host}.yml" for host in hosts] + ["sendclean_bindings.json"]
    texts = [*shown, *((project.folder / name).read_text(encoding="utf-8") for name in files)]
    assert "billing" in texts[0]
    for secret in (TOKEN, user.smtp_password):
        assert not [text for text in texts if secret in text]


def test_the_credentials_of_each_account_are_kept_in_a_variable_of_one_file(
    environments: dict[str, str], project: Project, service: Service
) -> None:
    project.have_vault_password()
    text = """\
smtp_users_credentials_file: "{{ inventory_dir }}/../credentials.yml"
smtp_users_credentials_variable: "smtp_{{ inventory_hostname }}"
"""
    project.write("inventory/group_vars/sendclean_accounts/credentials.yml", text)
    dry = project.run(f"{ENFORCE} --check", **NO_CREDENTIALS).succeeded()
    assert counts(dry, "changed") == dict.fromkeys(environments, 2)
    assert not (project.folder / "credentials.yml").exists()

    first = project.run(f"{ENFORCE} --diff -vvvv", **NO_CREDENTIALS).succeeded()
    second = project.run(ENFORCE, **NO_CREDENTIALS).succeeded()

    assert counts(first, "changed") == dict.fromkeys(environments, 2)
    assert counts(second, "changed") == dict.fromkeys(environments, 0)
    assert "newsletter: added" in first.output
    accounts = json.loads((project.folder / "sendclean_bindings.json").read_text(encoding="utf-8"))["accounts"]
    (owners,) = accounts.values()
    aliases = {owner_id: {name: alias for alias, name in owner["aliases"].items()} for owner_id, owner in owners.items()}
    assert yaml.safe_load(project.run("ansible-vault view credentials.yml").succeeded().output) == {
        f"smtp_{host}": {
            aliases[owner_id][user.smtp_user_name]: {
                "smtp_user_name": user.smtp_user_name,
                "smtp_password": user.smtp_password,
            }
            for user in service.users(owner_id)
        }
        for host, owner_id in environments.items()
    }
    assert not any(user.smtp_password in first.output for owner_id in owners for user in service.users(owner_id))


def test_credentials_need_a_vault_secret_and_are_encrypted_with_the_id_that_is_asked_for(project: Project) -> None:
    users = [{"alias": "billing", "total_limit": 100, "hourly_limit": 10}]
    write_list(
        project,
        users,
        smtp_users_credentials_file=str(project.folder / "credentials.yml"),
        smtp_users_credentials_vault_id="prod",
    )
    assert "plain text is never written" in failures(project.run(ENFORCE))["production"]
    assert not (project.folder / "credentials.yml").exists()
    project.write("password", "for ansible-vault\n")
    project.run(f"{ENFORCE} --vault-id dev@password --vault-id prod@password").succeeded()
    assert (project.folder / "credentials.yml").read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")


def test_an_exported_account_is_found_unchanged(project: Project, service: Service) -> None:
    service.create_user(OWNER_ID, smtp_user_name="smtp1", total_limit=123, hourly_limit=4)
    service.create_user(OWNER_ID, smtp_user_name="smtp2")
    # Names that YAML or Ansible would take for something else.
    for name in ("{{ 6 * 7 }}", "{% set a %}", "0123", "no", "a: b # c", "é'\"\\ 😀"):
        service.create_user(OWNER_ID, smtp_user_name=name)
    write_list(project, [{"alias": "my 'news: 😀", "smtp_user_name": "smtp1"}, {"alias": "old", "smtp_user_name": "smtp2"}])
    project.run(ENFORCE).succeeded()
    assert {entry.call for entry in service.log} == {"listSmtp"}, "adopting writes only the bindings file"
    service.update_user(OWNER_ID, "smtp2", status="Disable")
    before = service.users(OWNER_ID)

    assert project.run(EXPORT).succeeded().changed == 1
    service.clear_log()
    # A purge, which then finds nothing.
    run = project.run(f"{ENFORCE} --check --diff -e @smtp_users.production.yml -e smtp_users_purge=true").succeeded()

    assert run.changed == 0, run.output
    assert [entry.call for entry in service.log] == ["listSmtp"]
    exported = project.folder / "smtp_users.production.yml"
    text = exported.read_text(encoding="utf-8")
    assert "alias: \"my 'news: 😀\"" in text
    assert exported.stat().st_mode & 0o777 == 0o644
    assert not any(user.smtp_password in text for user in before)


def test_an_exported_user_without_a_limit_gets_none_from_the_defaults(project: Project, service: Service) -> None:
    user = {"smtp_user_name": "smtp1", "password": "", "status": "Enable", "total_limit": None, "hourly_limit": 0}
    service.add_fault("listSmtp", "wrong_listing", times=2, value=[user])
    write_list(project, [], smtp_users_defaults={"total_limit": 1000, "hourly_limit": 100})
    project.run(EXPORT).succeeded()
    assert project.run(f"{ENFORCE} --check -e @smtp_users.production.yml").succeeded().changed == 0


def test_an_empty_account_is_exported_as_an_empty_list(project: Project) -> None:
    write_list(project, [])
    project.run(EXPORT).succeeded()
    exported = yaml.safe_load((project.folder / "smtp_users.production.yml").read_text(encoding="utf-8"))
    assert exported == {"smtp_users_list": []}


def test_an_export_replaces_what_says_something_else_only_when_asked(project: Project, service: Service) -> None:
    service.create_user(OWNER_ID, smtp_user_name="smtp1")
    write_list(project, [])
    path = project.folder / "smtp_users.production.yml"
    assert project.run(f"{EXPORT} --check").succeeded().changed == 1
    assert not path.exists()
    project.run(EXPORT).succeeded()
    path.chmod(0o600)
    first = path.read_text(encoding="utf-8")
    assert project.run(EXPORT).succeeded().changed == 0

    service.update_user(OWNER_ID, "smtp1", total_limit=5)
    for mode in ("", "--check"):
        assert "says something else" in failures(project.run(f"{EXPORT} {mode}"))["production"]
    assert path.read_text(encoding="utf-8") == first
    overwrite = f"{EXPORT} -e smtp_users_export_overwrite=true"
    assert project.run(f"{overwrite} --check").succeeded().changed == 1
    assert path.read_text(encoding="utf-8") == first
    assert project.run(overwrite).succeeded().changed == 1

    assert path.read_text(encoding="utf-8") == first.replace("total_limit: 1000", "total_limit: 5")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_readme_lists_the_variables_with_their_defaults() -> None:
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    options = {name: option for spec in specs.values() for name, option in spec["options"].items()}
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(smtp_users_\w+)` \| (.+?) \|", readme, re.MULTILINE))
    passed_on = re.search(r"^These are passed to the modules.*?\n\n", readme, re.DOTALL | re.MULTILINE)
    assert passed_on
    named = set(re.findall(r"`(smtp_users_\w+)`", passed_on[0]))
    assert set(rows) | named == set(options)
    assert not any("default" in options[name] for name in named)
    fixed = {name: option["default"] for name, option in options.items() if "default" in option}
    shown = {"{}": {}, "[]": [], "false": False, "empty": "", "smtp_credentials": "smtp_credentials"}
    assert {name: shown[rows[name].strip("`")] for name in fixed} == fixed
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert {name: defaults[name] for name in fixed} == fixed
    assert set(defaults) - set(fixed) == {"smtp_users_bindings_path", "smtp_users_export_path"}
