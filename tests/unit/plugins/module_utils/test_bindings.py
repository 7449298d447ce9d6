# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bindings file: what it keeps, and what in it makes no sense."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError, OptionError
from ansible_collections.sendclean.email.plugins.module_utils._model import Intent
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import BASE, OWNER, bind, record_of
from hypothesis import strategies as st

MOMENT = datetime.datetime(2026, 1, 31, 12, 0, 0, tzinfo=datetime.timezone.utc)
INTENT = Intent(100, 10, frozenset({"smtp2", "smtp1"}))


CHANGES: dict[str, Callable[[Record], None]] = {
    "bind": lambda file: file.bind("billing", "smtp1", MOMENT),
    "record_intent": lambda file: file.record_intent("shop", INTENT),
    "rename": lambda file: file.rename("news", "news"),
    "rebind": lambda file: file.rebind({"billing": "smtp1"}, ["shop"], ["smtp2"]),
    "drop_intent": lambda file: file.drop_intent("shop"),
    "record_password_time": lambda file: file.record_password_time("smtp1", MOMENT),
}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


def test_who_becomes_the_user_is_no_standby_any_more(file: Record) -> None:
    with file.lock():
        file.bind("billing", "smtp1")
        file.stage("billing", "smtp2", MOMENT)
        file.stage("shop", "smtp3", MOMENT)
        file.bind("billing", "smtp2")
    assert [*file.read().standbys] == ["shop"]


def test_what_is_unbound_is_forgotten_and_nothing_else(file: Record) -> None:
    with file.lock():
        for alias, name in (("billing", "smtp1"), ("shop", "smtp3")):
            file.bind(alias, name)
            file.stage(alias, f"{name}b", MOMENT)
            file.record_intent(alias, INTENT)
        file.rebind({}, [], ["smtp8"], {"billing": "smtp1", "shop": None})
        file.rebind({"news": "smtp8"}, ["billing", "nobody"], ["smtp9"])
    found = file.read()
    assert (found.aliases, found.delivered, found.known) == ({"shop": "smtp3", "news": "smtp8"}, {"shop": None}, {"smtp9"})
    assert ([*found.standbys], [*found.intents]) == (["shop"], ["shop"])
    # They were there before, and are nobody that the open creation has made.
    assert found.intents["shop"].smtp_user_names == {"smtp1", "smtp2", "smtp1b"}


def test_no_file_is_an_empty_file(file: Record, bindings_path: Path) -> None:
    bindings = file.read()
    assert (bindings.aliases, bindings.intents, bindings.password_times) == ({}, {}, {})
    assert not bindings_path.exists()


def test_what_was_written_is_read_again(file: Record) -> None:
    with file.lock():
        file.record_intent("shop", INTENT)
        file.record_intent("billing", INTENT)
        file.bind("billing", "smtp7", MOMENT)
        file.bind("news", "smtp8")
        file.record_password_time("smtp9", MOMENT)
    bindings = file.read()
    assert bindings.aliases == {"billing": "smtp7", "news": "smtp8"}
    assert bindings.intents == {"shop": INTENT}
    assert bindings.password_times == {"smtp7": MOMENT, "smtp9": MOMENT}
    assert bindings.alias_of("smtp8") == "news"
    with file.lock():
        file.drop_intent("shop")
        file.drop_intent("never begun")
    assert file.read().intents == {}


# All that a file can hold, also what no option takes any more: it may stand there from before, or by hand.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
AWKWARD = ["\x85", "\x92", "\x7f", "\0", "\ufeff", "\u2028", "\uffff", "\U0010ffff", "{{ x }}", '"\\', "null", "1e3"]
awkward = st.sampled_from(AWKWARD)


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=60)
@hypothesis.given(aliases=st.dictionaries(texts | awkward, texts | awkward, min_size=1, max_size=5), begun=texts | awkward)
def test_any_text_is_read_again_as_it_was(aliases: dict[str, str], begun: str, bindings_path: Path) -> None:
    hypothesis.assume(begun not in aliases and len(set(aliases.values())) == len(aliases))
    bindings_path.unlink(missing_ok=True)
    file = record_of(str(bindings_path), BASE, OWNER)
    with file.lock():
        file.record_intent(begun, Intent(100, 10, frozenset(aliases.values())))
        for alias, name in aliases.items():
            file.bind(alias, name, MOMENT)
    bindings = file.read()
    assert bindings.aliases == aliases
    assert bindings.intents[begun].smtp_user_names == set(aliases.values())
    assert bindings.password_times == dict.fromkeys(aliases.values(), MOMENT)


