# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook drift: what counts, what is shown, that nothing is written whatever is said, and the recipes for a schedule."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.guides import ROOT, blocks
from integration.project import AS_JSON, NO_CREDENTIALS, Project, Run
from simulator import Service
from unit.plugins.helpers import snapshot

DRIFT = "ansible-playbook -i inventory sendclean.email.drift"
ACCOUNTS = {"development": "1001", "production": "1002", "staging": "1003"}
LIST = [{"alias": "billing", "total_limit": 5, "hourly_limit": 2}, {"alias": "shop", "total_limit": 5, "hourly_limit": 2}]


@pytest.fixture
def team(project: Project, service: Service) -> Project:
    """Three accounts that are as their lists say."""
    hosts, bindings = {}, {}
    for host, owner_id in ACCOUNTS.items():
        service.add_account(owner_id, f"the-token-of-{host}")
        hosts[host] = {"smtp_users_owner_id": owner_id, "smtp_users_token": f"the-token-of-{host}", "smtp_users_list": LIST}
        names = {user["alias"]: service.create_user(owner_id, total_limit=5, hourly_limit=2).smtp_user_name for user in LIST}
        bindings[owner_id] = {"aliases": names}
    project.write_hosts(hosts)
    project.write_bindings(bindings)
    project.environment.update(dict.fromkeys(NO_CREDENTIALS, ""))
    for name in NO_CREDENTIALS:
        del project.environment[name]
    return project


def change(project: Project, **own: dict[str, Any]) -> None:
    """Give hosts variables of their own."""
    for host, variables in own.items():
        project.write(f"inventory/host_vars/{host}.yml", json.dumps(variables))


def by_hand(service: Service, host: str, alias_index: int = 0, **changes: Any) -> None:
    """Do in an account what somebody does in the panel."""
    user = service.users(ACCOUNTS[host])[alias_index]
    service.update_user(ACCOUNTS[host], user.smtp_user_name, **changes)


def look(project: Project, service: Service, arguments: str = "", **environment: str) -> Run:
    """Run the playbook, which asks for listings alone and touches nothing but reports."""
    before = {path: seen for path, seen in snapshot(project.folder).items() if "/home" not in path and "/reports" not in path}
    service.clear_log()
    run = project.run(f"{DRIFT} {arguments}", **environment)
    assert {entry.call for entry in service.log} <= {"listSmtp"}
    after = {path: seen for path, seen in snapshot(project.folder).items() if "/home" not in path and "/reports" not in path}
    assert after == before
    return run


def table(run: Run) -> list[str]:
    """Return the one table of a run."""
    (found,) = re.findall(r"^account +state .*\n(?:.*\n)*?.*accounts?: .*\.$", run.output, re.MULTILINE)
    return str(found).splitlines()


def test_accounts_in_order(team: Project, service: Service) -> None:
    run = look(team, service)
    assert run.returncode == 0, run.output
    assert table(run) == [
        "account      state     create  change  disable  unclaimed",
        "development  in order       0       0        0          0",
        "production   in order       0       0        0          0",
        "staging      in order       0       0        0          0",
        "3 accounts: 3 in order.",
    ]
    assert run.counts("changed") == {"development": 0, "localhost": 0, "production": 0, "staging": 0}
    # One listing for each.
    assert len(service.log) == 3


def test_what_drifted_and_what_failed_is_told_and_stops_nobody(team: Project, service: Service) -> None:
    by_hand(service, "staging", hourly_limit=9999)
    by_hand(service, "staging", 1, status="Disable")
    service.create_user(ACCOUNTS["staging"], total_limit=7)
    change(team, production={"smtp_users_token": "a wrong one"})
    (team.folder / "reports").mkdir()
    paths = f"-e smtp_users_overview_path={team.folder}/reports/drift.json"
    run = look(team, service, paths)
    assert run.returncode == 2
    shown = table(run)
    assert shown[1] == "production   failed          -       -        -          -"
    assert shown[2].startswith("    SendClean answered listSmtp with an error: Token MissMatch. Check owner_id and token")
    assert shown[3:] == [
        "staging      to change       0       2        0          1",
        "development  in order        0       0        0          0",
        "3 accounts: 1 failed, 1 to change, 1 in order.",
    ]
    assert run.counts("failed") == {"development": 0, "localhost": 0, "production": 1, "staging": 1}
    assert run.failures["staging"] == [
        "is not as its list says: billing (updated), shop (enabled). "
        "Run sendclean.email.enforce, which does so, or change the list"
    ]
    assert "Token MissMatch" in run.failures["production"][0]
    # The table is the last thing before the recap.
    assert run.output.index("fatal: [staging]") < run.output.index(shown[0]) < run.output.index("PLAY RECAP")
    found = json.loads((team.folder / "reports" / "drift.json").read_text(encoding="utf-8"))
    assert found["check_mode"] is True
    assert [(row["account"], row["state"]) for row in found["accounts"]] == [
        ("production", "failed"),
        ("staging", "to_change"),
        ("development", "in_order"),
    ]


