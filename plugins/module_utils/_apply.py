# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carry out plans: bind, create exactly once, edit, and see that the account then shows what was asked for."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._bindings import BindingsFile
from ansible_collections.sendclean.email.plugins.module_utils._client import MAX_ATTEMPTS, Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import (
    CallError,
    Outcome,
    RefusedError,
    SendCleanError,
    VerificationError,
)
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Intent, Listing, Operation, User, Wanted
from ansible_collections.sendclean.email.plugins.module_utils._planner import (
    Plan,
    begun_creation,
    created_since,
    plan_account,
    plan_purge,
    unmet,
)

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
    def outstanding(self) -> bool:
        """Whether something of the plan is still to be done."""
        return (self.plan.adopt is not None and not self.changed) or (self.plan.operation is not None and not self.operation)

    @property
    def action(self) -> str:
        """What was done or, in check mode, would be, in one word."""
        return "failed" if self.error else self.plan.action

    @property
    def name(self) -> str:
        """The name of the user that was written; empty where none was."""
        return (self.operation and self.operation.smtp_user_name) or ""

    def facts(self) -> dict[str, Any]:
        """Return the user as it is after the run; nothing where there is no such user."""
        facts = self.plan.before() if self.outstanding else self.plan.after()
        if self.changed:
            facts["alias"] = self.plan.alias
        if self.name:
            facts["smtp_user_name"] = self.name
        if self.user is not None:
            facts.update(self.user.facts())
        return facts

    def password(self) -> str | None:
        """Return the user's password, as far as the account shows one."""
        user = self.user or self.plan.user
        return user.password if user else None


def enforce(
    client: Client,
    file: BindingsFile | None,
    wanted: Sequence[Wanted],
    check_mode: bool,
    purge_exclude: Sequence[str] | None = None,
) -> list[Step]:
    """Make the account hold what is wanted, or in check mode say what would be done.

    With ``purge_exclude``, patterns of names, all other users are disabled; their steps come last.
    Raises SendCleanError as long as nothing was written. From the first write on, a failure is kept in its step.
    """
    bindings = file.read() if file else Bindings()
    if file and not check_mode and any(_may_bind(user, bindings) for user in wanted):
        with file.lock():
            # The listing that a creation rests on must be as young as the lock.
            creation = _Creation(client, file, wanted, purge_exclude)
            steps = creation.steps
            # What only the file has to learn is made durable before a call can fail.
            going_on = _each(sorted(steps, key=lambda step: step.plan.create), creation.give_alias_its_user)
    else:
        listing = client.list_smtp() if check_mode else list_with_young(client, bindings, [user.alias for user in wanted])
        steps, going_on = _plan(listing, wanted, bindings, purge_exclude), True
    if check_mode:
        for step in steps:
            step.operation, step.changed = step.plan.operation, step.plan.changed
        return steps
    if going_on and _each(steps, lambda step: _edit(client, step)):
        _verify(client, steps)
    return steps


def lost_answer_window(client: Client) -> float:
    """Return for how many seconds after a lost answer what the call has done may still show up in the listing."""
    return min(client.connection.timeout, 30.0)


def list_with_young(
    client: Client, bindings: Bindings, users: Iterable[str | None], settled: Callable[[User], bool] = lambda user: True
) -> Listing:
    """List the account, again while one of these users got its password a moment ago and is not listed or not ``settled``.

    ``users`` are aliases or names.
    """
    names = {bindings.aliases.get(user or "", user or "") for user in users}
    listing: Listing = {}
    for listing in client.listings(VERIFY_SECONDS):
        waiting = (name for name in names if name not in listing or not settled(listing[name]))
        if not any(is_young(bindings, name) for name in waiting):
            break
    return listing


def is_young(bindings: Bindings, smtp_user_name: str) -> bool:
    """Say whether a user got its password so short a time ago that a listing may not show it yet."""
    password_time = bindings.password_times.get(smtp_user_name)
    return password_time is not None and (utc_now() - password_time).total_seconds() < VERIFY_SECONDS


def utc_now() -> datetime.datetime:
    """Return now, in UTC as the bindings file has it."""
    return datetime.datetime.now(datetime.timezone.utc)


