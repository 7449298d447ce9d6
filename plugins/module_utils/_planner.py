# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare what is wanted with what the account shows: pure functions, no HTTP, no files, no Ansible."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils import _errors, _model, _options


@dataclass(frozen=True)
class Plan:
    """What has to be done for one wanted user.

    ``user`` is what the account shows now (None: no such user), ``alias`` what the user has as alias
    afterwards, ``adopt`` the name that the alias gets without a creation, ``rename`` the alias that gives it its user,
    ``changes`` the fields that an editSmtp has to set, ``standby_of`` the alias whose former user it is.
    """

    wanted: _model.Wanted
    user: _model.User | None = None
    alias: str | None = None
    create: bool = False
    adopt: str | None = None
    rename: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    standby_of: str | None = None

    @property
    def changed(self) -> bool:
        """Whether anything has to be done."""
        return self.create or self.binds or bool(self.changes)

    @property
    def binds(self) -> bool:
        """Whether the alias gets a user that is there."""
        return self.adopt is not None or self.rename is not None

    @property
    def operation(self) -> _model.Operation | None:
        """The write call, if one is needed; never are two."""
        if self.create:
            return _model.Operation("addSmtp", None, self.wanted.limits())
        if self.changes and self.user is not None:
            return _model.Operation("editSmtp", self.user.smtp_user_name, self.changes)
        return None

    @property
    def action(self) -> str:
        """What is done to the user, in one word."""
        if self.create:
            return "created"
        if self.adopt is not None:
            return "adopted"
        if self.rename is not None:
            return "renamed"
        if "status" in self.changes:
            return "disabled" if self.changes["status"] == _model.DISABLE else "enabled"
        return "updated" if self.changes else "unchanged"

    def before(self) -> dict[str, Any]:
        """Return what there is now; nothing where there is no such user."""
        if self.user is None:
            return {}
        return {"alias": None if self.adopt else self.rename or self.alias, **self.user.facts()}

    def after(self) -> dict[str, Any]:
        """Return what will be there, with a null name for a user that is still to be created."""
        if self.create:
            return {"alias": self.alias, "smtp_user_name": None, **self.wanted.fields()}
        if self.user is None:
            return {}
        return {"alias": self.alias, **self.user.facts(), **self.changes}


def plan_account(wanted: Sequence[_model.Wanted], listing: _model.Listing, bindings: _model.Bindings) -> list[Plan]:
    """Return what has to be done for each user. Raises RefusedError with all that cannot or must not be done."""
    plans: dict[int, Plan] = {}
    problems: list[list[str]] = [[] for unused in wanted]
    aliases: dict[str, str] = {}
    names: dict[str, str] = {}
    moves = renames(wanted, bindings)
    bindings_before, bindings = bindings, bindings.with_moves(moves)
    known = (*bindings.aliases, *bindings.intents)
    alike = _options.twins((user.alias for user in wanted if user.alias is not None), known)
    alike_before = _options.twins((user.renamed_from for user in wanted if user.renamed_from is not None), known)
    # Users that are asked for by name come first, so that no alias whose creation was begun is given one of them.
    for index in sorted(range(len(wanted)), key=lambda index: wanted[index].smtp_user_name is None):
        user, found = wanted[index], problems[index]
        twice = [*_claim(aliases, user.alias, f'alias "{user.alias}"', user.place)]
        twice += _claim(aliases, user.renamed_from, f'alias "{user.renamed_from}"', user.place)
        found += twice
        if user.alias in alike:
            found.append(str(_options.twin_problem("alias", user.alias, alike[user.alias])))
        # To be written in another way is a rename, too.
        if user.renamed_from and alike_before.get(user.renamed_from, user.alias) != user.alias:
            found.append(str(_options.twin_problem("renamed_from", user.renamed_from, alike_before[user.renamed_from])))
        # A user who is not there need not be disabled, but to ask for that twice is a mistake all the same.
        name = user.smtp_user_name
        try:
            if bindings_before.aliases.get(moves.get(user.alias or "", "")):
                _refuse_to_forget(user, listing, bindings_before, names)
            plans[index] = plan_user(user, listing, bindings, names, moves)
            planned = plans[index].user
            if planned and not twice:
                name = planned.smtp_user_name
        except _errors.RefusedError as error:
            found.append(str(error))
        found += _claim(names, name, str(name), user.place)
    refuse((user.place, problem) for user, found in zip(wanted, problems) for problem in found)
    return [plans[index] for index in range(len(wanted))]


def refuse(problems: Iterable[tuple[str, str]]) -> None:
    """Raise RefusedError with all problems, each with its place, if there are any."""
    told = [f"{place}: {problem}" if place else problem for place, problem in problems]
    if told:
        raise _errors.RefusedError("\n".join(told))


