# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation keeps from harm, each with a twin that lacks it: there the harm is done, else the proof would prove nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock
from simulator import Settings
from unit.exactly_once.kept import Result
from unit.exactly_once.playground import Account
from unit.exactly_once.processes import Process
from unit.exactly_once.sabotage import changed
from unit.exactly_once.test_crash_points import wait_for_calls
from unit.exactly_once.test_rotation import DAY, LIMITS, PURGE, ROTATE, STORIES, both, former_works, one_user, standby_is_off


def run(account: Account, under: Sequence[str], module: str = "smtp_user_rotate", **options: Any) -> Result:
    """Run a module with changes."""
    with changed(under):
        return account.run(module, **(options or ROTATE))


def dies(account: Account, folder: Path, point: str, under: Sequence[str]) -> None:
    """Rotate until a point, and no further."""
    process = Process(
        folder, "smtp_user_rotate", {**account.options, **ROTATE}, signal_at=point, signal_number=signal.SIGKILL, under=under
    )
    assert process.exit_code() == -signal.SIGKILL, process.errors()
    assert process.points()[-1] == point.partition(" (")[0]
    wait_for_calls(account, process.points())


def rotated(account: Account, clock: FakeClock) -> tuple[str, str]:
    """Return the former user's name, within its overlap, and that of the user after it."""
    one_user(account, clock)
    result = account.run("smtp_user_rotate", **ROTATE)
    return result["former"]["smtp_user_name"], result["smtp_user_name"]


@pytest.mark.parametrize(("under", "works"), [([], True), (["switch unseen"], False)])
def test_an_alias_is_switched_only_to_who_is_shown_as_wanted(
    account: Account, clock: FakeClock, under: Sequence[str], works: bool
) -> None:
    """SendClean says yes to an edit, and does nothing."""
    standby_is_off(account, clock)
    before = account.aliases()
    account.service.add_fault("editSmtp", "ignored")
    result = run(account, under)
    assert bool(result.get("failed")) is works
    assert (account.aliases() == before) is works
    assert (account.user(account.aliases()["billing"]).status == "Enable") is works


@pytest.mark.parametrize(("under", "ends"), [([], True), (["no staged mark"], False)])
@pytest.mark.parametrize(("name", "point"), [("reset", "after editSmtp"), ("create", "before listSmtp (2)")])
def test_who_is_staged_is_switched_to_by_the_next_run(
    account: Account, clock: FakeClock, tmp_path: Path, name: str, point: str, under: Sequence[str], ends: bool
) -> None:
    """The run before was killed between the new password and the switch."""
    clock.now = time.time() - STORIES[name][2] * DAY
    STORIES[name][0](account, clock)
    account.service.clear_log()
    dies(account, tmp_path, point, under)
    result = run(account, under)
    assert bool(result.get("failed")) is not ends
    assert (result.get("smtp_user_name") == account.aliases()["billing"]) is ends
    assert sum(account.carried_out()[call] for call in ("addSmtp", "resetSmtpPassword")) == 1


@pytest.mark.parametrize(("under", "works"), [([], True), (["no age"], False)])
def test_who_was_staged_a_moment_ago_is_not_taken_from_an_older_view(
    account: Account, clock: FakeClock, under: Sequence[str], works: bool
) -> None:
    """There it is still enabled, with the password of before; in truth it has retired, and has a new one."""
    both(account, clock)
    account.service.add_fault("editSmtp", "authentication_error", skip=1)
    assert account.run("smtp_user_rotate", **ROTATE)["failed"]
    account.service.settings = Settings(listing_age=5)
    result = run(account, under)
    active = account.user(account.aliases()["billing"])
    assert ((active.status, active.smtp_password) == ("Enable", result["smtp_password"])) is works
    assert account.carried_out()["resetSmtpPassword"] == 1


@pytest.mark.parametrize(
    ("under", "users", "ends"),
    [
        ([], 2, True),
        (["no look-alikes"], 2, True),
        (["no intent"], 2, False),
        (["no intent", "no look-alikes"], 3, True),
    ],
)
def test_a_second_user_is_made_once(
    account: Account, clock: FakeClock, tmp_path: Path, under: Sequence[str], users: int, ends: bool
) -> None:
    """A run was killed before it knew whom it made. There are two rails; only the intent leads on."""
    clock.now = time.time() - 40 * DAY
    one_user(account, clock)
    dies(account, tmp_path, "after addSmtp", under)
    assert bool(run(account, under).get("failed")) is not ends
    assert len(account.users()) == users


