# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the facts of an account to what is found, each with what to do. Pure functions."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._errors import CallError
from ansible_collections.sendclean.email.plugins.module_utils._lag import age_in_days, utc_now
from ansible_collections.sendclean.email.plugins.module_utils._model import DISABLE, ENABLE, Bindings, Listing
from ansible_collections.sendclean.email.plugins.module_utils._planner import created_since
from ansible_collections.sendclean.email.plugins.plugin_utils._credentials import Difference

# So many names are told; what is more is counted.
_SHOWN = 8


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file or a database. ``problems`` say what to do; ``busy``: another process has a lock of it."""

    path: str
    there: bool = False
    problems: Sequence[str] = ()
    busy: bool = False


@dataclass(frozen=True)
class Facts:
    """What is known of an account. None, or empty: it could not be looked at, and a problem says why."""

    host: str
    # What is wrong with variables and with the machine, each with what to do.
    problems: Sequence[str] = ()
    versions: Mapping[str, str | None] = field(default_factory=dict)
    base_url: str | None = None
    owner_id: str | None = None
    seconds: float | None = None
    error: CallError | None = None
    answers: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    listing: Listing | None = None
    # Users whom the list names by their smtp_user_name.
    named: frozenset[str] = frozenset()
    # Those of them who get an alias.
    adopted: frozenset[str] = frozenset()
    # The aliases in the list, and whether who is not in it is disabled.
    listed: frozenset[str] = frozenset()
    purges: bool = False
    bindings_file: FileFacts | None = None
    bindings: Bindings | None = None
    credentials_file: FileFacts | None = None
    # What the file has of what is in force, and of whom the account shows no password.
    difference: Difference | None = None
    mute: Sequence[str] = ()
    # Whom it has by an alias that nobody is bound to, though they can send: the bindings file may be an old one.
    forgotten: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """Something that needs a hand, or is just to be known. ``text`` says what, ``advice`` what to do."""

    code: str
    text: str
    advice: str = ""
    needs_a_hand: bool = True
    count: int = 1

    def __str__(self) -> str:
        return f"{self.text}: {self.advice}" if self.advice else self.text


@dataclass(frozen=True)
class Users:
    """Who is who in an account, by name; ``unlisted`` are aliases."""

    enabled: list[str]
    disabled: list[str]
    odd: list[str]
    bound: list[str]
    standbys: list[str]
    known: list[str]
    unclaimed: list[str]
    unlisted: list[str]
    begun: Mapping[str, list[str]]


def users_of(facts: Facts) -> Users | None:
    """Return who is who, None where that is not known. Who may come from a begun creation is not unclaimed."""
    listing, bindings = facts.listing, facts.bindings
    if listing is None or bindings is None:
        return None
    begun = {alias: created_since(intent, listing, bindings) for alias, intent in sorted(bindings.intents.items())}
    standbys = [standby.smtp_user_name for standby in bindings.standbys.values()]
    explained = {*facts.named, *bindings.known, *standbys, *(name for names in begun.values() for name in names)}
    status = {name: user.status for name, user in sorted(listing.items())}
    bound = [name for name in status if bindings.alias_of(name) is not None]
    return Users(
        enabled=[name for name in status if status[name] == ENABLE],
        disabled=[name for name in status if status[name] == DISABLE],
        odd=[name for name in status if status[name] is None],
        bound=bound,
        standbys=sorted(name for name in standbys if name in status),
        known=[name for name in status if name in bindings.known],
        unclaimed=[name for name in status if status[name] == ENABLE and name not in explained and name not in bound],
        unlisted=sorted(alias for alias, name in bindings.aliases.items() if name not in listing),
        begun=begun,
    )


# ---- two hosts, one account ------------------------------------------------------------------------------------------


def claim_of(facts: Facts) -> dict[str, Any] | None:
    """Return which account a host has, and what it does there. None where that is not known."""
    if not (facts.owner_id and facts.bindings_file):
        return None
    # By other bindings a host manages other users.
    account = [facts.base_url, facts.owner_id, facts.bindings_file.path]
    return {"account": account, "aliases": sorted(facts.listed), "purges": facts.purges}


def rivals(claims: Mapping[str, Mapping[str, Any] | None]) -> dict[str, str]:
    """Return, for each host whose account is another one's, too, why their runs undo each other's work, if they do."""
    accounts: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
    for host, claim in sorted(claims.items()):
        if claim:
            accounts.setdefault(tuple(claim["account"]), {})[host] = claim
    told = {}
    for hosts in accounts.values():
        listed = Counter(alias for claim in hosts.values() for alias in claim["aliases"])
        shared = sorted(alias for alias, lists in listed.items() if lists > 1)
        if len(hosts) > 1 and any(claim["purges"] for claim in hosts.values()):
            what = "with smtp_users_purge each run disables the users of the others"
        elif shared:
            what = f"more than one list has {_names(shared)}, so that each run changes what another has set"
        else:
            continue
        advice = "Give one host all lists, or each host an smtp_users_owner_id of its own"
        told.update(dict.fromkeys(hosts, f"{_names(list(hosts))} have the same account: {what}. {advice}"))
    return told


# ---- what is found ---------------------------------------------------------------------------------------------------


def findings_of(facts: Facts) -> list[Finding]:
    """Return what is found, what needs a hand first."""
    found = [Finding("setup", problem) for problem in facts.problems]
    if facts.error:
        found.append(Finding(code_of(facts.error), str(facts.error)))
    found += [*_of_bindings(facts), *_of_credentials(facts)]
    found += [Finding("odd_answer", warning, "", needs_a_hand=False) for warning in facts.warnings]
    return sorted(found, key=lambda finding: not finding.needs_a_hand)


def code_of(error: CallError) -> str:
    if error.name in ("AuthenticationError", "Invalid_Key"):
        return "credentials_refused"
    return {"TransportError": "no_answer", "ProtocolError": "not_the_api", "RateLimitError": "rate_limit"}.get(
        error.name, "error_answer"
    )


def _of_bindings(facts: Facts) -> Iterator[Finding]:
    file, bindings, users = facts.bindings_file, facts.bindings, users_of(facts)
    if file:
        yield from (Finding("bindings_file", problem) for problem in file.problems)
        if file.busy:
            yield Finding("busy", "another run is at work on this account or its bindings", "look again when it has ended", False)
    if not (file and bindings and users and facts.listing is not None):
        return
    strangers = sorted(facts.listing.keys() - facts.named)
    if strangers and not bindings.knows_somebody and not facts.adopted & facts.listing.keys():
        yield _nobody_known(file, bindings, strangers)
    else:
        yield from _of_users(users, set(facts.forgotten.values()))
        if not file.there:
            yield Finding("no_bindings_yet", f"{file.path} is not there yet", "the first run makes it", False)
    if users.odd:
        text = f"the account shows a status that is neither Enable nor Disable for {_names(users.odd)}"
        yield Finding("odd_status", text, "give each a state in a task, which sets it", count=len(users.odd))
    # That of an alias which has a user is a rotation's.
    for alias, intent in sorted((alias, bindings.intents[alias]) for alias in bindings.intents.keys() - bindings.aliases.keys()):
        yield _begun(alias, age_in_days(intent.time), users.begun[alias], file.busy)
    if not file.busy:
        yield from _of_standbys(bindings, facts.listing, utc_now())


def _nobody_known(file: FileFacts, bindings: Bindings, strangers: Sequence[str]) -> Finding:
    what = "knows none of them" if file.there else "is not there"
    known_as = f", but has the same owner_id under {', '.join(bindings.elsewhere)}" if bindings.elsewhere else ""
    first = "check api_url and app_domain, or " if bindings.elsewhere else ""
    return Finding(
        "nobody_known",
        f"the account lists {_names(strangers)}, and {file.path} {what}{known_as}",
        f"{first}restore {bindings.noun}, or run sendclean.email.recover. If there never was one, adopt the users "
        "(sendclean.email.export makes a list of them), or "
        "acknowledge them (sendclean.email.acknowledge). Until then nobody is created",
        count=len(strangers),
    )


def _of_users(users: Users, forgotten: Set[str]) -> Iterator[Finding]:
    if users.unclaimed:
        advice = "adopt them or disable them; if they are somebody else's, run sendclean.email.acknowledge"
        if users.unclaimed and set(users.unclaimed) <= forgotten:
            advice = "the credentials file has them by their aliases: restore the bindings or run sendclean.email.recover"
        text = f"nobody has claimed {_names(users.unclaimed)}, enabled"
        yield Finding("unclaimed", text, advice, count=len(users.unclaimed))
    if users.unlisted:
        advice = "check owner_id and the base URL; if the users are gone, unbind the aliases with sendclean.email.smtp_bindings"
        text = f"the account does not list the users of {_names(users.unlisted)}"
        yield Finding("unlisted", text, advice, count=len(users.unlisted))


def _begun(alias: str, age: float | None, candidates: Sequence[str], busy: bool) -> Finding:
    text = f'a creation for "{alias}" was begun {ago(age)} and did not end'
    if busy:
        return Finding("begun", text, "the run that is at work may yet end it", needs_a_hand=False)
    if len(candidates) > 1:
        return Finding(
            "begun",
            f"{text}; {_names(candidates)} could be its user",
            "choose one, and give it once as smtp_user_name beside the alias",
        )
    advice = "run the task for the alias again, which settles it, or unbind the alias with sendclean.email.smtp_bindings"
    return Finding("begun", text, advice)


def _of_standbys(bindings: Bindings, listing: Listing, now: datetime.datetime) -> Iterator[Finding]:
    standbys = sorted(bindings.standbys.items())
    works = {
        alias: standby
        for alias, standby in standbys
        if standby.smtp_user_name in listing and listing[standby.smtp_user_name].status != DISABLE
    }
    past = [alias for alias, standby in works.items() if standby.retires_at and standby.retires_at <= now]
    if past:
        advice = "run sendclean.email.rotate with smtp_users_rotate_overlap_hours, or smtp_user_rotate, which retires it"
        text = f"the time of the former user is over, and it still works, of {_names(past)}"
        yield Finding("former_works", text, advice, count=len(past))
    staged = sorted(
        {alias for alias, standby in standbys if standby.staged} | (bindings.intents.keys() & bindings.aliases.keys())
    )
    if staged:
        text = f"a rotation was begun and did not end for {_names(staged)}"
        advice = "run it again, which ends it: the alias means who it meant before until then"
        yield Finding("rotation_begun", text, advice, count=len(staged))
    enabled = [alias for alias, standby in works.items() if standby.retires_at is None and not standby.staged]
    if enabled:
        text = f"the user on standby of {_names(enabled)} was enabled by somebody, and can send"
        yield Finding(
            "standby_works", text, "disable it by its smtp_user_name, or the next rotation is refused", count=len(enabled)
        )


def _of_credentials(facts: Facts) -> Iterator[Finding]:
    file, difference = facts.credentials_file, facts.difference
    if not file:
        return
    yield from (Finding("credentials_file", problem) for problem in file.problems)
    if difference:
        lines = [
            f"{what}: {_names(aliases)}"
            for what, aliases in (
                ("not in it", difference.added),
                ("changed since", difference.updated),
                ("no longer bound", difference.removed),
            )
            if aliases
        ]
        count = len(difference.added) + len(difference.updated) + len(difference.removed)
        there = "does not hold what is in force" if file.there else "is not there"
        text = f"{file.path} {there} ({'; '.join(lines)})"
        advice = "run sendclean.email.enforce, which keeps it"
        if facts.forgotten:
            advice = (
                f"{_names(list(facts.forgotten))} can send and are bound to nobody: restore the bindings or run "
                "sendclean.email.recover; if they are to go, disable or acknowledge them"
            )
        yield Finding("credentials_stale", text, advice, count=count)
    if facts.mute:
        yield Finding(
            "no_password_shown",
            f"the account shows no password for {_names(facts.mute)}",
            "what the file has of them cannot be compared",
            needs_a_hand=False,
            count=len(facts.mute),
        )


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def ago(days: float | None) -> str:
    if days is None:
        return "some time ago"
    for unit, length in (("day", 1.0), ("hour", 1 / 24), ("minute", 1 / 1440)):
        number = int(days / length)
        if number >= 1:
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "a moment ago"
