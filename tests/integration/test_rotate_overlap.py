# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook rotate without an outage: who works when, what is delivered and kept first, and runs that die in between."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from integration.project import OWNER_ID, Project, Run, kill
from integration.rotations import (
    ALIASES,
    HOOK,
    ROTATE,
    active,
    bind,
    can_log_in,
    days_ago,
    deliveries,
    deployed,
    former_of,
    in_force,
    let_pass,
    rotate,
    standbys,
    stored,
    users,
    with_file,
    with_hook,
    writes,
)
from simulator import Service


@pytest.fixture
def account(project: Project, service: Service) -> Project:
    """Three users with aliases, created some days ago, and tasks that deliver; nothing is kept in a file yet."""
    project.have_vault_password()
    names = {alias: service.create_user(OWNER_ID).smtp_user_name for alias in ALIASES}
    bind(project, {"aliases": names, "password_times": dict.fromkeys(names.values(), days_ago(3))})
    project.write("deploy.yml", yaml.safe_dump(HOOK))
    project.write_hosts({"production": {}})
    (project.folder / "broken").mkdir()
    return project


def test_the_whole_story_over_days(account: Project, service: Service) -> None:
    with_file(account, service)
    first, old = active(account), stored(account)

    run = rotate(account, aliases="billing,shop", verbose=True).succeeded()
    assert writes(service) == {"addSmtp": 2}
    assert "redeploy what uses it while the old one works: billing (until 2" in run.output
    assert (can_log_in(service, old), stored(account)) == (ALIASES, in_force(account, service))
    assert {alias: user["smtp_user_name"] for alias, user in standbys(account).items()} == {
        alias: first[alias] for alias in ("billing", "shop")
    }

    # Within the overlap nobody's password is touched, however often it is asked for.
    run = rotate(account, aliases="billing").succeeded()
    assert "left alone while a former user works until: billing (2" in run.output and "Nobody has a new password." in run.output
    assert (writes(service), can_log_in(service, old)) == ({}, ALIASES)

    # Over, and not due; alerts is due by now and has no former user yet.
    let_pass(account, 2)
    run = rotate(account, max_age_days=4).succeeded()
    assert "Retired, so that the old credentials work no more: billing, shop" in run.output
    assert writes(service) == {"editSmtp": 2, "addSmtp": 1}
    assert can_log_in(service, old) == ["alerts"]
    assert stored(account) == in_force(account, service)

    # They take turns, and never are more than two.
    let_pass(account, 40)
    rotate(account, max_age_days=30).succeeded()
    # Those of billing and shop are reset and enabled; the former one of alerts retires before.
    assert writes(service) == {"resetSmtpPassword": 3, "editSmtp": 4}
    assert active(account) == first and len(users(service)) == 6
    assert stored(account) == in_force(account, service)
    assert {user.status for user in users(service).values()} == {"Enable"}
    assert account.run("ansible-playbook -i inventory sendclean.email.doctor").succeeded()
    assert writes(service) == {}


def test_a_dry_run_foretells_it_and_does_nothing(account: Project, service: Service) -> None:
    with_hook(account, smtp_users_credentials_file=str(account.folder / "credentials.yml"))
    before = (account.folder / "sendclean_bindings.json").read_bytes()
    run = rotate(account, "--check --diff", aliases="billing", verbose=True).succeeded()
    assert "These aliases have (in the real run) a new user with a new password, which" in run.output
    assert "billing (for 24 hours)" in run.output
    assert ((account.folder / "sendclean_bindings.json").read_bytes(), deliveries(account), writes(service)) == (before, [], {})

    account.write("broken/billing", "")
    rotate(account, aliases="billing", hours=0)
    before = (account.folder / "sendclean_bindings.json").read_bytes()
    writes(service)
    (account.folder / "broken" / "billing").unlink()
    run = rotate(account, "--check", max_age_days=1000, hours=0).succeeded()
    assert "Delivered (in the real run) now, since that was still to be done: billing" in run.output
    assert "Retired (in the real run), so that the old credentials work no more: billing" in run.output
    assert ((account.folder / "sendclean_bindings.json").read_bytes(), deliveries(account), writes(service)) == (before, [], {})
    rotate(account, max_age_days=1000, hours=0).succeeded()
    assert (writes(service), deliveries(account)) == ({"editSmtp": 1}, ["billing"])


