# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is who by other files than the bindings file, and who is nobody's. The playbooks are tested in integration."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.sendclean.email.plugins.module_utils._errors import RoleError
from ansible_collections.sendclean.email.plugins.plugin_utils._recovery import (
    Found,
    in_credentials,
    in_list,
    listed_aliases,
    strangers,
    told_of_recovery,
    told_of_strangers,
    without_formers,
)
from ansible_collections.sendclean.email.plugins.plugin_utils._users_file import users_file

LIMITS = {"total_limit": None, "hourly_limit": 5, "standby_of": None}


def account(**facts: Any) -> dict[str, Any]:
    """What smtp_bindings says of an account."""
    return {"unclaimed": [], "known": [], "begun": {}, "diff": {"before": {"bindings": {}}}, **facts}


@pytest.mark.parametrize("status", ["Enable", "Disable"])
@pytest.mark.parametrize("alias", ["billing", "{{ 6 * 7 }}", "0123", "my 'news': 😀", "no"])
def test_what_was_exported_is_found(alias: str, status: str) -> None:
    users = [
        {"alias": alias, "smtp_user_name": "smtp1", "status": status, **LIMITS},
        {"alias": None, "smtp_user_name": "smtp2", "status": status, **LIMITS},
    ]
    exported = DataLoader().load(users_file("production", users))
    found = in_list("f", exported["smtp_users_list"])
    assert found == Found({alias: "smtp1"}, ["smtp2"])
    # Plain text, without where it comes from; before ansible-core 2.19 what must not be a template says so.
    types = {type(text).__name__ for text in (*found.bindings, *found.bindings.values())}
    assert types <= {"str", "AnsibleUnsafeText"}


@pytest.mark.parametrize(
    ("users", "problems"),
    [
        (None, ["smtp_users_list must be a list of users"]),
        ([{"alias": 7}, []], ["[0].alias must be a string, not 7", "[1] must be a mapping"]),
        ([{"alias": "a", "smtp_user_name": "b "}], ["[0].smtp_user_name has white space"]),
        ([{"alias": "caf\u00e9"}, {"alias": "cafe\u0301"}], ["looks the same as"]),
        ([{"alias": "a", "smtp_user_name": "s1"}, {"alias": "a", "smtp_user_name": "s2"}], ['has "a" twice, as s1 and as s2']),
    ],
)
def test_a_list_that_was_changed_by_hand_is_refused_with_all_that_is_wrong(users: Any, problems: list[str]) -> None:
    with pytest.raises(RoleError) as caught:
        in_list("/srv/list.yml", users)
    assert len(caught.value.problems) == len(problems)
    for problem, words in zip(caught.value.problems, problems):
        assert problem.startswith("smtp_users_recover_path") and problem.endswith(": /srv/list.yml")
        assert words in problem


def test_what_a_list_says_twice_in_the_same_way_or_not_at_all_is_no_mistake() -> None:
    twice = {"alias": "a", "smtp_user_name": "s1", "state": "absent"}
    assert in_list("f", [twice, twice, {"alias": "b"}]) == Found({"a": "s1"}, [])


def test_of_credentials_those_under_their_own_names_had_no_alias_unless_the_list_has_it() -> None:
    credentials = {key: {"smtp_user_name": name, "smtp_password": "x"} for key, name in (("a", "s1"), ("s2", "s2"), ("s3", "s3"))}
    assert in_credentials(credentials, {"s3"}) == Found({"a": "s1", "s3": "s3"}, ["s2"])


@pytest.mark.parametrize(
    ("users", "aliases"),
    [
        ([{"alias": "a"}, {"alias": ["b"]}, {"smtp_user_name": "c"}, "d", None], {"a"}),
        (({"alias": "a"},), {"a"}),
        ({"alias": "a"}, set()),
        ("alias", set()),
        (None, set()),
    ],
)
def test_the_aliases_of_a_list_of_any_shape(users: Any, aliases: set[str]) -> None:
    assert listed_aliases(users) == aliases


def test_who_is_known_is_nobodys_and_who_may_be_a_begun_creation_may_be_somebodys() -> None:
    begun = {"more": {"smtp_user_names": ["s3", "s4"]}, "shop": {"smtp_user_names": []}}
    assert strangers(account(unclaimed=["s1", "s2", "s3"], known=["s1", "s9"], begun=begun)) == (["s2"], ["s3"])


def test_what_is_older_than_a_rotation_is_left_as_it_is() -> None:
    now = account(standbys={"a": {"smtp_user_name": "s1"}, "b": {"smtp_user_name": "s9"}})
    found = without_formers(Found({"a": "s1", "b": "s2", "c": "s9"}, ["s3"]), now)
    assert found == Found({"b": "s2", "c": "s9"}, ["s3"], ["a"])
    assert "Left as they are, since what is given has their former users: a" in list(told_of_recovery(found, now, dry=False))


def test_what_is_told() -> None:
    bound = account(diff={"before": {"bindings": {"a": "s1"}}})
    found = Found({"b": "s2", "a": "s1"}, ["s3", "s4"])
    assert list(told_of_recovery(found, bound, dry=False)) == ["Bound: b = s2"]
    open_ones = {**bound, "unclaimed": ["s3", "s5", "s6", "s7"], "known": ["s6"], "begun": {"c": {"smtp_user_names": ["s7"]}}}
    assert list(told_of_recovery(Found({"a": "s1"}, ["s3", "s4"]), open_ones, dry=True)) == [
        "Nothing is to be bound: the bindings have it all",
        "Left out, since they had no alias: s3",
        "Nobody has claimed s5, s7",
    ]
    assert list(told_of_strangers(["s1", "s2"], [], dry=True)) == ["Acknowledged (in the real run) as somebody else's: s1, s2"]
    nobody, left_out = told_of_strangers([], ["s3"], dry=False)
    assert nobody == "Nobody is to be acknowledged"
    assert "may have made them: s3. Run sendclean.email.enforce first" in left_out
