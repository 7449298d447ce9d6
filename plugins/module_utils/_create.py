# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One user created, exactly once, whatever becomes of the answer. The intent is durable before, and the lock is held."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Optional

from ansible_collections.sendclean.email.plugins.module_utils import _bindings, _client, _errors, _lag, _model

# Returns the name of the user that a creation has made, None where a listing does not show it. Raises RefusedError where it
# cannot be told who that is.
Recognise = Callable[[_model.Listing, _model.Bindings], Optional[str]]


def add_once(client: _client.Client, record: _bindings.Record, alias: str, intent: _model.Intent, recognise: Recognise) -> str:
    """Create the user of an intent and return its name. ``recognise`` knows it in a listing where the answer is lost.

    Raises SendCleanError. The intent stays unless nothing was created for sure: the next run settles it.
    """
    attempt = 0
    while True:
        attempt += 1
        name: str | None
        try:
            name = client.add_smtp(intent.total_limit, intent.hourly_limit, record.prove)
        except _errors.CallError as error:
            if error.outcome is _errors.Outcome.REFUSED:
                # Surely nothing was created by this call; of an earlier one whose answer was lost that is not so sure.
                if attempt == 1:
                    # Why it was refused is what matters. An intent that stays is settled by the next run.
                    with contextlib.suppress(_errors.BindingsError):
                        record.drop_intent(alias)
                raise
            name = _find(client, record, recognise)
            if name is None and (error.outcome is _errors.Outcome.UNKNOWN or attempt == _client.MAX_ATTEMPTS):
                raise
        if name in intent.smtp_user_names:
            raise _errors.VerificationError(
                f"SendClean answered addSmtp with {name}, a user that was there before: nothing is bound. "
                "Run again, and if it stays so, ask SendClean"
            )
        if name is not None:
            return name


def _find(client: _client.Client, record: _bindings.Record, recognise: Recognise) -> str | None:
    """Look for the user of a creation whose answer is lost, as long as it may still show up."""
    bindings = record.read()
    problem: _errors.RefusedError | None = None
    for listing in client.listings(_lag.lost_answer_window(client)):
        try:
            name, problem = recognise(listing, bindings), None
        except _errors.RefusedError as error:
            # Until the last listing: the user itself may show up beside one that is somebody else's.
            name, problem = None, error
        if name is not None:
            return name
    if problem:
        raise problem
    return None
