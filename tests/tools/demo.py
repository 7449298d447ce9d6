# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show a team at work: three accounts under the role, a plan that is approved, drift, rotation; real playbooks against a
simulated SendClean, each step checked as it is captioned.

The project is that of tests/demo, in a temporary folder. Ends with 0 only if each step came out as captioned.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

TESTS = Path(__file__).resolve().parents[1]
# Each account by the name of its host: owner_id and token.
ACCOUNTS = {
    name: (owner_id, f"the-token-of-{name}")
    for name, owner_id in (("production", "4711"), ("staging", "4712"), ("development", "4713"))
}
# Set by the Makefile. Other settings of the caller's would change what is shown.
KEPT_SETTINGS = ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME")

ENFORCE, DRIFT = "sendclean.email.enforce", "sendclean.email.drift"
PRODUCTION, OTHERS = {"production"}, {"staging", "development"}


class Failure(Exception):
    """A step did not come out as captioned."""


@dataclass(frozen=True)
class Step:
    """A playbook run and how it has to come out: its exit code, which accounts change, calls that write, lines of output.

    ``before`` is what people do before it.
    """

    caption: str
    command: str
    changed: set[str] = field(default_factory=set)
    writes: dict[str, int] = field(default_factory=dict)
    code: int = 0
    shows: tuple[str, ...] = ()
    before: Callable[[Team], None] = lambda team: None


STEPS = [
    Step(
        "Three accounts, one list. A dry run: six users would be created. It writes a page for each account, and an overview.",
        f"{ENFORCE} --check",
        changed=PRODUCTION | OTHERS,
    ),
    Step(
        "The plans are approved by their checksums, which the overview has. The real run does just that.",
        f"{ENFORCE} -e @approved.json",
        changed=PRODUCTION | OTHERS,
        writes={"addSmtp": 6},
        before=lambda team: team.approve(),
    ),
    Step(
        "Is everything as the list says? This one runs every night, and changes nothing.",
        DRIFT,
        shows=("in order",),
    ),
    Step(
        "Somebody raises a limit in production by hand, and disables a user there. The next night finds it.",
        DRIFT,
        code=2,
        shows=("billing (updated)", "newsletter (enabled)"),
        before=lambda team: team.change_by_hand(),
    ),
    Step(
        "The plan that was approved is another one. A run with the old approval is refused, and nothing is written.",
        f"{ENFORCE} -e @approved.json --limit production",
        code=2,
        shows=("is not that of this run",),
    ),
    Step("So look anew,", f"{ENFORCE} --check", changed=PRODUCTION),
    Step(
        "and approve anew: only what differs is sent.",
        f"{ENFORCE} -e @approved.json",
        changed=PRODUCTION,
        writes={"editSmtp": 2},
        before=lambda team: team.approve(),
    ),
    Step(
        "Billing's password in production gets rotated. The new one is kept in an encrypted file.",
        "sendclean.email.rotate --limit production -e smtp_users_rotate_aliases=billing",
        changed=PRODUCTION,
        writes={"resetSmtpPassword": 1},
        shows=("redeploy what uses it: billing",),
        before=lambda team: team.note_the_password(),
    ),
]


