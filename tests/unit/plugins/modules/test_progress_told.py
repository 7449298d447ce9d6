# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What smtp_users tells of how far it is at each call, and that it makes no difference whether somebody is told."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._progress import CHANNEL, Progress, nothing_told
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    FakeClock,
    ModuleResult,
    RunModule,
    made,
    write_bindings,
)
from simulator import RunningServer, Service

LIMITS = {"total_limit": 1000, "hourly_limit": 100}
USERS = [
    {"alias": "same"},
    {"alias": "other", "hourly_limit": 7},
    {"alias": "new", **LIMITS},
    {"alias": "adopted", "smtp_user_name": "smtp3", "hourly_limit": 8},
    {"alias": "newer", "total_limit": 5, "hourly_limit": 5},
]


@pytest.fixture
def begin(service: Service, server: RunningServer, bindings_path: Path) -> Callable[[], None]:
    """begin() makes the account as it is at first."""
    return functools.partial(account, service, server, bindings_path)


@pytest.fixture
def run_users(run_module: RunModule, bindings_path: Path) -> Callable[..., ModuleResult]:
    """run_users(users=…) runs smtp_users with the bindings."""
    return functools.partial(run_module, "smtp_users", bindings_path=str(bindings_path))


def account(service: Service, server: RunningServer, bindings_path: Path) -> None:
    service.reset()
    for name in ("smtp1", "smtp2", "smtp3", "smtp4"):
        service.create_user(OWNER, smtp_user_name=name, total_limit=9, hourly_limit=9)
    write_bindings(bindings_path, server.base_url, aliases={"same": "smtp1", "other": "smtp2", "former": "smtp4"})


def told(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, tuple[int, int]]]:
    """From now on, each call with what was told before it: users done, of all."""
    channel = tmp_path / "channel"
    channel.write_bytes(nothing_told())
    monkeypatch.setenv(CHANNEL, str(channel))
    calls: list[tuple[str, tuple[int, int]]] = []

    def look(call: str, unused_owner_id: str) -> None:
        progress = Progress()
        progress.look(0.0, channel.read_bytes())
        calls.append((call, (progress.done, progress.users)))

    service.before_call = look
    return calls


def test_users_are_counted_when_nothing_is_left_to_do_for_them(
    run_users: Callable[..., ModuleResult],
    begin: Callable[[], None],
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fast: FakeClock,
) -> None:
    def run() -> ModuleResult:
        begin()
        service.add_fault("editSmtp", "validation_error", times=2)
        return run_users(users=USERS, purge=True)

    silent = run()
    calls = made(service)
    seen = told(service, monkeypatch, tmp_path)
    audible = run()

    assert seen == [
        # Before the account is listed nobody knows who needs something.
        ("listSmtp", (0, 5)),
        # The one who is purged is one more, and one needs nothing. The adopted one has to be edited, too.
        ("addSmtp", (1, 6)),
        ("addSmtp", (2, 6)),
        # Who has failed is done, here by two calls that were refused.
        ("editSmtp", (4, 6)),
        ("editSmtp", (5, 6)),
        ("listSmtp", (6, 6)),
    ]
    assert made(service) == calls
    # New users have names of the server's choosing, and the time goes on.
    names = [row["smtp_user_name"] for row in silent["smtp_users"]], [row["smtp_user_name"] for row in audible["smtp_users"]]
    text, expected = (re.sub(r'("password_age_days": )[-0-9.e]+', r"\1...", run.output) for run in (audible, silent))
    for before, after in zip(*names, strict=True):
        text = text.replace(after, before)
    assert text == expected
    assert "PROGRESS" not in audible.output


def test_check_mode_and_a_run_with_nothing_to_do_make_one_call(
    run_users: Callable[..., ModuleResult],
    begin: Callable[[], None],
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin()
    seen = told(service, monkeypatch, tmp_path)
    run_users(check=True, users=USERS)
    run_users(users=USERS[:1])
    assert seen == [("listSmtp", (0, 5)), ("listSmtp", (0, 1))]


def test_a_file_that_cannot_be_written_does_no_harm(
    run_users: Callable[..., ModuleResult], begin: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the module became another user, or is on another machine that has been given our environment."""
    begin()
    monkeypatch.setenv(CHANNEL, str(tmp_path / "nowhere"))
    assert run_users(users=USERS)["summary"]["created"] == 2
    assert not (tmp_path / "nowhere").exists()
