# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which user an alias means by a person's word: bind, unbind, acknowledge, and see who is who. No write call is made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils import (
    _bindings,
    _client,
    _document,
    _lag,
    _model,
    _options,
    _planner,
)


@dataclass(frozen=True)
class Word:
    """What a person says: aliases to bind and to unbind, users that are somebody else's, whose credentials were delivered."""

    bind: Mapping[str, str] = field(default_factory=dict)
    unbind: Sequence[str] = ()
    acknowledge: Sequence[str] = ()
    delivered: Mapping[str, str | None] = field(default_factory=dict)

    def applied_to(self, bindings: _model.Bindings) -> _model.Bindings:
        """Return the bindings as they are then."""
        aliases = {alias: name for alias, name in bindings.aliases.items() if alias not in self.unbind}
        # They were there before: no creation that is open has made them.
        # Who is bound takes no turns any more: the alias had lost its user.
        standbys = {
            alias: standby
            for alias, standby in bindings.standbys.items()
            if alias not in self.unbind and self.bind.get(alias) != standby.smtp_user_name
        }
        freed = {*bindings.aliases.values()} - {*aliases.values()}
        freed |= {standby.smtp_user_name for alias, standby in bindings.standbys.items() if alias not in standbys}
        return replace(
            bindings,
            aliases={**aliases, **self.bind},
            standbys=standbys,
            intents={
                alias: replace(intent, smtp_user_names=intent.smtp_user_names | freed)
                for alias, intent in bindings.intents.items()
                if alias not in self.bind and alias not in self.unbind
            },
            known=(bindings.known | {*self.acknowledge}) - {*self.bind.values()},
            delivered={
                **{alias: name for alias, name in bindings.delivered.items() if alias not in self.unbind},
                **self.delivered,
            },
        )


def rebind(client: _client.Client, record: _bindings.Record, word: Word, check_mode: bool) -> dict[str, Any]:
    """Do what is said, and return the task's result. Raises RefusedError with all that cannot be, and does nothing then."""
    asked = word.bind or word.unbind or word.acknowledge or word.delivered
    with record.lock(optional=True) if asked and not check_mode else contextlib.nullcontext():
        before = record.read()
        listing = client.list_smtp() if check_mode else _lag.list_with_young(client, before, before.aliases)
        _planner.refuse(problems(word, listing, before))
        after = word.applied_to(before)
        changed = _facts(after) != _facts(before)
        if changed and not check_mode:
            record.rebind(word.bind, word.unbind, word.acknowledge, word.delivered)
    return {
        "changed": changed,
        **shown(listing, after),
        "diff": {"before": _facts(before), "after": _facts(after)},
    }


def problems(word: Word, listing: _model.Listing, bindings: _model.Bindings) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with what is said, each with its place."""
    taken: dict[str, str] = {}
    kept = [alias for alias in (*bindings.aliases, *bindings.intents) if alias not in word.unbind]
    for alias, other in _options.twins(word.bind, kept).items():
        yield "bindings", str(_options.twin_problem("alias", alias, other))
    for alias, name in word.bind.items():
        place = f"bindings[{alias}]"
        bound = bindings.aliases.get(alias)
        owner = bindings.owner_of(name)
        if alias in word.unbind:
            yield place, f'"{alias}" is in unbind, too: keep one of the two'
        elif bound not in (None, name):
            yield place, f"the alias is bound to {bound}, not to {name}: unbind it first, if that is meant"
        if name in taken:
            yield place, f'{name} is given to "{taken[name]}", too: a user has one alias'
        elif name not in listing:
            yield place, f"{name} is not in the account: check the name, owner_id and the base URL"
        elif owner not in (None, alias) and owner not in word.unbind:
            yield place, f'{name} already has the alias "{owner}": a user has one alias, unbind that one first if this is meant'
        taken[name] = alias
    for index, name in enumerate(word.acknowledge):
        place, bound = f"acknowledge[{index}]", bindings.owner_of(name)
        owner = taken.get(name) if bound in (None, *word.unbind) else bound
        if name not in listing:
            yield place, f"{name} is not in the account: check the name, owner_id and the base URL"
        elif owner is not None:
            yield place, f'{name} has the alias "{owner}", so it is nobody else\'s: take it out'
    for alias, delivered in word.delivered.items():
        place, standby = f"delivered[{alias}]", bindings.standbys.get(alias)
        if alias in word.bind or alias in word.unbind:
            yield place, f'"{alias}" is in bindings or unbind, too: keep one of the two'
        elif alias not in bindings.aliases:
            yield place, f"the alias has no user in {bindings.option}: check it"
        elif delivered not in (None, bindings.aliases[alias], standby and standby.smtp_user_name):
            yield place, f"{delivered} is not the alias's, which is {bindings.aliases[alias]}: check the name"


def shown(listing: _model.Listing, bindings: _model.Bindings) -> dict[str, Any]:
    """Return who is who in an account."""
    return {
        "bindings": dict(sorted(bindings.aliases.items())),
        "unclaimed": sorted(name for name in listing if bindings.owner_of(name) is None),
        "known": sorted(bindings.known),
        "delivered": dict(sorted(bindings.delivered.items())),
        "unlisted": sorted(alias for alias, name in bindings.aliases.items() if name not in listing),
        "standbys": {alias: standby_facts(standby) for alias, standby in sorted(bindings.standbys.items())},
        "begun": {
            alias: {
                "total_limit": intent.total_limit,
                "hourly_limit": intent.hourly_limit,
                "smtp_user_names": _planner.created_since(intent, listing, bindings),
                "age_days": _lag.age_in_days(intent.time),
            }
            for alias, intent in sorted(bindings.intents.items())
        },
        "password_age_days": {
            alias: _lag.age_in_days(bindings.password_times.get(name)) for alias, name in sorted(bindings.aliases.items())
        },
    }


def standby_facts(standby: _model.Standby) -> dict[str, Any]:
    """Return what is shown of a standby; no time to retire where it is off, or not in use yet."""
    retires_at = standby.retires_at
    return {
        "smtp_user_name": standby.smtp_user_name,
        "retires_at": retires_at.strftime(_document.TIME_FORMAT) if retires_at else None,
    }


def _facts(bindings: _model.Bindings) -> dict[str, Any]:
    return {
        "bindings": dict(bindings.aliases),
        "known": sorted(bindings.known),
        "begun": sorted(bindings.intents),
        **({"delivered": dict(bindings.delivered)} if bindings.delivered else {}),
    }
