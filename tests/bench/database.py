# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what bindings in PostgreSQL cost, beside those in a file: a run with nothing to do, and each of many creations.

The database is a throw-away server on this machine. Whole runs of ansible-playbook, in turn; what counts is the median of the
ratios pair by pair.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# The table is made by a statement of the collection's.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".build"))

import postgres
from bench.noop import CREDENTIALS, playbook, seconds
from simulator import Service, serve

LIMITS = {"total_limit": 1000, "hourly_limit": 100}


def task(api_url: str, users: int, place: dict[str, str]) -> dict[str, Any]:
    """Return a task for so many users with aliases."""
    wanted = [{"alias": f"alias {number}", **LIMITS} for number in range(users)]
    options = {"api_url": api_url, **CREDENTIALS, "requests_per_minute": 0, "users": wanted, **place}
    return {"name": "Measured", "sendclean.email.smtp_users": options}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15, help="how many pairs of runs")
    parser.add_argument("--users", type=int, default=1000, help="how many users the account has")
    parser.add_argument("--creations", type=int, nargs=2, default=[200, 2000], help="few and many users to create")
    options = parser.parse_args()
    reason = postgres.missing()
    if reason:
        raise SystemExit(f"Not measured: {reason}")
    service = Service({CREDENTIALS["owner_id"]: CREDENTIALS["token"]})
    with serve(service) as server, postgres.served() as database, tempfile.TemporaryDirectory() as folder:
        database.make_table()
        places = {"file": {"bindings_path": f"{folder}/bindings.json"}, "database": {"bindings_url": database.url}}
        each = {}
        for kind, place in places.items():
            for users in (*options.creations, options.users):
                service.reset()
                Path(folder, "bindings.json").unlink(missing_ok=True)
                database.ask("delete from sendclean_bindings")
                creation = playbook(Path(folder), kind, task(server.base_url, users, place))
                each[kind, users] = seconds(creation, changed=1) / users
        few, many = options.creations
        for kind in places:
            print(f"{kind}: {many} creations cost {each[kind, many] / each[kind, few]:.2f} times as much for each as {few}")
        # The database has its bindings for the users that there are now: the file learns them by a list of names.
        service.reset()
        Path(folder, "bindings.json").unlink(missing_ok=True)
        database.ask("delete from sendclean_bindings")
        seconds(playbook(Path(folder), "first", task(server.base_url, options.users, places["file"])), changed=1)
        database.ask(
            "insert into sendclean_bindings (base_url, owner_id, version, document, written_by) values (%s, %s, 1, %s, 'bench')",
            server.base_url,
            CREDENTIALS["owner_id"],
            Path(folder, "bindings.json").read_text(encoding="utf-8"),
        )
        runs = {kind: playbook(Path(folder), kind, task(server.base_url, options.users, place)) for kind, place in places.items()}
        times = [(seconds(runs["database"]), seconds(runs["file"])) for unused in range(options.pairs)]
    ratios = sorted(first / second for first, second in times)
    for number, kind in enumerate(("database", "file")):
        print(f"{kind}, no change at {options.users} users: {statistics.median(pair[number] for pair in times):.2f} s (median)")
    print(f"ratio, pair by pair: median {statistics.median(ratios):.3f}, from {ratios[0]:.3f} to {ratios[-1]:.3f}")


if __name__ == "__main__":
    main()
