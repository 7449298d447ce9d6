# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The overview of all accounts: what a row says, which comes first, and that names do nothing in any of its kinds."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pytest
from ansible_collections.sendclean.email.plugins.plugin_utils._overview import days, minutes, overview, row_of, rows
from ansible_collections.sendclean.email.plugins.plugin_utils._shown import cell, code, fitted, lines, table, table_row, visible
from ansible_collections.sendclean.email.plugins.plugin_utils._shown import plain as plain_text
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.pages import (
    ACTIONS,
    MARKDOWN,
    TEXTS,
    Page,
    unseen,
    validate,
)
from hypothesis import example, given
from hypothesis import strategies as st

SEEN = "Zoë, 株式会社 🎉"


def result(dry: bool = True, ages: tuple[float | None, ...] = (), **counts: int) -> dict[str, Any]:
    """A result of sendclean.email.smtp_users with so many users of each action."""
    summary = {**dict.fromkeys(ACTIONS, 0), **counts, **({"estimated_calls": 3, "estimated_minutes": 0.05} if dry else {})}
    users = [{"status": "Enable", "password_age_days": age} for age in ages]
    return {"changed": any(counts.values()), "smtp_users": users, "summary": summary, "unclaimed": ["smtp9"]}


LOST = {"failed": True, "msg": "SendClean cannot be reached", "error": {"name": "TransportError"}}


def test_a_row_counts_what_a_run_does() -> None:
    found = result(ages=(12.5, None, 400.25), created=1, adopted=2, updated=3, disabled=4)
    assert row_of("production", {**found, "plan_checksum": "c0ffee"}, True, page="/srv/p.html") == {
        "account": "production",
        "state": "to_change",
        "why": None,
        "users": 3,
        "failed_users": 0,
        "created": 1,
        "changed": 5,
        "disabled": 4,
        "unclaimed": 1,
        "oldest_password_days": 400.25,
        "estimated_minutes": 0.05,
        "plan_checksum": "c0ffee",
        "page": "/srv/p.html",
    }


@pytest.mark.parametrize(
    ("found", "dry", "kept", "state", "why"),
    [
        (result(unchanged=0), True, None, "in_order", None),
        (result(updated=1), True, None, "to_change", None),
        (result(False, updated=1), False, None, "changed", None),
        ({**result(False, failed=1), "failed": True, "msg": "1 of 1 users failed"}, False, None, "failed", "1 of 1 users failed"),
        ({"failed": True, "msg": ["a", "b"]}, True, None, "failed", "a\nb"),
        (LOST, True, None, "unreachable", LOST["msg"]),
        # Some users were reached.
        ({**result(False, failed=1), **LOST}, False, None, "failed", LOST["msg"]),
        ({"unreachable": True, "msg": "gone"}, True, None, "unreachable", "gone"),
        ({"failed": True}, True, None, "failed", "It failed without a message: see the output of the run"),
        (result(False, updated=1), False, {"failed": True, "msg": "vault"}, "failed", "vault"),
        (result(False, updated=1), False, {"changed": True}, "changed", None),
    ],
)
def test_the_state_of_an_account(
    found: Mapping[str, Any], dry: bool, kept: Mapping[str, Any] | None, state: str, why: str | None
) -> None:
    row = row_of("a", found, dry, kept)
    assert (row["state"], row["why"]) == (state, why)


def test_the_age_is_that_of_the_oldest_who_can_send() -> None:
    found = result(ages=(1.0, None))
    found["smtp_users"].append({"status": "Disable", "password_age_days": 99.0})
    assert row_of("a", found, True)["oldest_password_days"] == 1.0
    assert row_of("a", result(ages=(None,)), True)["oldest_password_days"] is None
    assert row_of("a", result(ages=(-0.5,)), True)["oldest_password_days"] == 0.0
    found["smtp_users"] = [{"status": "Enable"}]
    assert row_of("a", found, True)["oldest_password_days"] is None


