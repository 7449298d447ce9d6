# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's playbooks and the modules with bindings in a database: the same as with a file, and what only a database has."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from ansible_collections.sendclean.email.plugins.module_utils._bindings import record_at
from integration.database import Database
from integration.project import NO_CREDENTIALS, OWNER_ID, VERBOSE, Project, Run
from integration.test_leaks import arguments_of_processes
from postgres.secured import PASSWORD, ROLE
from simulator import Service

ENFORCE = "ansible-playbook -i inventory sendclean.email.enforce"
LIMITS = {"total_limit": 1000, "hourly_limit": 100}
BILLING = {"sendclean.email.smtp_user": {"alias": "billing", **LIMITS}}
OTHER, OTHERS_TOKEN = "4712", "the token of another account"


def playbook(name: str, arguments: str = "") -> str:
    """Return the command that runs a playbook of the collection."""
    return f"ansible-playbook -i inventory sendclean.email.{name} {arguments}"


@pytest.fixture
def accounts(project: Project, service: Service, database: Database) -> Project:
    """Two accounts, whose bindings are in one table, and their credentials in files."""
    service.add_account(OTHER, OTHERS_TOKEN)
    project.have_vault_password()
    shared: dict[str, Any] = {
        "smtp_users_bindings_url": database.url,
        "smtp_users_credentials_file": "{{ inventory_dir }}/../credentials-{{ inventory_hostname }}.yml",
        "smtp_users_defaults": LIMITS,
        "smtp_users_list": [{"alias": "billing"}, {"alias": "shop"}],
    }
    project.write_hosts({
        "production": shared,
        "staging": {**shared, "smtp_users_owner_id": OTHER, "smtp_users_token": OTHERS_TOKEN},
    })  # fmt: skip
    return project


def names(service: Service, owner_id: str = OWNER_ID) -> list[str]:
    """Return the account's users."""
    return sorted(user.smtp_user_name for user in service.users(owner_id))


def no_file(project: Project) -> bool:
    """Whether nobody has made a bindings file, or a lock of one."""
    return not list(project.folder.glob("*bindings*"))


def changed(run: Run) -> dict[str, int]:
    """How many tasks of each host have changed something."""
    return run.succeeded().counts("changed")


def test_each_playbook_works_as_with_a_file(accounts: Project, service: Service, database: Database) -> None:
    """From nothing to a lost table and back."""
    assert changed(accounts.run(f"{ENFORCE} --check --diff")) == {"production": 2, "staging": 2}
    assert database.documents() == {}
    assert accounts.run(f"{ENFORCE} sendclean.email.enforce", **VERBOSE).succeeded().changes == [4, 0]
    bound = {owner_id: database.aliases(owner_id) for owner_id in (OWNER_ID, OTHER)}
    for owner_id, aliases in bound.items():
        assert sorted(aliases.values()) == names(service, owner_id)
        assert list(aliases) == ["billing", "shop"]

    # Where no path is given, the lists are beside the inventory.
    report_path = f"-e sendclean_doctor_report={accounts.folder}/report.json"
    doctor = accounts.run(playbook("export", f"sendclean.email.doctor {report_path}")).succeeded()
    listed = yaml.safe_load((accounts.folder / "smtp_users.staging.yml").read_text(encoding="utf-8"))["smtp_users_list"]
    assert {user["alias"]: user["smtp_user_name"] for user in listed} == bound[OTHER]

    assert f"  bindings     {database.url} can be read, written and locked\n" in doctor.output
    report = (accounts.folder / "report.json").read_text(encoding="utf-8")
    assert json.loads(report)["accounts"][0]["bindings_file"] == {"there": True, "usable": True, "busy": False}
    assert "postgres" not in report and ROLE not in report

    passwords = {user.smtp_user_name: user.smtp_password for user in service.users(OWNER_ID)}
    rotated = accounts.run(playbook("rotate", "--limit production -e smtp_users_rotate_aliases=shop"), **VERBOSE)
    assert "redeploy what uses it: shop" in rotated.succeeded().output
    now = {user.smtp_user_name: user.smtp_password for user in service.users(OWNER_ID)}
    assert [name for name, password in now.items() if passwords[name] != password] == [bound[OWNER_ID]["shop"]]

    database.forget()
    refused = accounts.run(ENFORCE)
    assert refused.returncode == 2
    for host, owner_id in (("production", OWNER_ID), ("staging", OTHER)):
        assert "knows none of the account's users, and there are 2" in refused.failures[host]
        assert "Restore the database; or adopt" in refused.failures[host]
        assert len(names(service, owner_id)) == 2
    assert changed(accounts.run(playbook("recover", "--check"))) == {"production": 1, "staging": 1}
    assert database.documents() == {}
    assert accounts.run(playbook("recover", "sendclean.email.enforce")).succeeded().changes == [2, 0]
    assert {owner_id: database.aliases(owner_id) for owner_id in bound} == bound

    stranger = service.create_user(OTHER).smtp_user_name
    assert changed(accounts.run(playbook("acknowledge"))) == {"production": 0, "staging": 1}
    assert database.documents()[OTHER]["known"] == [stranger]
    assert no_file(accounts)


