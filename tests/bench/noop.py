# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what an smtp_user task with nothing to do costs, beside a uri task that posts listSmtp by hand.

Whole runs of ansible-playbook, in turn, against the same simulated service; what counts is the median of the
ratios pair by pair, which holds when the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulator import Service, serve

CREDENTIALS = {"owner_id": "demo", "token": "demo-token"}


def playbook(folder: Path, name: str, task: dict[str, object]) -> Path:
    """Write a playbook of one task. JSON is YAML."""
    path = folder / f"{name}.yml"
    path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    return path


def seconds(path: Path, changed: int = 0) -> float:
    """Return the wall time of one run, in which so many tasks must change something."""
    ansible_playbook = Path(sys.executable).parent / "ansible-playbook"
    begin = time.perf_counter()
    done = subprocess.run(
        [ansible_playbook, "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    )
    taken = time.perf_counter() - begin
    if done.returncode or f"ok=1    changed={changed}" not in done.stdout:
        raise SystemExit(f"{path.name} did not run as expected:\n{done.stdout}{done.stderr}")
    return taken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15, help="how many pairs of runs")
    pairs = parser.parse_args().pairs
    service = Service({CREDENTIALS["owner_id"]: CREDENTIALS["token"]})
    user = service.create_user(CREDENTIALS["owner_id"], total_limit=1000, hourly_limit=100)
    with serve(service) as server, tempfile.TemporaryDirectory() as folder:
        by_hand = {"url": f"{server.base_url}/settings/listSmtp", "method": "POST", "body_format": "json", "body": CREDENTIALS}
        module = {"api_url": server.base_url, **CREDENTIALS, "smtp_user_name": user.smtp_user_name}
        module.update(total_limit=1000, hourly_limit=100)
        baseline = playbook(Path(folder), "uri", {"name": "Baseline", "ansible.builtin.uri": by_hand})
        measured = playbook(Path(folder), "smtp_user", {"name": "Measured", "sendclean.email.smtp_user": module})
        seconds(baseline), seconds(measured)
        times = [(seconds(measured), seconds(baseline)) for unused in range(pairs)]
    ratios = sorted(first / second for first, second in times)
    print(f"ansible.builtin.uri: {statistics.median(second for first, second in times):.2f} s (median of {pairs} runs)")
    print(f"sendclean.email.smtp_user, no change: {statistics.median(first for first, second in times):.2f} s")
    print(f"ratio, pair by pair: median {statistics.median(ratios):.3f}, from {ratios[0]:.3f} to {ratios[-1]:.3f}")


if __name__ == "__main__":
    main()
