# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carry out plans: bind, create exactly once, edit, and see that the account then shows what was asked for."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._bindings import BindingsFile
from ansible_collections.sendclean.email.plugins.module_utils._client import MAX_ATTEMPTS, Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import CallError, Outcome, SendCleanError, VerificationError
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Intent, Listing, Operation, User, Wanted
from ansible_collections.sendclean.email.plugins.module_utils._planner import Plan, begun_creation, plan_user, unmet

# For how long a listing may lag behind a write before the write counts as not applied, in seconds.
VERIFY_SECONDS = 10.0


@dataclass
class Step:
    """One user's way through a run: the plan, and what came of it."""

    plan: Plan
    # The write call that was made or, in check mode, is planned.
    operation: Operation | None = None
    changed: bool = False
    # What the account showed after the write.
    user: User | None = None
    error: SendCleanError | None = None

    @property
    def name(self) -> str:
        """The name of the user that was written; empty where none was."""
        return (self.operation and self.operation.smtp_user_name) or ""

    def facts(self) -> dict[str, Any]:
        """Return the user as it is after the run; nothing where there is no such user."""
        facts = self.plan.after()
        if self.name:
            facts["smtp_user_name"] = self.name
        if self.user is not None:
            facts.update(self.user.facts())
        return facts

    def password(self) -> str | None:
        """Return the user's password, as far as the account shows one."""
        user = self.user or self.plan.user
        return user.password if user else None


def enforce(client: Client, file: BindingsFile | None, wanted: Sequence[Wanted], check_mode: bool) -> list[Step]:
    """Make the account hold what is wanted, or in check mode say what would be done.

    Raises SendCleanError as long as nothing was written. From the first write on, a failure is kept in its step.
    """
    bindings = file.read() if file else Bindings()
    if file and not check_mode and any(_may_bind(user, bindings) for user in wanted):
        with file.lock():
            # The listing that a creation rests on must be as young as the lock.
            steps, listing = _plan_all(client, wanted, file.read())
            for step in steps:
                try:
                    _give_alias_its_user(client, file, step, listing)
                except SendCleanError as error:
                    step.error = error
    else:
        steps, listing = _plan_all(client, wanted, bindings)
    if check_mode:
        for step in steps:
            step.operation, step.changed = step.plan.operation, step.plan.changed
        return steps
    for step in steps:
        try:
            _edit(client, step)
        except SendCleanError as error:
            step.error = error
    _verify(client, [step for step in steps if step.operation and not step.error])
    return steps


def creation_window(client: Client) -> float:
    """Return for how many seconds after a lost answer a user that is not listed may still show up."""
    return min(client.connection.timeout, 30.0)


def utc_now() -> datetime.datetime:
    """Return the time that the bindings file keeps for passwords."""
    return datetime.datetime.now(datetime.timezone.utc)


def _may_bind(wanted: Wanted, bindings: Bindings) -> bool:
    """Say whether the bindings file may have to change for a user."""
    if wanted.alias is None or wanted.alias in bindings.aliases:
        return False
    return wanted.state == "present" or wanted.alias in bindings.intents


def _plan_all(client: Client, wanted: Sequence[Wanted], bindings: Bindings) -> tuple[list[Step], Listing]:
    listing = client.list_smtp()
    return [Step(plan_user(user, listing, bindings)) for user in wanted], listing


def _give_alias_its_user(client: Client, file: BindingsFile, step: Step, listing: Listing) -> None:
    """Settle what an earlier run began, adopt, create: all that changes the bindings, under their lock."""
    wanted = step.plan.wanted
    if wanted.alias is None:
        return
    begun = wanted.alias in file.read().intents and wanted.smtp_user_name is None
    if begun and not step.plan.adopt:
        for listing in client.listings(creation_window(client)):
            step.plan = plan_user(wanted, listing, file.read())
            if step.plan.adopt:
                break
    if step.plan.adopt:
        # Of an adopted user it is not known when it got its password, of one whose creation was begun here it is.
        file.bind(wanted.alias, step.plan.adopt, utc_now() if begun else None)
        step.changed = True
    elif step.plan.create:
        _create(client, file, step, wanted.alias, Intent.of(wanted, listing))
    elif begun:
        file.drop_intent(wanted.alias)


def _create(client: Client, file: BindingsFile, step: Step, alias: str, intent: Intent) -> None:
    """Create the user of an alias exactly once, whatever becomes of the answer."""
    file.record_intent(alias, intent)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        name: str | None
        try:
            name = client.add_smtp(intent.total_limit, intent.hourly_limit)
        except CallError as error:
            if error.outcome is Outcome.REFUSED:
                # Surely nothing was created by this call; of an earlier one whose answer was lost that is not so sure.
                if attempt == 1:
                    file.drop_intent(alias)
                raise
            name = _find_created(client, file, step.plan.wanted)
            if name is None and (error.outcome is Outcome.UNKNOWN or attempt == MAX_ATTEMPTS):
                raise
        if name in intent.smtp_user_names:
            raise VerificationError(f"SendClean answered addSmtp with {name}, a user that was there before: nothing is bound")
        if name is not None:
            step.operation = Operation("addSmtp", name, step.plan.wanted.limits())
            step.changed = True
            file.bind(alias, name, utc_now())
            return


def _find_created(client: Client, file: BindingsFile, wanted: Wanted) -> str | None:
    """Look for the user of a creation whose answer is lost."""
    bindings = file.read()
    for listing in client.listings(creation_window(client)):
        name = begun_creation(wanted, listing, bindings)
        if name is not None:
            return name
    return None


def _edit(client: Client, step: Step) -> None:
    operation = step.plan.operation
    if step.error or operation is None or operation.smtp_user_name is None:
        return
    client.edit_smtp(operation.smtp_user_name, operation.parameters)
    step.operation = operation
    step.changed = True


def _verify(client: Client, steps: Sequence[Step]) -> None:
    """List again until the account shows what was written, and keep what it shows."""
    if not steps:
        return
    unapplied = list(steps)
    try:
        for listing in client.listings(VERIFY_SECONDS):
            for step in steps:
                step.user = listing.get(step.name)
            unapplied = [step for step in steps if unmet(step.plan.wanted, step.user)]
            if not unapplied:
                return
    except SendCleanError as error:
        for step in steps:
            step.error = error
        return
    for step in unapplied:
        step.error = VerificationError(
            f"SendClean accepted {step.operation.call if step.operation else ''} for {step.name}, but {VERIFY_SECONDS:g} s "
            f"later listSmtp still {unmet(step.plan.wanted, step.user)}. Run again, and if it stays so, ask SendClean"
        )
