# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A forge, as far as a job notices it, with the files that docs/ci-runners.md tells a team to write.

The repository is a bare one. A job gets a fresh and shallow clone of the commit that started it, and a folder as its machine,
which is gone afterwards, but for the artifacts. Its shell steps run as they stand, in the shells that the runners use. What the
forge does by itself is played: the order of jobs, which commit a job gets, its variables and secrets.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from integration.guides import ROOT, blocks
from integration.project import OWNER_ID, TOKEN, Project, kill

# The guide's files by their paths, which stand in their first lines.
GUIDE = {text.split()[1]: text for unused, text in blocks(ROOT / "docs" / "ci-runners.md")}
BRANCH = "main"

# What both pipelines need.
SHARED = ("inventory/hosts.yml", "sendclean/.gitignore")

# Nothing takes that long. A test that waits fails then.
SECONDS = 120

# Turns a push away at the door, before anything is said of a commit, as forges do.
NO_PUSH = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "url.file:///nowhere/.pushInsteadOf", "GIT_CONFIG_VALUE_0": "file://"}


@dataclass(frozen=True)
class Step:
    """A shell script of a job. One that runs ``always`` does so after a failure, too."""

    text: str
    environment: Mapping[str, str] = field(default_factory=dict)
    always: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a forge shows of a job."""

    succeeded: bool
    output: str


def bound(bindings: str) -> dict[str, str]:
    """Return which user each alias got, as the text of a bindings file of one account says."""
    ((account,),) = (accounts.values() for accounts in json.loads(bindings)["accounts"].values())
    return dict(account["aliases"])


class Forge:
    """A repository with the guide's files, and runners."""

    # The file with the pipeline, and who its commits are from.
    pipeline: str
    bot: str

    def __init__(self, project: Project) -> None:
        self.project = project
        self.service = project.service
        # Whether the token of jobs may push.
        self.token_may_push = True
        self._groups: dict[str, threading.Lock] = {}
        self._jobs: list[Job] = []
        project.have_vault_password()
        self.secrets = {
            "SENDCLEAN_OWNER_ID": OWNER_ID,
            "SENDCLEAN_TOKEN": TOKEN,
            "VAULT_PASSWORD": (project.folder / "home" / "vault-password").read_text(encoding="utf-8").strip(),
        }
        self.environment = {
            **{name: value for name, value in project.environment.items() if name not in self.secrets},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(project.folder / "ansible.cfg"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        for name in ("ANSIBLE_LOCAL_TEMP", "ANSIBLE_REMOTE_TEMP", "ANSIBLE_VAULT_PASSWORD_FILE"):
            del self.environment[name]
        self.repository = project.folder / "repository.git"
        # With a protocol: clones of a plain path are never shallow.
        self.url = f"file://{self.repository}"
        self.definition = yaml.safe_load(GUIDE[self.pipeline])
        self.git(project.folder, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", self.repository)
        self.git(project.folder, "init", "--quiet", f"--initial-branch={BRANCH}", "person")
        self.first = self.commit({path: text for path, text in GUIDE.items() if path in (self.pipeline, *SHARED)})

    # ---- what a person does ----------------------------------------------------------------------------------------

    def git(self, folder: Path, *arguments: Any) -> str:
        """Run git as a person, and return what it prints."""
        person = ("-c", "user.name=person", "-c", "user.email=person@example.com")
        command = ["git", *person, *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str | None], branch: str = BRANCH, start: str | None = None) -> str:
        """Push a commit with these files, on top of the branch or of another start, and return it. None removes a file."""
        clone = self.project.folder / "person"
        if start or self.git(clone, "ls-remote", self.url, branch):
            self.git(clone, "fetch", "--quiet", self.url, start or branch)
            self.git(clone, "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
        for path, text in files.items():
            file = clone / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            if text is not None:
                file.write_text(text, encoding="utf-8")
        self.git(clone, "add", "--all")
        self.git(clone, "commit", "--quiet", "--message", f"A person changes {', '.join(files)}")
        self.git(clone, "push", "--quiet", self.url, f"HEAD:refs/heads/{branch}")
        return self.git(clone, "rev-parse", "HEAD")

    def commit_users(self, *users: Mapping[str, Any], branch: str = BRANCH, start: str | None = None, **variables: str) -> str:
        """Push another list of users, and further variables."""
        inventory = yaml.safe_load(GUIDE["inventory/hosts.yml"])
        inventory["sendclean_accounts"]["vars"].update(variables, smtp_users_list=list(users))
        return self.commit({"inventory/hosts.yml": yaml.safe_dump(inventory)}, branch, start)

    def protect(self, protected: bool = True) -> None:
        """Let the branch take no commit, or take them again."""
        hook = self.repository / "hooks" / "pre-receive"
        hook.write_text("#!/bin/sh\necho This branch is protected\nexit 1\n", encoding="utf-8")
        hook.chmod(0o700 if protected else 0o600)

    # ---- what is there ---------------------------------------------------------------------------------------------

    def history(self) -> list[str]:
        """Return author and subject of the branch's commits, the newest first."""
        return self.git(self.repository, "log", "--format=%an <%ae> %s", BRANCH).splitlines()

    def shown(self, path: str) -> str:
        """Return a file of the branch."""
        return self.git(self.repository, "show", f"{BRANCH}:{path}")

    def newest(self) -> str:
        """Return the branch's newest commit."""
        return self.git(self.repository, "rev-parse", BRANCH)

    def changed_since(self, commit: str) -> list[str]:
        """Return the files that differ between a commit and the branch."""
        return self.git(self.repository, "diff", "--name-only", commit, BRANCH).splitlines()

    def bound(self) -> dict[str, str]:
        """Return which user each alias got, as the branch says."""
        return bound(self.shown("sendclean/bindings.json"))

    def artifact(self, number: int = 1) -> dict[str, str]:
        """Return what a job has kept, by path. They are numbered in the order of their starts."""
        folder = self.project.folder / "artifacts" / str(number)
        return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}

    # ---- what the forge does ---------------------------------------------------------------------------------------

    def run(self, commit: str, name: str = "enforce", grouped: bool = True) -> Outcome:
        """Run a job for a commit."""
        return self.start(commit, name, grouped).finish()

    def start(self, commit: str, name: str = "enforce", grouped: bool = True) -> Job:
        """Start a job for a commit. Without its group it does not wait for others."""
        group = self.group(name) if grouped else None
        turn = self._groups.setdefault(group, threading.Lock()) if group else contextlib.nullcontext()
        self._jobs.append(Job(self, name, commit, turn, self.project.folder / "machines" / str(len(self._jobs) + 1)))
        return self._jobs[-1]

    def stop(self) -> None:
        """Kill what still runs."""
        for job in self._jobs:
            job.kill()

    def may_push(self, name: str) -> bool:
        """Return whether the token of a job may push."""
        return self.token_may_push

    def job(self, name: str) -> dict[str, Any]:
        """Return a job as the pipeline file defines it."""
        raise NotImplementedError

    def group(self, name: str) -> str | None:
        """Return the group of jobs of which one runs at a time."""
        raise NotImplementedError

    def clone(self, folder: Path, commit: str) -> None:
        """Make the clone that a job finds."""
        raise NotImplementedError

    def steps(self, name: str, machine: Path) -> Iterator[Step]:
        """Yield the shell steps of a job."""
        raise NotImplementedError

    def kept(self, name: str) -> str:
        """Return the folder that a job keeps as artifact, whatever comes of it."""
        raise NotImplementedError

    def variables(self, machine: Path, commit: str) -> dict[str, str]:
        """Return the environment that all steps of a job have."""
        raise NotImplementedError

    def command(self, script: Path) -> list[str]:
        """Return how the runner calls a step."""
        raise NotImplementedError


class Job:
    """A job at work, on a machine of its own."""

    def __init__(self, forge: Forge, name: str, commit: str, turn: AbstractContextManager[Any], machine: Path) -> None:
        self.forge = forge
        self.name = name
        self.commit = commit
        self.machine = machine
        self._turn = turn
        self._killed = threading.Event()
        self._process: psutil.Popen | None = None
        self._output = ""
        self._succeeded = True
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def finish(self) -> Outcome:
        """Wait for the end of the job."""
        self._thread.join()
        if self._error:
            raise self._error
        return Outcome(self._succeeded, self._output)

    def kill(self) -> None:
        """End the machine, with all that is on it."""
        self._killed.set()
        if self._process and self._process.is_running():
            kill([*self._process.children(recursive=True), self._process])
        self._thread.join()

    def _work(self) -> None:
        try:
            with self._turn:
                self._run()
        except BaseException as error:  # It is raised where the job is waited for.
            self._error = error

    def _run(self) -> None:
        clone = self.machine / "clone"
        for folder in (clone, self.machine / "temp", self.machine / "home"):
            folder.mkdir(parents=True)
        self.forge.clone(clone, self.commit)
        for number, step in enumerate(self.forge.steps(self.name, self.machine)):
            if (self._succeeded or step.always) and not self._killed.is_set():
                self._run_step(clone, self.machine / "temp" / f"{number}.sh", step)
        if not self._killed.is_set():
            self._look_for_secrets()
            if self.name != "check":
                kept = self.forge.kept(self.name)
                shutil.copytree(clone / kept, self.forge.project.folder / "artifacts" / self.machine.name / kept)
        shutil.rmtree(self.machine)

    def _run_step(self, clone: Path, script: Path, step: Step) -> None:
        script.write_text(step.text, encoding="utf-8")
        home = {"HOME": str(self.machine / "home")}
        variables = {**self.forge.environment, **self.forge.variables(self.machine, self.commit), **home, **step.environment}
        if not self.forge.may_push(self.name):
            variables.update(NO_PUSH)
        self._process = psutil.Popen(
            self.forge.command(script),
            cwd=clone,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._output += self._process.communicate()[0]
        self._succeeded &= self._process.returncode == 0

    def _look_for_secrets(self) -> None:
        project = self.forge.project
        assert not project.secrets_in(self._output), self._output
        files = [path for path in self.machine.rglob("*") if path.is_file() and path.name != "vault-password"]
        left = [path for path in files if project.secrets_in(path.read_text(encoding="utf-8", errors="replace"))]
        assert not left, left
