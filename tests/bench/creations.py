# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what it costs to create users: each of many against each of few, and three accounts at once against one.

Each run is smtp_users on an account that has no users yet, without pacing. The service answers after a moment, as one that is
elsewhere does, and runs in a process of its own. Of several rounds the least wall time counts, since noise only adds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

SIMULATOR = Path(__file__).resolve().parents[1] / "simulator"
LIMITS = {"total_limit": 1000, "hourly_limit": 100}


def accounts(base_url: str, count: int, latency: float) -> list[dict[str, Any]]:
    """Return the options of so many accounts, all without users."""
    control = base_url.replace("/v1.0", "/_control")
    requests.post(f"{control}/reset", timeout=600)
    requests.patch(f"{control}/settings", json={"latency": latency}, timeout=60)
    owners = [f"owner-{number}" for number in range(count)]
    for owner in owners:
        requests.put(f"{control}/accounts/{owner}", json={"token": "demo-token"}, timeout=60)
    return [{"api_url": base_url, "owner_id": owner, "token": "demo-token", "requests_per_minute": 0} for owner in owners]


def create(base_url: str, users: int, hosts: int, latency: float) -> float:
    """Return the wall seconds of a run in which so many accounts, sharing a bindings file, get so many users each."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = [{"alias": f"alias {number}", **LIMITS} for number in range(users)]
        shared = {"bindings_path": f"{folder}/bindings.json", "users": wanted}
        given = {options["owner_id"]: options for options in accounts(base_url, hosts, latency)}
        task = {
            "sendclean.email.smtp_users": {name: f"{{{{ account.{name} }}}}" for name in [*next(iter(given.values())), *shared]}
        }
        play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
        inventory = {
            "all": {
                "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
                "hosts": {owner: {"account": {**options, **shared}} for owner, options in given.items()},
            }
        }
        Path(folder, "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
        Path(folder, "play.json").write_text(json.dumps([play]), encoding="utf-8")
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", f"{folder}/hosts.json", f"{folder}/play.json"]
        begin = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - begin
        if done.returncode:
            raise SystemExit(f"a run failed:\n{done.stdout[-4000:]}")
    return wall


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[200, 2000, 10000])
    parser.add_argument("--at-once", type=int, default=300, help="how many users each of three accounts gets at once")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds until the service answers")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with subprocess.Popen([sys.executable, SIMULATOR], stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout
            base_url = service.stdout.readline().split()[-1]

            def least(users: int, hosts: int = 1) -> float:
                return min(create(base_url, users, hosts, options.latency) for unused in range(options.rounds))

            # What a run costs that creates just one is the start of Ansible and the module, whatever follows.
            start = least(1)
            first = None
            for users in options.users:
                each = (least(users) - start) / users
                first = first or each
                print(f"{users:>6} new users: {1000 * each:6.1f} ms each, {each / first:5.2f} times the first", flush=True)
            one, three = least(options.at_once), least(options.at_once, 3)
            print(f"{options.at_once:>6} in one account: {one:.1f} s, in each of three at once: {three:.1f} s,", end=" ")
            print(f"{three / one:.2f} times")
        finally:
            service.terminate()


if __name__ == "__main__":
    main()