def test_nobody_has_claimed_is_no_drift(team: Project, service: Service) -> None:
    """But where a purge of the whole account would disable it. With --check it is the same."""
    for host in ("production", "staging"):
        service.create_user(ACCOUNTS[host])
    change(team, production={"smtp_users_purge": True, "smtp_users_purge_scope": "account"})
    run = look(team, service, "--check")
    assert run.returncode == 2
    assert table(run)[1:-1] == [
        "production   to change       0       0        1          0",
        "staging      in order        0       0        0          1",
        "development  in order        0       0        0          0",
    ]


def test_nothing_is_written_whatever_the_command_line_says(team: Project, service: Service) -> None:
    by_hand(service, "staging", hourly_limit=9999)
    before = service.users(ACCOUNTS["staging"])
    variables = dict.fromkeys(("check_mode", "ansible_check_mode", "_ansible_check_mode"), False)
    elsewhere = {"ansible_connection": "ssh", "ansible_become": True}
    run = look(team, service, f"-e '{json.dumps({**variables, **elsewhere})}' --diff -vvv --become --forks 1")
    assert run.returncode == 2
    assert table(run)[1].startswith("staging      to change")
    assert service.users(ACCOUNTS["staging"]) == before


def test_nor_what_a_play_of_ones_own_says(team: Project, service: Service) -> None:
    """The play, what it applies to the role, and a step by itself."""
    by_hand(service, "staging", hourly_limit=9999)
    role: dict[str, Any] = {"name": "sendclean.email.smtp_users", "tasks_from": "drift"}
    values = {"smtp_users_bindings_path": str(team.folder / "sendclean_bindings.json")}
    ways: list[dict[str, Any]] = [
        {"ansible.builtin.include_role": role},
        {"ansible.builtin.include_role": {**role, "apply": {"check_mode": False}}},
        {"sendclean.email._smtp_users": {"step": "drift"}, "check_mode": False, "vars": values},
    ]
    go_on = [{"ansible.builtin.debug": {"msg": "never mind"}}]
    team.write_play("own.yml", *[{"block": [way], "rescue": go_on} for way in ways], check_mode=False)
    service.clear_log()
    run = team.run(f"ansible-playbook -i inventory own.yml -e smtp_users_overview_path={team.folder}/drift.md").succeeded()
    assert Counter(entry.call for entry in service.log) == {"listSmtp": len(ways) * len(ACCOUNTS)}
    assert run.counts("rescued") == {"development": 0, "production": 0, "staging": 2}
    assert (team.folder / "drift.md").read_text(encoding="utf-8").startswith("# Plan for all accounts")


def test_credentials_that_are_not_in_force_are_drift(team: Project, service: Service) -> None:
    """What cannot be decrypted cannot be compared."""
    team.have_vault_password()
    team.write_vault_password("home/another", "what opens another vault")
    files = {host: team.folder / f"credentials-{host}.yml" for host in ("production", "staging")}
    change(team, **{host: {"smtp_users_credentials_file": str(file)} for host, file in files.items()})
    by_hand(service, "production", hourly_limit=9999)
    # What they have in common needs no drift: enforce mends it, and then there is none.
    team.run("ansible-playbook -i inventory sendclean.email.enforce").succeeded()
    assert look(team, service).returncode == 0
    service.secrets.add("another password")
    by_hand(service, "staging", smtp_password="another password")
    files["production"].write_bytes(team.vault("home/another").encrypt("smtp_credentials: {}"))
    run = look(team, service)
    assert run.returncode == 2
    shown = table(run)
    assert shown[1].startswith("production   failed")
    assert shown[3:5] == [
        "staging      to change       0       0        0          0",
        "    smtp_users_credentials_file does not hold what is in force: run sendclean.email.enforce, which keeps it",
    ]