@pytest.mark.parametrize(("under", "users"), [([], 2), (["no look-alikes"], 3)])
def test_who_is_forgotten_is_not_made_again(account: Account, clock: FakeClock, under: Sequence[str], users: int) -> None:
    """An old copy of the bindings is there, from before the rotation."""
    one_user(account, clock)
    old = account.kept.document()
    account.run("smtp_user_rotate", **ROTATE)
    account.kept.put(old or {})
    assert bool(run(account, under).get("failed")) is not under
    assert len(account.users()) == users


@pytest.mark.parametrize(
    ("under", "cut_off"), [([], False), (["no waiting"], False), (["no refusal"], False), (["no waiting", "no refusal"], True)]
)
def test_within_its_overlap_nobody_gets_another_password(
    account: Account, clock: FakeClock, under: Sequence[str], cut_off: bool
) -> None:
    former, unused = rotated(account, clock)
    before = account.user(former)
    result = run(account, under, alias="billing")
    assert (account.user(former) != before) is cut_off
    assert ("waiting_until" in result) is ("no waiting" not in under)


@pytest.mark.parametrize(("under", "status"), [([], "Enable"), (["retire early"], "Disable")])
def test_nobody_retires_before_its_time(account: Account, clock: FakeClock, under: Sequence[str], status: str) -> None:
    former, unused = rotated(account, clock)
    clock.now += 0.9 * DAY
    assert run(account, under)["changed"] is bool(under)
    assert account.user(former).status == status
    clock.now += 0.2 * DAY
    assert run(account, under)["former"] is None
    assert account.user(former).status == "Disable"


@pytest.mark.parametrize(("under", "status"), [([], "Enable"), (["no standbys"], "Disable")])
def test_who_takes_turns_is_neither_purged_nor_unclaimed(
    account: Account, clock: FakeClock, under: Sequence[str], status: str
) -> None:
    former, unused = rotated(account, clock)
    assert run(account, under, "smtp_bindings", unbind=["nobody"])["unclaimed"] == ([former] if under else [])
    assert run(account, under, "smtp_users", **PURGE)["changed"] is bool(under)
    assert account.user(former).status == status


@pytest.mark.parametrize(("under", "users"), [([], 3), (["begun without standbys"], 2)])
def test_a_begun_creation_did_not_make_who_takes_turns(
    account: Account, clock: FakeClock, under: Sequence[str], users: int
) -> None:
    """One for another alias, which made nobody; the second user, of the same limits, has come since."""
    one_user(account, clock)
    account.service.add_fault("addSmtp", "error_500_before", times=99)
    assert account.run("smtp_user", alias="shop", **LIMITS)["failed"]
    account.service.clear_faults()
    assert "shop" in account.bindings()["intents"]
    second = account.run("smtp_user_rotate", **ROTATE)["smtp_user_name"]
    clock.now += 40 * DAY
    assert account.run("smtp_user_rotate", **ROTATE)["former"]["smtp_user_name"] == second
    run(account, under, "smtp_user", alias="shop", **LIMITS)
    assert len(account.users()) == users
    assert (account.aliases()["shop"] == second) is bool(under)


@pytest.mark.parametrize(("under", "status"), [([], "Enable"), (["purge unlocked"], "Disable")])
def test_who_is_made_during_a_purge_is_not_purged(
    account: Account, clock: FakeClock, tmp_path: Path, under: Sequence[str], status: str
) -> None:
    """A purge has read the bindings and not yet listed the account, when a rotation begins."""
    clock.now = time.time() - 40 * DAY
    one_user(account, clock)
    options = {**account.options, "timeout": 60}
    purge = Process(
        tmp_path / "purge",
        "smtp_users",
        {**options, **PURGE},
        signal_at="before listSmtp",
        signal_number=signal.SIGSTOP,
        under=under,
    )
    purge.wait_for("before listSmtp")
    rotation = Process(tmp_path / "rotation", "smtp_user_rotate", {**options, **ROTATE})
    try:
        if under:
            rotation.result()
        else:
            rotation.wait_for(account.kept.waits_at)
    finally:
        purge.send(signal.SIGCONT)
    assert not purge.result().get("failed")
    result = rotation.result()
    assert (result["changed"], account.aliases()["billing"]) == (True, result["smtp_user_name"])
    assert account.user(result["smtp_user_name"]).status == status


def test_a_former_user_whose_time_is_over_is_off_in_the_end(account: Account, clock: FakeClock) -> None:
    """Who is only spared would pass the tests above."""
    former_works(account, clock)
    former = account.bindings()["standbys"]["billing"]["smtp_user_name"]
    assert account.run("smtp_user_rotate", **ROTATE)["former"] is None
    assert account.user(former).status == "Disable"