def test_who_was_switched_and_not_stored_is_stored_before_anybody_retires(account: Project, service: Service) -> None:
    with_file(account, service)
    old = stored(account)
    writes(service)
    # The seventh listing is that with which the new credentials would be kept: one each to keep, to look at users and bindings,
    # two to rotate.
    service.add_fault("listSmtp", "authentication_error", skip=5)
    run = rotate(account, aliases="billing", hours=0)
    assert not service.faults
    assert "Token MissMatch" in run.failures["production"][0]
    assert "have a new user with a new password, which the next run keeps while the old one works: billing" in run.output
    assert (writes(service), stored(account), can_log_in(service, old)) == ({"addSmtp": 1}, old, ALIASES)

    # Nor by a run that cannot keep it either.
    service.add_fault("listSmtp", "authentication_error")
    run = rotate(account, aliases="billing", hours=0)
    assert (writes(service), stored(account), can_log_in(service, old)) == ({}, old, ALIASES)

    run = rotate(account, aliases="billing", hours=0).succeeded()
    assert stored(account) == in_force(account, service) != old
    assert "redeploy what uses it while the old one works: billing (until the next run)" in run.output
    assert (writes(service), can_log_in(service, old)) == ({}, ALIASES), "nobody could deploy what was only just kept"

    rotate(account, max_age_days=1000, hours=0).succeeded()
    assert writes(service) == {"editSmtp": 1}, "it is not rotated again, and the former one retires"
    assert can_log_in(service, stored(account)) == ALIASES


def test_a_run_that_is_killed_after_a_switch_loses_nothing(account: Project, service: Service) -> None:
    with_file(account, service)
    old = stored(account)
    account.write("chosen.yml", yaml.safe_dump({"smtp_users_rotate_aliases": ALIASES, "smtp_users_rotate_overlap_hours": 1}))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), *ROTATE.split()[1:], "-e", "@chosen.yml"]
    with psutil.Popen(command, cwd=account.folder, env=account.environment, stdout=subprocess.DEVNULL) as process:
        while not any("retires_at" in standby for standby in standbys(account).values()):
            assert process.poll() is None
            time.sleep(0.005)
        kill([*process.children(recursive=True), process])
    assert (stored(account), can_log_in(service, old)) == (old, ALIASES)

    run = rotate(account, aliases=ALIASES, hours=1).succeeded()
    assert stored(account) == in_force(account, service)
    assert all(f"{alias} (until 2" in run.output for alias in ALIASES)
    assert (len(users(service)), can_log_in(service, old)) == (6, ALIASES)


def test_what_could_not_be_delivered_is_delivered_before_anybody_retires(account: Project, service: Service) -> None:
    """Without a file: the tasks are all that brings the credentials to where they are used."""
    with_hook(account)

    def run(playbooks: str = "", **variables: Any) -> Run:
        return rotate(account, f"{playbooks} --diff", hours=0, verbose=True, **variables)

    run(aliases=ALIASES).succeeded()
    assert (sorted(deliveries(account)), deployed(account)) == (ALIASES, in_force(account, service))
    old, names = deployed(account), active(account)
    writes(service)

    account.write("broken/billing", "")
    failed = run(aliases=ALIASES)
    assert deliveries(account) == ["alerts", "shop"]
    assert "smtp_users_rotate_deploy_tasks failed for billing: see above" in failed.output
    assert can_log_in(service, deployed(account)) == ALIASES
    assert (deployed(account)["billing"], writes(service)["addSmtp"]) == (old["billing"], 0)
    assert failed.returncode == 2

    # It is not delivered yet: its former user goes on working for as long as that lasts.
    failed = run(max_age_days=1000)
    assert (deliveries(account), can_log_in(service, deployed(account))) == ([], ALIASES)
    assert writes(service) == {"editSmtp": 2}

    (account.folder / "broken" / "billing").unlink()
    # Once: the second of the two has nothing to do.
    done = run("sendclean.email.rotate", max_age_days=1000).succeeded()
    assert done.output.count("Delivered now, since that was still to be done: billing") == 1
    assert deliveries(account) == ["billing"]
    assert (deployed(account), writes(service)) == (in_force(account, service), {"editSmtp": 1})
    assert account.read_bindings()[OWNER_ID]["delivered"] == active(account) != names
    assert len(users(service)) == 6


def test_nor_does_anybody_retire_in_a_play_of_ones_own_that_goes_on(account: Project, service: Service) -> None:
    with_hook(account, smtp_users_rotate_overlap_hours=0)
    role = {"name": "sendclean.email.smtp_users", "tasks_from": "rotate"}
    account.write_play("play.yml", {"ansible.builtin.include_role": role}, ignore_errors=True, any_errors_fatal=True)
    account.write("broken/billing", "")
    old = in_force(account, service)
    # Whoever could be delivered has left the old credentials when the second run retires them.
    for choice, delivered, written, work in (
        ({"aliases": ALIASES}, ["alerts", "shop"], {"addSmtp": 3}, ALIASES),
        ({"max_age_days": 1000}, [], {"editSmtp": 2}, ["billing"]),
    ):
        account.write("chosen.yml", yaml.safe_dump({f"smtp_users_rotate_{name}": value for name, value in choice.items()}))
        run = account.run("ansible-playbook -i inventory play.yml -e @chosen.yml")
        assert "smtp_users_rotate_deploy_tasks failed for billing: see above" in run.output
        assert (deliveries(account), writes(service), can_log_in(service, old)) == (delivered, written, work)


