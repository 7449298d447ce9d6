# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder that a user of the collection has, and the real tools run in it, which may print and leave no secret."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from simulator import RunningServer, Service
from unit.plugins.helpers import hidden

# The account that all tests use. Its owner_id looks like a number in YAML, as real ones may.
OWNER_ID = "4711"
TOKEN = "the-token-of-account-4711"

# Where tasks of the guides, and of a test, put passwords in clear: the files that a mail server and applications read.
CONSUMERS_FILES = {"sasl_passwd", "application.env", "billing.env", "loaded.json"}

# What tests/conftest.py or the Makefile has set up. All other settings of the caller's would change what is tested.
KEPT_SETTINGS = ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME", "ANSIBLE_PYTHON_INTERPRETER")
# Where sitecustomize.py lies.
COMPILED = str(Path(__file__).parent / "compiled")
# Where each account has its own in the inventory.
NO_CREDENTIALS = {"SENDCLEAN_OWNER_ID": None, "SENDCLEAN_TOKEN": None}

# Makes a run show all that it can: -vvvv and --diff, and each module's arguments, which newer versions leave out otherwise.
VERBOSE = {"ANSIBLE_VERBOSITY": "4", "ANSIBLE_DIFF_ALWAYS": "1", "ANSIBLE_INJECT_INVOCATION": "1"}


# A callback whose output is for programs: a line of JSON for each task that went well, whether it has changed something.
AS_JSON = '''
DOCUMENTATION = """
name: as_json
type: stdout
short_description: Nothing but JSON
description: The same.
"""
import json
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "as_json"

    def v2_runner_on_ok(self, result):
        values = getattr(result, "result", None) or result._result
        self._display.display(json.dumps({result._host.name: values["changed"]}))
'''


@dataclass(frozen=True)
class Run:
    """What came of a command."""

    returncode: int
    output: str

    @property
    def changed(self) -> int:
        """How many tasks have changed something, as the recap of a playbook run on one host says."""
        (number,) = self.counts("changed").values()
        return number

    def counts(self, what: str) -> dict[str, int]:
        """Return how many tasks of each host were ok, changed, failed, as the recap says."""
        return {host: int(number) for host, number in re.findall(rf"^(\S+) +: ok=.*\b{what}=(\d+)", self.output, re.MULTILINE)}

    @property
    def changes(self) -> list[int]:
        """How many tasks, each entry of a loop counted, have changed something: one number for each play."""
        return [len(re.findall(r"^changed: ", play, re.MULTILINE)) for play in self.output.split("\nPLAY [")[1:]]

    @property
    def failures(self) -> dict[str, Any]:
        """The messages with which hosts failed."""
        found = re.findall(r"^fatal: \[(\S+)\]: FAILED! => (.+)$", self.output, re.MULTILINE)
        return {host: json.loads(result)["msg"] for host, result in found}

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

    def write_hosts(self, hosts: dict[str, dict[str, Any]], path: str = "inventory/hosts.yml") -> None:
        """Make these hosts the accounts of the inventory."""
        self.write(path, yaml.safe_dump({"sendclean_accounts": {"hosts": hosts}}))

    def write_play(self, path: str, *tasks: dict[str, Any], **keywords: Any) -> None:
        """Write a playbook of one play for all hosts."""
        self.write(path, yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": list(tasks), **keywords}]))

    def write_bindings(self, accounts: dict[str, Any], path: str = "sendclean_bindings.json") -> None:
        """Write a bindings file for these accounts, by owner_id."""
        self.write(path, json.dumps({"version": 1, "accounts": {self.environment["SENDCLEAN_API_URL"]: accounts}}))

    def read_bindings(self, path: str = "sendclean_bindings.json") -> Any:
        """Return what a bindings file has of the accounts, by owner_id."""
        (accounts,) = json.loads((self.folder / path).read_text(encoding="utf-8"))["accounts"].values()
        return accounts

    def write_vault_password(self, path: str, password: str) -> None:
        """Write a file with a vault password, which from now on is a secret."""
        self.service.secrets.add(password)
        self.write(path, password + "\n")

    def have_vault_password(self) -> None:
        """Give all runs a vault password, as a user does in the environment."""
        self.write_vault_password("home/vault-password", "what opens the vault")
        self.environment["ANSIBLE_VAULT_PASSWORD_FILE"] = str(self.folder / "home" / "vault-password")

    def vault(self, password_file: str = "home/vault-password") -> VaultLib:
        """Return what encrypts and decrypts with the password of a file."""
        return VaultLib([("any", VaultSecret((self.folder / password_file).read_bytes().strip()))])

    def decrypted(self, path: str, password_file: str = "home/vault-password") -> Any:
        """Return what an encrypted vars file holds."""
        return yaml.safe_load(self.vault(password_file).decrypt((self.folder / path).read_bytes()))

    def run(self, command: str, *, under: Sequence[str] = (), **environment: str | None) -> Run:
        """Run a tool of the environment that runs the tests; a variable that is None is taken away.

        ``under`` is a command that runs it, such as one that takes rights away.

        Fails the test where a secret is in the output, or afterwards in a file that had none before.
        """
        before = self.files_with_secrets()
        tool, *arguments = shlex.split(command)
        variables = {**self.environment, **environment}
        finished = subprocess.run(
            [*under, Path(sys.executable).parent / tool, *arguments],
            cwd=self.folder,
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        shown = self.secrets_in(finished.stdout)
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


def new_project(folder: Path, service: Service, server: RunningServer) -> Project:
    """Return a project in an empty folder, for the account that all tests use."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "SENDCLEAN_")) or name in KEPT_SETTINGS
    }
    environment.update(
        HOME=str(folder / "home"),
        ANSIBLE_NOCOLOR="1",
        # All that a run leaves lies in the project, where it is searched for secrets.
        ANSIBLE_LOCAL_TEMP=str(folder / "home" / "local"),
        ANSIBLE_REMOTE_TEMP=str(folder / "home" / "remote"),
        PYTHONPATH=COMPILED,
        SENDCLEAN_API_URL=server.base_url,
        SENDCLEAN_OWNER_ID=OWNER_ID,
        SENDCLEAN_TOKEN=TOKEN,
    )
    project = Project(folder, environment, service)
    project.write("home/.keep", "")
    # Beside the playbook, so that it wins over the machine's.
    project.write("ansible.cfg", "")
    variables = {
        "ansible_connection": "local",
        "api_url": server.base_url,
        "control_url": server.control_url,
        "sendclean_owner_id": OWNER_ID,
        "sendclean_token": TOKEN,
    }
    project.write("inventory/hosts.yml", yaml.safe_dump({"all": {"hosts": {"sendclean": variables}}}))
    return project


def kill(processes: list[psutil.Process]) -> None:
    """Kill what still runs."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


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
