# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carry out plans: bind, create exactly once, edit, and see that the account then shows what was asked for."""

from __future__ import annotations

import datetime
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils import (
    _bindings,
    _client,
    _create,
    _errors,
    _lag,
    _model,
    _planner,
    _progress,
    _rails,
)


@dataclass
class Step:
    """One user's way through a run: the plan, and what came of it."""

    plan: _planner.Plan
    # The write call that was made or, in check mode, is planned.
    operation: _model.Operation | None = None
    changed: bool = False
    # What the account showed after the write.
    user: _model.User | None = None
    # When the user got its password, as far as the bindings have it.
    password_time: datetime.datetime | None = None
    error: _errors.SendCleanError | None = None

    @property
    def outstanding(self) -> bool:
        """Whether something of the plan is still to be done."""
        return (self.plan.binds and not self.changed) or (self.plan.operation is not None and not self.operation)

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


@dataclass(frozen=True)
class Run:
    """What came of a run: a step for each wanted user, then for each that was purged; the rest as in AccountPlan."""

    steps: list[Step]
    unclaimed: list[str]
    warnings: list[str]
    checksum: str

    @classmethod
    def of(cls, plan: _rails.AccountPlan, bindings: _model.Bindings) -> Run:
        """Return the run before anything is done."""
        times = bindings.password_times
        steps = [Step(each, password_time=times.get(each.user.smtp_user_name) if each.user else None) for each in plan.plans]
        return cls(steps, plan.unclaimed, plan.warnings, plan.checksum)

    def refuse_unless(self, approved: str | None) -> None:
        """Raise RefusedError if a plan was approved, and it is not this one."""
        _rails.refuse_other_plan([step.plan for step in self.steps], self.checksum, approved)


def enforce(
    client: _client.Client,
    record: _bindings.Record | None,
    wanted: Sequence[_model.Wanted],
    check_mode: bool,
    purge: _model.Purge | None = None,
    approved: str | None = None,
) -> Run:
    """Make the account hold what is wanted, or in check mode say what would be done.

    ``approved`` is the checksum of the only plan that may be carried out; None lets each pass. Raises SendCleanError as long as
    nothing was written. From the first write on, a failure is kept in its step.
    """
    _progress.tell(0, len(wanted))
    bindings = record.read() if record else _model.Bindings()
    if record and not check_mode and _needs_lock(wanted, bindings, purge):
        with record.lock(optional=True):
            # The listing that a creation rests on must be as young as the lock.
            creation = _Creation(client, record, wanted, purge)
            creation.run.refuse_unless(approved)
            if any(creation.has_to_write(step) for step in creation.run.steps):
                record.require_lock()
            run, going_on = creation.run, creation.give_aliases_their_users()
    else:
        listing = client.list_smtp() if check_mode else _lag.list_with_young(client, bindings, [user.alias for user in wanted])
        run, going_on = Run.of(_rails.plan_run(wanted, listing, bindings, purge), bindings), True
        run.refuse_unless(approved)
    if check_mode:
        for step in run.steps:
            step.operation, step.changed = step.plan.operation, step.plan.changed
    elif going_on and _each(run.steps, lambda step: _edit(client, step)):
        _verify(client, run.steps)
    return run


