# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document of the bindings by itself: what of it is read, what makes no sense, and how that is told."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._document import (
    begin,
    load,
    load_any,
    parse_account,
    render,
    section_of,
)
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Intent, Standby
from ansible_collections.sendclean.email.plugins.module_utils._stores import Store
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import BASE, OWNER

NOW = datetime.datetime(2026, 1, 31, 12, 0, 0, tzinfo=datetime.timezone.utc)
TIME = "2026-01-31T12:00:00Z"


class Shelf(Store):
    """A store that is only named."""

    option, place, mend = "an_option", "/the/place", "Mend it"


STORE = Shelf()
WHOLE: dict[str, Any] = {
    "aliases": {"billing": "smtp1"},
    "intents": {"shop": {"total_limit": 5, "hourly_limit": "1", "smtp_user_names": ["smtp2", "smtp1"], "time": TIME}},
    "known": ["smtp9"],
    "password_times": {"smtp1": TIME},
    "standbys": {
        "billing": {"smtp_user_name": "smtp3", "retires_at": TIME},
        "shop": {"smtp_user_name": "smtp4", "staged": True},
        "news": {"smtp_user_name": "smtp5", "retires_at": None, "staged": 1},
    },
    "delivered": {"billing": None, "shop": "smtp4"},
}
ENTRY = 'an entry under "intents", "password_times", "standbys" or "delivered" makes no sense'
INTENT = WHOLE["intents"]["shop"]


def test_all_that_is_recorded_of_an_account_is_read() -> None:
    assert parse_account({}, STORE) == Bindings()
    assert parse_account(WHOLE, STORE) == Bindings(
        aliases={"billing": "smtp1"},
        intents={"shop": Intent(5, 1, frozenset({"smtp1", "smtp2"}), NOW)},
        known=frozenset({"smtp9"}),
        password_times={"smtp1": NOW},
        standbys={
            "billing": Standby("smtp3", NOW, False),
            "shop": Standby("smtp4", None, True),
            "news": Standby("smtp5", None, False),
        },
        delivered={"billing": None, "shop": "smtp4"},
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        *(
            ({name: []}, f'its "{name}" is no object')
            for name in ("aliases", "intents", "password_times", "standbys", "delivered")
        ),
        ({"known": {}}, 'its "known" is no list'),
        ({"known": ["smtp1", 5]}, 'an entry under "known" is no name'),
        ({"aliases": {"billing": ""}}, 'alias "billing" is bound to no name'),
        ({"aliases": {"billing": 5}}, 'alias "billing" is bound to no name'),
        ({"aliases": {"billing": "smtp1", "shop": "smtp1"}}, 'smtp1 is bound to two aliases, "billing" and "shop"'),
        (
            {"standbys": {"news": {"smtp_user_name": "smtp1"}}},
            'smtp1 is the standby of "news", and belongs to "billing", too',
        ),
        (
            {"standbys": {"shop": {"smtp_user_name": "smtp3"}, "news": {"smtp_user_name": "smtp3"}}},
            'smtp3 is the standby of "news", and belongs to "shop", too',
        ),
        ({"standbys": {"news": "smtp3"}}, ENTRY),
        ({"standbys": {"news": {"smtp_user_name": ""}}}, ENTRY),
        ({"standbys": {"news": {"smtp_user_name": "smtp3", "retires_at": "soon"}}}, ENTRY),
        ({"password_times": {"smtp1": 5}}, ENTRY),
        ({"delivered": {"billing": ""}}, ENTRY),
        ({"delivered": {"billing": 5}}, ENTRY),
        ({"intents": {"shop": []}}, ENTRY),
        ({"intents": {"shop": {**INTENT, "smtp_user_names": "smtp1"}}}, ENTRY),
        ({"intents": {"shop": {**INTENT, "smtp_user_names": [1]}}}, ENTRY),
        ({"intents": {"shop": {**INTENT, "time": None}}}, ENTRY),
        ({"intents": {"shop": {**INTENT, "total_limit": "many"}}}, ENTRY),
        ({"intents": {"shop": {"total_limit": 5, "smtp_user_names": []}}}, ENTRY),
    ],
)
def test_what_makes_no_sense_is_told(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(BindingsError) as caught:
        parse_account({**WHOLE, **change}, STORE)
    assert str(caught.value) == f"an_option is malformed: /the/place: {problem}. Mend it."


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff", "it is not UTF-8 text"),
        (b"[]", "it is not a JSON object"),
        (b"{}", 'it has no "version"'),
        (b'{"version": true}', 'it has no "version"'),
        (b'{"version": "1"}', 'it has no "version"'),
        (b'{"version": 0}', 'it has no "version"'),
        (b'{"version": 1}', 'its "accounts" is not an object of objects'),
        (b'{"version": 2, "accounts": []}', 'its "accounts" is not an object of objects'),
        (b'{"version": 1000000, "accounts": {"a": []}}', 'its "accounts" is not an object of objects'),
        (b'{"a": 1, "version": 1, "version": 1}', 'it is not JSON: "version" stands twice in one object'),
    ],
)
def test_a_document_that_makes_no_sense_is_told(content: bytes, problem: str) -> None:
    for read in (load, load_any):
        with pytest.raises(BindingsError) as caught:
            read(content, STORE)
        assert str(caught.value) == f"an_option is malformed: /the/place: {problem}. Mend it."


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (
            {"version": 1000000, "moved_to": "/b", "accounts": {}},
            "an_option has moved to /b: /the/place. Give that as bindings_url or bindings_path",
        ),
        (
            {"version": 1000000, "moving_from": "/b", "accounts": {}},
            "an_option is being filled from /b: /the/place. Run the playbook sendclean.email.move_bindings once more, which ends "
            "it",
        ),
        (
            {"version": 3, "accounts": "of another kind"},
            "an_option was written by a newer sendclean.email: /the/place has version 3, this one knows version 2. Upgrade the "
            "collection; what is there is left as it is.",
        ),
    ],
)
def test_a_document_that_must_not_be_worked_with_is_told(document: dict[str, Any], told: str) -> None:
    content = json.dumps(document).encode()
    assert load_any(content, STORE) == document
    with pytest.raises(BindingsError) as caught:
        load(content, STORE)
    assert str(caught.value) == told


