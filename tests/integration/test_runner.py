# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as AWX runs them, on what docs/awx.md tells a team to write.

AWX makes a folder for each job, sends it to a container, in which ansible-runner works on it, and takes in what that sends back.
Here a process stands for the container. It gets nothing but what AWX sends, and its folder is gone afterwards.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import psutil
import pytest
import yaml
from integration.database import Database
from integration.guides import ROOT, blocks
from integration.project import OWNER_ID, TOKEN, Project, kill
from jinja2.sandbox import ImmutableSandboxedEnvironment
from postgres.secured import PASSWORD
from simulator import Service

# The guide's files by their paths, which stand in their first lines.
GUIDE = {text.split()[1]: text for language, text in blocks(ROOT / "docs" / "awx.md") if language == "yaml"}
# Where the guide mounts the volume.
(MOUNT,) = yaml.safe_load(GUIDE["container-group.yml"])["spec"]["containers"][0]["volumeMounts"]

# Nothing takes that long. A test that waits fails then.
SECONDS = 120


def as_script(inventory: dict[str, Any]) -> dict[str, Any]:
    """Return what the script prints that AWX makes of an inventory."""
    groups = {name: {**group, "hosts": list(group["hosts"])} for name, group in inventory.items()}
    return {**groups, "_meta": {"hostvars": {host: own for group in inventory.values() for host, own in group["hosts"].items()}}}


def environment(injector: dict[str, Any], inputs: dict[str, str]) -> dict[str, str]:
    """Return the environment that AWX gives a job for a credential with these inputs."""
    render = ImmutableSandboxedEnvironment().from_string
    return {name: render(text).render(inputs) for name, text in injector["env"].items()}


@dataclass(frozen=True)
class Outcome:
    """What AWX shows of a job, and the artifacts that it gives to the next jobs of a workflow as variables."""

    status: str
    changed: int
    output: str
    artifacts: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A job at work."""

    folder: Path
    container: psutil.Popen

    def finish(self) -> Outcome:
        """Take in what the container sends, until it ends."""
        events: list[dict[str, Any]] = []
        done = ansible_runner.interface.run(
            streamer="process",
            quiet=True,
            _input=self.container.stdout,
            # True: it is also written to a file, where it is searched for secrets.
            event_handler=lambda event: events.append(event) or True,
            private_data_dir=str(self.folder),
            ident=self.folder.name,
        )
        self.container.wait()
        stats = [event["event_data"] for event in events if event["event"] == "playbook_on_stats"]
        changed = sum(sum(each["changed"].values()) for each in stats)
        artifacts = {name: value for each in stats for name, value in each["artifact_data"].items()}
        return Outcome(done.status, changed, "\n".join(event["stdout"] for event in events), artifacts)


class Awx:
    """An AWX with the guide's project and credential type, with bindings on a volume that it mounts, or in a database."""

    def __init__(self, project: Project, database: Database | None = None) -> None:
        self.project = project
        self.volume = project.folder / "volume"
        self.injector = self.guide("credential-type/injector.yml" if database else "volume/injector.yml")
        for name in ("enforce", "recover"):
            # The guide shows the first one, and says that the others are alike.
            project.write(f"repository/{name}.yml", GUIDE["enforce.yml"].replace("email.enforce", f"email.{name}"))
        self.inventory = as_script(self.guide("inventory.yml"))
        if not database:
            self.inventory["sendclean_accounts"]["vars"].update(self.guide("group_vars/sendclean_accounts.yml"))
        self.jobs: list[Job] = []
        credential = ("SENDCLEAN_OWNER_ID", "SENDCLEAN_TOKEN", "SENDCLEAN_API_URL")
        self.inputs = dict(zip(("owner_id", "token", "api_url"), map(project.environment.pop, credential), strict=True))
        if database:
            self.inputs |= {"bindings_url": database.url, "bindings_password": project.environment.pop("PGPASSWORD")}

    def guide(self, path: str) -> Any:
        """Return a file of the guide, with the volume where it is here."""
        return yaml.safe_load(GUIDE[path].replace(MOUNT["mountPath"], str(self.volume)))

    def aliases(self) -> dict[str, str]:
        """Return which user each alias got."""
        return dict(self.project.read_bindings("volume/bindings.json")[OWNER_ID]["aliases"])

    def start(self, *arguments: str, playbook: str = "enforce.yml", **variables: Any) -> Job:
        """Start a job with extra variables. It has a vault credential, too."""
        folder = self.project.folder / "awx" / str(len(self.jobs) + 1)
        container = self.project.folder / "container" / folder.name
        shutil.copytree(self.project.folder / "repository", folder / "project")
        arguments = ("-u", "root", *arguments, "--ask-vault-pass")
        for path, text in {
            "inventory/hosts": f"#!/usr/bin/env python3\nprint({json.dumps(self.inventory)!r})\n",
            "env/extravars": yaml.safe_dump({"awx_job_id": len(self.jobs) + 1, **variables}),
            "env/cmdline": shlex.join(arguments),
            # AWX leaves it at 5 seconds, after which ansible-runner notices that a job is to end.
            "env/settings": json.dumps({"suppress_ansible_output": True, "suppress_output_file": True, "pexpect_timeout": 0.2}),
        }.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        (folder / "inventory" / "hosts").chmod(0o700)
        with tempfile.TemporaryFile() as payload:
            ansible_runner.interface.run(
                streamer="transmit",
                _output=payload,
                cancel_callback=bool,
                private_data_dir=str(folder),
                ident=folder.name,
                playbook=playbook,
                inventory=str(folder / "inventory" / "hosts"),
                envvars=environment(self.injector, self.inputs),
                passwords={r"Vault password:\s*?$": "for ansible-vault"},
                suppress_env_files=True,
                fact_cache_type="jsonfile",
            )
            payload.seek(0)
            process = psutil.Popen(
                [Path(sys.executable).parent / "ansible-runner", "worker", f"--private-data-dir={container}", "--delete"],
                stdin=payload,
                stdout=subprocess.PIPE,
                env=self.project.environment,
            )
        self.jobs.append(Job(folder, process))
        return self.jobs[-1]


