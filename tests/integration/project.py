# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder that a user of the collection has, and the real tools run in it, which may print and leave no secret."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator import Service
from unit.plugins.helpers import hidden

# The account that all tests use. Its owner_id looks like a number in YAML, as real ones may.
OWNER_ID = "4711"
TOKEN = "the-token-of-account-4711"

# Where tasks of the guides, and of a test, put passwords in clear: the files that a mail server and applications read.
CONSUMERS_FILES = {"sasl_passwd", "application.env", "loaded.json"}

# Makes a run show all that it can: -vvvv and --diff, and each module's arguments, which newer versions leave out otherwise.
VERBOSE = {"ANSIBLE_VERBOSITY": "4", "ANSIBLE_DIFF_ALWAYS": "1", "ANSIBLE_INJECT_INVOCATION": "1"}


@dataclass(frozen=True)
class Run:
    """What came of a command."""

    returncode: int
    output: str

    @property
    def changed(self) -> int:
        """How many tasks have changed something, as the recap of a playbook run on one host says."""
        return int(re.findall(r"\bok=\d+ +changed=(\d+)", self.output)[-1])

    def succeeded(self) -> Run:
        """Fail the test with the output, unless the command succeeded."""
        assert self.returncode == 0, self.output
        return self


@dataclass(frozen=True)
class Project:
    """A folder with an inventory folder in it, as the documents advise, and the account's options in the environment."""

    folder: Path
    environment: dict[str, str]
    service: Service

    @property
    def bindings(self) -> Path:
        """Where the documents put the bindings file."""
        return self.folder / "bindings.json"

    def write(self, path: str, text: str) -> None:
        """Write a file of the project."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def have_vault_password(self) -> None:
        """Give all runs a vault password, as a user does in the environment."""
        self.write("home/vault-password", "for ansible-vault\n")
        self.environment["ANSIBLE_VAULT_PASSWORD_FILE"] = str(self.folder / "home" / "vault-password")

    def run(self, command: str, **environment: str | None) -> Run:
        """Run a tool of the environment that runs the tests; a variable that is None is taken away.

        Fails the test where a secret is in the output, or afterwards in a file that had none before.
        """
        before = self.files_with_secrets()
        tool, *arguments = shlex.split(command)
        variables = {**self.environment, **environment}
        finished = subprocess.run(
            [Path(sys.executable).parent / tool, *arguments],
            cwd=self.folder,
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # Who decrypts a file asks for what is in it.
        shown = [] if tool == "ansible-vault" else self.secrets_in(finished.stdout)
        assert not shown, f"{command} has shown {shown}: {finished.stdout.partition(shown[0])[0][-1000:]}"
        left = self.files_with_secrets() - before
        assert not left, f"{command} has left a secret in {left}"
        return Run(finished.returncode, finished.stdout)

    def secrets_in(self, text: str) -> list[str]:
        """Return the tokens and passwords, old ones too, that are in a text, but for passwords that a task has asked for."""
        shown = [secret for secret in self.service.secrets if not hidden(secret, text)]
        if shown:
            unasked = re.sub(r"(?ms)(?<==> )\{\n.*?^\}$", lambda result: _without_asked(result[0]), text)
            shown = [secret for secret in shown if not hidden(secret, unasked)]
        return shown

    def files_with_secrets(self) -> set[Path]:
        """Return the project's files that have a secret in them."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and path.name not in CONSUMERS_FILES)
        return {path for path in files if self.secrets_in(path.read_text(encoding="utf-8", errors="replace"))}


def _without_asked(result: str) -> str:
    """Return a task's result, as shown from -v on, without the passwords that the task has asked for."""
    facts = json.loads(result)
    arguments = facts.get("invocation", {}).get("module_args", {})
    asked = {"include_password", "include_passwords", "current_password"}
    # Only smtp_password_reset has current_password, and to run it is to ask.
    if not any(arguments.get(name) or name == "current_password" for name in asked & arguments.keys()):
        return result
    return json.dumps(_without_passwords(facts))


def _without_passwords(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_passwords(inner) for name, inner in value.items() if name != "smtp_password"}
    return [_without_passwords(inner) for inner in value] if isinstance(value, list) else value
