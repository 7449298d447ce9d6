# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A dry run is approved, and the real run does just that: what the role hands on, and what it refuses."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from integration.guides import ACCOUNTS
from integration.project import NO_CREDENTIALS, Project, Run
from simulator import Service

ENFORCE = "ansible-playbook -i inventory sendclean.email.enforce"
HOSTS = dict(zip(("development", "staging", "production"), ACCOUNTS.items(), strict=True))


def handed_on(run: Run) -> Any:
    """Return what a run has set for the next one, None where it has set nothing."""
    found = re.search(r"^\tRUN: (.+)$", run.output, re.MULTILINE)
    return json.loads(found[1]) if found else None


@pytest.fixture
def accounts(project: Project, service: Service) -> Project:
    """Three accounts: development is in order, the others have a user to be created and one to be changed."""
    hosts = {}
    for host, (owner_id, token) in HOSTS.items():
        service.add_account(owner_id, token)
        service.create_user(owner_id, 1000, 100, smtp_user_name=f"{host}1")
        users: list[dict[str, Any]] = [{"smtp_user_name": f"{host}1", "hourly_limit": 100 if host == "development" else 7}]
        users += [] if host == "development" else [{"alias": "billing", "total_limit": 5, "hourly_limit": 5}]
        hosts[host] = {"smtp_users_owner_id": owner_id, "smtp_users_token": token, "smtp_users_list": users}
    known = {owner_id: {"known": [f"{host}1"]} for host, (owner_id, _token) in HOSTS.items()}
    project.write_bindings(known)
    project.write_hosts(hosts)
    project.environment.update({"ANSIBLE_SHOW_CUSTOM_STATS": "1"})
    return project


def test_a_dry_run_hands_on_all_checksums_and_the_real_run_does_what_was_approved(accounts: Project, service: Service) -> None:
    dry = accounts.run(f"{ENFORCE} --check", **NO_CREDENTIALS).succeeded()
    checksums = handed_on(dry)["smtp_users_plan_checksums"]
    assert checksums.keys() == HOSTS.keys()
    accounts.write("approved.json", json.dumps({"smtp_users_plan_checksums": checksums}))
    # Somebody is in the panel meanwhile, also where there was nothing to do. Of staging it changes nothing.
    for name in ("development1", "production1"):
        service.update_user(HOSTS[name[:-1]][0], name, hourly_limit=99)
    service.create_user(HOSTS["staging"][0], 8, 8)
    service.clear_log()

    for options in ("--check", ""):
        run = accounts.run(f"{ENFORCE} -e @approved.json {options}", **NO_CREDENTIALS)
        assert run.failures.keys() == {"development", "production"}, run.output
        assert re.search(r"whose plan is c\w+: 1 updated \(production1\), 1 created \(billing\)", run.failures["production"])
        assert "It is that of a run with nothing to do" in run.failures["development"]
    # A dry run hands on only what may be done; a real one nothing.
    assert handed_on(run) is None
    writes = {(entry.owner_id, entry.call) for entry in service.log if entry.call != "listSmtp"}
    assert writes == {(HOSTS["staging"][0], "addSmtp"), (HOSTS["staging"][0], "editSmtp")}

    # It is done, and may be asked for again. What the others are now is approved for one of them.
    again = accounts.run(f"{ENFORCE} --check --limit production,staging", **NO_CREDENTIALS).succeeded()
    new = handed_on(again)["smtp_users_plan_checksums"]
    assert new.keys() == {"production", "staging"} and new["production"] != checksums["production"]
    # As text, which is JSON.
    text = json.dumps({"smtp_users_plan_checksums": json.dumps({"production": new["production"]})})
    run = accounts.run(f"{ENFORCE} -e '{text}'", **NO_CREDENTIALS)
    assert run.failures.keys() == {"development"} and run.counts("changed")["production"] == 1
    assert "also for a host that smtp_users_plan_checksums does not have" in run.failures["development"]


def test_an_account_that_failed_in_the_dry_run_may_do_nothing(accounts: Project, service: Service) -> None:
    """Not even where all have failed, one before its users were looked at, and with less forks than hosts."""
    dry = accounts.run(f"{ENFORCE} --check --forks 1 -e smtp_users_token=another", **NO_CREDENTIALS)
    assert dry.failures.keys() == HOSTS.keys() and handed_on(dry) == {"smtp_users_plan_checksums": {}}
    refused = accounts.run(f"{ENFORCE} --check -e smtp_users_timeout=soon", **NO_CREDENTIALS)
    assert handed_on(refused) == {"smtp_users_plan_checksums": {}}
    accounts.write("approved.json", json.dumps(handed_on(dry)))
    service.clear_log()

    run = accounts.run(f"{ENFORCE} -e @approved.json", **NO_CREDENTIALS)

    assert run.failures.keys() == {"staging", "production"}, "development has nothing to do"
    assert {entry.call for entry in service.log} == {"listSmtp"}


def test_what_a_job_before_has_handed_on_goes_with_it(accounts: Project) -> None:
    """One after the other, as in AWX, where each account has a template with its credential."""
    known: dict[str, Any] = {}
    for host in ("production", "staging"):
        dry = accounts.run(f"{ENFORCE} --check --limit {host} -e '{json.dumps(known)}'", **NO_CREDENTIALS).succeeded()
        known = handed_on(dry)
    assert known["smtp_users_plan_checksums"].keys() == {"production", "staging"}
    accounts.run(f"{ENFORCE} -e '{json.dumps(known)}'", **NO_CREDENTIALS).succeeded()


def test_a_checksum_that_is_none_or_two_of_them_are_refused_before_any_call(accounts: Project, service: Service) -> None:
    own: dict[str, dict[str, Any]] = {
        "development": {"smtp_users_plan_checksum": "c0", "smtp_users_plan_checksums": {}},
        "staging": {"smtp_users_plan_checksum": "latest"},
    }
    for host, variables in own.items():
        accounts.write(f"inventory/host_vars/{host}.yml", json.dumps(variables))
    run = accounts.run(f"{ENFORCE} --limit {','.join(own)}", **NO_CREDENTIALS)
    message = "smtp_users_plan_checksum and smtp_users_plan_checksums exclude each other: give one of the two"
    assert run.failures.keys() == own.keys() and run.failures["development"] == [message] and not service.log
    # A question without an answer is none.
    accounts.run(f"{ENFORCE} --check -e smtp_users_plan_checksum= -e smtp_users_plan_checksums=", **NO_CREDENTIALS).succeeded()


def test_drift_is_looked_for_whatever_was_approved(accounts: Project) -> None:
    run = accounts.run("ansible-playbook -i inventory sendclean.email.drift -e smtp_users_plan_checksum=c0", **NO_CREDENTIALS)
    assert run.failures.keys() == {"staging", "production"} and handed_on(run) is None, run.output
    assert all("is not as its list says" in str(message) for message in run.failures.values())