@contextlib.contextmanager
def installed(project: Project, database: Database | None = None) -> Iterator[Awx]:
    """Have an AWX. What its jobs leave holds no secret but in the one file where ansible-runner keeps the environment."""
    (project.folder / "inventory" / "hosts.yml").unlink()
    awx = Awx(project, database)
    try:
        yield awx
    finally:
        # Where a test has failed.
        for job in awx.jobs:
            if job.container.poll() is None:
                kill([*job.container.children(recursive=True), job.container])
    commands = {path for path in project.files_with_secrets() if path.match("artifacts/*/command")}
    assert project.files_with_secrets() == commands
    for command in commands:
        given = json.loads(command.read_text(encoding="utf-8"))
        assert given["env"].pop("SENDCLEAN_TOKEN") == TOKEN
        assert given["env"].pop("PGPASSWORD", None) == (PASSWORD if database else None)
        assert not project.secrets_in(json.dumps(given))


@pytest.fixture
def awx(project: Project) -> Iterator[Awx]:
    """An AWX with a volume."""
    with installed(project) as awx:
        awx.volume.mkdir()
        yield awx


def test_the_credential_type_hides_the_token_and_needs_no_url() -> None:
    fields = yaml.safe_load(GUIDE["credential-type/input.yml"])
    assert [field["id"] for field in fields["fields"] if field.get("secret")] == ["token", "bindings_password"]
    # AWX gives what was left out as nothing, and an empty URL is refused.
    filled_in = environment(yaml.safe_load(GUIDE["credential-type/injector.yml"]), dict.fromkeys(fields["required"], "x"))
    assert filled_in["SENDCLEAN_API_URL"] == "https://api.sendclean.net/v1.0"
    assert all(filled_in.values())
    # With a volume, the rest is the same.
    with_volume = environment(yaml.safe_load(GUIDE["volume/injector.yml"]), dict.fromkeys(fields["required"], "x"))
    assert {name: with_volume.pop(name) for name in ("SENDCLEAN_BINDINGS_PATH",)} == {
        "SENDCLEAN_BINDINGS_PATH": f"{MOUNT['mountPath']}/bindings.json"
    }
    assert with_volume.items() <= filled_in.items()
    assert filled_in.keys() - with_volume.keys() == {"SENDCLEAN_BINDINGS_URL", "PGPASSWORD"}


def test_each_job_finds_what_is_in_the_database(project: Project, database: Database, service: Service) -> None:
    """No folder outlives a job. One is cancelled while it creates, and its lock is gone with it."""
    with installed(project, database) as awx:
        assert awx.start("--check").finish().changed == 1
        assert {entry.call for entry in service.log} == {"listSmtp"}
        awx.inventory["sendclean_accounts"]["vars"]["smtp_users_timeout"] = SECONDS
        held = hold_back(service)
        job = awx.start("--diff", "-vvvv")
        assert held.begun.wait(SECONDS)
        inside = job.container.children(recursive=True)
        job.container.terminate()
        assert job.finish().status == "canceled"
        kill(inside)
        held.go_on.set()

        outcomes = [job.finish() for job in [awx.start(), awx.start()]]
        assert [outcome.status for outcome in outcomes] == ["successful"] * 2, outcomes
        assert sorted(outcome.changed for outcome in outcomes) == [0, 1]
        assert set(database.aliases(OWNER_ID)) == {"billing", "newsletter"}
        assert set(database.aliases(OWNER_ID).values()) == {user.smtp_user_name for user in service.users(OWNER_ID)}
        assert not awx.volume.exists()


