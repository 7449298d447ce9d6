# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of a run that takes long, through real runs of Ansible: where they come, where not, and that nothing else changes.

They come every 15 s. To wait for less, these tests run a copy of the collection that differs in nothing but that number.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible_runner
import psutil
import pytest
from integration.project import AS_JSON, OWNER_ID, Project, kill
from simulator import Service, Settings

USERS = 16
USER_LIST = [{"alias": f"user{number}", "total_limit": 5, "hourly_limit": 2} for number in range(USERS)]
# Seconds of each call, and between two lines.
LATENCY, EVERY = 0.15, 0.45
LINE = re.compile(r"(\w+): ([0-9]+) of ([0-9]+) users(, about [0-9]+ minutes? left)?")
TASK: dict[str, Any] = {
    "name": "Users",
    "sendclean.email.smtp_users": {
        "bindings_path": "{{ inventory_dir }}/../bindings.json",
        "requests_per_minute": 0,
        "users": USER_LIST,
    },
}


@pytest.fixture(scope="session")
def impatient(installed_collection: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed collection, with a shorter time between two lines."""
    folder = tmp_path_factory.mktemp("impatient")
    shutil.copytree(os.environ["ANSIBLE_COLLECTIONS_PATH"], folder, dirs_exist_ok=True)
    room = folder / "ansible_collections" / "sendclean" / "email" / "plugins" / "plugin_utils" / "_watch.py"
    text = room.read_text(encoding="utf-8")
    assert text.count("\nSECONDS = 15.0\n") == 1
    room.write_text(text.replace("\nSECONDS = 15.0\n", f"\nSECONDS = {EVERY}\n"), encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Watched:
    """What came of a run, and when each line of standard error did, in seconds."""

    returncode: int
    stdout: str
    stderr: list[tuple[float, str]]
    took: float

    @property
    def lines(self) -> list[str]:
        """The lines that say how far the run is."""
        return [line for _when, line in self.stderr if LINE.fullmatch(line)]


@pytest.fixture
def slow(project: Project, service: Service, impatient: Path) -> Project:
    """An account whose server takes its time, and a playbook that creates its users."""
    service.settings = Settings(latency=LATENCY)
    project.environment["ANSIBLE_COLLECTIONS_PATH"] = str(impatient)
    # Python's own setting would hide that Ansible leaves what a task shows in a buffer.
    project.environment.pop("PYTHONUNBUFFERED", None)
    project.write_play("play.yml", TASK)
    return project


def start(project: Project, command: str, **environment: str) -> subprocess.Popen[str]:
    tool, *arguments = shlex.split(command)
    return subprocess.Popen(
        [Path(sys.executable).parent / tool, *arguments],
        cwd=project.folder,
        env={**project.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def watch(project: Project, command: str = "ansible-playbook -i inventory play.yml", **environment: str) -> Watched:
    """Run a command and note when what comes."""
    begun = time.monotonic()
    run = start(project, command, **environment)
    assert run.stderr and run.stdout
    stderr = [(time.monotonic() - begun, line.rstrip("\n")) for line in run.stderr]
    took = time.monotonic() - begun
    stdout = run.stdout.read()
    assert not project.secrets_in(stdout + "".join(line for _when, line in stderr))
    watched = Watched(run.wait(), stdout, stderr, took)
    assert not left_behind(project)
    return watched


def left_behind(project: Project) -> list[Path]:
    return [path for path in (project.folder / "home").rglob("tmp*") if path.is_file()]


def test_lines_come_while_the_task_runs_and_nothing_else_changes(slow: Project, service: Service) -> None:
    run = watch(slow, "ansible-playbook -i inventory play.yml -vvv", ANSIBLE_INJECT_INVOCATION="1")
    assert run.returncode == 0
    found = [LINE.fullmatch(line) for line in run.lines]
    assert len(found) >= 3
    assert {(match[1], match[3]) for match in found if match} == {("sendclean", str(USERS))}
    done = [int(match[2]) for match in found if match]
    assert done == sorted(done) and done[-1] > done[0]
    assert run.lines[-1].endswith(", about 1 minute left") or done[-1] == USERS
    # As they are shown, not when the run ends.
    times = [when for when, line in run.stderr if LINE.fullmatch(line)]
    assert times[0] < run.took - 2 * EVERY
    assert max(later - earlier for earlier, later in zip(times, times[1:])) < 3 * EVERY
    assert [entry.call for entry in service.log] == ["listSmtp", *["addSmtp"] * USERS, "listSmtp"]
    # Neither the result nor the arguments know of it, and nothing that is for machines has these lines.
    assert "PROGRESS" not in run.stdout
    assert not any(LINE.search(line) for line in run.stdout.splitlines())

    # Who has nothing to wait for sees nothing: this is the collection as it is.
    again = watch(slow, ANSIBLE_COLLECTIONS_PATH=os.environ["ANSIBLE_COLLECTIONS_PATH"])
    assert again.returncode == 0
    assert "changed=0" in again.stdout
    assert not again.lines


def test_the_role_shows_them_for_each_account(slow: Project, service: Service) -> None:
    """Whatever the connection of the host is: the role has its own."""
    service.add_account("2", "the-token-of-account-2")
    own = {"smtp_users_list": USER_LIST, "smtp_users_requests_per_minute": 0, "ansible_connection": "ssh"}
    second = {**own, "smtp_users_owner_id": "2", "smtp_users_token": "the-token-of-account-2"}
    slow.write_hosts({"production": own, "staging": second})
    run = watch(slow, "ansible-playbook -i inventory sendclean.email.enforce -e ansible_connection=ssh")
    assert run.returncode == 0, run.stdout
    assert {line.partition(":")[0] for line in run.lines} == {"production", "staging"}


def test_check_mode_that_waits_has_them_too(slow: Project, service: Service) -> None:
    service.settings = Settings(latency=4 * EVERY)
    run = watch(slow, "ansible-playbook -i inventory play.yml --check")
    assert f"sendclean: 0 of {USERS} users" in run.lines
    assert [entry.call for entry in service.log] == ["listSmtp"]


KEYWORDS: dict[str, dict[str, Any]] = {
    "unlogged": {"no_log": True},
    "looping": {"loop": ["a-secret-of-the-item"], "no_log": True},
    "delegating": {"delegate_to": "localhost"},
    "elsewhere": {"delegate_to": "another", "vars": {"ansible_connection": "local"}},
    "environment": {"environment": {"SOMETHING": "else"}},
    "become": {"become": False},
    "timeout": {"timeout": 60},
}


def test_with_keywords_of_a_task(slow: Project) -> None:
    """One after the other: a line begins with the host. Each task asks for another limit of all users."""
    tasks = []
    for number, (host, keywords) in enumerate(KEYWORDS.items()):
        users = [{**user, "total_limit": 5 + number} for user in USER_LIST[:8]]
        module = {"sendclean.email.smtp_users": {**TASK["sendclean.email.smtp_users"], "users": users}}
        tasks.append({**module, **keywords, "when": f"inventory_hostname == '{host}'"})
    slow.write_hosts(dict.fromkeys(KEYWORDS, {"ansible_connection": "local"}))
    slow.write_play("play.yml", *tasks)
    run = watch(slow)
    assert run.returncode == 0, run.stdout
    lines = Counter(line.partition(":")[0] for line in run.lines)
    assert [host for host in KEYWORDS if lines[host] < 2] == [], run.stderr
    assert not any("secret" in line for _when, line in run.stderr)


def test_with_async_there_are_none(slow: Project, service: Service) -> None:
    """Ansible itself says that such a task goes on, and waits for it or not."""
    users = [{**user, "total_limit": 6} for user in USER_LIST]
    waited_for = {"sendclean.email.smtp_users": {**TASK["sendclean.email.smtp_users"], "users": users}, "async": 60, "poll": 1}
    wait = {
        "name": "Wait",
        "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
        "register": "done",
        "until": "done.finished",
        "retries": 60,
        "delay": 1,
    }
    slow.write_play("play.yml", {**TASK, "async": 60, "poll": 0, "register": "job"}, wait, waited_for)
    run = watch(slow, ANSIBLE_ASYNC_DIR=str(slow.folder / "home" / "async"))
    assert run.returncode == 0, run.stdout
    assert not run.lines
    assert [user.total_limit for user in service.users(OWNER_ID)] == [6] * USERS


ELSEWHERE = '''
DOCUMENTATION = """
name: elsewhere
short_description: As on another machine, which has nothing of the environment
description: The same.
author: nobody
extends_documentation_fragment: [connection_pipelining]
options: {}
"""
import shlex
from ansible.plugins.connection.local import Connection as Local

class Connection(Local):
    transport = "elsewhere"

    def exec_command(self, cmd, in_data=None, sudoable=True):
        names = "PATH HOME SENDCLEAN_API_URL SENDCLEAN_OWNER_ID SENDCLEAN_TOKEN".split()
        kept = ' '.join(f'{name}="${name}"' for name in names)
        return super().exec_command(f"env -i {kept} /bin/sh -c {shlex.quote(cmd)}", in_data, sudoable)
'''


def test_on_another_machine_there_are_none(slow: Project, service: Service) -> None:
    slow.write("connection_plugins/elsewhere.py", ELSEWHERE)
    run = watch(slow, "ansible-playbook -i inventory play.yml -e ansible_connection=elsewhere")
    assert run.returncode == 0, run.stdout
    assert not run.lines
    assert len(service.users(OWNER_ID)) == USERS


def modules(of: int) -> list[psutil.Process]:
    """The processes of modules that a process has started."""
    below = psutil.Process(of).children(recursive=True)
    return [process for process in below if "AnsiballZ" in " ".join(process.cmdline()) and "python" in process.name()]


def test_a_module_that_is_killed(slow: Project) -> None:
    run = start(slow, "ansible-playbook -i inventory play.yml")
    assert run.stderr
    assert LINE.fullmatch(run.stderr.readline().strip())
    victims = modules(run.pid)
    assert victims
    kill(victims)
    stdout, stderr = run.communicate(timeout=30)
    assert run.returncode == 2, stdout
    assert "_watch.py" not in stdout + stderr
    assert not left_behind(slow)


def test_a_run_that_is_interrupted_leaves_nothing(slow: Project) -> None:
    run = start(slow, "ansible-playbook -i inventory play.yml")
    assert run.stderr
    assert LINE.fullmatch(run.stderr.readline().strip())
    below = psutil.Process(run.pid).children(recursive=True)
    # Ansible hangs if it ends a worker that is just handing something on, as this line: until a second Ctrl-C.
    time.sleep(EVERY / 2)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=30)
    kill(below)
    assert not left_behind(slow)


def test_quiet_where_ansible_is_quiet(slow: Project) -> None:
    slow.write("ansible.cfg", "[defaults]\ndisplay_ok_hosts = no\n")
    run = watch(slow)
    assert run.returncode == 0
    assert not run.lines


@pytest.mark.parametrize(
    "environment",
    [
        {"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "no", "ANSIBLE_DISPLAY_FAILED_STDERR": "yes", "ANSIBLE_STRATEGY": "free"},
        {"ANSIBLE_STDOUT_CALLBACK": "minimal"},
        {"ANSIBLE_STDOUT_CALLBACK": "as_json"},
    ],
    ids=str,
)
def test_standard_output_is_the_callbacks_own(slow: Project, environment: dict[str, str]) -> None:
    slow.write("callback_plugins/as_json.py", AS_JSON)
    run = watch(slow, **environment)
    assert run.returncode == 0
    assert len(run.lines) >= 2
    assert not any(LINE.search(line) for line in run.stdout.splitlines())
    if environment.get("ANSIBLE_STDOUT_CALLBACK") == "as_json":
        assert json.loads(run.stdout) == {"sendclean": True}


def test_one_task_of_the_command_line(slow: Project) -> None:
    arguments = json.dumps({**TASK["sendclean.email.smtp_users"], "bindings_path": str(slow.bindings)})
    run = watch(slow, f"ansible -i inventory all -m sendclean.email.smtp_users -a {shlex.quote(arguments)}")
    assert run.returncode == 0, run.stdout
    assert len(run.lines) >= 2


def test_in_awx(slow: Project) -> None:
    """AWX shows the events of ansible-runner, and these lines are among them while the job runs."""
    events: list[tuple[float, str]] = []
    job = slow.folder / "home" / "job"
    job.mkdir()
    done = ansible_runner.interface.run(
        private_data_dir=str(job),
        project_dir=str(slow.folder),
        inventory=str(slow.folder / "inventory"),
        playbook="play.yml",
        envvars=slow.environment,
        quiet=True,
        event_handler=lambda event: events.append((time.monotonic(), event["stdout"])) or True,
    )
    assert done.status == "successful"
    ended = max(when for when, _text in events)
    times = [when for when, text in events if LINE.search(text)]
    assert len(times) >= 2
    assert times[0] < ended - EVERY
