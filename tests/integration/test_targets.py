# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run each target in targets/ as a role: its tasks assert what the modules do, and what the server then holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from integration.project import OWNER_ID, VERBOSE, Project
from simulator import Service

TARGETS = Path(__file__).parent / "targets"
NAMES = sorted(folder.name for folder in TARGETS.iterdir() if not folder.name.startswith("setup_"))
# Users that somebody has created in the panel.
BY_HAND = {"smtp22222": (200, 20, "Disable"), "smtp11111": (100, 10, "Enable"), "smtp33333": (300, 30, "Enable")}
# The one that writes all that bindings have; tests/unit/exactly_once has each module with both.
IN_A_DATABASE = ["smtp_users"]


@pytest.fixture
def bindings(option: str, request: pytest.FixtureRequest, project: Project) -> dict[str, str]:
    """The option that says where the bindings are, in a file or in a database."""
    return {option: str(project.bindings) if option == "bindings_path" else request.getfixturevalue("database").url}


@pytest.mark.parametrize(
    ("option", "target"),
    [*(("bindings_path", name) for name in NAMES), *(("bindings_url", name) for name in IN_A_DATABASE)],
)
def test_target(target: str, project: Project, service: Service, bindings: dict[str, str]) -> None:
    # That of smtp_user begins with an empty account.
    for name, user in BY_HAND.items() if target != "smtp_user" else ():
        service.create_user(OWNER_ID, *user, smtp_user_name=name)
    play = {"hosts": "all", "gather_facts": False, "roles": [target], "vars": {"bindings": bindings}}
    project.have_vault_password()
    project.write("target.yml", yaml.safe_dump([play]))
    project.run("ansible-playbook -i inventory target.yml", ANSIBLE_ROLES_PATH=str(TARGETS), **VERBOSE).succeeded()
