# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose passwords are reset, rotated or delivered, who retires, and what people are told of it: pure functions.

``values`` are the role's variables, ``users`` those of the account, with passwords, ``kept`` is what is known of the credentials
file, and ``who`` the result of the module smtp_bindings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

User = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """Whose password is reset at once, who is rotated, whose former user only retires. ``left`` are aliases that must wait."""

    reset: list[User] = field(default_factory=list)
    rotate: list[User] = field(default_factory=list)
    retire: list[User] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def strangers(values: Mapping[str, Any], users: Sequence[User]) -> list[str]:
    """Return the aliases that are asked for and that nobody has."""
    aliases = {user["alias"] for user in users}
    return [alias for alias in values.get("rotate_aliases", []) if alias not in aliases]


def due(values: Mapping[str, Any], users: Sequence[User], fresh: Collection[str]) -> list[User]:
    """Return the users whose passwords are due. Exactly one of the choices is in ``values``.

    ``fresh`` are aliases with a new password that an earlier run has not kept or delivered: it is not replaced before.
    """
    if "rotate_leaked_password" in values:
        # It is reset whoever has it, also where the file has just been given it, and who takes turns with an alias's user.
        leaked = values["rotate_leaked_password"]
        return [user for user in users if user["smtp_password"] == leaked and _owner(user) is not None]
    users = [user for user in users if user["alias"] is not None and user["alias"] not in fresh]
    if "rotate_aliases" in values:
        return [user for user in users if user["alias"] in values["rotate_aliases"]]
    most = values["rotate_max_age_days"]
    return [user for user in users if user["password_age_days"] is None or user["password_age_days"] > most]


def choose(
    values: Mapping[str, Any],
    users: Sequence[User],
    fresh: Collection[str],
    waiting: Collection[str],
    who: Mapping[str, Any],
    now: str,
    undeployed: Collection[str] = (),
) -> Choice:
    """Return what is to be done at that time. Whose credentials are neither kept nor delivered is in ``waiting``.

    ``undeployed`` are those that were kept only now, for people to deploy: nobody retires before the next run.
    """
    chosen = due(values, users, fresh)
    if "rotate_overlap_hours" not in values:
        return Choice(reset=chosen)
    reset = chosen if "rotate_leaked_password" in values else []
    rotate = [] if reset else chosen
    taken = {*(user["alias"] for user in rotate), *undeployed}
    # By a guard that lets a password of no known age be rotated.
    past = [
        user
        for user in users
        if user["alias"] not in taken and user["password_age_days"] is not None and _is_past(user["alias"], who, now)
    ]
    left = [user["alias"] for user in (*rotate, *past) if user["alias"] in waiting]
    rotate, past = ([user for user in some if user["alias"] not in left] for some in (rotate, past))
    return Choice(reset, rotate, past, sorted(left))


def _is_past(alias: str | None, who: Mapping[str, Any], now: str) -> bool:
    until = retires_at(alias, who)
    return until is not None and until <= now


def retires_at(alias: str | None, who: Mapping[str, Any]) -> str | None:
    """Return until when the former user of an alias works at least; None where there is none."""
    until: str | None = who.get("standbys", {}).get(alias, {}).get("retires_at")
    return until


def not_delivered(who: Mapping[str, Any]) -> list[str]:
    """Return the aliases whose credentials are to be delivered: they are others than those that were.

    Who was never delivered, and has no former user, was given his by other ways.
    """
    delivered = who["delivered"]
    return [
        alias
        for alias, name in who["bindings"].items()
        if (delivered[alias] != name if alias in delivered else retires_at(alias, who) is not None)
    ]


def credentials_of(users: Iterable[User], aliases: Collection[str]) -> dict[str, dict[str, str]]:
    """Return what to deliver for these aliases, without those of which the account shows no password."""
    fields = ("smtp_user_name", "smtp_password")
    return {
        user["alias"]: {name: user[name] for name in fields}
        for user in users
        if user["alias"] in aliases and user["smtp_password"]
    }


def leaked_and_kept(values: Mapping[str, Any], users: Sequence[User]) -> list[str]:
    """Return the names of the users that have the leaked password and belong to no alias."""
    leaked = values.get("rotate_leaked_password")
    return [user["smtp_user_name"] for user in users if leaked and _owner(user) is None and user["smtp_password"] == leaked]


def _owner(user: User) -> Any:
    return user["alias"] if user["alias"] is not None else user["standby_of"]


# ---- what people are told ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """What was done, or in a dry run would be. ``until``: how long old credentials work, by the aliases that were switched."""

    rotated: Collection[str] = ()
    until: Mapping[str, str] = field(default_factory=dict)
    retired: Sequence[str] = ()
    waiting: Mapping[str, str] = field(default_factory=dict)
    off: Sequence[str] = ()
    formers: Sequence[str] = ()
    again: Sequence[str] = ()


def told_of(done: Done, dry: bool, delivers: bool, kept: bool = True) -> Iterator[str]:
    """Yield what a person has to know. ``delivers``: the user's own tasks do. ``kept``: the credentials file has what is new."""
    would = " (in the real run)" if dry else ""
    people = "redeploy what uses it" if kept else "which the next run keeps"
    todo = "which smtp_users_rotate_deploy_tasks delivers" if delivers else people
    reset = sorted(alias for alias in done.rotated if alias not in done.until)
    switched = [f"{alias} ({done.until[alias]})" for alias in sorted(done.rotated) if alias in done.until]
    if reset:
        yield f"These users have{would} a new password, {todo}: {', '.join(reset)}"
    if switched:
        yield f"These aliases have{would} a new user with a new password, {todo} while the old one works: {', '.join(switched)}"
    if not done.rotated:
        yield "Nobody has a new password."
    if done.again:
        yield f"Delivered{would} now, since that was still to be done: {', '.join(done.again)}"
    if done.retired:
        yield f"Retired{would}, so that the old credentials work no more: {', '.join(done.retired)}"
    if done.waiting:
        waiting = ", ".join(f"{alias} ({until})" for alias, until in sorted(done.waiting.items()))
        yield f"Due, and left alone while a former user works until: {waiting}"
    if done.off:
        yield f"Disabled, and so left alone: {', '.join(done.off)}"
    if done.formers:
        yield f"The former users of these had the leaked password, and were{would} reset, too: {', '.join(done.formers)}"


def failure_of(problems: Sequence[str], unkept: Sequence[str]) -> list[str] | str:
    """Say what could not be done, and who has the leaked password still."""
    problems = list(dict.fromkeys(problems))
    if not unkept:
        return problems
    # A new password could not be kept for them: the file has only users with an alias.
    leaked = (
        f"smtp_users_rotate_leaked_password is still that of {', '.join(unkept)}, without an alias: "
        "adopt the user and run again, or reset it with sendclean.email.smtp_password_reset"
    )
    return [*problems, leaked] if problems else leaked
