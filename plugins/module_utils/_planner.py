# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare what is wanted with what the account shows: pure functions, no HTTP, no files, no Ansible."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._errors import RefusedError
from ansible_collections.sendclean.email.plugins.module_utils._model import (
    DISABLE,
    ENABLE,
    LIMITS,
    Bindings,
    Intent,
    Listing,
    Operation,
    User,
    Wanted,
)


@dataclass(frozen=True)
class Plan:
    """What has to be done for one wanted user.

    ``user`` is what the account shows now (None: no such user), ``alias`` what the user has as alias
    afterwards, ``adopt`` the name that the alias gets without a creation, ``changes`` the fields that an
    editSmtp has to set.
    """

    wanted: Wanted
    user: User | None = None
    alias: str | None = None
    create: bool = False
    adopt: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether anything has to be done."""
        return self.create or self.adopt is not None or bool(self.changes)

    @property
    def operation(self) -> Operation | None:
        """The write call, if one is needed; never are two."""
        if self.create:
            return Operation("addSmtp", None, self.wanted.limits())
        if self.changes and self.user is not None:
            return Operation("editSmtp", self.user.smtp_user_name, self.changes)
        return None

    @property
    def action(self) -> str:
        """What is done to the user, in one word."""
        if self.create:
            return "created"
        if self.adopt is not None:
            return "adopted"
        if "status" in self.changes:
            return "disabled" if self.changes["status"] == DISABLE else "enabled"
        return "updated" if self.changes else "unchanged"

    def before(self) -> dict[str, Any]:
        """Return what there is now; nothing where there is no such user."""
        if self.user is None:
            return {}
        return {"alias": None if self.adopt else self.alias, **self.user.facts()}

    def after(self) -> dict[str, Any]:
        """Return what will be there, with a null name for a user that is still to be created."""
        if self.create:
            return {"alias": self.alias, "smtp_user_name": None, **self.wanted.fields()}
        if self.user is None:
            return {}
        return {"alias": self.alias, **self.user.facts(), **self.changes}


def plan_account(wanted: Sequence[Wanted], listing: Listing, bindings: Bindings) -> list[Plan]:
    """Return what has to be done for each user. Raises RefusedError with all that cannot or must not be done."""
    plans: dict[int, Plan] = {}
    problems: list[list[str]] = [[] for unused in wanted]
    aliases: dict[str, str] = {}
    names: dict[str, str] = {}
    # Users that are asked for by name come first, so that no alias whose creation was begun is given one of them.
    for index in sorted(range(len(wanted)), key=lambda index: wanted[index].smtp_user_name is None):
        user, found = wanted[index], problems[index]
        twice = list(_claim(aliases, user.alias, f'alias "{user.alias}"', user.place))
        found += twice
        # A user who is not there need not be disabled, but to ask for that twice is a mistake all the same.
        name = user.smtp_user_name
        try:
            plans[index] = plan_user(user, listing, bindings, names)
            planned = plans[index].user
            if planned and not twice:
                name = planned.smtp_user_name
        except RefusedError as error:
            found.append(str(error))
        found += _claim(names, name, str(name), user.place)
    if any(problems):
        told = ((user.place, problem) for user, found in zip(wanted, problems) for problem in found)
        raise RefusedError("\n".join(f"{place}: {problem}" if place else problem for place, problem in told))
    return [plans[index] for index in range(len(wanted))]


def _claim(claims: dict[str, str], key: str | None, shown: str, place: str) -> Iterator[str]:
    """Yield what is wrong if somebody has claimed the same before."""
    if key in claims:
        yield f"{shown} is asked for twice, also in {claims[key]}: keep one of the two"
    elif key is not None:
        claims[key] = place


def plan_purge(plans: Iterable[Plan], listing: Listing, bindings: Bindings, exclude: Sequence[str]) -> list[Plan]:
    """Return what disables every enabled user that no plan is about, users whose names match a pattern aside."""
    named = {plan.user.smtp_user_name for plan in plans if plan.user}
    unwanted = [
        name
        for name, user in sorted(listing.items())
        if user.status == ENABLE and name not in named and not any(fnmatchcase(name, pattern) for pattern in exclude)
    ]
    return [plan_user(Wanted(smtp_user_name=name, state="absent"), listing, bindings) for name in unwanted]


def plan_user(wanted: Wanted, listing: Listing, bindings: Bindings, taken: Collection[str] = ()) -> Plan:
    """Return what has to be done for one user. Raises RefusedError where it cannot or must not be done.

    ``taken`` are users that others are given: no begun creation has made them.
    """
    bound = bindings.aliases.get(wanted.alias) if wanted.alias is not None else None
    if wanted.smtp_user_name is not None and bound not in (None, wanted.smtp_user_name):
        raise RefusedError(
            f'alias "{wanted.alias}" is bound to {bound}, not to {wanted.smtp_user_name}: give one of the two, or another alias'
        )
    if wanted.state == "absent":
        return _plan_absent(wanted, bound, listing, bindings, taken)
    return _plan_present(wanted, bound, listing, bindings, taken)


def _plan_absent(
    wanted: Wanted, bound: str | None, listing: Listing, bindings: Bindings, taken: Collection[str]
) -> Plan:
    """Nothing is adopted here but a creation that was begun: its user is enabled."""
    name = wanted.smtp_user_name or bound
    adopt = begun_creation(wanted, listing, bindings, taken) if name is None else None
    user = listing.get(name or adopt or "")
    if user is None:
        return Plan(wanted)
    alias = wanted.alias if adopt else bindings.alias_of(user.smtp_user_name)
    return Plan(wanted, user=user, alias=alias, adopt=adopt, changes=differing(wanted, user))


def _plan_present(
    wanted: Wanted, bound: str | None, listing: Listing, bindings: Bindings, taken: Collection[str]
) -> Plan:
    adopt = None
    if bound is None and wanted.alias is not None:
        adopt = _adoptable(wanted, listing, bindings) or begun_creation(wanted, listing, bindings, taken)
        if adopt is None:
            return _plan_creation(wanted)
    name = adopt or bound or wanted.smtp_user_name or ""
    user = listing.get(name)
    if user is None:
        raise _not_listed(wanted, bound, bindings)
    alias = wanted.alias or bindings.alias_of(name)
    return Plan(wanted, user=user, alias=alias, adopt=adopt, changes=differing(wanted, user))


def _plan_creation(wanted: Wanted) -> Plan:
    missing = [name for name in LIMITS if name not in wanted.limits()]
    if missing:
        raise RefusedError(
            f'{" and ".join(missing)} must be given: alias "{wanted.alias}" has no user yet, '
            "and SendClean creates none without both limits"
        )
    return Plan(wanted, alias=wanted.alias, create=True)


def _adoptable(wanted: Wanted, listing: Listing, bindings: Bindings) -> str | None:
    """Return the name that was given beside an unbound alias. It must be listed and free."""
    name = wanted.smtp_user_name
    if name is None:
        return None
    if name not in listing:
        raise _not_listed(wanted, None, bindings)
    other = bindings.alias_of(name)
    if other is not None:
        raise RefusedError(f'smtp_user_name {name} already has the alias "{other}": a user has one alias, use that one')
    return name


def _not_listed(wanted: Wanted, bound: str | None, bindings: Bindings) -> RefusedError:
    if bound is None:
        return RefusedError(
            f"smtp_user_name {wanted.smtp_user_name} is not in the account. SendClean assigns names itself: "
            "to create a user, give an alias and both limits, and no smtp_user_name"
        )
    return RefusedError(not_listed(str(wanted.alias), bound, bindings))


def not_listed(alias: str, smtp_user_name: str, bindings: Bindings) -> str:
    """Return what every task says of a bound user whom the account does not list."""
    return (
        f'alias "{alias}" is bound to {smtp_user_name}, which SendClean does not list any more. The API has no delete, so '
        "check owner_id and the base URL first. If the user is really gone, remove the binding and run again: it is the "
        f'line "{alias}" under {bindings.place}'
    )


def begun_creation(wanted: Wanted, listing: Listing, bindings: Bindings, taken: Collection[str]) -> str | None:
    """Return the user that a creation left unfinished has made for the alias, if the listing shows one.

    Raises RefusedError where several users could be it.
    """
    intent = bindings.intents.get(wanted.alias or "")
    if intent is None:
        return None
    candidates = [name for name in created_since(intent, listing, bindings) if name not in taken]
    if len(candidates) > 1:
        raise RefusedError(
            f'a creation for alias "{wanted.alias}" was begun and its answer lost, and {len(candidates)} users could be '
            f"it: {', '.join(candidates)}. Choose one: give it once as smtp_user_name beside the alias"
        )
    return candidates[0] if candidates else None


def created_since(intent: Intent, listing: Listing, bindings: Bindings) -> list[str]:
    """Return the users that a begun creation may have made: new, unbound, with its limits."""
    return sorted(
        name
        for name, user in listing.items()
        if name not in intent.smtp_user_names
        and bindings.alias_of(name) is None
        and (user.total_limit, user.hourly_limit) == (intent.total_limit, intent.hourly_limit)
    )


def differing(wanted: Wanted, user: User) -> dict[str, Any]:
    """Return the fields that are not as wanted, with the wanted values."""
    shown = user.facts()
    return {name: value for name, value in wanted.fields().items() if shown[name] != value}


def unmet(wanted: Wanted, user: User | None) -> str | None:
    """Say what a listing shows instead of what is wanted; None where it shows just that."""
    if user is None:
        return "does not list it"
    shown = user.facts()
    return ", ".join(f"shows {name} {shown[name]} instead of {value}" for name, value in differing(wanted, user).items()) or None