def test_the_worst_comes_first_and_nobody_is_left_out() -> None:
    known = {
        "a": row_of("a", result(), True),
        "b": row_of("b", result(updated=1), True),
        "c": row_of("c", result(updated=2), True),
        "d": row_of("d", LOST, True),
        "e": row_of("e", {"failed": True, "msg": "refused"}, True),
        "f": row_of("f", result(disabled=1), True),
        "other": row_of("other", result(), True),
    }
    found = rows(["g", "f", "e", "d", "c", "b", "a"], known)
    assert [row["account"] for row in found] == ["e", "d", "g", "f", "c", "b", "a"]
    assert found[2]["state"] == "unreachable" and found[2]["why"].startswith("The run did not get to this account")
    assert {frozenset(row) for row in found} == {frozenset(known["a"])}


def test_numbers_for_people() -> None:
    assert [days(age) for age in (None, 0.99, 1.5, 400.0)] == [None, "0 days", "1 day", "400 days"]
    assert [minutes(time) for time in (None, 0.0, 0.99, 1, 1.01)] == [None, "less than 1", "less than 1", "about 1", "about 2"]


# ---- the kinds -------------------------------------------------------------------------------------------------------


def account_with(text: str) -> list[dict[str, Any]]:
    """A text wherever one of others can stand."""
    failed = {"failed": True, "msg": text, "plan_checksum": text}
    page = f"/srv/pages/{text.encode('utf-8', 'replace').decode()}.html"
    known = {text: row_of(text, failed, True, page=page.replace("\0", ""))}
    # No two hosts have one name.
    return rows([text, "another" if text == "other" else "other"], known)


@pytest.mark.parametrize("kind", ["html", "md"])
@given(text=TEXTS)
@example(text="javascript:alert(1)")
@example(text="\ufffc")
@example(text="other")
@example(text=SEEN)
def test_a_name_does_nothing_but_being_shown(kind: str, text: str) -> None:
    shown = overview(f"/srv/overview.{kind}", account_with(text), True, limit=text)
    plain = overview(f"/srv/overview.{kind}", account_with("plain"), True, limit="plain")
    page, other = (Page(source if kind == "html" else MARKDOWN.render(source)) for source in (shown, plain))

    def shape(page: Page) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in page.tags if (tag, attributes) != ("span", {"class": "why"})]

    assert shape(page) == shape(other)
    assert not unseen(shown), "also in the source of the page"
    (link,) = page.links
    assert link.startswith("pages/") and ":" not in link and link.isascii()
    assert plain_text(SEEN) == SEEN
    if plain_text(text) == text and "/" not in text and "\\|" not in text and len(text) <= 200:
        assert any(row.strip() == text.strip() for row in page.cells), "as it is"
        assert unquote(link) == f"pages/{text}.html"


@given(TEXTS, st.integers(0, 3))
def test_json_holds_what_it_is_given(text: str, changes: int) -> None:
    found = [*account_with(text), row_of("b", result(updated=changes), True)]
    shown = overview("/srv/overview.JSON", found, True)
    assert shown.isascii()
    whole = validate(shown, "overview")
    assert [row["account"] for row in whole["accounts"]] == [row["account"] for row in found]
    assert {**whole, "accounts": ...} == {
        "sendclean_overview": 1,
        "check_mode": True,
        "limit": None,
        "summary": {
            "failed": 1,
            "unreachable": 1,
            "to_change": int(changes > 0),
            "changed": 0,
            "in_order": int(changes == 0),
        },
        "accounts": ...,
    }