def test_the_environment_of_a_play_says_where_they_are(accounts: Project, service: Service, database: Database) -> None:
    """To each entry point of the role."""
    user = service.create_user(OWNER_ID, **LIMITS)
    database.write(accounts.environment["SENDCLEAN_API_URL"], {OWNER_ID: {"aliases": {"billing": user.smtp_user_name}}})
    chosen = {
        "smtp_users_list": [{"alias": "billing", "smtp_user_name": user.smtp_user_name}],
        "smtp_users_rotate_max_age_days": 0,
    }
    accounts.write_hosts({"production": {**chosen, "smtp_users_credentials_file": f"{accounts.folder}/credentials.yml"}})
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.include_role": {"name": "sendclean.email.smtp_users", "tasks_from": entry}}
        for entry in ("main", "export", "recover", "rotate", "acknowledge", "doctor")
    ]
    # Recovered from the list of the inventory, where nothing is kept.
    tasks[2]["vars"] = {"smtp_users_credentials_file": ""}
    accounts.write_play("play.yml", *tasks, environment={"SENDCLEAN_BINDINGS_URL": database.url})
    run = accounts.run("ansible-playbook -i inventory play.yml", **VERBOSE).succeeded()

    assert no_file(accounts)
    assert "redeploy what uses it: billing" in run.output
    assert f"{database.url} can be read, written and locked" in run.output
    assert names(service) == [user.smtp_user_name]


def test_the_environment_says_where_they_are(project: Project, service: Service, database: Database) -> None:
    project.write_hosts({"production": {"smtp_users_list": [{"alias": "billing", **LIMITS}]}})
    run = project.run(f"{ENFORCE} sendclean.email.enforce", SENDCLEAN_BINDINGS_URL=database.url)
    assert run.succeeded().changes == [1, 0]
    assert list(database.aliases(OWNER_ID)) == ["billing"]
    assert no_file(project)


def test_a_path_that_somebody_has_chosen_is_not_passed_over(project: Project, service: Service, database: Database) -> None:
    """The role's own path gives way to a database, one in the inventory does not, and be it the same."""
    path = f"{project.folder}/sendclean_bindings.json"
    users = {"smtp_users_list": [{"alias": "billing", **LIMITS}], "smtp_users_bindings_path": path}
    project.write_hosts({"production": users})
    project.run(ENFORCE, SENDCLEAN_BINDINGS_URL=database.url).succeeded()
    assert list(project.read_bindings()[OWNER_ID]["aliases"]) == ["billing"]
    assert database.documents() == {}

    service.clear_log()
    project.write_hosts({"production": {**users, "smtp_users_bindings_url": database.url}})
    run = project.run(ENFORCE)
    assert run.failures == {
        "production": ["smtp_users_bindings_url and smtp_users_bindings_path exclude each other: give one of the two"]
    }
    assert not service.log
    doctor = project.run(playbook("doctor"))
    assert doctor.output.count("exclude each other") == 1
    # The path of the environment is no choice of the inventory's.
    project.write_hosts({"production": {"smtp_users_list": [], "smtp_users_bindings_url": database.url}})
    project.run(ENFORCE, SENDCLEAN_BINDINGS_PATH=path).succeeded()


