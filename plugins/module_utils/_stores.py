# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where bindings are kept: what every store can do. What is in them is not known here.

A store has one document. It is read with a version of the store's own, replaced only where that is still the newest, and only
under a lock that can prove that it is still held.
"""

from __future__ import annotations

import contextlib
from typing import Any

# An account: its base URL and owner_id.
Account = tuple[str, str]


class Store:
    """What holds the bindings of an account, and maybe those of others. Failures are BindingsError, and LostError where a
    run must not go on.

    Another store needs ``read``, ``replace``, ``lock``, ``prove`` and ``try_out``; what else there is has a default.
    """

    # The option by which it was given, where it is, and how a document that makes no sense is mended: for people.
    option = ""
    place = ""
    mend = ""
    # Base URLs under which the same owner_id has a document that is not read with this one.
    elsewhere: tuple[str, ...] = ()

    def read(self) -> bytes | None:
        """Return the newest document, None where there is none yet."""
        raise NotImplementedError

    def replace(self, content: bytes) -> None:
        """Put a document in the place of what was read last, durably. Raises LostError where another one is there by now."""
        raise NotImplementedError

    def lock(self, optional: bool = False) -> contextlib.AbstractContextManager[None]:
        """Hold the account's lock, which ends with the process. ``optional``: go on without one where none can be had."""
        raise NotImplementedError

    def prove(self) -> None:
        """Raise LostError if the lock is not held any more."""
        raise NotImplementedError

    def try_out(self) -> tuple[list[str], bool]:
        """Return why a change would fail, and whether another process is at work on the account. Leaves nothing behind."""
        raise NotImplementedError

    def changing(self) -> contextlib.AbstractContextManager[Any]:
        """Keep others, also those at work on other accounts, from changing the document; around reading and replacing it."""
        return contextlib.nullcontext()

    def is_as_left(self) -> bool:
        """Say whether ``replace`` may follow without another ``read``. Where that is checked by ``replace``, it may."""
        return True

    def require_lock(self) -> None:
        """Say why a lock that was optional could not be had, or that what is read may not be written."""

    def require_writable(self) -> None:
        """Prove that a change can be written down, for who must know before something is done at SendClean."""
        self.require_lock()
        self.prove()

    def changed_at(self) -> int:
        """Return when the document was changed, in nanoseconds of this machine's clock; 0 where that is not known."""
        return 0

    def regain(self, seconds: float) -> bool:
        """Take a lost lock again, to read and replace anew. False: this store can't. Raises BindingsError if it takes longer."""
        return False

    def close(self) -> None:
        """End what the store has open."""