def test_the_text_is_sorted_indented_utf8_and_ends_with_a_newline(file: Record, bindings_path: Path) -> None:
    for alias, name in (("zoo", "smtp1"), ("Ärger", "smtp2"), ("alpha", "smtp3")):
        bind(file, alias, name)
    with file.lock():
        file.record_intent("shop", INTENT)
        file.rebind({}, [], ["smtp4"])
    text = bindings_path.read_text(encoding="utf-8")
    document = json.loads(text)
    assert text == json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert '"Ärger": "smtp2"' in text
    assert document == {
        "version": 1,
        "accounts": {
            BASE: {
                OWNER: {
                    "aliases": {"zoo": "smtp1", "Ärger": "smtp2", "alpha": "smtp3"},
                    "intents": {"shop": {"total_limit": 100, "hourly_limit": 10, "smtp_user_names": ["smtp1", "smtp2"]}},
                    "known": ["smtp4"],
                }
            }
        },
    }


@every_change
def test_what_is_not_understood_or_of_others_is_kept(change: Callable[[Record], None], file: Record, bindings_path: Path) -> None:
    strange: dict[str, Any] = {
        "version": 1,
        "comment": "kept",
        "accounts": {
            BASE: {
                OWNER: {"aliases": {"news": "smtp5"}, "notes": {"smtp5": ["kept"]}},
                "99999": {"aliases": {"billing": "smtp6"}, "more": 1},
            },
            "https://other.example/v1.0": {OWNER: {"aliases": {"billing": "smtp7"}}, "x": {}},
        },
    }
    bindings_path.write_text(json.dumps(strange))
    with file.lock():
        change(file)
    document = json.loads(bindings_path.read_text())
    section = document["accounts"][BASE].pop(OWNER)
    assert section["aliases"]["news"] == "smtp5"
    assert section["notes"] == {"smtp5": ["kept"]}
    strange["accounts"][BASE].pop(OWNER)
    assert document == strange


@pytest.mark.parametrize(("alias", "name"), [("shop", "smtp1"), ("half \ud800", "smtp2"), ("shop", "")])
def test_a_change_that_would_make_no_sense_is_not_written(alias: str, name: str, file: Record, bindings_path: Path) -> None:
    bind(file, "billing", "smtp1")
    before = bindings_path.read_bytes()
    with pytest.raises(BindingsError, match="bindings_path"):
        bind(file, alias, name)
    assert bindings_path.read_bytes() == before
    assert {path.name for path in bindings_path.parent.iterdir() if path.suffix != ".lock"} == {"bindings.json"}


def test_other_accounts_do_not_wait_and_the_file_loses_nothing(bindings_path: Path) -> None:
    """Each one's lock is held for long, that of the file only around a change."""
    files = [record_of(str(bindings_path), base, owner) for base, owner in ((BASE, OWNER), (BASE, "2"), (f"{BASE}/x", OWNER))]
    with files[0].lock(), files[1].lock(), files[2].lock():
        for alias in ("billing", "shop"):
            for number, file in enumerate(files):
                file.bind(alias, f"{alias}{number}")
    assert [file.read().aliases for file in files] == [
        {"billing": f"billing{number}", "shop": f"shop{number}"} for number in range(3)
    ]
    assert files[0].read().elsewhere == (f"{BASE}/x",)


def test_a_rename_moves_the_user_or_the_begun_creation(file: Record) -> None:
    with file.lock():
        file.bind("billing", "smtp1", next_one=("shop", INTENT))
        file.rename("billing", "invoices")
        file.rename("shop", "store")
        file.rename("nobody", "somebody")
    assert (file.read().aliases, file.read().intents) == ({"invoices": "smtp1"}, {"store": INTENT})


def test_who_is_unbound_by_hand_is_nobody_s_lost_creation(file: Record) -> None:
    with file.lock():
        file.bind("billing", "smtp1", next_one=("shop", Intent(1, 1, frozenset())))
        file.rebind({"news": "smtp2"}, ["billing", "nobody"], ["smtp3", "smtp2"])
    bindings = file.read()
    assert bindings.aliases == {"news": "smtp2"}
    assert bindings.intents["shop"].smtp_user_names == {"smtp1"}
    assert bindings.known == {"smtp3"}, "somebody else's until bound"


def test_the_place_of_an_alias_is_told(file: Record, bindings_path: Path) -> None:
    assert all(part in file.read().place for part in (BASE, OWNER, "aliases", str(bindings_path)))


def test_the_folder_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"bindings_path .*{tmp_path}/no"):
        record_of(str(tmp_path / "no" / "bindings.json"), BASE, OWNER)
    assert list(tmp_path.iterdir()) == []


# ---- what makes no sense ---------------------------------------------------------------------------------------


def in_account(**section: Any) -> str:
    """A bindings file with this account's section."""
    return json.dumps({"version": 1, "accounts": {BASE: {OWNER: section}}})


