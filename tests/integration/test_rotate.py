# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook rotate: who is reset, what is kept, and that a run which dies in between loses nothing."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from integration.project import OWNER_ID, Project, Run, kill
from simulator import Service

ROTATE = "ansible-playbook -i inventory sendclean.email.rotate"
TWICE = f"{ROTATE} sendclean.email.rotate"
NEW = "These users have a new password, redeploy what uses it: "
NOBODY = "Nobody has a new password."
ALIASES = ["alerts", "billing", "shop"]
TIME = "%Y-%m-%dT%H:%M:%SZ"


@pytest.fixture
def kept(project: Project, service: Service) -> Path:
    """Three users with aliases, created a minute ago, and where their passwords are to be kept."""
    project.have_vault_password()
    file = project.folder / "credentials.yml"
    project.write_hosts({"production": {"smtp_users_credentials_file": str(file)}})
    names = {alias: service.create_user(OWNER_ID).smtp_user_name for alias in ALIASES}
    # Of younger ones, an older view would be waited out.
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1)
    times = dict.fromkeys(names.values(), then.strftime(TIME))
    project.write_bindings({OWNER_ID: {"aliases": names, "password_times": times}})
    return file


def passwords(project: Project, service: Service) -> dict[str, str]:
    """The password that is in force, for each alias."""
    aliases = {name: alias for alias, name in project.read_bindings()[OWNER_ID]["aliases"].items()}
    return {aliases[user.smtp_user_name]: user.smtp_password for user in service.users(OWNER_ID)}


def stored(project: Project, file: Path) -> dict[str, str]:
    """The password that the file has, for each alias."""
    return {alias: user["smtp_password"] for alias, user in project.decrypted(file.name)["smtp_credentials"].items()}


def rotate(project: Project, playbooks: str = ROTATE, arguments: str = "", **variables: Any) -> Run:
    """Run the playbook with these variables."""
    project.write("chosen.yml", yaml.safe_dump({f"smtp_users_rotate_{name}": value for name, value in variables.items()}))
    return project.run(f"{playbooks} -e @chosen.yml {arguments}")


def told(run: Run) -> list[str]:
    """Return what the run has told people to do."""
    return re.findall(r'^    "msg": "(.*(?:redeploy|Nobody).*)"$', run.output, re.MULTILINE)


def resets(service: Service) -> int:
    """How many passwords were reset."""
    return Counter(entry.call for entry in service.log if entry.carried_out)["resetSmtpPassword"]


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Whose password is another one."""
    return sorted(alias for alias in before if before[alias] != after[alias])


def test_the_passwords_of_a_list_are_reset_kept_and_told(project: Project, service: Service, kept: Path) -> None:
    before = passwords(project, service)
    dry = rotate(project, arguments="--check --diff -vvvv", aliases="shop,billing").succeeded()
    assert told(dry) == ["These users have (in the real run) a new password, redeploy what uses it: billing, shop"]
    assert passwords(project, service) == before

    run = rotate(project, arguments="--diff -vvvv", aliases=["shop", "billing"]).succeeded()

    after = passwords(project, service)
    assert changed(before, after) == ["billing", "shop"]
    assert stored(project, kept) == after
    assert told(run) == [NEW + "billing, shop"]
    assert resets(service) == 2


def test_only_passwords_that_are_too_old_are_reset(project: Project, service: Service, kept: Path) -> None:
    before = passwords(project, service)
    account = project.read_bindings()[OWNER_ID]
    long_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=31)
    account["password_times"][account["aliases"]["billing"]] = long_ago.strftime(TIME)
    # Adopted long ago: nobody knows how old its password is.
    del account["password_times"][account["aliases"]["alerts"]]
    project.write_bindings({OWNER_ID: account})

    run = rotate(project, TWICE, max_age_days=30).succeeded()

    assert changed(before, passwords(project, service)) == ["alerts", "billing"]
    assert stored(project, kept) == passwords(project, service)
    assert told(run) == [NEW + "alerts, billing", NOBODY]
    assert resets(service) == 2
    # After the last reset: one listing to verify it, one to keep it, and the second run's two.
    assert [entry.call for entry in reversed(service.log)].index("resetSmtpPassword") == 4


def test_a_leaked_password_is_reset_once(project: Project, service: Service, kept: Path) -> None:
    before = passwords(project, service)
    run = rotate(project, TWICE, "-vvvv", leaked_password=before["shop"]).succeeded()
    assert told(run) == [NEW + "shop", NOBODY]
    assert changed(before, passwords(project, service)) == ["shop"]
    assert stored(project, kept) == passwords(project, service)
    assert resets(service) == 1


def test_a_leaked_password_is_reset_wherever_it_can_be_kept(project: Project, service: Service, kept: Path) -> None:
    # There is no file until this run puts the leaked one there.
    shop = project.read_bindings()[OWNER_ID]["aliases"]["shop"]
    service.update_user(OWNER_ID, shop, smtp_password="leaked-0815")
    service.create_user(OWNER_ID, smtp_user_name="smtp-of-nobody", smtp_password="leaked-0815")

    run = rotate(project, leaked_password="leaked-0815")

    assert "redeploy what uses it: shop" in run.output
    (message,) = run.failures.values()
    assert "smtp_users_rotate_leaked_password is still that of smtp-of-nobody, without an alias" in message
    now = {user.smtp_user_name: user.smtp_password for user in service.users(OWNER_ID)}
    assert now["smtp-of-nobody"] == "leaked-0815" != now[shop] == stored(project, kept)["shop"]


@pytest.mark.parametrize("choice", ["aliases", "max_age_days", "leaked_password"])
def test_a_run_that_dies_between_reset_and_store_loses_nothing(
    project: Project, service: Service, kept: Path, choice: str
) -> None:
    before = passwords(project, service)
    chosen: dict[str, Any] = {"aliases": ALIASES, "max_age_days": 0, "leaked_password": before["billing"]}
    count = 1 if choice == "leaked_password" else len(ALIASES)
    project.write("chosen.yml", yaml.safe_dump({f"smtp_users_rotate_{choice}": chosen[choice]}))
    die_after_the_first_reset(project, service)
    assert stored(project, kept) == before
    assert resets(service) == 1

    run = rotate(project, **{choice: chosen[choice]}).succeeded()

    assert stored(project, kept) == passwords(project, service)
    assert resets(service) == count, "what was reset before is not reset again"
    assert changed(before, passwords(project, service)) == (["billing"] if count == 1 else ALIASES)
    assert told(run) == [NEW + ", ".join(["billing"] if count == 1 else ALIASES)]


def die_after_the_first_reset(project: Project, service: Service) -> None:
    """Kill the run with all its processes once a password was reset."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), *ROTATE.split()[1:], "-e", "@chosen.yml"]
    with psutil.Popen(command, cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL) as process:
        while not resets(service):
            assert process.poll() is None
            time.sleep(0.005)
        # The workers first: ansible-playbook would go on with the next task.
        kill([*process.children(recursive=True), process])


