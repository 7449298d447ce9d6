# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendclean.email.smtp_bindings: who is who, and what a person says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    RunModule,
    held,
    made,
    read_bindings,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service

BEGUN = {"total_limit": 5, "hourly_limit": 5, "smtp_user_names": ["smtp1", "smtp2", "smtp3"], "time": "2026-01-31T12:00:00Z"}


@pytest.fixture
def account(service: Service, server: RunningServer, bindings_path: Path) -> Service:
    """smtp1 is billing, smtp2 somebody else's, smtp3 disabled and nobody's, smtp4 may be shop; news has lost its user."""
    for number in (1, 2, 3):
        service.create_user(OWNER, 1000, 100, smtp_user_name=f"smtp{number}", status="Disable" if number == 3 else "Enable")
    service.create_user(OWNER, 5, 5, smtp_user_name="smtp4")
    write_bindings(
        bindings_path,
        server.base_url,
        aliases={"billing": "smtp1", "news": "smtp9"},
        known=["smtp2"],
        intents={"shop": BEGUN},
        password_times={"smtp1": "2026-01-31T12:00:00Z"},
    )
    return service


def test_who_is_who(account: Service, run_module: RunModule, bindings_path: Path) -> None:
    before = snapshot(bindings_path.parent)
    shown = run_module("smtp_bindings", bindings_path=str(bindings_path))
    assert shown["changed"] is False
    assert shown["bindings"] == {"billing": "smtp1", "news": "smtp9"}
    assert shown["unclaimed"] == ["smtp2", "smtp3", "smtp4"]
    assert shown["known"] == ["smtp2"]
    assert shown["unlisted"] == ["news"]
    (begun,) = shown["begun"].values()
    assert (begun["total_limit"], begun["hourly_limit"], begun["smtp_user_names"]) == (5, 5, ["smtp4"])
    assert begun["age_days"] > 1
    assert shown["password_age_days"]["billing"] > 1 and shown["password_age_days"]["news"] is None
    assert made(account) == {"listSmtp": 1}
    assert snapshot(bindings_path.parent) == before


CHANGES: dict[str, tuple[dict[str, Any], dict[str, str], list[str]]] = {
    "bind": ({"bindings": {"ops": "smtp3"}}, {"billing": "smtp1", "news": "smtp9", "ops": "smtp3"}, ["smtp2"]),
    "bind somebody else's": ({"bindings": {"ops": "smtp2"}}, {"billing": "smtp1", "news": "smtp9", "ops": "smtp2"}, []),
    "bind who is begun": ({"bindings": {"shop": "smtp4"}}, {"billing": "smtp1", "news": "smtp9", "shop": "smtp4"}, ["smtp2"]),
    "bind again": ({"bindings": {"billing": "smtp1"}, "unbind": ["news"]}, {"billing": "smtp1"}, ["smtp2"]),
    "unbind who is gone": ({"unbind": ["news", "nobody"]}, {"billing": "smtp1"}, ["smtp2"]),
    "unbind who is begun": ({"unbind": ["shop"]}, {"billing": "smtp1", "news": "smtp9"}, ["smtp2"]),
    "another alias": ({"unbind": ["billing"], "bindings": {"b": "smtp1"}}, {"news": "smtp9", "b": "smtp1"}, ["smtp2"]),
    "acknowledge": ({"acknowledge": ["smtp2", "smtp3"]}, {"billing": "smtp1", "news": "smtp9"}, ["smtp2", "smtp3"]),
    "acknowledge who was unbound": (
        {"unbind": ["billing"], "acknowledge": ["smtp1"]},
        {"news": "smtp9"},
        ["smtp1", "smtp2"],
    ),
}


@pytest.mark.parametrize(("options", "bindings", "known"), CHANGES.values(), ids=CHANGES)
def test_what_a_person_says_is_foretold_and_done_once(
    options: dict[str, Any],
    bindings: dict[str, str],
    known: list[str],
    account: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
) -> None:
    users, before = held(account), snapshot(bindings_path.parent)
    over = "shop" in {*options.get("bindings", {}), *options.get("unbind", [])}
    check = run_module("smtp_bindings", check=True, bindings_path=str(bindings_path), **options)
    assert snapshot(bindings_path.parent) == before
    real = run_module("smtp_bindings", bindings_path=str(bindings_path), **options)
    for done in (check, real):
        assert done["changed"] is True
        assert (done["bindings"], done["known"]) == (bindings, known)
        before_it = {"bindings": {"billing": "smtp1", "news": "smtp9"}, "known": ["smtp2"], "begun": ["shop"]}
        after_it = {"bindings": bindings, "known": known, "begun": [] if over else ["shop"]}
        assert done["diff"] == {"before": before_it, "after": after_it}
    assert check.result == {**real.result, "password_age_days": check["password_age_days"], "begun": check["begun"]}
    section = read_bindings(bindings_path, server.base_url)
    assert (section["aliases"], section.get("known", [])) == (bindings, known)
    assert ("intents" in section) is not over
    assert held(account) == users
    assert made(account) == {"listSmtp": 2}
    again = run_module("smtp_bindings", bindings_path=str(bindings_path), **{**options, "unbind": []})
    assert again["changed"] is False


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "many at once": (
        {
            "bindings": {"a": "nobody", "billing": "smtp2", "c": "smtp1", "d": "smtp3", "e": "smtp3"},
            "acknowledge": ["smtp1", "x"],
        },
        [
            "bindings[a]: nobody is not in the account",
            "bindings[billing]: the alias is bound to smtp1, not to smtp2",
            'bindings[c]: smtp1 already has the alias "billing"',
            'bindings[e]: smtp3 is given to "d", too',
            'acknowledge[0]: smtp1 has the alias "billing"',
            "acknowledge[1]: x is not in the account",
        ],
    ),
    "bound and unbound": ({"bindings": {"billing": "smtp1"}, "unbind": ["billing"]}, ['"billing" is in unbind, too']),
    "bound and acknowledged": (
        {"bindings": {"a": "smtp3"}, "acknowledge": ["smtp3"]},
        ['acknowledge[0]: smtp3 has the alias "a"'],
    ),
    "alike": ({"bindings": {"Ärger": "smtp3", "A\u0308rger": "smtp2"}}, ["looks the same"]),
    "not listed any more": ({"bindings": {"news": "smtp9"}}, ["bindings[news]: smtp9 is not in the account"]),
}


