# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's variables: what each is, and what is wrong with it. Then whose passwords are due."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.plugin_utils import _role
from ansible_collections.sendclean.email.plugins.plugin_utils._rotation import (
    Done,
    choose,
    credentials_of,
    due,
    leaked_and_kept,
    not_delivered,
    strangers,
    told_of,
)
from hypothesis import given
from hypothesis import strategies as st

EVERYTHING = {**_role.MAIN, **_role.EXPORT, **_role.ROTATE}
NO_TEXT = [7, 342391, 1.5, True, False, ["a"], {"a": 1}, datetime.date(2026, 1, 2)]
ODD_TEXT = ["Zq\n", " Zq", "Zq\r", "Zq\u00a0", "\u200bZq", "Zq\ufeff", "Zq\0b", "Zq\x85b", "Zq\u2028b", "Zq\ud800b"]


def looked_at(name: str, value: Any) -> tuple[Any, list[str]]:
    """What becomes of a variable, and what is wrong with it."""
    found, problems = _role.converted({f"smtp_users_{name}": value}, EVERYTHING)
    return found.get(name), problems


TEXTS = ["app_domain", "api_url", "token", "rotate_leaked_password", "credentials_variable", "credentials_vault_id"]


@pytest.mark.parametrize("name", TEXTS)
def test_what_must_be_text_and_is_none_is_refused_by_name(name: str) -> None:
    for value in NO_TEXT:
        found, (problem,) = looked_at(name, value)
        assert found is None
        assert problem.startswith(f"smtp_users_{name} must be a string") and problem.endswith("put it in quotes")
    assert looked_at(name, "01234567") == ("01234567", [])


@pytest.mark.parametrize("name", ["token", "rotate_leaked_password"])
def test_no_secret_is_shown_that_is_no_text(name: str) -> None:
    _found, (problem,) = looked_at(name, 342391)
    assert "342391" not in problem


@pytest.mark.parametrize("name", [*TEXTS, "owner_id", "ca_path", "bindings_path", "report_path", "overview_path"])
def test_what_nobody_sees_in_a_text_is_refused_by_name(name: str) -> None:
    for value in ODD_TEXT:
        place = f"/{value}" if name.endswith("path") and value[0] == "Z" else value
        _found, (problem,) = looked_at(name, place)
        assert problem.startswith(f"smtp_users_{name} has ")
        assert value not in problem
    value = "/srv/a file of ü, 😀.md" if name.endswith("path") else "a b ü, 😀"
    assert looked_at(name, value) == (value, [])


def test_an_owner_may_be_an_integer() -> None:
    assert looked_at("owner_id", 1001) == ("1001", [])
    assert looked_at("owner_id", True)[1]
    assert looked_at("owner_id", 1001.0)[1]


@pytest.mark.parametrize("name", ["rotate_aliases", "purge_exclude"])
def test_a_list_may_be_text_with_commas_and_each_of_its_places_is_named(name: str) -> None:
    assert looked_at(name, "a,b, c") == (["a", "b", "c"], [])
    assert looked_at(name, ["a", "b,c"]) == (["a", "b,c"], [])
    assert looked_at(name, []) == ([], [])
    assert looked_at(name, {"a": 1})[1] == [f'smtp_users_{name} must be a list, not {{"a": 1}}']
    assert looked_at(name, ["a", 7, None, "", "b\r", False])[1] == [
        f"smtp_users_{name}[1] must be a string, not 7: put it in quotes",
        f"smtp_users_{name}[2] is empty: give a value or leave it out",
        f"smtp_users_{name}[3] is empty: give a value or leave it out",
        f"smtp_users_{name}[4] has a line break (U+000D) at its end: take it out",
        f"smtp_users_{name}[5] must be a string, not false: put it in quotes",
    ]


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("purge", [(True, True), ("true", True), ("no", False), (0, False)], ["maybe", [], 2, 1.5]),
        ("validate_certs", [("yes", True), ("False", False)], ["x"]),
        ("timeout", [(30, 30.0), ("2.5", 2.5), (0.5, 0.5)], [True, "soon", [1], "1_0"]),
        ("requests_per_minute", [(0, 0), (" 60 ", 60), (-1, -1)], [True, "1_0", 1.5, "many", {}, "9" * 5000]),
        ("rotate_overlap_hours", [(0, 0.0), ("48", 48.0), (1.5, 1.5)], [-1, "nan", 1e7, True, "soon", [90]]),
        ("rotate_max_age_days", [(0, 0.0), ("90", 90.0), (1.5, 1.5)], [-1, "nan", "inf", True, False, "soon", [90]]),
    ],
)
def test_numbers_and_booleans_may_be_text(name: str, right: list[tuple[Any, Any]], wrong: list[Any]) -> None:
    for value, found in right:
        assert looked_at(name, value) == (found, [])
    for value in wrong:
        found, (problem,) = looked_at(name, value)
        assert found is None
        assert problem.startswith(f"smtp_users_{name} must be ")


