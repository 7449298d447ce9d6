# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the collection at work: real playbooks against a simulated SendClean, each step checked as it is captioned.

The playbooks are those of tests/demo, in a temporary folder. Ends with 0 only if each step came out as captioned.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

TESTS = Path(__file__).resolve().parents[1]
OWNER_ID = "4711"
TOKEN = "the-token-of-account-4711"
# Set by the Makefile. Other settings of the caller's would change what is shown.
KEPT_SETTINGS = ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME")

# The users after a step: status, total_limit, hourly_limit.
BILLING = ("Enable", 10000, 500)
NEWSLETTER = ("Enable", 200000, 5000)
MANAGED = [BILLING, NEWSLETTER]
DRIFTED = [("Enable", 10000, 9999), ("Disable", 200000, 5000)]

LOOK = ["listSmtp"]


def write(call: str) -> list[str]:
    """Return the calls of a task that writes: it looks before and after."""
    return [*LOOK, call, *LOOK]


@dataclass(frozen=True)
class Step:
    """A playbook run and how it has to come out: tasks that changed something, calls, users, and lines of output."""

    caption: str
    command: str
    changed: int
    calls: list[str]
    users: list[tuple[str, int, int]] = field(default_factory=lambda: MANAGED)
    shows: tuple[str, ...] = ()


STEPS = [
    Step(
        "Dry run: two users would be created. Nothing is written yet, neither there nor here.",
        "site.yml --check --diff",
        changed=2,
        calls=LOOK * 2,
        users=[],
        shows=('+    "alias": "billing"', '+    "alias": "newsletter"'),
    ),
    Step(
        "The real run: SendClean creates both and chooses their names.",
        "site.yml",
        changed=2,
        calls=[
            *write("addSmtp hourly_limit=500 total_limit=10000"),
            *write("addSmtp hourly_limit=5000 total_limit=200000"),
        ],
    ),
    Step("Once more: nothing to do, one call for each user.", "site.yml", changed=0, calls=LOOK * 2),
    Step(
        "Somebody raises billing's hourly limit to 9999 and disables newsletter, by hand. A dry run shows it.",
        "site.yml --check --diff",
        changed=2,
        calls=LOOK * 2,
        users=DRIFTED,
        shows=('-    "hourly_limit": 9999', '-    "status": "Disable"'),
    ),
    Step(
        "The real run mends it, and sends only what differs.",
        "site.yml",
        changed=2,
        calls=[*write("editSmtp hourly_limit=500"), *write("editSmtp status=Enable")],
    ),
    Step(
        "Ask what the account holds, by alias.", "info.yml", changed=0, calls=LOOK, shows=('"billing": 500', '"newsletter": 5000')
    ),
    Step("Billing's password has leaked: replace it.", "reset.yml", changed=1, calls=write("resetSmtpPassword")),
    Step("Once more: the leaked one is no longer in force, so the new one stays.", "reset.yml", changed=0, calls=LOOK),
]
# Before which step the limits are changed by hand, and before which one the password leaks.
BY_HAND, LEAK = 3, 6


class Server:
    """The simulated service, in a process of its own."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._control = base_url.replace("/v1.0", "/_control")
        self._session = requests.Session()
        # It is on this machine: no proxy.
        self._session.trust_env = False

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self._session.request(method, self._control + path, timeout=30, **options)
        answer.raise_for_status()
        return answer.json()

    def users(self) -> list[dict[str, Any]]:
        """Return the users in the order of their creation."""
        users: list[dict[str, Any]] = self._ask("GET", f"/accounts/{OWNER_ID}/users")["users"]
        return users

    def change(self, user: dict[str, Any], **changes: Any) -> None:
        """Change a user as somebody in the vendor's panel would."""
        self._ask("PATCH", f"/accounts/{OWNER_ID}/users/{user['smtp_user_name']}", json=changes)

    def take_calls(self) -> list[str]:
        """Return the calls since the last time, with what they set."""
        calls = []
        for entry in self._ask("GET", "/log")["calls"]:
            settings = sorted(f"{name}={value}" for name, value in entry["parameters"].items() if name != "smtp_user_name")
            calls.append(" ".join([entry["call"], *settings]))
        self._ask("DELETE", "/log")
        return calls


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command, whose process is gone at the end, whatever happens."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def simulated_service() -> Iterator[Server]:
    """Start the service on a free port."""
    with running([sys.executable, str(TESTS / "simulator"), "--account", f"{OWNER_ID}:{TOKEN}"]) as process:
        assert process.stdout
        greeting = process.stdout.readline()
        if "http://" not in greeting:
            sys.exit("The simulated service did not start.")
        print(greeting, end="")
        yield Server(greeting.split()[-1])