@dataclass
class Team:
    """What the people of the story do between the runs."""

    server: Server
    folder: Path
    old_password: str = ""

    def approve(self) -> None:
        """Approve the plans that the dry run has shown."""
        overview = json.loads((self.folder / "plans" / "overview.json").read_text(encoding="utf-8"))
        checksums = {account["account"]: account["plan_checksum"] for account in overview["accounts"]}
        text = json.dumps({"smtp_users_plan_checksums": checksums}, indent=2)
        (self.folder / "approved.json").write_text(text + "\n", encoding="utf-8")
        print("  approved.json:\n    " + text.replace("\n", "\n    "))

    def change_by_hand(self) -> None:
        """Change users as in the vendor's panel."""
        billing, newsletter = self.users()
        self.server.change(billing, hourly_limit=9999)
        self.server.change(newsletter, status="Disable")

    def note_the_password(self) -> None:
        """Remember what is in force before it is rotated."""
        self.old_password = self.users()[0]["smtp_password"]

    def users(self) -> list[dict[str, Any]]:
        """Return billing and newsletter of production."""
        return sorted(self.server.users(ACCOUNTS["production"][0]), key=lambda user: user["total_limit"])


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

    def users(self, owner_id: str) -> list[dict[str, Any]]:
        """Return the users of an account."""
        users: list[dict[str, Any]] = self._ask("GET", f"/accounts/{owner_id}/users")["users"]
        return users

    def change(self, user: dict[str, Any], **changes: Any) -> None:
        """Change a user of production as somebody in the vendor's panel would."""
        self._ask("PATCH", f"/accounts/{ACCOUNTS['production'][0]}/users/{user['smtp_user_name']}", json=changes)

    def take_calls(self) -> Counter[str]:
        """Return how many calls there were since the last time."""
        calls = Counter(entry["call"] for entry in self._ask("GET", "/log")["calls"])
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
    accounts = [word for owner_id, token in ACCOUNTS.values() for word in ("--account", f"{owner_id}:{token}")]
    with running([sys.executable, str(TESTS / "simulator"), *accounts]) as process:
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
    environment.update({f"{name.upper()}_TOKEN": token for name, (_owner_id, token) in ACCOUNTS.items()})
    environment["SENDCLEAN_API_URL"] = server.base_url
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


def take(step: Step, team: Team, environment: dict[str, str]) -> None:
    """Carry out a step. Raises Failure if it does not come out as captioned."""
    code, output = play(step.command, team.folder, environment)
    recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", output, re.MULTILINE)
    changed = {host for host, number in recap if int(number)}
    calls = team.server.take_calls()
    writes = {call: number for call, number in calls.items() if call != "listSmtp"}
    problems = [f"no line with {text!r}" for text in step.shows if text not in output]
    for what, came, expected in (
        ("exit code", code, step.code),
        ("changed", changed, step.changed),
        ("calls that write", writes, step.writes),
    ):
        if came != expected:
            problems.append(f"{what}: {came}, expected {expected}")
    if problems:
        raise Failure("; ".join(problems))
    told = ", ".join(f"{number} {call}" for call, number in sorted(calls.items()))
    print(f"    => changed: {', '.join(sorted(changed)) or 'none'}; calls: {told}")


def tell_the_story(team: Team, environment: dict[str, str]) -> None:
    """Take the steps; stop at the first that goes wrong."""
    for number, step in enumerate(STEPS):
        print(f"\n{number + 1}. {step.caption}")
        step.before(team)
        print(f"  $ ansible-playbook {step.command}", flush=True)
        take(step, team, environment)
    if team.users()[0]["smtp_password"] == team.old_password:
        raise Failure("the old password is still in force")
    if not (team.folder / "credentials" / "production.yml").read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT;"):
        raise Failure("the credentials are not encrypted")


def main() -> int:
    """Tell the story, and what it has left."""
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    # A shell that starts this in the background has it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="sendclean-demo-") as temporary, simulated_service() as server:
        folder = Path(temporary) / "demo"
        shutil.copytree(TESTS / "demo", folder)
        for name in ("credentials", "plans"):
            (folder / name).mkdir()
        (folder / "vault-password").write_text("of the demo\n", encoding="utf-8")
        try:
            tell_the_story(Team(server, folder), environment_for(server))
        except Failure as failure:
            print(f"\nThis did not come out as captioned: {failure}")
            return 1
        bindings = (folder / "sendclean_bindings.json").read_text(encoding="utf-8")
    print("\nAll steps came out as captioned. The runs left sendclean_bindings.json, to be committed beside the inventory:\n")
    print(bindings)
    print("The inventory is in tests/demo. README.md says how to go on, with one user and with many accounts.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted; everything that the demo started is gone.")
        sys.exit(130)