class _Creation:
    """All that changes the bindings: settle what an earlier run began, adopt, create. To be used under their lock."""

    def __init__(
        self, client: Client, file: BindingsFile, wanted: Sequence[Wanted], purge_exclude: Sequence[str] | None
    ) -> None:
        self._client = client
        self._file = file
        self._bindings = file.read()
        self._listing: Listing = {}
        self.steps: list[Step] = []
        self._settle(wanted, purge_exclude)
        self._taken = {step.plan.user.smtp_user_name for step in self.steps if step.plan.user}

    def _settle(self, wanted: Sequence[Wanted], purge_exclude: Sequence[str] | None) -> None:
        """List the account and plan; where creations were begun, until their users are listed, or would have to be."""
        begun = [self._bindings.intents[user.alias or ""] for user in wanted if self._is_begun(user)]
        listings = itertools.chain(
            [list_with_young(self._client, self._bindings, [user.alias for user in wanted])],
            self._client.listings(lost_answer_window(self._client)) if begun else (),
        )
        problem: RefusedError | None = None
        for self._listing in listings:
            try:
                self.steps, problem = _plan(self._listing, wanted, self._bindings, purge_exclude), None
            except RefusedError as error:
                # That limits are missing, say, is no mistake if the user shows up.
                problem = error
                settled = all(created_since(intent, self._listing, self._bindings) for intent in begun)
            else:
                settled = all(step.plan.adopt for step in self.steps if self._is_begun(step.plan.wanted))
            if settled:
                break
        if problem:
            raise problem

    def _is_begun(self, wanted: Wanted) -> bool:
        """Say whether the user is that of a creation of which it is not known how it ended."""
        return wanted.alias in self._bindings.intents and wanted.smtp_user_name is None

    def give_alias_its_user(self, step: Step) -> None:
        """Bind the alias of a step's user, if it has one that is not bound yet."""
        wanted = step.plan.wanted
        if wanted.alias is None or not _may_bind(wanted, self._bindings):
            return
        begun = self._is_begun(wanted)
        if step.plan.adopt:
            # Of an adopted user it is not known when it got its password, of one whose creation was begun here it is.
            self._file.bind(wanted.alias, step.plan.adopt, utc_now() if begun else None)
            step.changed = True
        elif step.plan.create:
            self._create(step, wanted.alias)
        elif begun:
            self._file.drop_intent(wanted.alias)

    def _create(self, step: Step, alias: str) -> None:
        """Create the user of an alias exactly once, whatever becomes of the answer."""
        intent = Intent.of(step.plan.wanted, self._listing)
        self._file.record_intent(alias, intent)
        attempt = 0
        while True:
            attempt += 1
            name: str | None
            try:
                name = self._client.add_smtp(intent.total_limit, intent.hourly_limit)
            except CallError as error:
                if error.outcome is Outcome.REFUSED:
                    # Surely nothing was created by this call; of an earlier one whose answer was lost that is not so sure.
                    if attempt == 1:
                        self._file.drop_intent(alias)
                    raise
                name = self._find_created(step.plan.wanted)
                if name is None and (error.outcome is Outcome.UNKNOWN or attempt == MAX_ATTEMPTS):
                    raise
            if name in intent.smtp_user_names:
                raise VerificationError(
                    f"SendClean answered addSmtp with {name}, a user that was there before: nothing is bound. "
                    "Run again, and if it stays so, ask SendClean"
                )
            if name is not None:
                step.operation = Operation("addSmtp", name, step.plan.wanted.limits())
                step.changed = True
                self._file.bind(alias, name, utc_now())
                return

    def _find_created(self, wanted: Wanted) -> str | None:
        """Look for the user of a creation whose answer is lost."""
        bindings = self._file.read()
        for listing in self._client.listings(lost_answer_window(self._client)):
            name = begun_creation(wanted, listing, bindings, self._taken)
            if name is not None:
                return name
        return None


def _may_bind(wanted: Wanted, bindings: Bindings) -> bool:
    """Say whether the bindings file may have to change for a user."""
    if wanted.alias is None or wanted.alias in bindings.aliases:
        return False
    return wanted.state == "present" or wanted.alias in bindings.intents


def _plan(
    listing: Listing, wanted: Sequence[Wanted], bindings: Bindings, purge_exclude: Sequence[str] | None
) -> list[Step]:
    plans = plan_account(wanted, listing, bindings)
    if purge_exclude is not None:
        plans += plan_purge(plans, listing, bindings, purge_exclude)
    return [Step(plan) for plan in plans]


def _each(steps: Sequence[Step], work: Callable[[Step], None]) -> bool:
    """Do the work of all steps, whatever becomes of one. Where the API knows the account no more, stop and say False."""
    for step in steps:
        if step.error:
            continue
        try:
            work(step)
        except SendCleanError as error:
            step.error = error
            if isinstance(error, CallError) and error.name == "AuthenticationError":
                for other in steps:
                    if other.outstanding and not other.error:
                        other.error = RefusedError(
                            "not attempted, since SendClean does not accept owner_id and token any more: check them, run again"
                        )
                return False
    return True


def _edit(client: Client, step: Step) -> None:
    operation = step.plan.operation
    if operation is None or operation.smtp_user_name is None:
        return
    client.edit_smtp(operation.smtp_user_name, operation.parameters)
    step.operation = operation
    step.changed = True


def _verify(client: Client, steps: Sequence[Step]) -> None:
    """List again until the account shows what was written, and keep what it shows, also of what has failed."""
    written = [step for step in steps if step.operation and not step.error]
    if not written:
        return
    unapplied = written
    try:
        for listing in client.listings(VERIFY_SECONDS):
            for step in steps:
                if step.operation or step.error:
                    step.user = listing.get(step.name or (step.plan.user.smtp_user_name if step.plan.user else ""))
            unapplied = [step for step in written if unmet(step.plan.wanted, step.user)]
            if not unapplied:
                return
    except SendCleanError as error:
        for step in written:
            step.error = error
        return
    for step in unapplied:
        call = step.operation.call if step.operation else ""
        shown = unmet(step.plan.wanted, step.user)
        step.error = VerificationError(
            f"SendClean accepted {call} for {step.name}, but {VERIFY_SECONDS:g} s later listSmtp still {shown}. "
            "Run again, and if it stays so, ask SendClean"
        )
