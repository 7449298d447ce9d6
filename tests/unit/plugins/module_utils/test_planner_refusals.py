# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the planner does in one situation each, and what it says where it refuses; that it settles all: test_planner.py."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import RefusedError
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Intent, Standby, User, Wanted
from ansible_collections.sendclean.email.plugins.module_utils._planner import Plan, plan_account

USERS = {name: User(name, "Enable", 5, 1) for name in ("smtp1", "smtp2", "smtp3")}
BEGUN = {"shop": Intent(5, 1, frozenset({"smtp1", "smtp2"}))}
CREATION: dict[str, Any] = {"total_limit": 5, "hourly_limit": 1}
WHERE = 'accounts, "https://api", "4711", aliases in /b'


def bindings(**parts: Any) -> Bindings:
    """What is recorded: billing is smtp1."""
    return Bindings(**{"aliases": {"billing": "smtp1"}, "place": WHERE, **parts})


def planned(known: Bindings, *wanted: dict[str, Any]) -> list[Plan]:
    return plan_account([Wanted(place=f"users[{index}]", **user) for index, user in enumerate(wanted)], USERS, known)


def what_of(plan: Plan) -> tuple[Any, ...]:
    return plan.action, plan.user and plan.user.smtp_user_name, plan.alias, plan.adopt, plan.rename


@pytest.mark.parametrize(
    ("known", "wanted", "what"),
    [
        (bindings(), {"alias": "billing"}, ("unchanged", "smtp1", "billing", None, None)),
        (bindings(), {"smtp_user_name": "smtp1"}, ("unchanged", "smtp1", "billing", None, None)),
        (bindings(), {"alias": "billing", "smtp_user_name": "smtp1"}, ("unchanged", "smtp1", "billing", None, None)),
        (bindings(), {"smtp_user_name": "smtp2", "state": "absent"}, ("disabled", "smtp2", None, None, None)),
        (bindings(), {"alias": "shop", **CREATION}, ("created", None, "shop", None, None)),
        (bindings(), {"alias": "shop", "state": "absent"}, ("unchanged", None, "shop", None, None)),
        (bindings(), {"alias": "shop", "smtp_user_name": "smtp2"}, ("adopted", "smtp2", "shop", "smtp2", None)),
        (bindings(), {"alias": "shop", "smtp_user_name": "smtp9", "state": "absent"}, ("unchanged", None, "shop", None, None)),
        (
            bindings(standbys={"shop": Standby("smtp2")}),
            {"alias": "shop", "smtp_user_name": "smtp2"},
            ("adopted", "smtp2", "shop", "smtp2", None),
        ),
        (bindings(), {"alias": "shop", "renamed_from": "billing"}, ("renamed", "smtp1", "shop", None, "billing")),
        (
            bindings(aliases={"billing": "smtp9"}),
            {"alias": "billing", "state": "absent"},
            ("unchanged", None, "billing", None, None),
        ),
        (bindings(intents=BEGUN), {"alias": "shop", **CREATION}, ("adopted", "smtp3", "shop", "smtp3", None)),
        (
            bindings(intents=BEGUN),
            {"alias": "news", "renamed_from": "shop", **CREATION},
            ("adopted", "smtp3", "news", "smtp3", None),
        ),
        # To be written in another way is a rename, too.
        (
            bindings(aliases={"caf\u00e9": "smtp1"}),
            {"alias": "cafe\u0301", "renamed_from": "caf\u00e9"},
            ("renamed", "smtp1", "cafe\u0301", None, "caf\u00e9"),
        ),
    ],
)
def test_what_is_done(known: Bindings, wanted: dict[str, Any], what: tuple[Any, ...]) -> None:
    (plan,) = planned(known, wanted)
    assert what_of(plan) == what


def test_who_is_asked_for_by_name_is_nobody_elses() -> None:
    first, second = planned(bindings(intents=BEGUN), {"alias": "shop", **CREATION}, {"smtp_user_name": "smtp3"})
    assert (what_of(first)[0], what_of(second)[:2]) == ("created", ("unchanged", "smtp3"))


