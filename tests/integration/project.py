# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder that a user of the collection has, and the real tools run in it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# The account that all tests use. Its owner_id looks like a number in YAML, as real ones may.
OWNER_ID = "4711"
TOKEN = "the-token-of-account-4711"


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
        """Run a tool of the environment that runs the tests; a variable that is None is taken away."""
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
        return Run(finished.returncode, finished.stdout)