def test_an_option_of_the_task_beats_the_environment(project: Project, service: Service, database: Database) -> None:
    path = {"bindings_path": str(project.bindings)}
    url = {"bindings_url": database.url}
    variables: dict[str, dict[str, str | None]] = {
        "path": {"SENDCLEAN_BINDINGS_PATH": path["bindings_path"]},
        "url": {"SENDCLEAN_BINDINGS_URL": url["bindings_url"]},
    }
    stranger = service.create_user(OWNER_ID).smtp_user_name
    known = {OWNER_ID: {"known": [stranger]}}
    project.write_bindings(known, "bindings.json")
    database.write(project.environment["SENDCLEAN_API_URL"], known)
    # In each environment users with the options that their tasks have.
    for environment, users in {"url": {"user1": path, "user2": {}}, "path": {"user3": url, "user4": path}}.items():
        # Others than those of the users whom the other place has made.
        limits = {alias: {"total_limit": 1000, "hourly_limit": int(alias[-1])} for alias in users}
        modules = [{"alias": alias, **limits[alias], **given} for alias, given in users.items()]
        project.write_play("play.yml", *[{"sendclean.email.smtp_user": options} for options in modules])
        project.run("ansible-playbook -i inventory play.yml", **variables[environment]).succeeded()
    assert list(database.aliases(OWNER_ID)) == ["user2", "user3"]
    assert list(project.read_bindings("bindings.json")[OWNER_ID]["aliases"]) == ["user1", "user4"]

    service.clear_log()
    both = {"sendclean.email.smtp_user": {**BILLING["sendclean.email.smtp_user"], **path, **url}}
    project.write_play("play.yml", BILLING, both, ignore_errors=True)
    run = project.run("ansible-playbook -i inventory play.yml", **variables["path"], **variables["url"])
    named = re.findall(r"exclude each other: give one of (\w+ and \w+)", run.output)
    assert list(dict.fromkeys(named)) == ["SENDCLEAN_BINDINGS_PATH and SENDCLEAN_BINDINGS_URL", "bindings_path and bindings_url"]
    assert not service.log


def test_accounts_and_tables_are_kept_apart(accounts: Project, service: Service, database: Database) -> None:
    """Neither does one see the other's aliases, nor does it wait for the other's lock."""
    accounts.run(f"{ENFORCE} --limit production").succeeded()
    run = accounts.run(playbook("export", "--limit staging"), **NO_CREDENTIALS).succeeded()
    assert "smtp_users_list: []" in (accounts.folder / "smtp_users.staging.yml").read_text(encoding="utf-8"), run.output
    assert list(database.documents()) == [OWNER_ID]

    elsewhere = Database(database.server, f"{database.table}_b")
    elsewhere.make_table()
    record = record_at(
        {"bindings_url": database.server.at(database.server.port, f"?sendclean_table={database.table}")},
        accounts.environment["SENDCLEAN_API_URL"],
        OWNER_ID,
    )
    assert record
    with record.lock():
        assert changed(accounts.run(f"{ENFORCE} --limit staging")) == {"staging": 2}
        # The same account, known to another table, as a copy is tried out.
        (accounts.folder / "copy.yml").write_text(yaml.safe_dump({"smtp_users_bindings_url": elsewhere.url}), encoding="utf-8")
        accounts.run(playbook("recover", "--limit production -e @copy.yml")).succeeded()
    assert elsewhere.aliases(OWNER_ID) == database.aliases(OWNER_ID)


# ---- what is missing ------------------------------------------------------------------------------------------------


def failing(project: Project, service: Service, url: str, **environment: str) -> tuple[list[str], Run]:
    """Run a task, the role and the doctor in check mode, which must fail without a call but the doctor's; return the messages."""
    project.write_hosts({"sendclean": {"ansible_connection": "local", "smtp_users_list": [{"alias": "billing", **LIMITS}]}})
    roles = [{"name": "sendclean.email.smtp_users", "tasks_from": entry} for entry in ("main", "doctor")]
    tasks = [{"ansible.builtin.include_role": role} for role in roles]
    project.write_play("play.yml", BILLING, *tasks, ignore_errors=True)
    variables = {"SENDCLEAN_BINDINGS_URL": url, **VERBOSE, **environment}
    run = project.run("ansible-playbook -i inventory play.yml --check", **variables).succeeded()
    told = [json.loads(f'"{text}"') for text in re.findall(r'^    "msg": "(bindings_url .*)"$', run.output, re.MULTILINE)]
    told += re.findall(r"^  ! (bindings_url .*)$", run.output, re.MULTILINE)
    assert len(told) == 3, run.output
    assert [entry.call for entry in service.log] == ["listSmtp"]
    return told, run