def test_a_document_is_written_as_json_has_it_with_sorted_keys() -> None:
    assert load(None, STORE) == {"version": 1, "accounts": {}}
    document = {"version": 2, "accounts": {BASE: {OWNER: {**WHOLE, "later": [[], [{"é": 1.5}], None]}}}, "empty": {}}
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert render(document, STORE) == text.encode()
    assert load(text.encode(), STORE) == document
    with pytest.raises(BindingsError, match="it holds half of a surrogate pair, which no text may"):
        render({"a": "\ud800"}, STORE)


def test_a_section_is_there_to_be_changed() -> None:
    document = load(None, STORE)
    section = section_of(document, (BASE, OWNER), STORE)
    section["intents"] = {}
    begin(section, "shop", Intent(5, 1, frozenset({"smtp2", "smtp1"}), NOW))
    begin(section, "news", Intent(5, 1, frozenset()))
    written = {"total_limit": 5, "hourly_limit": 1, "smtp_user_names": ["smtp1", "smtp2"]}
    assert document["accounts"][BASE][OWNER]["intents"] == {
        "shop": {**written, "time": TIME},
        "news": {**written, "smtp_user_names": []},
    }
    with pytest.raises(BindingsError) as caught:
        section_of({"accounts": {BASE: {OWNER: []}}}, (BASE, OWNER), STORE)
    assert str(caught.value) == f'an_option is malformed: /the/place: "{OWNER}" is not an object. Mend it.'