# For each account what is wrong with it, and what is told.
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "list": ({"smtp_users_list": "billing"}, "smtp_users_list must be a list"),
    "alias": ({"smtp_users_list": [{"alias": 7}]}, "smtp_users_list[0].alias"),
    "template": ({"smtp_users_token": "{{ nowhere }}"}, "smtp_users_token cannot be evaluated"),
    "nothing": ({"smtp_users_list": None}, "smtp_users_list"),
    "overview": ({"smtp_users_overview_path": "relative.json"}, "smtp_users_overview_path"),
    "page": ({"smtp_users_report_path": "/nowhere/at/all.html"}, "/nowhere/at"),
    "bindings": ({"smtp_users_bindings_path": "/nowhere/at/all.json"}, "bindings_path"),
    "down": ({"smtp_users_api_url": "http://127.0.0.1:9/v1.0", "smtp_users_timeout": 1}, "not reached"),
}


def test_a_mistake_in_one_account_is_in_the_table(team: Project, service: Service) -> None:
    """All in one run: each account has another one, and those without are looked at all the same."""
    hosts = yaml.safe_load((team.folder / "inventory" / "hosts.yml").read_text(encoding="utf-8"))["sendclean_accounts"]["hosts"]
    team.write_hosts({**hosts, **{host: {**hosts["production"], **own} for host, (own, _why) in MISTAKES.items()}})
    run = look(team, service)
    assert run.returncode == 2
    assert run.counts("failed") == {**dict.fromkeys(("localhost", *hosts), 0), **dict.fromkeys(MISTAKES, 1)}
    shown = table(run)
    begins = {line.split()[0]: number for number, line in enumerate(shown) if not line.startswith(" ")}
    for host, (_own, why) in MISTAKES.items():
        assert why in " ".join(shown[begins[host] : begins[host] + 2]) or why in str(run.failures[host]), (host, run.output)
    # A page that cannot be written hides nothing of what was found.
    assert {line.split()[0] for line in shown if " in order " in line} == {"page", *hosts}


def test_some_accounts(team: Project, service: Service) -> None:
    run = look(team, service, "-e sendclean_hosts=staging:development --limit 'dev*:production'")
    assert run.returncode == 0, run.output
    assert [line.split()[0] for line in table(run)[1:-1]] == ["development"]


def test_no_account_at_all_is_a_failure(project: Project) -> None:
    """A run on a schedule that looks at nothing must not say that all is in order."""
    run = project.run("ansible-playbook -i inventory sendclean.email.drift -e sendclean_hosts=nowhere")
    assert run.returncode == 2
    assert "sendclean_hosts names no host of the inventory" in run.output


def test_hosts_that_only_the_inventory_names_are_not_compared_and_that_is_a_failure(project: Project) -> None:
    """Tasks see such a variable. The hosts of a play don't."""
    hosts = {"vars": {"sendclean_hosts": "accounts"}, "children": {"accounts": {"hosts": {"production": {}}}}}
    project.write("inventory/hosts.yml", yaml.safe_dump({"all": hosts}))
    run = project.run("ansible-playbook -i inventory sendclean.email.drift")
    assert run.returncode == 2
    assert "Give it with -e" in run.output


@pytest.mark.parametrize(
    "environment",
    [
        {
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "no",
            "ANSIBLE_DISPLAY_OK_HOSTS": "no",
            "ANSIBLE_DISPLAY_FAILED_STDERR": "yes",
            "ANSIBLE_ANY_ERRORS_FATAL": "yes",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        },
        {"ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_STRATEGY": "free"},
    ],
    ids=str,
)
def test_under_other_settings(team: Project, service: Service, environment: dict[str, str]) -> None:
    by_hand(service, "staging", hourly_limit=9999)
    run = look(team, service, **environment)
    assert run.returncode == 2
    assert len(table(run)) == 5


def test_what_is_for_programs_has_no_table_in_it(team: Project) -> None:
    team.write("callback_plugins/as_json.py", AS_JSON)
    command = [Path(sys.executable).parent / "ansible-playbook", *DRIFT.split()[1:]]
    places = {"ANSIBLE_CALLBACK_PLUGINS": str(team.folder / "callback_plugins")}
    environment = {**team.environment, **places, "ANSIBLE_STDOUT_CALLBACK": "as_json"}
    run = subprocess.run(command, cwd=team.folder, env=environment, capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in run.stdout.splitlines()]
    assert "3 accounts: 3 in order." in run.stderr