class _Creation:
    """All that changes the bindings: settle what an earlier run began, rename, adopt, create. Under the account's lock."""

    def __init__(
        self, client: _client.Client, record: _bindings.Record, wanted: Sequence[_model.Wanted], purge: _model.Purge | None
    ) -> None:
        self._client = client
        self._record = record
        bindings = record.read()
        self._moves = _planner.renames(wanted, bindings)
        self._bindings = bindings.with_moves(self._moves)
        self._listing: _model.Listing = {}
        self.run = self._settled(wanted, bindings, purge)
        self._taken = {step.plan.user.smtp_user_name for step in self.run.steps if step.plan.user}
        # Those that are to be created, in their order; begun is the one whose intent is durable already.
        self._queue = deque(step for step in self.run.steps if step.plan.create)
        self._begun: str | None = None
        # Why no more may be created.
        self._lost: _errors.LostError | None = None

    def _settled(self, wanted: Sequence[_model.Wanted], bindings: _model.Bindings, purge: _model.Purge | None) -> Run:
        """List the account and plan; where creations were begun, until their users are listed, or would have to be."""
        begun = [user for user in wanted if self._is_begun(user)]
        listings = itertools.chain(
            [_lag.list_with_young(self._client, self._bindings, [user.alias for user in wanted])],
            self._client.listings(_lag.lost_answer_window(self._client)) if begun else (),
        )
        for self._listing in listings:
            if not begun or self._shows(begun, wanted, bindings):
                break
        return Run.of(_rails.plan_run(wanted, self._listing, bindings, purge), bindings)

    def _shows(self, begun: Sequence[_model.Wanted], wanted: Sequence[_model.Wanted], bindings: _model.Bindings) -> bool:
        """Say whether the listing shows all users whose creation was begun. New ones with other limits may be others'."""
        try:
            plans = _rails.plan_run(wanted, self._listing, bindings).plans
        except _errors.RefusedError:
            # That limits are missing, say, is no mistake if the user shows up.
            intents = [self._bindings.intents[user.alias or ""] for user in begun]
            found = ((intent, _planner.created_since(intent, self._listing, self._bindings)) for intent in intents)
            return all(any(_planner.may_be_of(intent, self._listing[name]) for name in names) for intent, names in found)
        return all(plan.adopt for plan in plans if self._is_begun(plan.wanted))

    def _is_begun(self, wanted: _model.Wanted) -> bool:
        """Say whether the user is that of a creation of which it is not known how it ended."""
        return (
            wanted.alias in self._bindings.intents
            and wanted.smtp_user_name is None
            and wanted.alias not in self._bindings.aliases
        )

    def has_to_write(self, step: Step) -> bool:
        """Say whether the bindings have to change for a step."""
        return step.plan.create or step.plan.binds or step.plan.wanted.alias in self._moves or self._is_begun(step.plan.wanted)

    def give_aliases_their_users(self) -> bool:
        """Bind what has to be bound; say whether to go on. What only they have to learn comes before a call can fail."""
        return _each(sorted(self.run.steps, key=lambda step: step.plan.create), self._give_alias_its_user)

    def _give_alias_its_user(self, step: Step) -> None:
        wanted = step.plan.wanted
        if wanted.alias is None:
            return
        if self._lost and self.has_to_write(step):
            raise self._lost
        if wanted.alias in self._moves:
            self._record.rename(self._moves[wanted.alias], wanted.alias)
            # What was begun for the other alias may have taken the place of the creation that was begun with the last write.
            self._begun = None
            step.changed = step.plan.rename is not None
        if not _may_bind(replace(wanted, renamed_from=None), self._bindings):
            return
        begun = self._is_begun(wanted)
        if step.plan.adopt:
            # Of an adopted user it is not known when it got its password, of one whose creation was begun here it is.
            step.password_time = _lag.utc_now() if begun else step.password_time
            self._record.bind(wanted.alias, step.plan.adopt, _lag.utc_now() if begun else None)
            step.changed = True
        elif step.plan.create:
            self._queue.popleft()
            self._create(step, wanted.alias)
        elif begun:
            self._record.drop_intent(wanted.alias)

    def _intent(self, step: Step) -> _model.Intent:
        limits = step.plan.wanted.limits()
        return _model.Intent(limits["total_limit"], limits["hourly_limit"], frozenset(self._listing), _lag.utc_now())

    def _create(self, step: Step, alias: str) -> None:
        """Create the user of an alias exactly once, whatever becomes of the answer."""
        intent = self._intent(step)
        if self._begun != alias:
            self._record.record_intent(alias, intent)

        def recognise(listing: _model.Listing, bindings: _model.Bindings) -> str | None:
            return _planner.begun_creation(step.plan.wanted, listing, bindings, self._taken)

        name = _create.add_once(self._client, self._record, alias, intent, recognise)
        step.operation = _model.Operation("addSmtp", name, step.plan.wanted.limits())
        step.changed = True
        step.password_time = _lag.utc_now()
        self._bind_created(alias, name)

    def _bind_created(self, alias: str, name: str) -> None:
        """Bind who was created, and begin the next creation in the same write: a durable write costs more than a call."""
        following = self._queue[0] if self._queue else None
        next_one = (following.plan.wanted.alias or "", self._intent(following)) if following else None
        self._lost = self._record.bind_created(alias, name, _lag.utc_now(), next_one)
        self._begun = next_one[0] if next_one else None


