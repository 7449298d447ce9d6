# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a text stands in a comment, character by character; what it then does nowhere is seen in the tests of reports."""

from __future__ import annotations

import pytest
from ansible_collections.sendclean.email.plugins.plugin_utils._shown import (
    cell,
    code,
    fitted,
    lines,
    plain,
    table,
    table_row,
    visible,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("`a", "`` `a ``"),
        ("a``", "``` a`` ```"),
        ("a``b`c", "```a``b`c```"),
        (" a", "`  a `"),
        ("a ", "` a  `"),
        ("a\nb\u202e", "`a\\nb\\u202e`"),
        ("a" * 200, f"`{'a' * 200}`"),
        ("a" * 201, f"`{'a' * 199}…`"),
        ("a|b", "`a|b`"),
    ],
)
def test_a_text_as_code(text: str, shown: str) -> None:
    assert code(text) == shown


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("a|b", "`a\\|b`", "`a\\|b`"),
        ("a\\|b", "`a\\u005c\\|b`", "`a\\u005c\\|b`"),
        ("\na\nb\n", "`\\na\\nb\\n`", "`a; b`"),
        ("\n", "`\\n`", "`\\n`"),
        ("a" * 1001, f"`{'a' * 199}…`", f"`{'a' * 999}…`"),
    ],
)
def test_a_text_in_a_table(text: str, name: str, message: str) -> None:
    assert (cell(text), lines(text)) == (name, message)
    assert plain("a\tb\n") == "a\\tb\\n"


def test_a_table() -> None:
    assert table("User", "Call") == "| User | Call |\n| --- | --- |\n"
    assert table_row("a", None, 0, "") == "| a | – | 0 |  |\n"
    assert fitted([("# a\n", []), (table("b"), ["| c |\n"])]) == "# a\n\n| b |\n| --- |\n| c |\n"


def test_a_value_on_a_page() -> None:
    value = {"<": ["&", ("\u202e",), 5, None]}
    assert visible(value) == {"&lt;": ["&amp;", ["\\u202e"], 5, None]}
