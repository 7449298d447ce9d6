# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role writes, the exported list and the page: whatever stands in a name, it is read again as the same text."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible_collections.sendclean.email.plugins.module_utils._errors import RefusedError
from ansible_collections.sendclean.email.plugins.plugin_utils._page import page_of
from ansible_collections.sendclean.email.plugins.plugin_utils._shown import visible
from ansible_collections.sendclean.email.plugins.plugin_utils._users_file import users_file
from hypothesis import example, given
from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
STRANGE = ["\x92", "\x7f", "\x85", "\u2028", "\ufeff", "\uffff", "\0", "\r\n", "😀", "{{ 1 }}", "{% a", "{#", "#jinja2: x", "yes"]


class Loader(yaml.SafeLoader):
    """PyYAML's own loader, with Ansible's tag for what is no template."""


class CLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # not every PyYAML has libyaml
    """That of libyaml, which Ansible uses where there is one."""


for loader in (Loader, CLoader):
    loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def user(alias: str | None, name: str, **fields: Any) -> dict[str, Any]:
    facts = {"alias": alias, "smtp_user_name": name, "status": "Enable", "total_limit": 5, "hourly_limit": 1}
    return {**facts, "standby_of": None, **fields}


def loaded(text: str) -> Any:
    """What each library reads; they agree."""
    (value, *others) = [yaml.load(text, loader) for loader in (Loader, CLoader)] + [DataLoader().load(text)]
    assert others == [value, value]
    return value["smtp_users_list"]


@given(TEXTS, TEXTS, TEXTS)
@example("a\nsmtp_users_list: []", "b", "c")
def test_what_is_exported_is_read_again_as_the_same_text(host: str, alias: str, name: str) -> None:
    text = users_file(host, [user(alias, name), user(None, alias)])
    limits = {"total_limit": 5, "hourly_limit": 1}
    assert loaded(text) == [{"alias": alias, "smtp_user_name": name, **limits}, {"smtp_user_name": alias, **limits}]
    assert text.encode("utf-8").decode("utf-8") == text
    assert len(re.split("[\n\r\x85\u2028\u2029]", text)) == 11, "nothing but the lines of the list"


def test_each_character_is_read_again() -> None:
    """One user for each 1,000 of them."""
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    names = ["".join(characters[start : start + 1000]) for start in range(0, len(characters), 1000)]
    text = users_file("host", [user(None, name) for name in names])
    assert [entry["smtp_user_name"] for entry in yaml.load(text, CLoader)["smtp_users_list"]] == names


def test_a_limit_or_a_status_that_is_none_is_left_out() -> None:
    text = users_file("host", [user("a", "b", status=None, total_limit=None, hourly_limit=0), user("c", "d", status="Disable")])
    assert "# Left out, since SendClean shows no status that is known: b" in text
    disabled = {"alias": "c", "smtp_user_name": "d", "state": "absent", "total_limit": 5, "hourly_limit": 1}
    assert loaded(text) == [disabled]
    limitless = user("a", "b", total_limit=None, hourly_limit=0)
    assert loaded(users_file("host", [limitless])) == [{"alias": "a", "smtp_user_name": "b"}]
    assert loaded(users_file("host", [user("a", "b", status=None)])) == []
    assert loaded(users_file("host", [])) == []


def test_who_takes_turns_with_another_user_is_no_entry() -> None:
    former = user(None, "s2", standby_of="a\nb: c")
    text = users_file("host", [user("a\nb: c", "s1"), former])
    assert "  # Left out, since it takes turns with the user of a\\nb: c: s2\n" in text
    assert [entry["smtp_user_name"] for entry in loaded(text)] == ["s1"]
    assert [entry["state"] for entry in loaded(users_file("host", [user("a", "s1", status="Disable")]))] == ["absent"]
    # As absent, the one who still works would be disabled with it.
    text = users_file("host", [user("a", "s1", status="Disable"), user(None, "s2", standby_of="a"), user(None, "s3")])
    assert "# Left out, since it is off, and s2, which takes turns with it, is not: s1" in text
    assert [entry["smtp_user_name"] for entry in loaded(text)] == ["s3"]
    off = user(None, "s2", standby_of="a", status="Disable")
    assert len(loaded(users_file("host", [user("a", "s1", status="Disable"), off]))) == 1
    assert loaded(users_file("host", [off])) == []


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"'a\\ud800' holds half of a surrogate pair"):
        users_file("host", [user("a\ud800", "b")])


@given(st.text())
def test_what_is_shown_is_escaped_and_can_be_seen(text: str) -> None:
    shown = visible({text: [text, 7, None]})
    ((key, (value, *others)),) = shown.items()
    assert key == value and others == [7, None]
    assert not re.search("[<>\"']|&(?!(amp|lt|gt|quot|#x27);)", value)
    value.encode("utf-8")
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ufffe\uffff]", value)
    if text.isascii() and text.isprintable():
        assert html.unescape(value) == text


@pytest.mark.parametrize("text", STRANGE)
def test_a_character_that_cannot_be_seen_is_shown_by_its_number(text: str) -> None:
    hidden = {"\x92": "\\u0092", "\x7f": "\\u007f", "\0": "\\u0000", "\ufeff": "\\ufeff", "\r\n": "\\r\n", "\x85": "\\u0085"}
    hidden |= {"\u2028": "\\u2028", "\uffff": "\\uffff"}
    assert visible(text) == hidden.get(text, text)


class Text(HTMLParser):
    """The text of a page."""

    text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXTS)
@example("</li><script>alert(1)</script>")
@example("{{ 6 * 7 }}{% for %}")
def test_a_page_says_what_it_is_given(text: str) -> None:
    page = page_of({"msg": [text]}, True, text, {"owner_id": text})
    reader = Text()
    reader.feed(page)
    reader.close()
    assert reader.text.count(html.unescape(visible(text))) >= 4, "title, heading, account, owner, and what is wrong"
    assert "Refused: nothing was changed." in reader.text
    assert "<script" not in page


def test_a_page_shows_who_is_asked_for_and_not_there() -> None:
    row = {
        "alias": None,
        "smtp_user_name": None,
        "status": None,
        "total_limit": None,
        "hourly_limit": None,
        "action": "unchanged",
    }
    counts = dict.fromkeys(("failed", "created", "adopted", "renamed", "disabled", "enabled", "updated"), 0)
    result = {"smtp_users": [row, {**row, "alias": "a"}], "summary": {**counts, "unchanged": 2}, "operations": [], "diff": []}
    page = page_of(result, True, "host", {"owner_id": "", "list": [{"smtp_user_name": "<smtp404>"}, {"alias": "a"}]})
    assert "<code>&lt;smtp404&gt;</code>" in page
    # By what the tasks did: this result is none of a dry run.
    assert "Result for host" in page