def renames(wanted: Iterable[_model.Wanted], bindings: _model.Bindings) -> dict[str, str]:
    """Return the old alias for each alias that gets its user, or its begun creation, from another one."""

    def has_user(alias: str) -> bool:
        return alias in bindings.aliases

    moves = {}
    for user in wanted:
        alias, old = user.alias, user.renamed_from
        if alias is None or old is None or has_user(alias):
            continue
        if has_user(old) or (old in bindings.intents and alias not in bindings.intents):
            moves[alias] = old
    return moves


def _claim(claims: dict[str, str], key: str | None, shown: str, place: str) -> Iterator[str]:
    """Yield what is wrong if somebody has claimed the same before."""
    if key in claims:
        yield f"{shown} is asked for twice, also in {claims[key]}: keep one of the two"
    elif key is not None:
        claims[key] = place


def plan_user(
    wanted: _model.Wanted,
    listing: _model.Listing,
    bindings: _model.Bindings,
    taken: Collection[str] = (),
    moves: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """Return what has to be done for one user. Raises RefusedError where it cannot or must not be done.

    ``taken`` are users that others are given: no begun creation has made them. ``moves`` are the renames after which the
    bindings are as given.
    """
    bound = bindings.aliases.get(wanted.alias) if wanted.alias is not None else None
    if wanted.smtp_user_name is not None and bound not in (None, wanted.smtp_user_name):
        raise _errors.RefusedError(
            f'alias "{wanted.alias}" is bound to {bound}, not to {wanted.smtp_user_name}: give one of the two, or another alias'
        )
    old = bindings.aliases.get(wanted.renamed_from or "")
    if bound and old:
        raise _errors.RefusedError(
            f'alias "{wanted.alias}" is bound to {bound}, and "{wanted.renamed_from}" of renamed_from to '
            f"{old}: an alias that has a user gets no other one by renaming. Take "
            "renamed_from out, or unbind one of them with sendclean.email.smtp_bindings"
        )
    adopt = None
    if bound is None and wanted.alias is not None:
        adopt = _adoptable(wanted, listing, bindings) or begun_creation(wanted, listing, bindings, taken)
        if adopt is None and wanted.state == "present":
            return _plan_creation(wanted)
    name = adopt or bound or wanted.smtp_user_name or ""
    user = listing.get(name)
    rename = moves.get(wanted.alias or "") if bound else None
    if user is None:
        if wanted.state == "absent":
            return Plan(wanted, alias=wanted.alias, rename=rename)
        raise _not_listed(wanted, rename, bound, bindings)
    alias = wanted.alias if adopt or bound else bindings.alias_of(name)
    return Plan(wanted, user=user, alias=alias, adopt=adopt, rename=rename, changes=differing(wanted, user))


def _refuse_to_forget(wanted: _model.Wanted, listing: _model.Listing, bindings: _model.Bindings, taken: Collection[str]) -> None:
    """Refuse a rename to an alias for which somebody was created, it seems, who would be nobody's then."""
    intent = bindings.intents.get(wanted.alias or "")
    candidates = created_since(intent, listing, bindings, taken) if intent else []
    if candidates:
        raise _errors.RefusedError(
            f'a creation for alias "{wanted.alias}" was begun and its answer lost: {", ".join(candidates)} may be its user, and '
            f'renamed_from gives it that of "{wanted.renamed_from}". Bind {candidates[0]} to an alias of its own with '
            "sendclean.email.smtp_bindings or acknowledge it, or take renamed_from out"
        )


def _plan_creation(wanted: _model.Wanted) -> Plan:
    missing = [name for name in _model.LIMITS if name not in wanted.limits()]
    if missing:
        raise _errors.RefusedError(
            f'{" and ".join(missing)} must be given: alias "{wanted.alias}" has no user yet, '
            "and SendClean creates none without both limits"
        )
    return Plan(wanted, alias=wanted.alias, create=True)


def _adoptable(wanted: _model.Wanted, listing: _model.Listing, bindings: _model.Bindings) -> str | None:
    """Return the name that was given beside an unbound alias. It must be free, and listed unless it shall be absent."""
    name = wanted.smtp_user_name
    if name is None or (name not in listing and wanted.state == "absent"):
        return None
    if name not in listing:
        raise _not_listed(wanted, None, None, bindings)
    standby_of = bindings.standby_of(name)
    if standby_of not in (None, wanted.alias):
        raise _errors.RefusedError(
            f'smtp_user_name {name} is the standby of the alias "{standby_of}", which takes turns with its user'
        )
    other = bindings.alias_of(name)
    if other is not None:
        raise _errors.RefusedError(f'smtp_user_name {name} already has the alias "{other}": a user has one alias, use that one')
    return name


def _not_listed(wanted: _model.Wanted, rename: str | None, bound: str | None, bindings: _model.Bindings) -> _errors.RefusedError:
    if bound is None:
        return _errors.RefusedError(
            f"smtp_user_name {wanted.smtp_user_name} is not in the account. SendClean assigns names itself: "
            "to create a user, give an alias and both limits, and no smtp_user_name"
        )
    return _errors.RefusedError(not_listed(rename or str(wanted.alias), bound, bindings))


def not_listed(alias: str, smtp_user_name: str, bindings: _model.Bindings) -> str:
    """Return what every task says of a bound user whom the account does not list."""
    return (
        f'alias "{alias}" is bound to {smtp_user_name}, which SendClean does not list any more. The API has no delete, so '
        "check owner_id and the base URL first. If the user is really gone, remove the binding and run again: it is the "
        f'line "{alias}" under {bindings.place}, and unbind of sendclean.email.smtp_bindings removes it'
    )


def begun_creation(
    wanted: _model.Wanted, listing: _model.Listing, bindings: _model.Bindings, taken: Collection[str]
) -> str | None:
    """Return the user that a creation left unfinished has made for the alias, if the listing shows one.

    Raises RefusedError where several users could be it, or where it cannot be told whether a new one with other limits is:
    a server may store less than it was asked for.
    """
    intent = bindings.intents.get(wanted.alias or "")
    if intent is None or wanted.smtp_user_name is not None:
        return None
    candidates = created_since(intent, listing, bindings, taken)
    if len(candidates) == 1 and has_limits(listing[candidates[0]], intent):
        return candidates[0]
    if candidates and has_limits(listing[candidates[0]], intent):
        raise _errors.RefusedError(
            f'a creation for alias "{wanted.alias}" was begun and its answer lost, and {len(candidates)} users could be '
            f"it: {', '.join(candidates)}. Choose one: give it once as smtp_user_name beside the alias"
        )
    if candidates:
        raise _errors.RefusedError(
            f'a creation for alias "{wanted.alias}" was begun and its answer lost, and what is new since then has other limits: '
            f"{', '.join(candidates)}. If one of them is it, give it once as smtp_user_name beside the alias; if they are "
            "somebody else's, run the playbook sendclean.email.acknowledge"
        )
    return None


def made_for(alias: str, listing: _model.Listing, bindings: _model.Bindings) -> _model.User | None:
    """Return the second user that a creation left unfinished has made for an alias, if the listing shows one.

    Raises RefusedError where it cannot be told who that is.
    """
    intent = bindings.intents.get(alias)
    found = [listing[name] for name in created_since(intent, listing, bindings)] if intent else []
    if intent is None or not found:
        return None
    if len(found) > 1 or not has_limits(found[0], intent):
        names = ", ".join(user.smtp_user_name for user in found)
        raise _errors.RefusedError(
            f'a second user for alias "{alias}" was begun and its answer lost, and what is new since may be '
            f"somebody else's: {names}. Give acknowledge of sendclean.email.smtp_bindings all that are not the "
            "alias's, and run again"
        )
    return found[0]


def created_since(
    intent: _model.Intent, listing: _model.Listing, bindings: _model.Bindings, taken: Collection[str] = ()
) -> list[str]:
    """Return the users that a begun creation may have made: new, unbound, with its limits.

    Where none has them, those with other limits, unless they are what another begun creation made.
    """
    unbound = (name for name in listing.keys() - intent.smtp_user_names - bindings.known if bindings.owner_of(name) is None)
    new = sorted(name for name in unbound if name not in taken)
    exact = [name for name in new if has_limits(listing[name], intent)]
    if exact:
        return exact
    return [name for name in new if not any(may_be_of(begun, listing[name]) for begun in bindings.intents.values())]


def may_be_of(intent: _model.Intent, user: _model.User) -> bool:
    """Say whether a begun creation could well have made the user."""
    return user.smtp_user_name not in intent.smtp_user_names and has_limits(user, intent)


def has_limits(user: _model.User, like: _model.Intent | _model.Wanted | _model.User) -> bool:
    """Say whether a user has just these limits."""
    return (user.total_limit, user.hourly_limit) == (like.total_limit, like.hourly_limit)


def differing(wanted: _model.Wanted, user: _model.User) -> dict[str, Any]:
    """Return the fields that are not as wanted, with the wanted values."""
    shown = user.facts()
    return {name: value for name, value in wanted.fields().items() if shown[name] != value}


def unmet(wanted: _model.Wanted, user: _model.User | None) -> str | None:
    """Say what a listing shows instead of what is wanted; None where it shows just that."""
    if user is None:
        return "does not list it"
    shown = user.facts()
    return ", ".join(f"shows {name} {shown[name]} instead of {value}" for name, value in differing(wanted, user).items()) or None
