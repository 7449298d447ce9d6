# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of rotation look at: who has which credentials, who can log in, and what a user's own tasks have delivered.

Days pass in the bindings, where their times are written back.
"""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from integration.project import OWNER_ID, VERBOSE, Project, Run
from simulator import Service

ROTATE = "ansible-playbook -i inventory sendclean.email.rotate"
ALIASES = ["alerts", "billing", "shop"]
TIME = "%Y-%m-%dT%H:%M:%SZ"
# What a user of the collection writes: it fails while a file says so.
HOOK: list[dict[str, Any]] = [
    {
        "name": "Do not deliver while something is broken",
        "ansible.builtin.fail": {"msg": "not now"},
        "when": "(inventory_dir ~ '/../broken/' ~ smtp_users_rotated_alias) is exists",
    },
    {"name": "Show all that there is", "ansible.builtin.debug": {"var": "smtp_users_rotated_credentials"}},
    {
        "name": "Give the application its credentials, and log it",
        "ansible.builtin.shell": {
            "cmd": "mkdir -p {{ smtp_users_rotated_alias }} && cat > {{ smtp_users_rotated_alias }}/application.env"
            " && echo {{ smtp_users_rotated_alias }} >> deliveries",
            "chdir": "{{ inventory_dir }}/..",
            "stdin": "{{ smtp_users_rotated_credentials.smtp_user_name }} {{ smtp_users_rotated_credentials.smtp_password }}",
        },
    },
]


def with_file(project: Project, service: Service) -> Path:
    """Have the passwords kept in a file, as they are now."""
    file = project.folder / "credentials.yml"
    project.write_hosts({"production": {"smtp_users_credentials_file": str(file)}})
    kept = {alias: dict(zip(("smtp_user_name", "smtp_password"), user)) for alias, user in in_force(project, service).items()}
    file.write_bytes(project.vault().encrypt(yaml.safe_dump({"smtp_credentials": kept})))
    return file


def with_hook(project: Project, **variables: Any) -> None:
    project.write_hosts({"production": {"smtp_users_rotate_deploy_tasks": str(project.folder / "deploy.yml"), **variables}})


def days_ago(days: float) -> str:
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)).strftime(TIME)


def bind(project: Project, account: dict[str, Any]) -> None:
    project.write_bindings({OWNER_ID: account})


def former_of(project: Project, service: Service, alias: str, retires_at: str | None) -> str:
    """Have another user before the one of an alias, who works until then, or no more, and return its name."""
    account = project.read_bindings()[OWNER_ID]
    name: str = service.create_user(OWNER_ID, status="Enable" if retires_at else "Disable").smtp_user_name
    standby = {"smtp_user_name": name, **({"retires_at": retires_at} if retires_at else {})}
    account.setdefault("standbys", {})[alias] = standby
    account["password_times"][name] = days_ago(3)
    bind(project, account)
    return name


def let_pass(project: Project, days: float) -> None:
    """Have the bindings as if so many days had gone by since they were written."""
    account = project.read_bindings()[OWNER_ID]

    def before(moment: str) -> str:
        return (datetime.datetime.strptime(moment, TIME) - datetime.timedelta(days=days)).strftime(TIME)

    account["password_times"] = {name: before(moment) for name, moment in account["password_times"].items()}
    for standby in account.get("standbys", {}).values():
        if "retires_at" in standby:
            standby["retires_at"] = before(standby["retires_at"])
    bind(project, account)


def rotate(project: Project, arguments: str = "", hours: float | None = 24, verbose: bool = False, **variables: Any) -> Run:
    """Run the playbook with these variables."""
    if hours is not None:
        variables["overlap_hours"] = hours
    project.write("chosen.yml", yaml.safe_dump({f"smtp_users_rotate_{name}": value for name, value in variables.items()}))
    return project.run(f"{ROTATE} {arguments} -e @chosen.yml", **(VERBOSE if verbose else {}))


def users(service: Service) -> dict[str, Any]:
    return {user.smtp_user_name: user for user in service.users(OWNER_ID)}


def active(project: Project) -> dict[str, str]:
    found: dict[str, str] = project.read_bindings()[OWNER_ID]["aliases"]
    return found


def standbys(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = project.read_bindings()[OWNER_ID].get("standbys", {})
    return found


def writes(service: Service) -> Counter[str]:
    """Count the calls that wrote since the last time."""
    calls = Counter(entry.call for entry in service.log if entry.carried_out and entry.call != "listSmtp")
    service.clear_log()
    return calls


def stored(project: Project) -> dict[str, tuple[str, str]]:
    """The credentials that the file has."""
    found = project.decrypted("credentials.yml")["smtp_credentials"]
    return {alias: (user["smtp_user_name"], user["smtp_password"]) for alias, user in found.items()}


def deployed(project: Project) -> dict[str, tuple[str, str]]:
    """The credentials that the applications have."""
    files = {alias: project.folder / alias / "application.env" for alias in ALIASES}
    found = {alias: file.read_text(encoding="utf-8").split() for alias, file in files.items() if file.exists()}
    return {alias: (name, password) for alias, (name, password) in found.items()}


def deliveries(project: Project) -> list[str]:
    """Which aliases were delivered since the last time, in order."""
    log = project.folder / "deliveries"
    found = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return found


def in_force(project: Project, service: Service) -> dict[str, tuple[str, str]]:
    now = users(service)
    return {alias: (name, now[name].smtp_password) for alias, name in active(project).items()}


def can_log_in(service: Service, credentials: dict[str, tuple[str, str]]) -> list[str]:
    now = users(service)
    return [
        alias
        for alias, (name, password) in credentials.items()
        if (now[name].status, now[name].smtp_password) == ("Enable", password)
    ]
