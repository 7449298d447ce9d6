# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole account's plan, and what it must never do: create who may be there, disable who was not meant, do what nobody approved.

Pure functions.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from ansible_collections.sendclean.email.plugins.module_utils import _errors, _model, _planner

# So many names are told.
_SHOWN = 20


@dataclass(frozen=True)
class AccountPlan:
    """What has to be done in an account: a plan for each wanted user, for former ones of theirs, for each purged one.

    ``unclaimed`` are the enabled users that nobody is bound to and nobody asks for, ``warnings`` sentences for people,
    ``checksum`` is that of what has to be done.
    """

    plans: list[_planner.Plan]
    unclaimed: list[str]
    warnings: list[str]
    checksum: str


def plan_run(
    wanted: Sequence[_model.Wanted], listing: _model.Listing, bindings: _model.Bindings, purge: _model.Purge | None = None
) -> AccountPlan:
    """Plan a run. Raises RefusedError with all that cannot or must not be done."""
    plans = _planner.plan_account(wanted, listing, bindings)
    bindings = bindings.with_moves(_planner.renames(wanted, bindings))
    _planner.refuse(creation_problems(plans, listing, bindings))
    plans += plan_formers(plans, listing, bindings)
    warnings = []
    if purge:
        purged = plan_purge(plans, listing, bindings, purge)
        _planner.refuse(purge_problems(plans, purged, listing, bindings, purge))
        plans += purged
        matched = {pattern for pattern in purge.exclude for name in listing if fnmatchcase(name, pattern)}
        warnings = [
            f"purge_exclude: {pattern} matches no user of the account" for pattern in purge.exclude if pattern not in matched
        ]
    unclaimed = [user.smtp_user_name for user in _strangers(plans, listing, bindings)]
    return AccountPlan(plans, unclaimed, warnings, plan_checksum(plans, bindings))


def _strangers(plans: Sequence[_planner.Plan], listing: _model.Listing, bindings: _model.Bindings) -> list[_model.User]:
    """Return the users that nobody is bound to, no plan is about, and that can send, by name.

    A status that is none of the API's does not say that one cannot. Who is asked for by name is no other entry's user.
    """
    named = {plan.user.smtp_user_name for plan in plans if plan.user}
    unnamed = (user for name, user in sorted(listing.items()) if name not in named)
    return [user for user in unnamed if user.status != _model.DISABLE and bindings.owner_of(user.smtp_user_name) is None]


# ---- who may be there already --------------------------------------------------------------------------------------


def creation_problems(
    plans: Sequence[_planner.Plan], listing: _model.Listing, bindings: _model.Bindings
) -> Iterator[tuple[str, str]]:
    """Yield why users must not be created: lost, old or foreign bindings do not know of those that are there."""
    creations = [plan for plan in plans if plan.create]
    if not creations:
        return
    if listing and not bindings.knows_somebody and not any(plan.adopt for plan in plans):
        aliases = _some([f'"{plan.wanted.alias}"' for plan in creations])
        yield (
            "",
            f"nobody is created for {aliases}: {bindings.path} knows none of the account's users, and there are "
            f"{len(listing)}: {_some(sorted(listing))}. If {bindings.noun} was lost or is another one, they would be made again. "
            f"{_ways_on(bindings)}",
        )
        return
    alike: dict[tuple[int | None, int | None], list[_model.User]] = {}
    for user in _strangers(plans, listing, bindings):
        if user.smtp_user_name not in bindings.known:
            alike.setdefault((user.total_limit, user.hourly_limit), []).append(user)
    # Creations that were begun and are not settled by this run. Each may have made one user, and no more.
    settled = {plan.wanted.alias for plan in plans if plan.adopt}
    begun = [intent for alias, intent in bindings.intents.items() if alias not in settled]
    for plan in creations:
        users = alike.get((plan.wanted.total_limit, plan.wanted.hourly_limit), [])
        made = [intent for intent in begun if any(_planner.may_be_of(intent, user) for user in users)]
        possible = [user for user in users if any(_planner.may_be_of(intent, user) for intent in made)]
        if len(users) > min(len(made), len(possible)):
            names = [user.smtp_user_name for user in users]
            yield (
                plan.wanted.place,
                f'nobody is created for alias "{plan.wanted.alias}": {_some(names)} may be its user, enabled, with just these '
                f"limits, and bound to nobody in {bindings.path}. If {bindings.noun} is an old one, the user would be made "
                f"again. "
                f"{_ways_on(bindings)}",
            )