@given(TEXTS)
def test_a_text_in_markdown_is_code_and_nothing_else(text: str) -> None:
    """The code of a cell, of a line, and of a message is one element each, with the text as it can be seen."""
    seen = html.unescape(visible(text)).replace("\n", "\\n").replace("\t", "\\t")
    in_line = MARKDOWN.renderInline(f"x {code(text)} y")
    assert re.fullmatch(r"x <code>[^<>]*</code> y", in_line)
    if len(seen) <= 200:
        assert html.unescape(in_line[8:-9]).strip() == seen.strip()
    rendered = Page(MARKDOWN.render(table("a", "b", "c") + table_row(cell(text), lines(f"x{text}"), "end")))
    assert [tag for tag, _attributes in rendered.tags if tag == "code"] == ["code", "code"]
    assert rendered.cells[-1].strip() == "end" and len(rendered.cells) == 6


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5), st.integers(1, 400))
def test_a_text_for_a_comment_is_not_too_long(names: list[tuple[str, str]], times: int) -> None:
    body = [table_row(cell(name * 50), lines(text * 50)) for name, text in names] * times
    text = fitted([("# Head\n", []), (table("a", "b"), body), (table("c", "d"), body)])
    assert len(text) <= 60_000
    missing = [int(number) for number in re.findall(r"^and (\d+) more$", text, re.MULTILINE)]
    assert text.count("\n| `") + text.count("\n|  |") + sum(missing) >= len(body) * 2 if names else not missing
    if sum(map(len, body)) * 2 < 59_000:
        assert not missing, "what fits is there"


def test_what_does_not_fit_is_counted() -> None:
    known = {str(number): row_of(str(number), {"failed": True, "msg": "x" * 5_000}, True) for number in range(200)}
    shown = overview("/srv/o.md", rows(known, known), True)
    (rest,) = re.findall(r"^and (\d+) more$", shown, re.MULTILINE)
    assert len(shown) <= 60_000 and shown.count("…") == 200 - int(rest) > 50
    assert "200 accounts: 200 failed." in shown


def test_a_page_in_another_folder_is_linked_relatively() -> None:
    known = {"a": row_of("a", result(), True, page="/srv/pages/a b.md"), "b": row_of("b", result(), True)}
    for kind in ("html", "md"):
        shown = overview(f"/srv/all/overview.{kind}", rows(known, known), True)
        assert "../pages/a%20b.md" in shown and "/srv" not in shown
    assert json.loads(overview("/srv/all/o.json", rows(known, known), True))["accounts"][0]["page"] == "../pages/a b.md"


def test_an_overview_as_a_whole() -> None:
    found = {**result(updated=1, ages=(400.0,)), "plan_checksum": "c0ffee"}
    known = {"a": row_of("a", found, True, page="/srv/a b.html"), "b": row_of("b", LOST, True)}
    known["a"] |= {"estimated_minutes": 2.5, "unclaimed": 4}
    told = rows(["a", "b", "c"], known)
    unreached = "The run did not get to this account, or stopped before its users were looked at: see its output"
    assert (
        overview("/srv/all.md", told, True, "a:b")
        == f"""# Plan for all accounts

3 accounts: 2 not reached, 1 to change.

| Run | Hosts |
| --- | --- |
| Limited to | `a:b` |

| Account | State | Created | Changed | Disabled | Unclaimed | Oldest password | Minutes | Checksum | Why |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| `b` | not reached | – | – | – | – | – | – | – | `SendClean cannot be reached` |
| `c` | not reached | – | – | – | – | – | – | – | `{unreached}` |
| [`a`](a%20b.html) | to change | 0 | 1 | 0 | 4 | 400 days | about 3 | `c0ffee` | – |
"""
    )
    whole = {
        "sendclean_overview": 1,
        "check_mode": True,
        "limit": "a:b",
        "summary": {"failed": 0, "unreachable": 2, "to_change": 1, "changed": 0, "in_order": 0},
        "accounts": [{**row, "page": "a b.html" if row["page"] else None} for row in told],
    }
    # One after the other they can be compared line by line.
    assert overview("/srv/all.json", told, True, "a:b") == json.dumps(whole, indent=2, sort_keys=True) + "\n"