WRITTEN = {"total_limit": 1, "hourly_limit": 1, "smtp_user_names": []}
CONTENTS: dict[str, str | bytes] = {
    "empty": "",
    "blank": "\n",
    "not JSON": "billing: smtp1\n",
    "half": in_account(aliases={"billing": "smtp1"})[:-3],
    "two documents": "{}{}",
    "conflict markers": '{\n<<<<<<< HEAD\n "version": 1,\n=======\n "version": 1,\n>>>>>>> other\n "accounts": {}\n}\n',
    "the same key twice": in_account(aliases={"billing": "smtp1", "Billing": "smtp2"}).replace("Billing", "billing"),
    "not UTF-8": b'{"version": 1, "accounts": {}, "caf\xe9": 1}',
    "UTF-16": '{"version": 1, "accounts": {}}'.encode("utf-16"),
    "deeply nested": "[" * 100_000,
    "a list": "[]",
    "null": "null",
    "a number": "1",
    "a string": '"bindings"',
    "an empty object": "{}",
    "no version": '{"accounts": {}}',
    "a version that is no number": '{"version": "1", "accounts": {}}',
    "version true": '{"version": true, "accounts": {}}',
    "version 0": '{"version": 0, "accounts": {}}',
    "no accounts": '{"version": 1}',
    "accounts is a list": '{"version": 1, "accounts": []}',
    "accounts of a list": json.dumps({"version": 1, "accounts": {BASE: []}}),
    "account is a list": json.dumps({"version": 1, "accounts": {BASE: {OWNER: []}}}),
    "account is null": json.dumps({"version": 1, "accounts": {BASE: {OWNER: None}}}),
    "aliases is a list": in_account(aliases=["smtp1"]),
    "aliases is null": in_account(aliases=None),
    "alias without a name": in_account(aliases={"billing": None}),
    "alias with an empty name": in_account(aliases={"billing": ""}),
    "alias of a number": in_account(aliases={"billing": 1}),
    "alias of an object": in_account(aliases={"billing": {"smtp_user_name": "smtp1"}}),
    "two aliases of one user": in_account(aliases={"billing": "smtp1", "shop": "smtp1"}),
    "intents is a list": in_account(intents=[]),
    "intent is null": in_account(intents={"billing": None}),
    "intent is a string": in_account(intents={"billing": "smtp1"}),
    "intent without names": in_account(intents={"billing": {"total_limit": 1, "hourly_limit": 1}}),
    "intent without a limit": in_account(intents={"billing": {"total_limit": 1, "smtp_user_names": []}}),
    "intent with null as limit": in_account(intents={"billing": {**WRITTEN, "total_limit": None}}),
    "intent with a word as limit": in_account(intents={"billing": {**WRITTEN, "total_limit": "many"}}),
    "intent with a huge limit": in_account(intents={"billing": {**WRITTEN, "total_limit": 0.5}}).replace("0.5", "1e999"),
    "intent with names as text": in_account(intents={"billing": {**WRITTEN, "smtp_user_names": "smtp1"}}),
    "intent with a number as name": in_account(intents={"billing": {**WRITTEN, "smtp_user_names": [1]}}),
    "intent with a word as time": in_account(intents={"billing": {**WRITTEN, "time": "yesterday"}}),
    "known is an object": in_account(known={"smtp1": True}),
    "known is null": in_account(known=None),
    "known is a number": in_account(known=[1]),
    "password_times is a list": in_account(password_times=[]),
    "password time is a number": in_account(password_times={"smtp1": 1700000000}),
    "password time is a word": in_account(password_times={"smtp1": "yesterday"}),
    "password time is null": in_account(password_times={"smtp1": None}),
    "standbys is a list": in_account(standbys=[]),
    "standby is null": in_account(standbys={"billing": None}),
    "standby of no name": in_account(standbys={"billing": {"smtp_user_name": ""}}),
    "standby of an object": in_account(standbys={"billing": {"smtp_user_name": {"smtp1": 1}}}),
    "standby of a list": in_account(standbys={"billing": {"smtp_user_name": ["smtp1"]}}),
    "one standby of two aliases": in_account(standbys={alias: {"smtp_user_name": "smtp1"} for alias in ("billing", "shop")}),
    "retirement of a number": in_account(standbys={"billing": {"smtp_user_name": "smtp1", "retires_at": 1}}),
    "delivered is a list": in_account(delivered=[]),
    "delivered of an object": in_account(delivered={"billing": {"smtp_user_name": "smtp1"}}),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_file_that_makes_no_sense_is_refused_by_name_and_left_as_it_is(
    content: str | bytes, file: Record, bindings_path: Path
) -> None:
    left = content.encode() if isinstance(content, str) else content
    bindings_path.write_bytes(left)
    with pytest.raises(BindingsError, match="bindings_path is malformed") as caught:
        file.read()
    assert str(bindings_path) in str(caught.value)
    assert bindings_path.read_bytes() == left


@pytest.mark.parametrize("version", [3, 17])
def test_a_file_of_a_newer_version_is_left_to_that_version(version: int, file: Record, bindings_path: Path) -> None:
    bindings_path.write_text(json.dumps({"version": version, "entries": []}))
    for use in (Record.read, bind):
        with pytest.raises(BindingsError, match="bindings_path was written by a newer"):
            use(file)
    assert json.loads(bindings_path.read_text()) == {"version": version, "entries": []}
