# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the unit tests of the collection share beside fixtures: a module's result, files, a clock."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import importlib
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import gmtime, strftime
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common import warnings
from ansible.module_utils.common.parameters import PASS_VARS
from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record, record_at
from ansible_collections.sendclean.email.plugins.module_utils._client import Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError, CallError
from ansible_collections.sendclean.email.plugins.module_utils._files import DurableFile
from simulator import Service

OWNER = "demo"
TOKEN = "demo-token"
COLLECTION = "ansible_collections.sendclean.email"

BASE = "https://api.sendclean.net/v1.0"
ELSEWHERE = "https://api.sendclean.invalid/v1.0"
LIST_URL = f"{ELSEWHERE}/settings/listSmtp"
EMPTY_LISTING = {"status": "success", "smtp_list": []}
CALLS: dict[str, Callable[[Any], Any]] = {
    "listSmtp": lambda client: client.list_smtp(),
    "editSmtp": lambda client: client.edit_smtp("smtp1", {"total_limit": 5}),
    "addSmtp": lambda client: client.add_smtp(5, 5),
    "resetSmtpPassword": lambda client: client.reset_smtp_password("smtp1"),
}


@dataclass(frozen=True)
class ModuleResult:
    """How a module ended. ``output`` is all that it wrote, as it wrote it."""

    result: dict[str, Any]
    output: str

    @property
    def failed(self) -> bool:
        """Whether the task failed."""
        return bool(self.result.get("failed"))

    @property
    def msg(self) -> str:
        """The failure's text."""
        return str(self.result.get("msg", ""))

    def __getitem__(self, key: str) -> Any:
        """Return a value of the result; with all of the result in the message where there is none."""
        assert key in self.result, self.result
        return self.result[key]


RunModule = Callable[..., ModuleResult]
MakeReadOnly = Callable[[Path], None]


def hidden(secret: str, output: str) -> bool:
    """Whether a secret is neither in a text as it stands nor as JSON or Python writes it, once or twice."""
    once = json.dumps(secret)[1:-1]
    spellings = {secret, once, json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(once)[1:-1], repr(secret)[1:-1]}
    return not any(spelling in output for spelling in spellings)


def run_main(module_name: str, arguments: dict[str, Any]) -> ModuleResult:
    """Run the real main() of a module in this process, with real JSON arguments.

    Only how arguments come in is patched, as ansible.module_utils.testing does from ansible-core 2.19 on.
    """
    main = importlib.import_module(f"{COLLECTION}.plugins.modules.{module_name}").main
    stdout, stderr = io.StringIO(), io.StringIO()
    given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    # ansible-core 2.17 and 2.18 know no profiles.
    profile = mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True)
    # A module's process has no warnings of an earlier one, and nothing of the controller, which would show them at once.
    warnings._global_warnings.clear()
    alone = mock.patch.object(warnings, "_internal", SimpleNamespace(is_controller=False), create=True)
    with (
        mock.patch.object(basic, "_ANSIBLE_ARGS", given),
        profile,
        alone,
        pytest.raises(SystemExit) as ended,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        main()
    output = stdout.getvalue()
    result = json.loads(output)
    if "warnings" in result:
        # From ansible-core 2.19 on each is an object around the text, until the controller shows it.
        texts = [warning if isinstance(warning, str) else warning["event"]["msg"] for warning in result["warnings"]]
        result["warnings"] = texts
    assert bool(ended.value.code) == bool(result.get("failed"))
    return ModuleResult(result, output + stderr.getvalue())


def failure(client: Client, call: str = "listSmtp") -> CallError:
    """Make a call that has to fail."""
    with pytest.raises(CallError) as caught:
        CALLS[call](client)
    assert caught.value.call == call
    return caught.value


def with_invocation(wanted: bool) -> dict[str, Any]:
    """Arguments that make a result hold the module's own arguments, or not; before ansible-core 2.21 it always does."""
    return {"_ansible_inject_invocation": wanted} if "inject_invocation" in PASS_VARS else {}


def read_bindings(path: Path, base_url: str) -> dict[str, Any]:
    """Return what the bindings file holds of the account, read without the collection's code."""
    section = json.loads(path.read_text(encoding="utf-8"))["accounts"][base_url][OWNER]
    assert isinstance(section, dict)
    return section


def write_bindings(path: Path, base_url: str, **section: Any) -> None:
    """Write a bindings file with one account."""
    path.write_text(json.dumps({"version": 1, "accounts": {base_url: {OWNER: section}}}), encoding="utf-8")


def made(service: Service) -> Counter[str]:
    """Count the calls since the last time."""
    calls = Counter(call.call for call in service.log)
    service.clear_log()
    return calls


def held(service: Service) -> dict[str, tuple[str, int, int]]:
    """Return what the account holds, by name."""
    return {user.smtp_user_name: (user.status, user.total_limit, user.hourly_limit) for user in service.users(OWNER)}


def record_of(path: str, base_url: str, owner_id: str) -> Record:
    """Return the record of an account in a file."""
    record = record_at({"bindings_path": path}, base_url, owner_id)
    assert record is not None
    return record


def bind(file: Record, alias: str = "billing", name: str = "smtp1") -> None:
    """Change a bindings file."""
    file.bind(alias, name)


def durable(path: Path) -> DurableFile:
    """Return the file under the bindings file's name, whatever is in it."""
    return DurableFile(str(path), "bindings_path", BindingsError)


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock of a file, or that of an account in it."""
    for place in path.parent.glob(f"{path.name}*.lock"):
        with open(place, "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def snapshot(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return all that would give away that something in a folder was touched."""
    seen = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        about = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        seen[str(path)] = (content, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_mode)
    return seen


@dataclass
class FakeClock:
    """Takes the place of the module ``time``: sleeping takes no time and is written down."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    # Called after each sleep, for what happens meanwhile.
    meanwhile: Callable[[], None] | None = None

    def monotonic(self) -> float:
        """Return the time by this clock."""
        return self.now

    time = monotonic

    def time_ns(self) -> int:
        """Return the same in nanoseconds."""
        return int(self.now * 1e9)

    strftime, gmtime = staticmethod(strftime), staticmethod(gmtime)

    def utc_now(self) -> datetime.datetime:
        """Return the same as the bindings file keeps it."""
        return datetime.datetime.fromtimestamp(self.now, datetime.timezone.utc)

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        assert seconds >= 0
        self.now += seconds
        self.slept.append(seconds)
        if self.meanwhile:
            self.meanwhile()
