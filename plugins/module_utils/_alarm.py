# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A limit to how long something may take as a whole, whatever it waits for."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class TimeIsUp(Exception):
    """Something has taken too long. No OSError: urllib3 would try the host's next address then."""


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp in what takes longer, or than an alarm around it lets it. Time-outs of libraries run anew with each byte.

    Python handles signals in the main thread, where modules run; in another one those time-outs are all there is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    # An action shares its process with Ansible's keyword "timeout", whose alarm this is. There is one for each process.
    others = signal.getitimer(signal.ITIMER_REAL)[0]
    if 0 < others <= seconds:
        yield
        return

    def give_up(signum: int, frame: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, give_up)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        left = signal.setitimer(signal.ITIMER_REAL, 0)[0]
        signal.signal(signal.SIGALRM, before)
        if others:
            signal.setitimer(signal.ITIMER_REAL, others - (seconds - left))