def _ways_on(bindings: _model.Bindings) -> str:
    """Say what leads on, and where the bindings may be."""
    elsewhere = (
        f"{bindings.noun.capitalize()} has the same owner_id under {_some(bindings.elsewhere)}: check api_url and app_domain. "
        if bindings.elsewhere
        else ""
    )
    return (
        f"{elsewhere}Restore {bindings.noun}; or adopt who is there (playbook sendclean.email.recover, a list from "
        "sendclean.email.export, or smtp_user_name beside the alias); or, if they are somebody else's, run the playbook "
        "sendclean.email.acknowledge once"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


# ---- who takes turns ---------------------------------------------------------------------------------------------


def plan_formers(plans: Sequence[_planner.Plan], listing: _model.Listing, bindings: _model.Bindings) -> list[_planner.Plan]:
    """Return what keeps standbys as their aliases are: a former user that still works has the limits, and none works without."""
    named = {plan.user.smtp_user_name for plan in plans if plan.user}
    formers = []
    for plan in plans:
        # Who is asked for by name stands for nobody else.
        standby = _standby(plan.wanted.alias or "", listing, bindings)
        user = listing.get(standby.smtp_user_name) if standby else None
        if not standby or not user or user.smtp_user_name in named or user.status == _model.DISABLE:
            continue
        # A status that is none of the API's does not say that one cannot send, nor that one is to.
        if plan.wanted.state == "present" and (standby.retires_at is None or user.status != _model.ENABLE):
            continue
        # What is wanted of an absent user is that it is off, whatever its limits.
        wanted = replace(plan.wanted, alias=None, smtp_user_name=user.smtp_user_name, renamed_from=None)
        changes = _planner.differing(wanted, user)
        if changes:
            formers.append(_planner.Plan(wanted, user=user, changes=changes, standby_of=plan.alias))
    return formers


def _standby(alias: str, listing: _model.Listing, bindings: _model.Bindings) -> _model.Standby | None:
    """Return who takes turns with an alias's user, or will: one whose creation was begun, if it is known who that is."""
    if alias in bindings.aliases:
        with contextlib.suppress(_errors.RefusedError):
            made = _planner.made_for(alias, listing, bindings)
            return _model.Standby(made.smtp_user_name, staged=True) if made else bindings.standbys.get(alias)
    return bindings.standbys.get(alias)


# ---- who was not meant ---------------------------------------------------------------------------------------------


def plan_purge(
    plans: Sequence[_planner.Plan], listing: _model.Listing, bindings: _model.Bindings, purge: _model.Purge
) -> list[_planner.Plan]:
    """Return what disables every enabled user in the purge's scope that no plan is about and no pattern spares."""
    named = {plan.user.smtp_user_name for plan in plans if plan.user}
    made = {standby.smtp_user_name for alias in bindings.intents if (standby := _standby(alias, listing, bindings))}
    unwanted = [
        name
        for name, user in sorted(listing.items())
        if user.status == _model.ENABLE
        and name not in named
        # Who takes turns with a user, or will, goes with nobody's purge, but with its time.
        and bindings.standby_of(name) is None
        and name not in made
        and (purge.scope == "account" or bindings.alias_of(name) is not None)
        and not any(fnmatchcase(name, pattern) for pattern in purge.exclude)
    ]
    return [_planner.plan_user(_model.Wanted(smtp_user_name=name, state="absent"), listing, bindings) for name in unwanted]


def purge_problems(
    plans: Sequence[_planner.Plan],
    purged: Sequence[_planner.Plan],
    listing: _model.Listing,
    bindings: _model.Bindings,
    purge: _model.Purge,
) -> Iterator[tuple[str, str]]:
    """Yield why users must not be purged: too many, some that may just have another alias now, or by a file that knows nobody."""
    if purge.scope == "account" and not bindings.aliases and any(plan.wanted.alias is not None for plan in plans):
        yield (
            "purge",
            f"is refused with purge_scope account, since {bindings.path} binds nobody of the account: all users but those that "
            f"users names would be disabled. {_ways_on(bindings)}",
        )
        return
    if not any(plan.user or plan.create for plan in plans):
        yield "purge", "is refused while users names nobody of the account: it would disable every user that may be purged"
        return
    names = [plan.user.smtp_user_name for plan in purged if plan.user]
    enabled = sum(1 for user in listing.values() if user.status == _model.ENABLE)
    most = purge.most(enabled)
    if len(names) > most:
        yield (
            "purge",
            f"would disable {len(names)} of {enabled} enabled users, and purge_limit {purge.limit} lets {most} pass: "
            f"{', '.join(names)}. If all of them are meant, give purge_limit: {len(names)} for this run",
        )
    alike = {(plan.wanted.total_limit, plan.wanted.hourly_limit): plan.wanted for plan in plans if plan.create}
    for plan in purged:
        wanted = alike.get((plan.user.total_limit, plan.user.hourly_limit)) if plan.user and plan.alias is not None else None
        if wanted:
            yield (
                wanted.place or "alias",
                f'"{wanted.alias}" would be created while purge disables {names[purged.index(plan)]}, bound to "{plan.alias}", '
                f"with just these limits. If the alias has another name now, give renamed_from: {plan.alias}; if not, give "
                f"{plan.alias} state: absent, or purge in a run of its own",
            )


# ---- what was not approved -----------------------------------------------------------------------------------------


def plan_checksum(plans: Sequence[_planner.Plan], bindings: _model.Bindings) -> str:
    """Return 32 hex digits that are the same for what does the same to the same users, in whatever order it is asked for.

    In it are the operations, the bindings to be made, and what the users were before, passwords aside. ``bindings`` are those
    after the renames.
    """
    done = []
    for plan in plans:
        if plan.changed:
            # A user that is renamed need not be listed: then only the file has its name.
            name = None if plan.create else plan.adopt or bindings.aliases.get(plan.alias or "")
            binding = [plan.alias, name, plan.rename] if plan.create or plan.binds else None
            operation = plan.operation.facts() if plan.operation else None
            done.append(json.dumps([operation, binding, plan.before()], sort_keys=True))
    digits = hashlib.sha256("\n".join(sorted(done)).encode("ascii")).hexdigest()
    # With a letter first, which YAML and Jinja never take for a number.
    return f"c{digits[:31]}"


# Of a run that has nothing to do.
NOTHING_TO_DO = plan_checksum([], _model.Bindings())


def refuse_other_plan(plans: Sequence[_planner.Plan], checksum: str, approved: str | None) -> None:
    """Raise RefusedError, with what would be done, if something is to be done and its checksum is not the approved one."""
    names: dict[str, list[str]] = {}
    for plan in plans:
        if plan.changed:
            names.setdefault(plan.action, []).append(plan.alias or (plan.user.smtp_user_name if plan.user else ""))
    if not names or approved in (None, checksum):
        return
    counts = ", ".join(f"{len(users)} {action} ({_some(users)})" for action, users in names.items())
    why = (
        "It is that of a run with nothing to do, also for a host that smtp_users_plan_checksums does not have"
        if approved == NOTHING_TO_DO
        else "The account, the bindings or what is asked for has changed since"
    )
    error = _errors.RefusedError(
        f"plan_checksum {approved} is not that of this run, whose plan is {checksum}: {counts}. {why}. Nothing was written. "
        "Look at the plan in a dry run without plan_checksum, and give the one of that if it is meant"
    )
    operations = [plan.operation.facts() for plan in plans if plan.operation]
    error.done = {"changed": False, "operations": operations, "plan_checksum": checksum}
    raise error
