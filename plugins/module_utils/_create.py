# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One user created, exactly once, whatever becomes of the answer. The intent is durable before, and the lock is held."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record
from ansible_collections.sendclean.email.plugins.module_utils._client import MAX_ATTEMPTS, Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import CallError, Outcome, VerificationError
from ansible_collections.sendclean.email.plugins.module_utils._model import Intent


def add_once(client: Client, record: Record, alias: str, intent: Intent, find: Callable[[], str | None]) -> str:
    """Create the user of an intent and return its name. ``find`` looks for it where the answer is lost.

    Raises SendCleanError. The intent stays unless nothing was created for sure: the next run settles it.
    """
    attempt = 0
    while True:
        attempt += 1
        name: str | None
        try:
            name = client.add_smtp(intent.total_limit, intent.hourly_limit, record.prove)
        except CallError as error:
            if error.outcome is Outcome.REFUSED:
                # Surely nothing was created by this call; of an earlier one whose answer was lost that is not so sure.
                if attempt == 1:
                    record.drop_intent(alias)
                raise
            name = find()
            if name is None and (error.outcome is Outcome.UNKNOWN or attempt == MAX_ATTEMPTS):
                raise
        if name in intent.smtp_user_names:
            raise VerificationError(
                f"SendClean answered addSmtp with {name}, a user that was there before: nothing is bound. "
                "Run again, and if it stays so, ask SendClean"
            )
        if name is not None:
            return name