def _needs_lock(wanted: Sequence[_model.Wanted], bindings: _model.Bindings, purge: _model.Purge | None) -> bool:
    """Say whether nobody may be created meanwhile: who has just been is a stranger by older bindings, and would be purged."""
    return purge is not None or any(_may_bind(user, bindings) for user in wanted)


def _may_bind(wanted: _model.Wanted, bindings: _model.Bindings) -> bool:
    """Say whether the bindings may have to change for a user."""
    if wanted.alias is None or wanted.alias in bindings.aliases:
        return False
    if wanted.renamed_from in bindings.aliases or wanted.renamed_from in bindings.intents:
        return True
    return wanted.state == "present" or wanted.smtp_user_name is not None or wanted.alias in bindings.intents


def _each(steps: Sequence[Step], work: Callable[[Step], None]) -> bool:
    """Do the work of all steps, whatever becomes of one. Where the account or the lock is lost, stop and say False."""
    for step in _progress.counted(steps, lambda step: bool(step.error) or not step.outstanding):
        if step.error:
            continue
        try:
            work(step)
        except _errors.SendCleanError as error:
            step.error = error
            reason = _why_to_stop(error)
            if reason:
                for other in steps:
                    if other.outstanding and not other.error:
                        other.error = _errors.RefusedError(f"not attempted, since {reason}")
                return False
    return True


def _why_to_stop(error: _errors.SendCleanError) -> str | None:
    if isinstance(error, _errors.CallError) and error.name == "AuthenticationError":
        return "SendClean does not accept owner_id and token any more: check them, run again"
    if isinstance(error, _errors.LostError):
        return "the bindings were changed, or their lock was lost, while this task ran: run again"
    return None


def _edit(client: _client.Client, step: Step) -> None:
    operation = step.plan.operation
    if operation is None or operation.smtp_user_name is None:
        return
    client.edit_smtp(operation.smtp_user_name, operation.parameters, step.plan.user)
    step.operation = operation
    step.changed = True


def _verify(client: _client.Client, steps: Sequence[Step]) -> None:
    """List again until the account shows what was written, and keep what it shows, also of what has failed."""
    written = [step for step in steps if step.operation and not step.error]
    if not written:
        return
    unapplied = written
    try:
        for listing in client.listings(_lag.VERIFY_SECONDS):
            for step in steps:
                if step.operation or step.error:
                    step.user = listing.get(step.name or (step.plan.user.smtp_user_name if step.plan.user else ""))
            unapplied = [step for step in written if _planner.unmet(step.plan.wanted, step.user)]
            if not unapplied:
                return
    except _errors.SendCleanError as error:
        for step in written:
            step.error = error
        return
    for step in unapplied:
        call = step.operation.call if step.operation else ""
        shown = _planner.unmet(step.plan.wanted, step.user)
        step.error = _errors.VerificationError(
            f"SendClean accepted {call} for {step.name}, but {_lag.VERIFY_SECONDS:g} s later listSmtp still {shown}. "
            "Run again, and if it stays so, ask SendClean"
        )