def test_without_psycopg_nothing_is_done(project: Project, service: Service) -> None:
    """A package that cannot be imported stands for one that is not there."""
    project.write("without/psycopg.py", "raise ImportError(\"No module named 'psycopg'\")\n")
    told, _run = failing(project, service, "postgresql://127.0.0.1:1/x", PYTHONPATH=str(project.folder / "without"))
    for message in told:
        assert "bindings_url needs psycopg 3 for /" in message
        assert "No module named 'psycopg'" in message
        assert "Install psycopg[binary] there" in message

    # Who has no database needs none of it.
    service.clear_log()
    run = project.run(ENFORCE, PYTHONPATH=str(project.folder / "without")).succeeded()
    assert changed(run) == {"sendclean": 1}


def test_without_a_server_nothing_is_done(project: Project, service: Service) -> None:
    told, _run = failing(project, service, f"postgresql://{ROLE}@127.0.0.1:1/sendclean")
    for message in told:
        assert message.startswith(f"bindings_url leads to no database: postgresql://{ROLE}@127.0.0.1:1/sendclean: ")
        assert message.endswith("Start the server, or check host, port and network")


def test_what_makes_the_table_is_in_the_result(project: Project, service: Service, database: Database) -> None:
    database.server.ask(f"drop table {database.table}")
    told, run = failing(project, service, database.url)
    assert all(f'has no table "{database.table}"' in message for message in told)

    create, *_roles = re.findall(r'^    "create_table": (".*"),?$', run.output, re.MULTILINE)
    database.server.ask(json.loads(create))
    project.write_play("play.yml", BILLING)
    rightless = project.run("ansible-playbook -i inventory play.yml", SENDCLEAN_BINDINGS_URL=database.url)
    (advice,) = re.findall(r"grant select, insert, delete on \S+ to", rightless.failures["sendclean"])
    database.server.ask(f"{advice} {ROLE}")
    assert project.run("ansible-playbook -i inventory play.yml", SENDCLEAN_BINDINGS_URL=database.url).succeeded().changed == 1


# ---- passwords ------------------------------------------------------------------------------------------------------


def test_a_password_in_the_url_is_refused_and_not_shown(project: Project, service: Service, database: Database) -> None:
    """As option of a task and in the environment, as the role's variable, and by the doctor."""
    url = database.url.replace(f"{ROLE}@", f"{ROLE}:another-secret@")
    service.secrets.add("another-secret")
    option = {"sendclean.email.smtp_user": {**BILLING["sendclean.email.smtp_user"], "bindings_url": url}}
    roles = [{"name": "sendclean.email.smtp_users", "tasks_from": entry} for entry in ("main", "doctor")]
    tasks = [{"ansible.builtin.include_role": role, "vars": {"smtp_users_bindings_url": url}} for role in roles]
    project.write_hosts({"sendclean": {"ansible_connection": "local", "smtp_users_list": []}})
    project.write_play("play.yml", option, BILLING, *tasks, ignore_errors=True)
    run = project.run("ansible-playbook -i inventory play.yml", **VERBOSE, SENDCLEAN_BINDINGS_URL=url).succeeded()

    told = re.findall(
        r"(?:\"|! )(\w+) must not hold a password: libpq finds it in PGPASSWORD, PGPASSFILE or a service file", run.output
    )
    assert told[:2] == ["bindings_url"] * 2 and {*told[2:]} == {"smtp_users_bindings_url"}, run.output
    assert "  ! smtp_users_bindings_url must not hold a password" in run.output
    assert [entry.call for entry in service.log] == ["listSmtp"]


def test_the_password_of_the_environment_is_seen_nowhere(accounts: Project, service: Service, database: Database) -> None:
    """Neither where it is right nor where it is wrong: Project.run searches output and files."""
    service.secrets.add("a-wrong-password")
    with arguments_of_processes() as arguments:
        assert changed(accounts.run(f"{ENFORCE} --diff -vvvv", ANSIBLE_INJECT_INVOCATION="1")) == {"production": 2, "staging": 2}
        roles = [{"name": "sendclean.email.smtp_users", "tasks_from": entry} for entry in ("main", "doctor")]
        accounts.write_play("play.yml", *[{"ansible.builtin.include_role": role} for role in roles], ignore_errors=True)
        command = "ansible-playbook -i inventory play.yml"
        wrong = accounts.run(command, **VERBOSE, PGPASSWORD="a-wrong-password").succeeded()
    assert "password authentication failed for user" in wrong.output
    assert "its password belongs into PGPASSWORD, PGPASSFILE or a service file" in wrong.output
    assert any("smtp_users" in command for command in arguments)
    assert not [command for command in arguments if PASSWORD in command or "a-wrong-password" in command]
