# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter checked_users: what it finds wrong, and whom it wants. What the role makes of it is tested in integration."""

from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.filter.checked_users import FilterModule
from hypothesis import given
from hypothesis import strategies as st

# Ansible's variable omit: text before ansible-core 2.19, then an object.
OMIT = object()
checked_users = FilterModule().filters()["checked_users"]

LIMITS = {"total_limit": 50, "hourly_limit": 5}
FIELDS = "alias, smtp_user_name, state, total_limit, hourly_limit, renamed_from"


@pytest.mark.parametrize(
    ("omit", "omitted"),
    [(OMIT, OMIT), ("__omit_place_holder__01", "".join(["__omit_place_holder__", "01"]))],
    ids=["object", "text that is equal"],
)
@pytest.mark.parametrize("defaults", [LIMITS, {}], ids=["defaults", "no defaults"])
def test_a_limit_that_is_null_or_not_given_is_the_default(defaults: dict[str, int], omit: Any, omitted: Any) -> None:
    entries = [
        {"alias": "a"},
        {"alias": "a", "smtp_user_name": omitted, "hourly_limit": omitted, "state": "absent"},
        {"alias": "a", "smtp_user_name": None, "state": None, "hourly_limit": None},
        {"alias": "a", "hourly_limit": "20"},
    ]
    before = copy.copy(entries)
    assert checked_users(entries, {**defaults, "hourly_limit": defaults.get("hourly_limit", omitted)}, omit) == {
        "problems": [],
        "users": [
            {"alias": "a", **defaults},
            {"alias": "a", "state": "absent", **defaults},
            {"alias": "a", **defaults},
            {"alias": "a", **defaults, "hourly_limit": "20"},
        ],
    }
    assert entries == before


@pytest.mark.parametrize(
    ("entry", "problems"),
    [
        (None, [" must be a mapping, such as {alias: billing}"]),
        (OMIT, [" must be a mapping, such as {alias: billing}"]),
        ({}, [" needs an alias or a smtp_user_name"]),
        ({"alias": OMIT, "smtp_user_name": None}, [" needs an alias or a smtp_user_name"]),
        ({"alias": "\t", "smtp_user_name": True}, [
            ".alias is empty: give a value or leave it out",
            ".smtp_user_name must be a string, not true: put it in quotes",
        ]),
        ({"alias": "a", 7: 1}, [f".7 is unknown: there are {FIELDS}"]),
        ({"alias": "a", "state": ""}, ['.state must be present or absent, not ""']),
        ({"alias": "a", "state": None}, []),
        ({"alias": 342391, "smtp_user_name": ["a"]}, [
            ".alias must be a string, not 342391: put it in quotes",
            ".smtp_user_name must be a string: put it in quotes",
        ]),
        ({"alias": datetime.date(2026, 1, 31)}, [".alias must be a string: put it in quotes"]),
        ({"alias": "a\r\n", "smtp_user_name": "\ufeffb"}, [
            ".alias has a line break (U+000A) at its end: take it out",
            ".smtp_user_name has an invisible character (U+FEFF) at its beginning: take it out",
        ]),
        ({"alias": "a\x92b"}, [".alias has a control character (U+0092) as character 2: take it out"]),
        ({"alias": "new york"}, []),
        ({"alias": "a", "renamed_from": "b"}, []),
        ({"alias": "caf\u00e9", "renamed_from": "cafe\u0301"}, []),
        ({"alias": "a", "smtp_user_name": "smtp1", "state": "absent", "renamed_from": None}, []),
        ({"alias": "a", "renamed_from": OMIT}, []),
        ({"alias": "a", "renamed_from": ""}, [".renamed_from is empty: give a value or leave it out"]),
        ({"alias": "a", "renamed_from": 7}, [".renamed_from must be a string, not 7: put it in quotes"]),
        ({"alias": "a", "renamed_from": "b "}, [".renamed_from has white space (U+0020) at its end: take it out"]),
        ({"alias": "a", "renamed_from": "a"}, [
            ".renamed_from is the alias itself: give the one that the user had before",
        ]),
        ({"smtp_user_name": "smtp1", "renamed_from": "a"}, [
            ".renamed_from needs alias, the one that the user has from now on",
        ]),
        ({"alias": "a", "state": ["present"]}, ['.state must be present or absent, not ["present"]']),
        *(({"alias": "a", "total_limit": limit}, []) for limit in (1, "1", "007", " 10\n", None, OMIT)),
        *(
            ({"alias": "a", "total_limit": limit}, [f".total_limit must be a positive integer, not {shown}"])
            for limit, shown in (
                (0, "0"), ("0", '"0"'), ("", '""'), (-1, "-1"), (False, "false"), (1.0, "1.0"), ("1_0", '"1_0"'),
                ("1\u0661", '"1\\u0661"'), ([{"a": [1, None]}], '[{"a": [1, null]}]'), ({1: {}}, '{"1": {}}'), (1j, '"1j"'),
                ("\u00a010", '"\\u00a010"'), ("0x10", '"0x10"'), (5.0, "5.0"),
            )
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_entry_is_named_with_its_place(entry: Any, problems: list[str]) -> None:
    found = checked_users([{"alias": "fine"}, entry], {}, OMIT)["problems"]
    assert found == [f"smtp_users_list[1]{problem}" for problem in problems]


@pytest.mark.parametrize(
    ("users", "defaults", "problems"),
    [
        ("billing", {}, ["smtp_users_list must be a list of users"]),
        ({"alias": "a"}, {}, ["smtp_users_list must be a list of users"]),
        (None, {}, ["smtp_users_list must be a list of users"]),
        ([], "total_limit=1", ["smtp_users_defaults must be a mapping, such as {total_limit: 1000, hourly_limit: 100}"]),
        ([{}], {"total_limit": 0, "alias": "a"}, [
            "smtp_users_list[0] needs an alias or a smtp_user_name",
            "smtp_users_defaults.alias is unknown: there are total_limit, hourly_limit",
            "smtp_users_defaults.total_limit must be a positive integer, not 0",
        ]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_named_at_once(users: Any, defaults: Any, problems: list[str]) -> None:
    assert checked_users(users, defaults, OMIT)["problems"] == problems


def test_two_aliases_that_look_the_same_are_named() -> None:
    users = [{"alias": "caf\u00e9"}, {"alias": 7}, {"alias": "cafe\u0301"}, {"alias": "cafe"}]
    assert checked_users(users, {}, OMIT)["problems"] == [
        "smtp_users_list[1].alias must be a string, not 7: put it in quotes",
        "smtp_users_list 'cafe\\u0301' looks the same as 'caf\\xe9', which is another one: write both in the same way",
    ]


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(OMIT),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS.split(", ")) | st.text(), inner),
)


@given(ANYTHING | st.lists(ANYTHING), ANYTHING)
def test_nothing_makes_it_fail_and_what_it_lets_pass_is_whole(users: Any, defaults: Any) -> None:
    checked = checked_users(users, defaults, OMIT)
    assert all(isinstance(problem, str) for problem in checked["problems"])
    if not checked["problems"]:
        assert len(checked["users"]) == len(users)
        assert OMIT not in [value for user in checked["users"] for value in user.values()]