WRITTEN = ["bindings_path", "credentials_file", "report_path", "overview_path", "export_path"]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_that_is_written_lies_nowhere_in_a_collection(name: str, tmp_path: Path) -> None:
    collection = tmp_path / "ansible_collections" / "some" / "thing"
    (collection / "playbooks").mkdir(parents=True)
    (tmp_path / "link").symlink_to(collection / "playbooks")
    (tmp_path / "outside").mkdir()
    (collection / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "file").symlink_to(collection / "file")
    for inside in (
        collection / "file",
        collection / "playbooks" / "file",
        tmp_path / "link" / "file",
        collection / "out" / "file",
        tmp_path / "file",
        tmp_path / "outside" / ".." / "ansible_collections" / "some" / "thing" / "file",
    ):
        _found, (problem,) = looked_at(name, str(inside))
        assert problem.startswith(f"smtp_users_{name} is {inside}, inside of a collection")
    for beside in (
        tmp_path / "outside" / "file.md",
        tmp_path / "ansible_collections" / "file.md",
        tmp_path / "ansible_collections.html",
    ):
        assert looked_at(name, str(beside)) == (str(beside), [])


@pytest.mark.parametrize("name", [*WRITTEN, "ca_path"])
def test_a_path_is_absolute(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for relative in ("file", "./file", "../file", "None"):
        _found, (problem,) = looked_at(name, relative)
        assert problem == f"smtp_users_{name} must be an absolute path, not {relative}: begin it with {{{{ inventory_dir }}}}"
    monkeypatch.setenv("SOMEWHERE", "/srv")
    assert looked_at(name, "$SOMEWHERE/file.json") == ("/srv/file.json", [])
    assert looked_at(name, "~/file.md") == (f"{os.environ['HOME']}/file.md", [])


@pytest.mark.parametrize("name", ["report_path", "overview_path"])
def test_the_suffix_says_what_a_report_is(name: str) -> None:
    for right in ("/srv/a.html", "/srv/a.md", "/srv/a.b.json", "/srv/A.HTML"):
        assert looked_at(name, right) == (right, [])
    for wrong in ("/srv/a", "/srv/a.txt", "/srv/a.htm", "/srv/.html", "/srv/a.html/", "/srv/a.md.gz", "/srv/ahtml"):
        _found, (problem,) = looked_at(name, wrong)
        assert problem == f"smtp_users_{name} must end in .html, .md or .json, which says what is written, not {wrong}"


def test_a_report_does_not_replace_the_other(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    values = {"report_path": f"{tmp_path}/a.md", "overview_path": f"{tmp_path}/link/a.md"}
    (problem,) = _role.report_problems(values)
    assert problem.startswith("smtp_users_overview_path is that of smtp_users_report_path, too, ")
    assert not [*_role.report_problems({**values, "overview_path": f"{tmp_path}/a.html"})]
    assert not [*_role.report_problems({"overview_path": f"{tmp_path}/a.md"})]


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from([f"smtp_users_{name}" for name in EVERYTHING]), ANYTHING))
def test_nothing_makes_it_fail(variables: dict[str, Any]) -> None:
    given_values = {name: value for name, value in variables.items() if value is not None and value != ""}
    found, problems = _role.converted(given_values, EVERYTHING)
    assert {f"smtp_users_{name}" for name in found} <= given_values.keys()
    wrong = given_values.keys() - {f"smtp_users_{name}" for name in found}
    assert all(any(problem.startswith(name) for problem in problems) for name in wrong)


def user(
    number: int, alias: str | None, password: str | None, age: float | None, standby_of: str | None = None
) -> dict[str, Any]:
    facts = {"alias": alias, "smtp_user_name": f"smtp{number}", "smtp_password": password}
    return {**facts, "password_age_days": age, "standby_of": standby_of}


USERS = [
    user(1, "billing", "one", 30.0),
    user(2, "shop", "leaked", 0.5),
    user(3, "news", None, None),
    user(4, None, "leaked", None),
    user(5, None, "leaked", 400.0, standby_of="billing"),
]
FRESH = ["shop"]
PAST, NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"rotate_aliases": ["billing", "shop"]}, ["smtp1"]),
        ({"rotate_max_age_days": 29.0}, ["smtp1", "smtp3"]),
        ({"rotate_max_age_days": 30.0}, ["smtp3"]),
        ({"rotate_max_age_days": 0.0}, ["smtp1", "smtp3"]),
        ({"rotate_leaked_password": "leaked"}, ["smtp2", "smtp5"]),
        ({"rotate_leaked_password": "another"}, []),
    ],
)
def test_whose_passwords_are_due(choice: dict[str, Any], names: list[str]) -> None:
    """The file has just been given the password of shop, which a run has reset that died."""
    assert [user["smtp_user_name"] for user in due(choice, USERS, FRESH)] == names


def test_who_is_not_reset_is_known() -> None:
    assert leaked_and_kept({"rotate_leaked_password": "leaked"}, USERS) == ["smtp4"]
    assert leaked_and_kept({"rotate_aliases": ["shop"]}, USERS) == []
    assert strangers({"rotate_aliases": ["shop", "nobody"]}, USERS) == ["nobody"]
    assert strangers({"rotate_max_age_days": 1.0}, USERS) == []