def environment_for(server: Server) -> dict[str, str]:
    """Return the environment of the playbook runs."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "SENDCLEAN_")) or name in KEPT_SETTINGS
    }
    environment.update(SENDCLEAN_API_URL=server.base_url, SENDCLEAN_OWNER_ID=OWNER_ID, SENDCLEAN_TOKEN=TOKEN)
    if sys.stdout.isatty():
        environment["ANSIBLE_FORCE_COLOR"] = "1"
    return environment


def play(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run ansible-playbook, print what matters of its output as it comes, return its exit code and all it printed."""
    tool = Path(sys.executable).parent / "ansible-playbook"
    output = ""
    with running([str(tool), *command.split()], cwd=folder, env=environment) as process:
        assert process.stdout
        for line in process.stdout:
            plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
            output += plain
            if plain.strip() and not re.match(r"PLAY |--- before|\+\+\+ after|@@|\\ No newline|.* : ok=\d", plain):
                print("    " + line.replace("*", "").rstrip(), flush=True)
        return process.wait(), output


def take(step: Step, server: Server, folder: Path, environment: dict[str, str]) -> list[str]:
    """Carry out a step and return what did not come out as captioned."""
    code, output = play(step.command, folder, environment)
    recap = re.search(r" : ok=\d+ +changed=(\d+)", output)
    changed = int(recap[1]) if recap else None
    calls = server.take_calls()
    # A user who was created a moment ago is looked at until no older view can be shown any more, however fast the demo is.
    while step.command == "reset.yml" and calls[:2] == LOOK * 2:
        calls = calls[1:]
    users = [(user["status"], user["total_limit"], user["hourly_limit"]) for user in server.users()]
    problems = [f"no line {line!r}" for line in step.shows if line not in output]
    for what, came, expected in (
        ("exit code", code, 0),
        ("changed", changed, step.changed),
        ("calls", calls, step.calls),
        ("users", users, step.users),
        ("bindings.json exists", (folder / "bindings.json").exists(), bool(step.users)),
    ):
        if came != expected:
            problems.append(f"{what}: {came}, expected {expected}")
    if not problems:
        print(f"    => changed={changed}; calls: {', '.join(calls)}")
    return problems


def main() -> int:
    """Take the steps; stop at the first that goes wrong."""
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    # A shell that starts this in the background has it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="sendclean-demo-") as temporary, simulated_service() as server:
        folder = Path(temporary) / "demo"
        shutil.copytree(TESTS / "demo", folder)
        environment = environment_for(server)
        for number, step in enumerate(STEPS):
            if number == BY_HAND:
                billing, newsletter = server.users()
                server.change(billing, hourly_limit=9999)
                server.change(newsletter, status="Disable")
            if number == LEAK:
                environment["LEAKED_PASSWORD"] = server.users()[0]["smtp_password"]
            print(f"\n{number + 1}. {step.caption}\n  $ ansible-playbook {step.command}", flush=True)
            problems = take(step, server, folder, environment)
            if problems:
                print(f"\nThis did not come out as captioned: {'; '.join(problems)}")
                return 1
        if server.users()[0]["smtp_password"] == environment["LEAKED_PASSWORD"]:
            print("\nThe leaked password is still in force.")
            return 1
        bindings = (folder / "bindings.json").read_text(encoding="utf-8")
    print("\nAll steps came out as captioned. The runs left bindings.json, to be committed beside the playbook:\n")
    print(bindings)
    print("The playbooks are in tests/demo. README.md says how to go on.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted; everything that the demo started is gone.")
        sys.exit(130)
