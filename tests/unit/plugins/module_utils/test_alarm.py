# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time-out of a request beside an alarm that is somebody else's: that of Ansible's keyword timeout, in an action."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._alarm import TimeIsUp, at_most


class OthersTimeIsUp(BaseException):
    """As Ansible's own, no Exception."""


@contextlib.contextmanager
def others(seconds: float) -> Iterator[None]:
    """Have an alarm as ansible-core sets it."""

    def end(signum: int, frame: object) -> None:
        raise OthersTimeIsUp

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_alarm_that_comes_later_still_comes() -> None:
    with pytest.raises(OthersTimeIsUp), others(0.6):
        begin = time.monotonic()
        for _request in range(3):
            with pytest.raises(TimeIsUp), at_most(0.15):
                time.sleep(5)
        assert time.monotonic() - begin < 0.6
        time.sleep(5)
    assert time.monotonic() - begin < 2


def test_an_alarm_that_comes_sooner_ends_the_request() -> None:
    begin = time.monotonic()
    with pytest.raises(OthersTimeIsUp), others(0.1), at_most(30):
        time.sleep(5)
    assert time.monotonic() - begin < 2


def test_without_another_alarm_none_is_left() -> None:
    handler = signal.getsignal(signal.SIGALRM)
    with at_most(30):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) == handler
