# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a run is: what a module tells of it, and the line that is made of that.

A module cannot show anything before it ends. The action that runs it can, and leaves a file for it on the same machine. Where
there is none, as on another machine, nothing is told.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

# The environment variable with the file's path. No option: it is between an action and its module, and no result may show it.
CHANNEL = "_SENDCLEAN_EMAIL_PROGRESS"
# All that the file ever holds: users done, of all. As long as what it replaces, so that no reader sees a part of both.
_TOLD = "{:>9} {:>9}"
# Looks that a pace is made of, and so for how long it is remembered.
_LOOKS = 13


def tell(done: int, users: int) -> None:
    """Tell the action, if it is there, how many users are done. Never fails: the run goes on where nobody can be told."""
    path = os.environ.get(CHANNEL)
    if not path:
        return
    try:
        # The file is the action's: it is not made here, and nothing but such a file is written to.
        channel = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            if os.fstat(channel).st_size == len(nothing_told()):
                os.pwrite(channel, _TOLD.format(done, users).encode(), 0)
        finally:
            os.close(channel)
    except OSError:
        pass


def counted(steps: Sequence[T], is_done: Callable[[T], bool]) -> Iterator[T]:
    """Yield the steps, and tell how many are done: at first, and whenever one has become it."""
    done = sum(map(is_done, steps))
    tell(done, len(steps))
    for step in steps:
        was_done = is_done(step)
        yield step
        if is_done(step) and not was_done:
            done += 1
            tell(done, len(steps))


def nothing_told() -> bytes:
    """Return what the file holds before a module has told anything."""
    return _TOLD.format("", "").encode()


@dataclass
class Progress:
    """What was seen of a run, looked at every few seconds."""

    done: int = 0
    users: int = 0
    # When, in seconds, how many users were done. Not before one was: the list of users, the lock and the listing come first.
    _seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_LOOKS))

    def look(self, now: float, told: bytes) -> None:
        """Take in what the module tells. ``now`` is in seconds."""
        numbers = re.fullmatch(rb" *([0-9]+) +([0-9]+)", told)
        if numbers:
            self.done, self.users = int(numbers[1]), int(numbers[2])
            if self.done:
                self._seen.append((now, self.done))

    def line(self, host: str) -> str | None:
        """Return the line for people; None while nothing is known."""
        if not self.users:
            return None
        minutes = self._minutes()
        left = "" if minutes is None else f", about {minutes} minute{'' if minutes == 1 else 's'} left"
        return f"{host}: {self.done} of {self.users} users{left}"

    def _minutes(self) -> int | None:
        """Return the minutes left at the pace of the last looks; None where nobody was done meanwhile, or all are."""
        if not self._seen or self.done >= self.users:
            return None
        (begun, before), (now, done) = self._seen[0], self._seen[-1]
        if done <= before:
            return None
        return max(1, round((self.users - done) * (now - begun) / (done - before) / 60))
