# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Follow a document's blocks in their order, as a reader would.

A yaml block whose first line is a comment with a path is a file, and is written there; one without is a playbook, and is
run: in check mode and, where that would change something, really, and really again, which must change nothing. In a console
block the tools that work on the project are run, and the lines below them, up to a line of dots, must come out in that
order; files are copied and removed; of make the target must exist, and pytest must find tests. What an sql block says is said
to a server. All of it begins in a folder without an inventory, and in an environment in which only Ansible's own Python has what
modules need, as with an Ansible in an environment of its own: so nothing may rest on what a document does not say.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from integration.project import VERBOSE, Project, Run

ROOT = Path(__file__).resolve().parents[2]

# The accounts of the documents that have several.
ACCOUNTS = {"1001": "the token of development", "1002": "the token of staging", "1003": "the token of production"}

# What a reader does outside of the project, or by hand.
NOT_RUN = (
    "ansible-galaxy",
    # It needs a container engine.
    "ansible-navigator",
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
READER = {**VERBOSE, "ANSIBLE_PYTHON_INTERPRETER": "/nonexistent/python3"}


def blocks(document: Path) -> Iterator[tuple[str, str]]:
    """Yield language and text of each fenced block."""
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        yield match[1], match[2]


def follow(project: Project, document: Path, say: Callable[[str], object] | None = None) -> list[Run]:
    """Do what a document says, and return what came of its commands on the project. ``say`` says SQL to a server."""
    runs = []
    (project.folder / "inventory" / "hosts.yml").unlink()
    for language, text in blocks(document):
        if language == "yaml":
            runs += _follow_playbook(project, text)
        elif language == "console":
            runs += _follow_console(project, text)
        elif language == "sql" and say:
            say(text)
        else:
            # Excerpts and drawings, and programs that test_drift.py runs. Anything else would go untested.
            assert language in ("json", "text") or (language in ("python", "sh") and "drift" in text)
    return runs


def write_file(project: Project, text: str) -> bool:
    """Write the file that a yaml block is; return whether it is one."""
    named = re.match(r"# (\S+\.yml)\n", text)
    if named:
        project.write(named[1], text)
    return bool(named)


def _follow_playbook(project: Project, text: str) -> list[Run]:
    if write_file(project, text):
        return []
    project.write("unnamed.yml", text)
    command = "ansible-playbook -i inventory --diff unnamed.yml"
    runs = [project.run(f"{command} --check", **READER).succeeded()]
    if any(runs[0].changes):
        runs.append(project.run(f"{command} unnamed.yml", **READER).succeeded())
        again = runs[-1].changes[len(runs[0].changes) :]
        assert again and not any(again), runs[-1].output
    return runs


def _follow_console(project: Project, text: str) -> Iterator[Run]:
    for command, expected in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        tool, unused, rest = command.partition(" ")
        if tool == "make":
            assert re.search(rf"^{rest}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), command
        elif command.startswith(PYTEST):
            collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", *shlex.split(command.removeprefix(PYTEST))]
            found = subprocess.run(collect, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
            assert found.returncode == 0, found.stdout
        elif tool in ("ansible-playbook", "ansible-doc") or command.startswith("ansible-vault encrypt"):
            run = project.run(command, **READER)
            assert (run.returncode != 0) == ("FAILED!" in expected), run.output
            printed = iter(run.output.splitlines())
            for line in expected.splitlines():
                # Each search goes on where the one before has stopped.
                assert line == "..." or any(line in shown for shown in printed), f"{command} printed no {line!r}:\n{run.output}"
            yield run
        elif tool in ("cp", "rm", "pg_dump", "psql"):
            environment = {**os.environ, **project.environment}
            subprocess.run(shlex.split(command), cwd=project.folder, env=environment, check=True)
        elif tool == "ansible-builder":
            # An image needs a container engine: up to there. What is carried into it has to be there.
            (artifact,) = (ROOT / ".build" / "artifact").glob("*.tar.gz")
            shutil.copy(artifact, project.folder)
            yield project.run("ansible-builder create").succeeded()
        else:
            assert command.startswith(NOT_RUN), f"nobody knows whether this works: {command}"