def test_a_reset_in_place_is_delivered_too_and_a_former_user_s_leaked_password_is_reset(
    account: Project, service: Service
) -> None:
    with_hook(account)
    account.write("broken/shop", "")
    rotate(account, hours=None, aliases="shop")
    assert (writes(service), deliveries(account)) == ({"resetSmtpPassword": 1}, [])
    (account.folder / "broken" / "shop").unlink()
    # Its name is the same: that it is still to be delivered is remembered all the same, and it is not reset again.
    rotate(account, hours=None, aliases="shop").succeeded()
    assert (writes(service), deliveries(account)) == ({}, ["shop"])
    assert deployed(account)["shop"] == in_force(account, service)["shop"]

    former = former_of(account, service, "shop", days_ago(-1))
    service.update_user(OWNER_ID, former, smtp_password="leaked-0815")
    run = rotate(account, leaked_password="leaked-0815").succeeded()
    assert "The former users of these had the leaked password, and were reset, too: shop" in run.output
    assert (writes(service), deliveries(account)) == ({"resetSmtpPassword": 1}, [])
    assert users(service)[former].smtp_password != "leaked-0815"
    # That of the active one, at once, also within the overlap.
    leaked = in_force(account, service)["shop"][1]
    rotate(account, leaked_password=leaked).succeeded()
    assert (writes(service), deliveries(account)) == ({"resetSmtpPassword": 1}, ["shop"])
    assert deployed(account)["shop"] == in_force(account, service)["shop"] != leaked


def test_tasks_are_run_where_they_say(account: Project, service: Service) -> None:
    """What is said of a machine holds for what is delegated to it, and what is said of an account for nobody."""
    there = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    nowhere = {"ansible_connection": "ssh", "ansible_password": "{{ nowhere }}", "ansible_become": True}
    hook = [*HOOK, {"name": "Log in", "ansible.builtin.command": "touch logged-in", "delegate_to": "web"}]
    account.write("deploy.yml", yaml.safe_dump(hook))
    inventory = {
        "sendclean_accounts": {
            "hosts": {"production": {**nowhere, "smtp_users_rotate_deploy_tasks": f"{account.folder}/deploy.yml"}}
        },
        "machines": {"hosts": {"web": there}},
    }
    account.write("inventory/hosts.yml", yaml.safe_dump(inventory))
    run = rotate(account, aliases="billing,shop", hours=0)
    assert run.returncode == 4 and "[production -> web]: UNREACHABLE" in run.output, run.output
    assert deliveries(account) == ["billing"], "the tasks before ran here"
    assert "delivered" not in account.read_bindings()[OWNER_ID]
    account.write("deploy.yml", yaml.safe_dump(HOOK))
    rotate(account, max_age_days=1000, hours=0).succeeded()
    assert sorted(deliveries(account)) == ["billing", "shop"]


@pytest.mark.parametrize("waits", [False, True])
def test_a_machine_that_stays_down_keeps_no_other_alias_from_being_delivered(account: Project, waits: bool) -> None:
    there = {"delegate_to": "{{ smtp_users_rotated_alias }}"}
    wait = {"name": "Wait", "ansible.builtin.wait_for_connection": {"timeout": 1}, **there}
    login = {"name": "Log in", "ansible.builtin.command": "touch logged-in", **there}
    account.write("deploy.yml", yaml.safe_dump([*([wait] if waits else []), login, *HOOK]))
    down = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    machines = {"hosts": {"alerts": down, "billing": {"ansible_connection": "local"}, "shop": {"ansible_connection": "local"}}}
    tasks = {"smtp_users_rotate_deploy_tasks": f"{account.folder}/deploy.yml"}
    inventory = {"sendclean_accounts": {"hosts": {"production": tasks}}, "machines": machines}
    account.write("inventory/hosts.yml", yaml.safe_dump(inventory))
    run = rotate(account, aliases="alerts,billing,shop", hours=0)
    delivered = [deliveries(account)]
    assert (run.returncode, delivered) == ((2, [["billing", "shop"]]) if waits else (4, [[]]))
    while len(sum(delivered, [])) < 2 and len(delivered) < 20:
        # In any order: which of them come before the machine that is down is chance.
        assert rotate(account, max_age_days=1000, hours=0).returncode == 4
        delivered.append(deliveries(account))
    assert sorted(sum(delivered, [])) == ["billing", "shop"]


