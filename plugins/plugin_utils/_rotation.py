# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose passwords are reset, and what is told of it: pure functions.

``values`` are the role's variables, ``users`` those of the account, with passwords, and ``kept`` is what is known of the
credentials file: whose password it has just been given, and how old each is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

User = Mapping[str, Any]


def strangers(values: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    """Return the aliases that are asked for and that nobody has."""
    return [alias for alias in values.get("rotate_aliases", []) if alias not in kept["password_age_days"]]


def due(values: Mapping[str, Any], users: Sequence[User], kept: Mapping[str, Any]) -> list[User]:
    """Return the users whose passwords are to be reset: all have an alias. Exactly one of the choices is in ``values``."""
    users = [user for user in users if user["alias"] is not None]
    if "rotate_leaked_password" in values:
        # It is reset whoever has it, also where the file has just been given it.
        return [user for user in users if user["smtp_password"] == values["rotate_leaked_password"]]
    # What the file has just been given another one of was reset by a run that died.
    users = [user for user in users if user["alias"] not in kept["updated"]]
    if "rotate_aliases" in values:
        return [user for user in users if user["alias"] in values["rotate_aliases"]]
    ages, most = kept["password_age_days"], values["rotate_max_age_days"]
    return [user for user in users if ages.get(user["alias"]) is None or ages[user["alias"]] > most]


def leaked_and_kept(values: Mapping[str, Any], users: Sequence[User]) -> list[str]:
    """Return the names of the users that have the leaked password and no alias."""
    leaked = values.get("rotate_leaked_password")
    return [user["smtp_user_name"] for user in users if leaked and user["alias"] is None and user["smtp_password"] == leaked]


def told_of(rotated: Sequence[str], dry: bool) -> str:
    """Say who has another password, or would have."""
    if not rotated:
        return "Nobody has a new password."
    return f"These users have{' (in the real run)' if dry else ''} a new password, redeploy what uses it: {', '.join(rotated)}"


def failure_of(problems: Sequence[str], unkept: Sequence[str]) -> list[str] | str:
    """Say what could not be reset, and who has the leaked password still."""
    problems = list(dict.fromkeys(problems))
    if not unkept:
        return problems
    # A new password could not be kept for them: the file has only users with an alias.
    leaked = (
        f"smtp_users_rotate_leaked_password is still that of {', '.join(unkept)}, without an alias: "
        "adopt the user and run again, or reset it with sendclean.email.smtp_password_reset"
    )
    return [*problems, leaked] if problems else leaked
