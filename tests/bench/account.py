# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what holding a whole account costs: calls, CPU and wall seconds, against doing it by hand.

Whole runs of ansible-playbook, in turn, against the same simulated service. CPU is that of all processes of a run;
of several rounds the least counts, since noise only adds. The service runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import requests

SIMULATOR = Path(__file__).resolve().parents[1] / "simulator"
ACCOUNT = {"owner_id": "demo", "token": "demo-token"}
LIMITS = {"total_limit": 1000, "hourly_limit": 100}
Task = dict[str, Any]


@dataclass
class Cost:
    """What a run cost: calls, seconds, and the size of its largest process in MiB."""

    calls: int
    wall: float
    cpu: float
    memory: float


class Account:
    """The account at the simulated service."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._control = base_url.replace("/v1.0", "/_control")
        self._users = f"{self._control}/accounts/{ACCOUNT['owner_id']}/users"

    def fill(self, count: int) -> list[Task]:
        """Make an account of so many users, and return them as they are wanted."""
        requests.post(f"{self._control}/reset", timeout=60)
        return [
            {"smtp_user_name": requests.post(self._users, json=LIMITS, timeout=60).json()["smtp_user_name"], **LIMITS}
            for unused in range(count)
        ]

    def drift(self, users: list[Task]) -> None:
        """Change users as a colleague would in the vendor's panel."""
        for user in users:
            requests.patch(f"{self._users}/{user['smtp_user_name']}", json={"hourly_limit": 1}, timeout=60)

    def calls(self) -> int:
        """Return how many calls were made since the last time."""
        made = len(requests.get(f"{self._control}/log", timeout=60).json()["calls"])
        requests.delete(f"{self._control}/log", timeout=60)
        return made


def by_hand(account: Account, call: str, **body: Any) -> Task:
    """Return the arguments of a uri task that makes a call."""
    return {
        "url": f"{account.base_url}/settings/{call}",
        "method": "POST",
        "body_format": "json",
        "body": {**ACCOUNT, **body},
    }


def listing_only(account: Account, users: list[Task]) -> list[Task]:
    """Floor (a): one uri task that lists, and does nothing with it."""
    return [{"name": "List", "ansible.builtin.uri": by_hand(account, "listSmtp")}]


def listing_with_users(account: Account, users: list[Task]) -> list[Task]:
    """Floor (a) with the list of users in the task's arguments, which ansible-core has to carry."""
    return [{"name": "List", "ansible.builtin.uri": by_hand(account, "listSmtp", users=users)}]


def bulk(account: Account, users: list[Task]) -> list[Task]:
    """The module that is measured."""
    options = {"api_url": account.base_url, **ACCOUNT, "requests_per_minute": 0, "users": users}
    return [{"name": "Enforce", "sendclean.email.smtp_users": options}]


def loop_by_hand(account: Account, users: list[Task]) -> list[Task]:
    """What people write without a collection (b): list, then a uri task with a loop and a condition."""
    shown = "(listed.json.smtp_list | selectattr('smtp_user_name', 'eq', item.smtp_user_name) | first)"
    edit = by_hand(account, "editSmtp", smtp_user_name="{{ item.smtp_user_name }}", hourly_limit="{{ item.hourly_limit }}")
    return [
        {"name": "List", "ansible.builtin.uri": {**by_hand(account, "listSmtp"), "return_content": True}, "register": "listed"},
        {
            "name": "Edit",
            "ansible.builtin.uri": edit,
            "loop": users,
            "when": f"{shown}.hourly_limit != item.hourly_limit",
        },
    ]


def loop_of_single(account: Account, users: list[Task]) -> list[Task]:
    """The module for one user, in a loop (c)."""
    options = {"api_url": account.base_url, **ACCOUNT, "requests_per_minute": 0, "smtp_user_name": "{{ item.smtp_user_name }}"}
    options.update({limit: f"{{{{ item.{limit} }}}}" for limit in LIMITS})
    return [{"name": "Enforce", "sendclean.email.smtp_user": options, "loop": users}]


def run(account: Account, tasks: list[Task]) -> Cost:
    """Run a playbook of these tasks and return what it cost."""
    account.calls()
    with tempfile.TemporaryDirectory() as folder:
        playbook, output = Path(folder, "play.yml"), Path(folder, "output")
        # JSON is YAML, and quicker to write and read.
        playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
        command = [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", "-c", "local", playbook]
        command += ["-e", f"ansible_python_interpreter={sys.executable}"]
        begin = time.perf_counter()
        with output.open("w") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as process:
            # What it used, with all processes that it has waited for.
            unused, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"a run failed:\n{output.read_text(encoding='utf-8')[-4000:]}")
    return Cost(account.calls(), wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def least(rounds: int, measured: dict[str, Callable[[], Cost]]) -> dict[str, Cost]:
    """Run everything in turn, and keep the least of each figure."""
    best: dict[str, Cost] = {}
    for unused in range(rounds):
        for name, once in measured.items():
            cost = once()
            old = best.get(name, cost)
            best[name] = Cost(cost.calls, *(min(pair) for pair in zip(astuple(cost)[1:], astuple(old)[1:])))
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[10, 100, 1000, 10000])
    parser.add_argument("--changed", type=int, nargs="+", default=[0, 10], help="percent of the users that differ")
    parser.add_argument("--rounds", type=int, default=8, help="how often each run is made")
    parser.add_argument("--loops-up-to", type=int, default=100, help="leave out loops over more users, which take long")
    options = parser.parse_args()
    with subprocess.Popen([sys.executable, SIMULATOR], stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout
            account = Account(service.stdout.readline().split()[-1])
            print(line("users", "changed", "", "calls", "wall s", "cpu s", "MiB", "cpu / floors (a)"))
            for count in options.users:
                for percent in options.changed:
                    table(account, count, percent, options.rounds, options.loops_up_to)
        finally:
            service.terminate()


def table(account: Account, count: int, percent: int, rounds: int, loops_up_to: int) -> None:
    """Measure and print the rows of one size."""
    users = account.fill(count)
    ways = {"(a) uri, listing only": listing_only, "(a) uri, with the users": listing_with_users, "smtp_users": bulk}
    if count <= loops_up_to:
        ways.update({"(b) loop of uri with when": loop_by_hand, "(c) loop of smtp_user": loop_of_single})

    def once(way: Callable[[Account, list[Task]], list[Task]]) -> Callable[[], Cost]:
        def measure() -> Cost:
            account.drift(users[: count * percent // 100])
            return run(account, way(account, users))

        return measure

    costs = least(rounds, {name: once(way) for name, way in ways.items()})
    floors = [costs[name].cpu for name in list(ways)[:2]]
    for name, cost in costs.items():
        ratios = " / ".join(f"{cost.cpu / floor:.2f}" for floor in floors)
        figures = (f"{cost.wall:.2f}", f"{cost.cpu:.2f}", f"{cost.memory:.0f}")
        print(line(str(count), f"{percent} %", name, str(cost.calls), *figures, ratios), flush=True)


def line(*cells: str) -> str:
    """Return a row of the table."""
    users, changed, name, *figures = cells
    return f"{users:>6} {changed:>8}  {name:32}" + "".join(f"{figure:>9}" for figure in figures[:-1]) + f"{figures[-1]:>18}"


if __name__ == "__main__":
    main()
