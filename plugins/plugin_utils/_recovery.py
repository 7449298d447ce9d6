# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is who, as files beside the bindings file have it, and whom nobody has claimed: pure functions.

``account`` is the result of the module smtp_bindings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.sendclean.email.plugins.filter.checked_users import checked_users
from ansible_collections.sendclean.email.plugins.module_utils._errors import RoleError


@dataclass(frozen=True)
class Found:
    """The ``smtp_user_name`` of each alias that a file has, and the names of users that had no alias, or it cannot be told."""

    bindings: Mapping[str, str]
    nameless: list[str]
    # Aliases whose former user the file has.
    former: Sequence[str] = ()


def in_credentials(credentials: Mapping[str, Mapping[str, str]], aliases: Collection[Any]) -> Found:
    """Return who is who in a credentials file. ``aliases`` are those that the role's list has.

    A user who had no alias is there under its own name. Bound, it would be one that a purge may disable, so that only somebody's
    list can say that this is an alias.
    """
    names = {key: fields["smtp_user_name"] for key, fields in credentials.items()}
    nameless = sorted(key for key, name in names.items() if key == name and key not in aliases)
    return Found({key: name for key, name in names.items() if key not in nameless}, nameless)


def in_list(path: str, users: Any) -> Found:
    """Return who is who in a list that was exported. Raises RoleError with all that is wrong with it."""
    checked = checked_users(users, {}, object())
    problems = [f"smtp_users_recover_path: {problem}: {path}" for problem in checked["problems"]]
    bindings: dict[str, str] = {}
    nameless = []
    for user in () if problems else checked["users"]:
        alias, name = user.get("alias"), user.get("smtp_user_name")
        if alias is None:
            nameless.append(str(name))
        elif name is not None and bindings.setdefault(str(alias), str(name)) != name:
            problems.append(f'smtp_users_recover_path has "{alias}" twice, as {bindings[alias]} and as {name}: {path}')
    if problems:
        raise RoleError(problems)
    return Found(bindings, sorted(nameless))


def without_formers(found: Found, account: Mapping[str, Any]) -> Found:
    """Return the same without what is older than a rotation: whom the file has for an alias takes turns with its user now."""
    standbys = {alias: standby["smtp_user_name"] for alias, standby in account["standbys"].items()}
    former = sorted(alias for alias, name in found.bindings.items() if standbys.get(alias) == name)
    return replace(found, bindings={alias: name for alias, name in found.bindings.items() if alias not in former}, former=former)


def listed_aliases(users: Any) -> set[Any]:
    """Return the aliases of the role's list, of whatever shape it is."""
    entries = users if isinstance(users, (list, tuple)) else []
    aliases = (entry.get("alias") for entry in entries if isinstance(entry, Mapping))
    return {alias for alias in aliases if isinstance(alias, str)}


def strangers(account: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return who can only be somebody else's, and who may be what a begun creation has made."""
    begun = {name for creation in account["begun"].values() for name in creation["smtp_user_names"]}
    nobodys = [name for name in account["unclaimed"] if name not in account["known"]]
    return [name for name in nobodys if name not in begun], [name for name in nobodys if name in begun]


def told_of_recovery(found: Found, account: Mapping[str, Any], dry: bool) -> Iterator[str]:
    """Yield what a person has to know after aliases were bound."""
    before = account["diff"]["before"]["bindings"]
    new = [f"{alias} = {name}" for alias, name in sorted(found.bindings.items()) if before.get(alias) != name]
    yield f"Bound{_would(dry)}: {', '.join(new)}" if new else "Nothing is to be bound: the bindings have it all"
    if found.former:
        yield f"Left as they are, since what is given has their former users: {', '.join(found.former)}"
    nameless = [name for name in found.nameless if name in account["unclaimed"]]
    if nameless:
        yield f"Left out, since they had no alias: {', '.join(nameless)}"
    others = [name for name in sum(strangers(account), []) if name not in nameless]
    if others:
        yield f"Nobody has claimed {', '.join(others)}"


def told_of_strangers(names: list[str], possible: list[str], dry: bool) -> Iterator[str]:
    """Yield whose users are acknowledged as somebody else's, and whose are not."""
    yield f"Acknowledged{_would(dry)} as somebody else's: {', '.join(names)}" if names else "Nobody is to be acknowledged"
    if possible:
        yield (
            f"Left out, since a creation was begun that may have made them: {', '.join(possible)}. Run sendclean.email.enforce "
            "first, or rotate where the alias has a user, which settles it. Should it ask who they are, name those that are "
            "somebody else's with smtp_users_acknowledge_names; is the alias no longer wanted, unbind it with "
            "sendclean.email.smtp_bindings"
        )


def _would(dry: bool) -> str:
    return " (in the real run)" if dry else ""