def test_tasks_that_cannot_be_included_are_refused_before_anything_is_rotated(account: Project, service: Service) -> None:
    files: dict[str, tuple[str | None, str]] = {
        "missing": (None, "smtp_users_rotate_deploy_tasks is no file"),
        "empty": ("---\n", "has no list of tasks"),
        "play": ("hosts: all\n", "has no list of tasks"),
        "yaml": ("- name: 'x\n", "cannot be read as YAML"),
        "typo": ("- ansible.builtin.coppy: {}\n", "cannot be included"),
        "end": (
            yaml.safe_dump([*HOOK, {"block": [{"ansible.builtin.meta": "end_host", "when": "false"}]}]),
            "has meta: end_host",
        ),
        "handler": (yaml.safe_dump([*HOOK, {"command": "true", "notify": "Restart"}]), "notifies Restart, and the play has no"),
        "import": (yaml.safe_dump([{"ansible.builtin.import_tasks": "beside/end.yml"}]), "has meta: end_play"),
        "beside/end": (yaml.safe_dump([{"ansible.builtin.meta": "end_play"}]), "has meta: end_play"),
        "beside/more": (yaml.safe_dump(HOOK[2:]), ""),
        "right": (yaml.safe_dump([{"ansible.builtin.meta": "noop"}, *HOOK[:2], {"import_tasks": "beside/more.yml"}]), ""),
    }
    for name, (text, _message) in files.items():
        if text is not None:
            account.write(f"{name}.yml", text)
    files = {name: file for name, file in files.items() if "/" not in name}
    account.write_hosts({name: {"smtp_users_rotate_deploy_tasks": f"{account.folder}/{name}.yml"} for name in files})
    run = rotate(account, aliases="billing")
    for name, (_text, message) in files.items():
        assert message in str(run.failures.get(name, "")), (name, run.output)
    assert run.counts("failed") == {name: int(bool(message)) for name, (_text, message) in files.items()}
    assert (writes(service), deliveries(account)) == ({"addSmtp": 1}, ["billing"])


def test_accounts_do_not_wait_for_each_other(account: Project, service: Service) -> None:
    """Three accounts; the tasks fail for one of them."""
    hosts: dict[str, dict[str, Any]] = {"production": {}}
    sections = {OWNER_ID: account.read_bindings()[OWNER_ID]}
    for host in ("staging", "testing"):
        service.add_account(host, f"the token of {host}")
        name = service.create_user(host).smtp_user_name
        sections[host] = {"aliases": {"only": name}, "password_times": {name: days_ago(9)}}
        hosts[host] = {"smtp_users_owner_id": host, "smtp_users_token": f"the token of {host}"}
    for variables in hosts.values():
        variables["smtp_users_rotate_deploy_tasks"] = f"{account.folder}/deploy.yml"
    account.write_bindings(sections)
    account.write_hosts(hosts)
    hook = [{"ansible.builtin.fail": {"msg": "not here"}, "when": "inventory_hostname == 'staging'"}, *HOOK]
    account.write("deploy.yml", yaml.safe_dump(hook))
    run = rotate(account, max_age_days=1)
    assert run.counts("failed") == {"production": 0, "staging": 1, "testing": 0}
    assert sorted(deliveries(account)) == [*ALIASES[:2], "only", ALIASES[2]]
    found = account.read_bindings()
    assert {host: sorted(section.get("delivered", {})) for host, section in found.items()} == {
        OWNER_ID: ALIASES,
        "staging": [],
        "testing": ["only"],
    }


def test_an_account_with_former_users_is_exported_and_found_unchanged(account: Project, service: Service) -> None:
    with_file(account, service)
    former_of(account, service, "billing", None)
    former_of(account, service, "shop", days_ago(-1))
    (account.folder / "inventory" / "host_vars").mkdir()
    place = account.folder / "inventory" / "host_vars" / "production.yml"
    account.run(f"ansible-playbook -i inventory sendclean.email.export -e smtp_users_export_path={place}").succeeded()
    assert place.read_text(encoding="utf-8").count("# Left out, since it takes turns with the user of") == 2
    writes(service)
    run = account.run("ansible-playbook -i inventory sendclean.email.enforce -e smtp_users_purge=true").succeeded()
    assert (run.changed, writes(service)) == (0, {})
    # Whom it lists is bound already.
    recovered = account.run(
        f"ansible-playbook -i inventory sendclean.email.recover -e smtp_users_recover_path={place}"
    ).succeeded()
    assert recovered.changed == 0