def test_in_a_workflow_the_plan_that_was_approved_is_carried_out_and_no_other(awx: Awx, service: Service) -> None:
    """What AWX does between two jobs, read in its get_job_kwargs: artifacts of the one are extra variables of the next."""
    template = {"smtp_users_plan_checksums": {}}
    planned = awx.start("--check").finish()
    assert (planned.status, planned.changed) == ("successful", 2)
    assert {entry.call for entry in service.log} == {"listSmtp"}
    (checksum,) = planned.artifacts["smtp_users_plan_checksums"].values()
    assert checksum in (awx.volume / "plan-production.html").read_text(encoding="utf-8")

    # Launched by itself, the template does nothing.
    assert awx.start(**template).finish().status == "failed"
    # While the plan waits for its approval, somebody takes a user out of the list.
    users = awx.inventory["sendclean_accounts"]["vars"]["smtp_users_list"]
    awx.inventory["sendclean_accounts"]["vars"]["smtp_users_list"] = users[:1]
    refused = awx.start(**{**template, **planned.artifacts}).finish()
    assert refused.status == "failed" and not service.users(OWNER_ID)
    assert "1 created (billing)" in refused.output and refused.artifacts == {}
    awx.inventory["sendclean_accounts"]["vars"]["smtp_users_list"] = users

    done = awx.start("--diff", "-vvvv", **{**template, **planned.artifacts}).finish()
    assert (done.status, done.changed, done.artifacts) == ("successful", 2, {})
    # A job that is launched again finds what is on the volume, and has nothing to do.
    again = awx.start(**planned.artifacts).finish()
    assert (again.status, again.changed) == ("successful", 0)
    names = sorted(user.smtp_user_name for user in service.users(OWNER_ID))
    assert awx.aliases() == dict(zip(["billing", "newsletter"], names, strict=True))


def test_without_a_path_the_second_job_is_refused_and_the_account_recovered(awx: Awx, service: Service) -> None:
    """The role's own place for the file is in the folder of the job, which is gone with the first one."""
    awx.inventory["sendclean_accounts"]["vars"]["smtp_users_purge"] = True
    path = awx.injector["env"].pop("SENDCLEAN_BINDINGS_PATH")
    assert awx.start().finish().status == "successful"
    users = service.users(OWNER_ID)
    assert len(users) == 2

    refused = awx.start().finish()
    assert refused.status == "failed"
    assert "knows none of the account's users, and there are 2" in refused.output
    assert "Restore the file; or adopt" in (awx.volume / "plan-production.html").read_text(encoding="utf-8")
    assert service.users(OWNER_ID) == users

    awx.injector["env"]["SENDCLEAN_BINDINGS_PATH"] = path
    assert awx.start(playbook="recover.yml").finish().changed == 1
    assert awx.start().finish().changed == 0
    assert sorted(awx.aliases().values()) == sorted(user.smtp_user_name for user in users)


def test_without_the_volume_nothing_happens(awx: Awx, service: Service) -> None:
    awx.volume.rmdir()
    outcome = awx.start().finish()
    assert outcome.status == "failed"
    assert f"bindings_path lies in a folder that does not exist: {awx.volume}" in outcome.output
    assert not service.log


def test_a_job_is_cancelled_and_two_at_once_go_on_from_there(awx: Awx, service: Service) -> None:
    variables = awx.inventory["sendclean_accounts"]["vars"]
    # This is about the users alone.
    del variables["smtp_users_report_path"], variables["smtp_users_credentials_file"]
    # A task whose answer is held back does not go on by itself.
    variables["smtp_users_timeout"] = SECONDS
    cancelled = hold_back(service)
    job = awx.start()
    assert cancelled.begun.wait(SECONDS)
    inside = job.container.children(recursive=True)
    # What Kubernetes sends when a pod is deleted. Then all processes of the container go.
    job.container.terminate()
    assert job.finish().status == "canceled"
    kill(inside)
    cancelled.go_on.set()
    assert len(service.users(OWNER_ID)) == 1

    first = hold_back(service)
    jobs = [awx.start()]
    assert first.begun.wait(SECONDS)
    (lock,) = awx.volume.glob("bindings.json.*.lock")
    with opened(lock) as times:
        jobs.append(awx.start())
        # Once would do without waiting.
        assert times(3)
    first.go_on.set()
    outcomes = [job.finish() for job in jobs]

    assert [outcome.status for outcome in outcomes] == ["successful"] * 2
    assert [outcome.changed for outcome in outcomes] == [1, 0]
    assert len(service.users(OWNER_ID)) == 2
    assert set(awx.aliases().values()) == {user.smtp_user_name for user in service.users(OWNER_ID)}


@dataclass(frozen=True)
class Held:
    """A creation that is carried out and whose answer waits."""

    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


def hold_back(service: Service) -> Held:
    """Hold back the answer to the next creation, and to those after it, until told to go on."""
    held = Held()

    def wait(call: str, unused_owner_id: str) -> None:
        if call == "addSmtp":
            held.begun.set()
            held.go_on.wait(SECONDS)

    service.after_call = wait
    return held


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Callable[[int], bool]]:
    """Return what waits until a file was opened so many times. Who waits for a lock opens its file again and again."""
    kernel = ctypes.CDLL(None)
    watch = kernel.inotify_init()
    kernel.inotify_add_watch(watch, os.fsencode(file), 0x20)  # IN_OPEN
    try:
        # Each event is read by itself, and is 16 bytes long.
        yield lambda times: all(select.select([watch], [], [], SECONDS)[0] and os.read(watch, 16) for unused in range(times))
    finally:
        os.close(watch)