def test_in_batches_each_shows_what_is_known(team: Project, service: Service) -> None:
    """In a play of one's own. What comes later is not called unreached."""
    task = {"name": "Look", "ansible.builtin.include_role": {"name": "sendclean.email.smtp_users", "tasks_from": "drift"}}
    team.write_play("own.yml", task, serial=2)
    run = team.run("ansible-playbook -i inventory own.yml").succeeded()
    assert "2 accounts: 2 in order." in run.output
    assert "3 accounts: 3 in order." in run.output
    assert "not reached" not in run.output


# ---- on a schedule ---------------------------------------------------------------------------------------------------

GUIDE = list(blocks(ROOT / "docs" / "check-mode-and-drift.md"))
RECIPES = dict(GUIDE)
(JOB,) = [yaml.safe_load(text)["drift"] for _language, text in GUIDE if "gitlab-ci" in text]


@pytest.fixture
def scheduled(team: Project) -> Project:
    """What the guide tells to write, and a mail program that keeps what it was given."""
    team.write("drift-message.py", RECIPES["python"])
    team.write("drift.sh", RECIPES["sh"])
    (team.folder / "accounts.yml").symlink_to("inventory/hosts.yml")
    (team.folder / "host_vars").symlink_to("inventory/host_vars")
    team.write("bin/mail", '#!/bin/sh\n(echo "$@"; cat) > mail.txt\n')
    for program in ("drift.sh", "bin/mail"):
        (team.folder / program).chmod(0o755)
    team.environment["PATH"] = f"{team.folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return team


def shell(project: Project, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**project.environment, **environment}
    return subprocess.run(["sh", "-c", script], cwd=project.folder, env=variables, capture_output=True, text=True, check=False)


def test_the_script_for_cron(scheduled: Project, service: Service) -> None:
    mail = scheduled.folder / "mail.txt"
    assert shell(scheduled, "./drift.sh").returncode == 0
    assert not mail.exists()
    by_hand(service, "staging", hourly_limit=9999)
    change(scheduled, production={"smtp_users_token": "a wrong one"})
    run = shell(scheduled, "cd / && " + str(scheduled.folder / "drift.sh"))
    assert run.stdout + run.stderr == ""
    about, *lines = mail.read_text(encoding="utf-8").splitlines()
    assert about == "-s SMTP users have drifted team@example.com"
    assert lines[0].startswith("production is failed: SendClean answered listSmtp with an error: Token MissMatch")
    assert lines[1:] == ["staging has drifted, a run would have 0 created, 1 changed, 0 disabled."]
    # A run that ends before it can compare anybody does not tell what another one has found.
    scheduled.write("inventory/hosts.yml", "sendclean_accounts: {}")
    shell(scheduled, "./drift.sh")
    assert mail.read_text(encoding="utf-8").splitlines()[1:] == [
        "The run ended before it had compared the accounts: see its output"
    ]


def test_the_job_for_gitlab(scheduled: Project, service: Service) -> None:
    said: list[Any] = []

    class Chat(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    with http.server.HTTPServer(("127.0.0.1", 0), Chat) as chat:
        threading.Thread(target=chat.serve_forever, daemon=True).start()
        given = {"CI_PROJECT_DIR": str(scheduled.folder), "CHAT_URL": f"http://127.0.0.1:{chat.server_port}/"}
        given["no_proxy"] = "127.0.0.1"

        def job() -> str:
            done = shell(scheduled, "\n".join(["set -e", *JOB["script"]]), **given)
            status = "failed" if done.returncode else "success"
            after = shell(scheduled, "\n".join(JOB["after_script"]), **given, CI_JOB_STATUS=status)
            assert after.returncode == 0, after.stderr
            return status

        assert (job(), said) == ("success", [])
        by_hand(service, "staging", hourly_limit=9999)
        assert job() == "failed"
        chat.shutdown()
    assert said == [{"text": "staging has drifted, a run would have 0 created, 1 changed, 0 disabled."}]
    assert (scheduled.folder / JOB["artifacts"]["paths"][0]).exists()