def test_what_could_be_reset_is_kept_and_the_rest_is_told(project: Project, service: Service, kept: Path) -> None:
    before = passwords(project, service)
    service.add_fault("resetSmtpPassword", "validation_error")
    run = rotate(project, aliases=ALIASES)
    assert run.returncode == 2
    assert changed(before, passwords(project, service)) == ["billing", "shop"]
    assert stored(project, kept) == passwords(project, service)
    assert told(run) == [NEW + "billing, shop"]
    assert "resetSmtpPassword" in run.failures["production"][0]


BAD_CHOICES: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, "not 0 of them"),
    "two": ({"aliases": ["billing"], "max_age_days": 3}, "not 2 of them"),
    "stranger": ({"aliases": ["nobody", "billing"]}, "names nobody of the account with nobody"),
    "nobody": ({"aliases": []}, "smtp_users_rotate_aliases is empty"),
    "nothing": ({"leaked_password": ""}, "smtp_users_rotate_leaked_password is empty"),
    "text": ({"max_age_days": "soon"}, "smtp_users_rotate_max_age_days"),
}


def test_bad_choices_are_refused_before_anything_is_reset(project: Project, service: Service, kept: Path) -> None:
    """All in one run: each host has another one."""
    project.write_hosts({
        host: {
            "smtp_users_credentials_file": str(kept),
            **{f"smtp_users_rotate_{name}": value for name, value in choice.items()},
        }
        for host, (choice, _message) in BAD_CHOICES.items()
    })  # fmt: skip

    run = project.run(ROTATE)

    assert run.counts("failed") == dict.fromkeys(BAD_CHOICES, 1)
    for host, (_choice, message) in BAD_CHOICES.items():
        assert re.search(rf"^f\w+: \[{host}\].*{re.escape(message)}", run.output, re.MULTILINE), run.output
    assert resets(service) == 0


def test_who_was_rotated_is_a_variable_and_of_the_last_run_alone(project: Project, service: Service, kept: Path) -> None:
    """Facts need not be variables, are kept for other runs, and stay where nothing else is said."""

    def role(alias: str) -> dict[str, Any]:
        include = {"name": "sendclean.email.smtp_users", "tasks_from": "rotate"}
        return {"ansible.builtin.include_role": include, "vars": {"smtp_users_rotate_aliases": alias}}

    show = {"ansible.builtin.debug": {"msg": "restart {{ smtp_users_rotated }}"}}
    project.write_play("play.yml", role("billing"), show, {"block": [role("nobody")], "rescue": [show]})
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": "cache"}
    run = project.run("ansible-playbook -i inventory play.yml", ANSIBLE_INJECT_FACT_VARS="false", **cache).succeeded()
    assert re.findall(r"restart (.*)\"", run.output) == ["['billing']", "[]"]
    assert not any("rotated" in file.read_text(encoding="utf-8") for file in (project.folder / "cache").glob("*"))


def test_an_account_that_cannot_be_listed_is_told(project: Project, service: Service, kept: Path) -> None:
    service.add_fault("listSmtp", "authentication_error", skip=1)
    run = rotate(project, aliases=["billing"])
    assert "Token MissMatch" in run.failures["production"]
    assert resets(service) == 0


def test_an_older_view_after_the_reset_does_not_put_the_old_password_back(project: Project, service: Service, kept: Path) -> None:
    """The listing that verifies the reset shows the new password, and the next one that of before."""
    before = passwords(project, service)

    def fall_back(call: str, unused_owner_id: str | None) -> None:
        if call == "resetSmtpPassword":
            service.add_fault("listSmtp", "with_settings", value={"listing_age": 60}, skip=1)

    service.after_call = fall_back
    run = rotate(project, aliases=["shop"]).succeeded()
    assert not service.faults
    assert changed(before, passwords(project, service)) == ["shop"]
    assert stored(project, kept) == passwords(project, service)
    assert told(run) == [NEW + "shop"]