@pytest.mark.parametrize(("options", "texts"), REFUSED.values(), ids=REFUSED)
def test_all_that_is_wrong_is_said_at_once_and_nothing_is_bound(
    options: dict[str, Any], texts: list[str], account: Service, run_module: RunModule, bindings_path: Path
) -> None:
    content = bindings_path.read_bytes()
    for check in (True, False):
        refused = run_module("smtp_bindings", check=check, bindings_path=str(bindings_path), **options)
        assert refused.failed
        for text in texts:
            assert text in refused.msg
        assert made(account) == {"listSmtp": 1}
    assert bindings_path.read_bytes() == content


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"bindings": {"a": 1}}, "must be a string, not 1"),
        ({"bindings": {"a": ""}}, "is empty"),
        ({"bindings": {"a ": "smtp3"}}, "has white space"),
        ({"bindings": {"a": "smtp3\n"}}, "has a line break"),
        ({"unbind": ["a\u200b"]}, "unbind[0] has an invisible character"),
        ({"acknowledge": [12345]}, "acknowledge[0] must be a string, not 12345"),
        ({"bindings": ["a"]}, "bindings"),
    ],
)
def test_what_is_no_name_is_refused_before_any_call(
    options: dict[str, Any], text: str, account: Service, run_module: RunModule, bindings_path: Path
) -> None:
    refused = run_module("smtp_bindings", bindings_path=str(bindings_path), **options)
    assert refused.failed and text in refused.msg
    assert made(account) == {}


def test_who_is_begun_may_not_be_bound_in_another_spelling(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, intents={"caf\u00e9": BEGUN})
    refused = run_module("smtp_bindings", bindings_path=str(bindings_path), bindings={"cafe\u0301": "smtp1"})
    assert refused.failed and "looks the same" in refused.msg


def test_who_has_nothing_to_write_needs_no_folder_to_write_to(
    account: Service, run_module: RunModule, bindings_path: Path, read_only: Callable[[Path], None]
) -> None:
    read_only(bindings_path.parent)
    options = {"bindings_path": str(bindings_path)}
    assert run_module("smtp_bindings", bindings={"billing": "smtp1"}, unbind=["nobody"], **options)["changed"] is False
    gone = {"alias": "x", "smtp_user_name": "smtp404", "state": "absent"}
    assert run_module("smtp_user", **gone, **options)["changed"] is False
    assert run_module("smtp_users", users=[gone], **options)["changed"] is False
    made(account)
    # Who has something to write is told before a call that writes.
    for module, asked in (
        ("smtp_bindings", {"bindings": {"ops": "smtp3"}}),
        ("smtp_user", {"alias": "x", "smtp_user_name": "smtp3", "state": "absent"}),
        (
            "smtp_users",
            {"users": [{"alias": "x", "total_limit": 1, "hourly_limit": 1}, {"smtp_user_name": "smtp2", "total_limit": 7}]},
        ),
    ):
        refused = run_module(module, **asked, **options)
        assert refused.failed and "bindings_path cannot be written" in refused.msg
    assert made(account) == {"listSmtp": 3}


def test_who_was_unbound_is_what_no_open_creation_has_made(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    for name in ("smtp1", "smtp2"):
        service.create_user(OWNER, 5, 5, smtp_user_name=name)
    write_bindings(bindings_path, server.base_url, aliases={"a": "smtp1"}, intents={"x": {**BEGUN, "smtp_user_names": []}})
    done = run_module("smtp_bindings", bindings_path=str(bindings_path), unbind=["a"])
    assert done["begun"]["x"]["smtp_user_names"] == ["smtp2"]
    assert run_module("smtp_bindings", bindings_path=str(bindings_path))["begun"] == done["begun"]


def test_a_file_that_is_not_there_yet_is_made_by_the_first_word(
    service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    assert run_module("smtp_bindings", bindings_path=str(bindings_path))["unclaimed"] == ["smtp1"]
    assert not bindings_path.exists()
    assert run_module("smtp_bindings", bindings_path=str(bindings_path), bindings={"billing": "smtp1"})["unclaimed"] == []
    assert run_module("smtp_user", alias="billing", bindings_path=str(bindings_path))["changed"] is False