GONE = (
    'alias "billing" is bound to smtp9, which SendClean does not list any more. The API has no delete, so check owner_id and the '
    'base URL first. If the user is really gone, remove the binding and run again: it is the line "billing" under '
    f"{WHERE}, and unbind of sendclean.email.smtp_bindings removes it"
)
REFUSED: list[tuple[Bindings, list[dict[str, Any]], list[str]]] = [
    (
        bindings(),
        [{"alias": "billing", "smtp_user_name": "smtp2"}],
        ['users[0]: alias "billing" is bound to smtp1, not to smtp2: give one of the two, or another alias'],
    ),
    (
        bindings(),
        [{"alias": "shop", "total_limit": 5}],
        [
            'users[0]: hourly_limit must be given: alias "shop" has no user yet, and SendClean creates none without both limits',
        ],
    ),
    (
        bindings(),
        [{"alias": "shop"}],
        [
            'users[0]: total_limit and hourly_limit must be given: alias "shop" has no user yet, and SendClean creates none '
            "without both limits",
        ],
    ),
    (
        bindings(),
        [{"alias": "billing"}, {"alias": "billing"}, {"smtp_user_name": "smtp2"}, {"smtp_user_name": "smtp2"}],
        [
            'users[1]: alias "billing" is asked for twice, also in users[0]: keep one of the two',
            "users[3]: smtp2 is asked for twice, also in users[2]: keep one of the two",
        ],
    ),
    (
        bindings(),
        [{"alias": "billing"}, {"smtp_user_name": "smtp1"}],
        ["users[0]: smtp1 is asked for twice, also in users[1]: keep one of the two"],
    ),
    (
        bindings(),
        [{"alias": alias, "renamed_from": "billing", **CREATION} for alias in ("news", "shop")],
        ['users[1]: alias "billing" is asked for twice, also in users[0]: keep one of the two'],
    ),
    (
        bindings(aliases={"caf\u00e9": "smtp1"}),
        [{"alias": "cafe\u0301", **CREATION}],
        ["users[0]: alias 'cafe\\u0301' looks the same as 'caf\\xe9', which is another one: write both in the same way"],
    ),
    (
        bindings(aliases={"caf\u00e9": "smtp1"}),
        [{"alias": "news", "renamed_from": "cafe\u0301", **CREATION}],
        ["users[0]: renamed_from 'cafe\\u0301' looks the same as 'caf\\xe9', which is another one: write both in the same way"],
    ),
    (
        bindings(standbys={"billing": Standby("smtp2")}),
        [{"alias": "shop", "smtp_user_name": "smtp2"}],
        ['users[0]: smtp_user_name smtp2 is the standby of the alias "billing", which takes turns with its user'],
    ),
    (
        bindings(),
        [{"alias": "shop", "smtp_user_name": "smtp1"}],
        ['users[0]: smtp_user_name smtp1 already has the alias "billing": a user has one alias, use that one'],
    ),
    (bindings(aliases={"billing": "smtp9"}), [{"alias": "billing"}], [f"users[0]: {GONE}"]),
    (bindings(aliases={"billing": "smtp9"}), [{"alias": "news", "renamed_from": "billing"}], [f"users[0]: {GONE}"]),
    (
        bindings(),
        [{"alias": "news", "smtp_user_name": "smtp9"}, {"smtp_user_name": "smtp8"}],
        [
            f"users[{index}]: smtp_user_name smtp{name} is not in the account. SendClean assigns names itself: to create a user, "
            "give an alias and both limits, and no smtp_user_name"
            for index, name in enumerate((9, 8))
        ],
    ),
    (
        bindings(aliases={"billing": "smtp1", "shop": "smtp2"}),
        [{"alias": "billing", "renamed_from": "shop"}],
        [
            'users[0]: alias "billing" is bound to smtp1, and "shop" of renamed_from to smtp2: an alias that has a user gets no '
            "other one by renaming. Take renamed_from out, or unbind one of them with sendclean.email.smtp_bindings",
        ],
    ),
    (
        bindings(intents=BEGUN),
        [{"alias": "shop", "renamed_from": "billing"}],
        [
            'users[0]: a creation for alias "shop" was begun and its answer lost: smtp3 may be its user, and renamed_from gives '
            'it that of "billing". Bind smtp3 to an alias of its own with sendclean.email.smtp_bindings or acknowledge it, or '
            "take renamed_from out",
        ],
    ),
    (
        bindings(intents={"shop": Intent(5, 1, frozenset())}),
        [{"alias": "shop", **CREATION}],
        [
            'users[0]: a creation for alias "shop" was begun and its answer lost, and 2 users could be it: smtp2, smtp3. Choose '
            "one: give it once as smtp_user_name beside the alias",
        ],
    ),
    (
        bindings(intents={"shop": Intent(7, 1, frozenset({"smtp2"}))}),
        [{"alias": "shop", **CREATION}],
        [
            'users[0]: a creation for alias "shop" was begun and its answer lost, and what is new since then has other limits: '
            "smtp3. If one of them is it, give it once as smtp_user_name beside the alias; if they are somebody else's, run the "
            "playbook sendclean.email.acknowledge",
        ],
    ),
]


@pytest.mark.parametrize(("known", "wanted", "told"), REFUSED)
def test_what_is_refused(known: Bindings, wanted: list[dict[str, Any]], told: list[str]) -> None:
    with pytest.raises(RefusedError) as caught:
        planned(known, *wanted)
    assert str(caught.value).split("\n") == told