def known(delivered: dict[str, str | None] | None = None, **standbys: str | None) -> dict[str, Any]:
    """What smtp_bindings says: who has a former user, until when, and what was delivered."""
    return {
        "bindings": {"billing": "smtp1", "shop": "smtp2", "news": "smtp3"},
        "standbys": {alias: {"smtp_user_name": f"of {alias}", "retires_at": until} for alias, until in standbys.items()},
        "delivered": delivered or {},
    }


def names(users: list[Any]) -> list[str]:
    return [user["smtp_user_name"] for user in users]


def chosen(who: dict[str, Any], waiting: list[str], **values: Any) -> tuple[list[str], ...]:
    values = {f"rotate_{name}": value for name, value in values.items()}
    choice = choose(values, USERS, FRESH, waiting, who, NOW)
    return names(choice.reset), names(choice.rotate), names(choice.retire), choice.left


def test_who_is_due_is_rotated_where_old_credentials_are_to_work_on() -> None:
    nobody = known()
    assert chosen(nobody, [], aliases=["billing"]) == (["smtp1"], [], [], [])
    assert chosen(nobody, [], aliases=["billing"], overlap_hours=0.0) == ([], ["smtp1"], [], [])
    assert chosen(nobody, [], leaked_password="leaked", overlap_hours=0.0) == (["smtp2", "smtp5"], [], [], [])
    assert chosen(nobody, ["billing"], leaked_password="one", overlap_hours=0.0) == (["smtp1"], [], [], [])


@pytest.mark.parametrize("choice", [{"aliases": ["news"]}, {"max_age_days": 1000.0}, {"leaked_password": "x"}])
def test_a_former_user_retires_when_its_time_is_over_whoever_is_due(choice: dict[str, Any]) -> None:
    due_too = ["smtp3"] if "leaked_password" not in choice else []
    for until, retiring in ((PAST, ["smtp1"]), (NOW, ["smtp1"]), (LATER, []), (None, [])):
        assert chosen(known(billing=until), [], **choice, overlap_hours=1.0) == ([], due_too, retiring, [])
    # Only with an overlap, and not while the last credentials are not where they are used.
    assert chosen(known(billing=PAST), [], **choice)[2] == []
    assert chosen(known(billing=PAST), ["billing"], **choice, overlap_hours=1.0) == ([], due_too, [], ["billing"])
    # Nor before somebody could deploy what this run has only just kept: the next run retires.
    only = {f"rotate_{name}": value for name, value in choice.items()}
    kept = choose({**only, "rotate_overlap_hours": 1.0}, USERS, FRESH, [], known(billing=PAST), NOW, ["billing"])
    assert (names(kept.rotate), names(kept.retire), kept.left) == (due_too, [], [])
    # The guard that lets nothing else happen takes a password of no known age for too old.
    assert chosen(known(news=PAST), [], aliases=["billing"], overlap_hours=1.0) == ([], ["smtp1"], [], [])


def test_who_must_wait_is_not_rotated() -> None:
    assert chosen(known(billing=PAST), ["billing", "shop"], aliases=["billing"], overlap_hours=1.0) == ([], [], [], ["billing"])


@pytest.mark.parametrize(
    ("who", "aliases"),
    [
        (known(), []),
        (known(billing=PAST, shop=LATER, news=None), ["billing", "shop"]),
        (known({"billing": "smtp1"}, billing=PAST), []),
        (known({"billing": "of billing", "shop": "smtp2"}, shop=PAST), ["billing"]),
        # It was reset under the same name.
        (known({"news": None}), ["news"]),
    ],
)
def test_what_was_switched_and_not_delivered_is_known(who: dict[str, Any], aliases: list[str]) -> None:
    assert not_delivered(who) == aliases


def test_nobody_s_empty_password_is_delivered() -> None:
    assert credentials_of(USERS, ["billing", "news", "gone"]) == {"billing": {"smtp_user_name": "smtp1", "smtp_password": "one"}}


def test_what_is_told_of_a_rotation() -> None:
    done = Done(["b", "a"], {"a": "until X"}, ["c"], {"d": "Y"}, ["e"], ["f"], ["g"])
    assert list(told_of(done, dry=True, delivers=False)) == [
        "These users have (in the real run) a new password, redeploy what uses it: b",
        "These aliases have (in the real run) a new user with a new password, redeploy what uses it "
        "while the old one works: a (until X)",
        "Delivered (in the real run) now, since that was still to be done: g",
        "Retired (in the real run), so that the old credentials work no more: c",
        "Due, and left alone while a former user works until: d (Y)",
        "Disabled, and so left alone: e",
        "The former users of these had the leaked password, and were (in the real run) reset, too: f",
    ]
    assert list(told_of(Done(), dry=False, delivers=True)) == ["Nobody has a new password."]
    assert "which smtp_users_rotate_deploy_tasks delivers: a" in next(told_of(Done(["a"]), dry=False, delivers=True))
