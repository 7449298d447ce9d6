# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run what README.md, CONTRIBUTING.md, docs/ and the EXAMPLES of modules and the lookup say, as it stands."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from integration.guides import ACCOUNTS, ROOT, follow
from integration.project import NO_CREDENTIALS, OWNER_ID, TOKEN, VERBOSE, Project
from simulator import Service

# Followed by test_database_guide.py, test_doctor.py,
# test_postfix.py, test_recovery.py and test_role.py, which look at what came of it.
ELSEWHERE = {
    ROOT / "docs" / "bindings-in-postgresql.md",
    ROOT / "docs" / "credentials-on-a-postfix-relay.md",
    ROOT / "docs" / "doctor.md",
    ROOT / "docs" / "when-the-bindings-file-is-lost.md",
    ROOT / "roles" / "smtp_users" / "README.md",
}
DOCUMENTS = [path for folder in ("", "docs/", "roles/*/") for path in sorted(ROOT.glob(f"{folder}*.md")) if path not in ELSEWHERE]
PLUGINS = [path for kind in ("modules", "lookup") for path in sorted((ROOT / "plugins" / kind).glob("*.py"))]


# The names that the documents use for users created by hand.
BY_HAND = ("smtp12345", "smtp67890")
EXAMPLES_DATABASE = "postgresql://sendclean@db.example.com/sendclean?sslmode=verify-full"


def create_by_hand(project: Project, service: Service, *names: str) -> None:
    """Have users in the account that a reader has acknowledged: without that, nobody is created beside them."""
    for name in names:
        service.create_user(OWNER_ID, smtp_user_name=name)
    if names:
        for path in ("bindings.json", "sendclean_bindings.json"):
            project.write_bindings({OWNER_ID: {"known": list(names)}}, path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_a_document_can_be_followed(document: Path, project: Project, service: Service) -> None:
    said = document.read_text(encoding="utf-8")
    create_by_hand(project, service, *(name for name in BY_HAND if name in said))
    for owner_id, token in ACCOUNTS.items():
        service.add_account(owner_id, token)
    project.have_vault_password()
    project.write("credentials.yml", yaml.safe_dump({"sendclean_owner_id": OWNER_ID, "sendclean_token": TOKEN}))
    follow(project, document)


@pytest.mark.parametrize("module", PLUGINS, ids=lambda module: f"{module.parent.name}-{module.stem}")
def test_the_examples_of_a_plugin_run(module: Path, project: Project, service: Service, request: pytest.FixtureRequest) -> None:
    """In check mode, really, and again, which changes only what the examples themselves change back and forth."""
    create_by_hand(project, service, *BY_HAND)
    leaked = service.users(OWNER_ID)[0].smtp_password
    tree = ast.parse(module.read_text(encoding="utf-8"))
    examples = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXAMPLES"
    )
    project.have_vault_password()
    if EXAMPLES_DATABASE in examples:
        examples = examples.replace(EXAMPLES_DATABASE, request.getfixturevalue("database").url)
    project.write("examples.yml", examples)
    credentials = {"owner_id": OWNER_ID, "token": "{{ sendclean_token }}"}
    billing = {"sendclean.email.smtp_user": {"alias": "billing", "total_limit": 10000, "hourly_limit": 500, **credentials}}
    account = {"sendclean_owner_id": OWNER_ID, "sendclean_token": TOKEN}
    # As most playbooks of a reader's: no inventory.
    variables = {
        "hosts": "localhost",
        "vars": {"leaked_password": leaked, **account},
        "environment": {"SENDCLEAN_BINDINGS_PATH": str(project.bindings)},
    }
    project.write_play("billing.yml", billing, **variables)
    tasks = {"ansible.builtin.import_tasks": "examples.yml"}
    project.write_play("check.yml", tasks, check_mode=True, diff=True, **variables)
    project.write_play("play.yml", tasks, **variables)

    # The examples give the credentials themselves.
    plays = ["billing.yml", "check.yml", "play.yml", "play.yml"]
    if module.stem == "smtp_bindings":
        # Its examples say themselves who billing is.
        del plays[0]
    command = f"ansible-playbook {' '.join(plays)}"
    # The keyword environment does not reach a lookup.
    lookup = {"SENDCLEAN_BINDINGS_PATH": str(project.bindings)} if module.parent.name == "lookup" else NO_CREDENTIALS
    run = project.run(command, **{**VERBOSE, **lookup}).succeeded()

    assert plays[0] == "check.yml" or run.changes[0] == 1
    # smtp_user's examples enable billing and disable it further down, those of smtp_bindings bind newsletter and unbind it.
    assert run.changes[-1] == (2 if module.stem in ("smtp_user", "smtp_bindings") else 0), run.output
