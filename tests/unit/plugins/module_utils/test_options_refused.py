# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of options that make no sense, by the functions that look at them; through the modules: test_bad_input.py."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError
from ansible_collections.sendclean.email.plugins.module_utils._options import (
    bindings_in,
    connection_from,
    name_problems,
    text_problem,
    url_problems,
)
from ansible_collections.sendclean.email.tests.unit.plugins.module_utils.test_options import GIVEN

EXAMPLE = "give a base URL such as https://api.sendclean.net/v1.0"
TOLD: list[tuple[Any, str | None]] = [
    ("a", None),
    ("Größe 5", None),
    (None, "is empty: give a value or leave it out"),
    (" \n", "is empty: give a value or leave it out"),
    (5, "must be a string, not 5: put it in quotes"),
    ([], "must be a string: put it in quotes"),
    ("a\n", "has a line break (U+000A) at its end: take it out"),
    ("\ra", "has a line break (U+000D) at its beginning: take it out"),
    ("a\x85b", "has a line break (U+0085) as character 2: take it out"),
    ("a\u2028b", "has a line break (U+2028) as character 2: take it out"),
    ("ab\u2029c", "has a line break (U+2029) as character 3: take it out"),
    ("a\x07b", "has a control character (U+0007) as character 2: take it out"),
    ("a\ud800b", "has half of a surrogate pair (U+D800) as character 2: take it out"),
    ("a ", "has white space (U+0020) at its end: take it out"),
    ("\xa0a", "has white space (U+00A0) at its beginning: take it out"),
    ("a\u200b", "has an invisible character (U+200B) at its end: take it out"),
    ("a\u200bb c", None),
    # The ends first.
    ("a\nb ", "has white space (U+0020) at its end: take it out"),
]


@pytest.mark.parametrize(("value", "told"), TOLD)
def test_a_text(value: Any, told: str | None) -> None:
    assert [str(problem) for problem in text_problem("an_option", value)] == ([f"an_option {told}"] if told else [])


def test_of_a_secret_nothing_is_told_but_where() -> None:
    for value, told in ((5, "must be a string: put it in quotes"), ("a\x07b", "has a control character inside: take it out")):
        assert [str(problem) for problem in text_problem("token", value, True)] == [f"token {told}"]


@pytest.mark.parametrize(
    ("api_url", "told"),
    [
        ("https://a b/v1.0", f"is not an http(s) URL: {EXAMPLE}"),
        ("https://a/v1.0 ", f"is not an http(s) URL: {EXAMPLE}"),
        ("https://a\\b/v1.0", f"is not an http(s) URL: {EXAMPLE}"),
        ("https://a/\x1f", f"is not an http(s) URL: {EXAMPLE}"),
        ("ftp://a/v1.0", f"is not an http(s) URL: {EXAMPLE}"),
        ("https:///v1.0", f"is not an http(s) URL: {EXAMPLE}"),
        ("https://a:b/v1.0", f"is not a URL: {EXAMPLE}"),
        ("https://u@a/v1.0", f"must not hold a user name or password: {EXAMPLE}, and owner_id and token as options"),
        ("https://a/v1.0?b", f"must not have a query or fragment: {EXAMPLE}"),
        ("https://a/v1.0#b", f"must not have a query or fragment: {EXAMPLE}"),
        ("http://a/v1.0", "must begin with https://, the token would travel in clear to a"),
    ],
)
def test_a_base_url(api_url: str, told: str) -> None:
    with pytest.raises(OptionError) as caught:
        connection_from({**GIVEN, "api_url": api_url})
    assert str(caught.value) == f"api_url {told}"


PASSWORD = "must not hold a password: libpq finds it in PGPASSWORD, PGPASSFILE or a service file"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, None),
        ("postgresql://db/x?sslmode=require", None),
        ("postgres://user@db:5432/x", None),
        # Of a cloud that has users with a domain; libpq ends the hosts at the slash.
        ("postgresql://db:5432/x?user=me@corp", None),
        ("postgresql://db:5432,other:5433/x?sslmode=require&user=me@corp", None),
        ("postgresql://u:5432?x@db/x", PASSWORD),
        ("postgresql://u:p/w?x@db/x", PASSWORD),
        ("mysql://db/x", "must be a URL such as postgresql://user@host:5432/database?sslmode=verify-full"),
        (" postgresql://db/x", "must be a URL such as postgresql://user@host:5432/database?sslmode=verify-full"),
        ("postgresql://u:p@db/x", PASSWORD),
        ("postgresql://u:p\n/@db/x", PASSWORD),
        ("postgresql://db/x?sslmode=a&PassWord=p", PASSWORD),
        ("postgresql://db/x?p%61ssword=p", PASSWORD),
        ("postgresql://db/x?sslpassword", PASSWORD),
    ],
)
def test_the_url_of_a_database(url: Any, told: str | None) -> None:
    assert [str(problem) for problem in url_problems("a_url", {"a_url": url})] == ([f"a_url {told}"] if told else [])


@pytest.mark.parametrize(
    ("params", "place", "told"),
    [
        ({}, "", ["alias or smtp_user_name must be given"]),
        ({}, "users[3]", ["users[3] needs an alias or a smtp_user_name"]),
        ({"alias": "a", "smtp_user_name": "b", "renamed_from": "c"}, "users[3]", []),
        (
            {"alias": 5, "smtp_user_name": ""},
            "users[3]",
            [
                "users[3].alias must be a string, not 5: put it in quotes",
                "users[3].smtp_user_name is empty: give a value or leave it out",
            ],
        ),
        ({"alias": "a", "renamed_from": "a"}, "u", ["u.renamed_from is the alias itself: give the one that the user had before"]),
        ({"smtp_user_name": "a", "renamed_from": "a"}, "", ["renamed_from needs alias, the one that the user has from now on"]),
        ({"alias": "a", "renamed_from": 5}, "", ["renamed_from must be a string, not 5: put it in quotes"]),
    ],
)
def test_the_names_of_a_user(params: dict[str, Any], place: str, told: list[str]) -> None:
    whole = {"alias": None, "smtp_user_name": None, **params}
    assert [str(problem) for problem in name_problems(whole, place)] == told
    assert [str(problem) for problem in name_problems({**whole, "renamed_from": params.get("renamed_from")}, place)] == told


def test_of_two_places_of_bindings_that_of_the_task_counts() -> None:
    both = {"bindings_path": "/a", "bindings_url": "postgresql://db/x"}
    for given, found in (
        ({"bindings_path"}, {**both, "bindings_url": None}),
        ({"bindings_url"}, {**both, "bindings_path": None}),
    ):
        assert bindings_in(both, given) == found
    for given, names in (
        ({*both}, "bindings_path and bindings_url"),
        (set(), "SENDCLEAN_BINDINGS_PATH and SENDCLEAN_BINDINGS_URL"),
    ):
        with pytest.raises(OptionError) as caught:
            bindings_in(both, given)
        assert str(caught.value) == f"bindings_url and bindings_path exclude each other: give one of {names}"
    nothing = {**dict.fromkeys(both), "alias": None}
    assert bindings_in(nothing, (), ["alias"]) == dict.fromkeys(both)
    with pytest.raises(
        OptionError, match="^alias needs bindings_path or bindings_url, where it is kept who is who: give one of the two$"
    ):
        bindings_in({**nothing, "alias": "a"}, (), ["alias"])
    assert bindings_in({**both, "bindings_url": None, "alias": "a"}, (), ["alias"])["bindings_path"] == "/a"
