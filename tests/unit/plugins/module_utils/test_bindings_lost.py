# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What SendClean has done is written down, under a new lock where the first was lost. A database loses one: test_postgres.py."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.sendclean.email.plugins.module_utils import _bindings
from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError, LostError
from ansible_collections.sendclean.email.plugins.module_utils._model import Intent
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import BASE, OWNER, FakeClock, record_of

NOW = datetime.datetime(2026, 1, 31, 12, 0, 0, tzinfo=datetime.timezone.utc)
NEXT = ("shop", Intent(100, 10, frozenset({"smtp2"})))


@dataclass
class Losses:
    """How the store's next writes fail, and its next attempts to have a lock again, each with the seconds that it had."""

    of_writes: list[BindingsError] = field(default_factory=lambda: [LostError("lost")])
    of_locks: Sequence[BindingsError] = ()
    can_regain: bool = True
    # What another run does once this one has lost its lock.
    meanwhile: Callable[[Record], None] | None = None
    asked: list[float] = field(default_factory=list)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Waiting takes no time."""
    clock = FakeClock()
    monkeypatch.setattr(_bindings, "time", clock)
    return clock


@pytest.fixture
def losses(file: Record, bindings_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Losses:
    """Have the store of ``file`` fail as this says, when the alias billing has a begun creation and news a user."""
    other = record_of(str(bindings_path), BASE, OWNER)
    with other.lock():
        other.record_intent("billing", NEXT[1])
        other.bind("news", "smtp8")
        other.rebind({}, [], [], {"news": "smtp8"})
    losses = Losses()
    store, replace = file._store, file._store.replace

    def fail(content: bytes) -> None:
        if losses.of_writes:
            raise losses.of_writes.pop(0)
        replace(content)

    def regain(seconds: float) -> bool:
        losses.asked.append(seconds)
        if len(losses.asked) <= len(losses.of_locks):
            raise losses.of_locks[len(losses.asked) - 1]
        if losses.meanwhile:
            losses.meanwhile(record_of(str(bindings_path), BASE, OWNER))
        return losses.can_regain

    monkeypatch.setattr(store, "replace", fail)
    monkeypatch.setattr(store, "regain", regain)
    return losses


def test_a_new_password_is_written_down_under_a_new_lock(file: Record, losses: Losses) -> None:
    file.record_password_time("smtp8", NOW)
    assert losses.asked == [60.0]
    found = file.read()
    assert found.password_times == {"smtp8": NOW}
    # Whoever had the old one needs it anew.
    assert found.delivered == {"news": None}


def test_a_store_that_can_have_no_new_lock_loses_it(file: Record, losses: Losses) -> None:
    losses.can_regain = False
    with pytest.raises(LostError) as caught:
        file.record_password_time("smtp8", NOW)
    assert str(caught.value) == "smtp8 has a new password, that of this result, but its time is not recorded: lost"
    losses.of_writes.append(LostError("lost again"))
    with pytest.raises(LostError, match="^smtp9 has a new password that no time is recorded of: lost again$"):
        file.stage("news", "smtp9", NOW)
    losses.of_writes.append(LostError("lost again"))
    with pytest.raises(LostError, match='^smtp9 was created for alias "billing", but is not recorded: lost again$'):
        file.bind_created("billing", "smtp9", NOW, NEXT)


def test_a_standby_is_written_down_and_the_loss_told_all_the_same(file: Record, losses: Losses) -> None:
    with pytest.raises(LostError, match="^lost$"):
        file.stage("billing", "smtp9", NOW)
    found = file.read()
    assert (found.standbys["billing"].smtp_user_name, found.password_times, found.intents) == ("smtp9", {"smtp9": NOW}, {})


@pytest.mark.parametrize("lost", [True, False])
def test_who_was_created_is_bound_and_the_next_one_begun_only_under_the_first_lock(
    lost: bool, file: Record, losses: Losses
) -> None:
    if not lost:
        losses.of_writes.clear()
    found = file.bind_created("billing", "smtp9", NOW, NEXT)
    assert str(found) == ("lost" if lost else "None")
    after = file.read()
    assert (after.aliases["billing"], after.password_times) == ("smtp9", {"smtp9": NOW})
    assert after.intents == ({} if lost else dict([NEXT]))


@pytest.mark.parametrize(("name", "settled"), [("smtp9", True), ("smtp7", False)])
def test_what_another_run_has_settled_meanwhile_is_left_as_it_is(
    name: str, settled: bool, file: Record, losses: Losses, bindings_path: Path
) -> None:
    losses.meanwhile = lambda other: other.bind("billing", name)
    if settled:
        assert isinstance(file.bind_created("billing", "smtp9", NOW, NEXT), LostError)
    else:
        with pytest.raises(LostError) as caught:
            file.bind_created("billing", "smtp9", NOW, NEXT)
        assert str(caught.value) == (
            'smtp9 was created for alias "billing", whose creation another run has settled meanwhile in '
            f"{file.place}: look who is who with sendclean.email.smtp_bindings, and disable the user who is too many"
        )
    after = file.read()
    assert (after.aliases["billing"], after.password_times) == (name, {})


def test_a_new_lock_is_asked_for_again_for_a_minute(file: Record, losses: Losses, clock: FakeClock) -> None:
    losses.of_locks = [LostError("busy")] * 2
    file.record_password_time("smtp8", NOW)
    assert (losses.asked, clock.slept) == ([60.0, 59.0, 58.0], [1.0, 1.0])
    assert file.read().password_times == {"smtp8": NOW}


def test_after_that_minute_it_is_lost(file: Record, losses: Losses, clock: FakeClock) -> None:
    losses.of_locks = [LostError("busy")] * 100
    with pytest.raises(LostError, match="not recorded: busy$"):
        file.record_password_time("smtp8", NOW)
    assert losses.asked == [float(seconds) for seconds in range(60, -1, -1)]
    assert clock.slept == [1.0] * 60


def test_what_is_no_loss_is_not_tried_again(file: Record, losses: Losses, clock: FakeClock) -> None:
    losses.of_locks = [BindingsError("no rights"), LostError("busy")]
    with pytest.raises(LostError, match="not recorded: no rights$"):
        file.record_password_time("smtp8", NOW)
    assert clock.slept == []
