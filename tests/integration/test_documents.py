# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run what README.md, CONTRIBUTING.md, docs/ and the modules' EXAMPLES say, as it stands.

A document's blocks are followed in their order, as a reader would. A yaml block whose first line is a comment with a path
is a file, and is written there; one without is a playbook, and is run: in check mode, really, and really again, which
must change nothing. In a console block ansible-playbook and ansible-doc are run, and the lines below them, up to a line of
dots, must come out in that order; of make the target must exist, and pytest must find tests.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from integration import relay
from integration.project import OWNER_ID, TOKEN, VERBOSE, Project
from simulator import Service

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("roles/*/README.md"))]
MODULES = sorted(path for path in (ROOT / "plugins" / "modules").glob("*.py"))

# The accounts of the documents that have several.
ACCOUNTS = {"1001": "the token of development", "1002": "the token of staging", "1003": "the token of production"}

# What a reader does outside of the project, or by hand.
NOT_RUN = (
    "ansible-galaxy",
    "ansible-vault create",
    "python3 -m pip",
    ".venv/bin/pre-commit install",
    # A release: seen to work in a copy, and not to be done from here.
    ".venv/bin/antsibull-changelog release",
    ".venv/bin/ansible-galaxy collection publish",
    "git add",
    "git tag",
)
PYTEST = ".venv/bin/python -m pytest "


def blocks(document: Path) -> Iterator[tuple[str, str]]:
    """Yield language and text of each fenced block."""
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        yield match[1], match[2]


def follow_playbook(project: Project, text: str) -> None:
    """Write the file that a yaml block is or, where it has no name, run it as a playbook."""
    named = re.match(r"# (\S+\.yml)\n", text)
    if named:
        project.write(named[1], text)
        return
    project.write("unnamed.yml", text)
    for arguments in ("--check --diff", "--diff"):
        project.run(f"ansible-playbook -i inventory unnamed.yml {arguments}", **VERBOSE).succeeded()
    assert project.run("ansible-playbook -i inventory unnamed.yml", **VERBOSE).succeeded().changed == 0


def follow_console(project: Project, text: str) -> None:
    """Run the commands of a console block, and compare what they print with what stands below them."""
    for command, expected in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        tool, unused, rest = command.partition(" ")
        if tool == "make":
            assert re.search(rf"^{rest}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), command
        elif command.startswith(PYTEST):
            collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", *shlex.split(command.removeprefix(PYTEST))]
            found = subprocess.run(collect, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
            assert found.returncode == 0, found.stdout
        elif tool in ("ansible-playbook", "ansible-doc") or command.startswith("ansible-vault encrypt"):
            run = project.run(command, **VERBOSE)
            assert (run.returncode != 0) == ("FAILED!" in expected), run.output
            printed = iter(run.output.splitlines())
            for line in expected.splitlines():
                # Each search goes on where the one before has stopped.
                assert line == "..." or any(line in shown for shown in printed), f"{command} printed no {line!r}:\n{run.output}"
        elif tool == "ansible-builder":
            # An image needs a container engine: up to there. What is carried into it has to be there.
            (artifact,) = (ROOT / ".build" / "artifact").glob("*.tar.gz")
            shutil.copy(artifact, project.folder)
            project.run("ansible-builder create").succeeded()
        else:
            assert command.startswith(NOT_RUN), f"nobody knows whether this works: {command}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_a_document_can_be_followed(document: Path, project: Project, service: Service) -> None:
    # The names that the documents use for users created by hand.
    for name in ("smtp12345", "smtp67890"):
        service.create_user(OWNER_ID, smtp_user_name=name)
    for owner_id, token in ACCOUNTS.items():
        service.add_account(owner_id, token)
    project.have_vault_password()
    project.write("credentials.yml", yaml.safe_dump({"sendclean_owner_id": OWNER_ID, "sendclean_token": TOKEN}))
    relay.place_without_postfix(project)

    for language, text in blocks(document):
        if language == "yaml":
            follow_playbook(project, text)
        elif language == "console":
            follow_console(project, text)
        else:
            # Excerpts and drawings. Anything else would go untested.
            assert language in ("json", "text")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_the_examples_of_a_module_run(module: Path, project: Project, service: Service) -> None:
    """In check mode, really, and again, which changes only what the examples themselves change back and forth."""
    leaked = service.create_user(OWNER_ID, smtp_user_name="smtp12345").smtp_password
    service.create_user(OWNER_ID, smtp_user_name="smtp67890")
    tree = ast.parse(module.read_text(encoding="utf-8"))
    examples = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXAMPLES"
    )
    project.have_vault_password()
    project.write("examples.yml", examples)
    billing = {"sendclean.email.smtp_user": {"alias": "billing", "total_limit": 10000, "hourly_limit": 500}}
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars": {"leaked_password": leaked},
        "environment": {"SENDCLEAN_BINDINGS_PATH": str(project.bindings)},
    }
    project.write("billing.yml", yaml.safe_dump([{**play, "tasks": [billing]}]))
    project.write("play.yml", yaml.safe_dump([{**play, "tasks": [{"ansible.builtin.import_tasks": "examples.yml"}]}]))
    # The examples give the credentials themselves.
    run = "ansible-playbook -i inventory play.yml"
    without = {**VERBOSE, "SENDCLEAN_OWNER_ID": None, "SENDCLEAN_TOKEN": None}

    project.run("ansible-playbook -i inventory billing.yml").succeeded()
    project.run(f"{run} --check --diff", **without).succeeded()
    project.run(run, **without).succeeded()
    again = project.run(run, **without).succeeded()

    # smtp_user's examples enable billing and disable it further down.
    assert again.changed == (2 if module.stem == "smtp_user" else 0), again.output
