# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A text of anybody's in HTML, in Markdown or on a terminal: it is seen as it is, and does nothing. Pure functions."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

# What a page cannot hold, or what would be seen as something else: control and format characters such as marks of direction,
# what has no width, half pairs.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BLANK = re.compile("[\t\n]")
# Forges take a comment of 65,536 characters.
_MOST = 60_000
# The longest text in a cell: a name that is longer is nobody's.
_LONGEST_NAME, _LONGEST_TEXT = 200, 1_000
_ROOM_FOR_THE_REST = len("\nand 999999999 more\n")

# A heading with all that stands above the rows, and the rows, none of which has a line break.
Block = tuple[str, Sequence[str]]


def visible(value: Any) -> Any:
    """Return a value with its texts escaped for HTML; what cannot be seen in a page is shown by its number."""
    if isinstance(value, Mapping):
        return {visible(key): visible(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [visible(inner) for inner in value]
    if isinstance(value, str):
        return html.escape(_by_number(_UNSEEN, value))
    return value


def plain(text: str) -> str:
    """Return a text for a terminal, in one line."""
    return _by_number(_BLANK, _by_number(_UNSEEN, text))


def code(text: str, most: int = _LONGEST_NAME) -> str:
    """Return a text for Markdown outside of a table: as code, where forges look for no mention, link, reference or tag."""
    text = plain(text)
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    if not text:
        return ""
    # A fence is longer than what is in it, and a space beside it is no part of it.
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def cell(text: str) -> str:
    """Return a name for a cell of a table."""
    # A table ends its cells before it looks for code, and takes this one pair as a bar. A backslash before it would be ambiguous.
    return code(text).replace("\\|", "\\u005c|").replace("|", "\\|")


def lines(text: str) -> str:
    """Return a text of several lines, such as a message, for a cell of a table."""
    shown = code(text.strip("\n").replace("\n", "; ") or text, _LONGEST_TEXT)
    return shown.replace("\\|", "\\u005c|").replace("|", "\\|")


def table(*titles: str) -> str:
    """Return the head of a table."""
    return f"| {' | '.join(titles)} |\n|{' --- |' * len(titles)}\n"


def table_row(*cells: Any) -> str:
    """Return a row of a table. None is a dash."""
    return f"| {' | '.join('–' if text is None else str(text) for text in cells)} |\n"


def fitted(blocks: Sequence[Block]) -> str:
    """Return the text of all blocks with as many rows as fit into a comment, each cut one with how many more there are."""
    room = _MOST - sum(len(head) + 1 + _ROOM_FOR_THE_REST for head, _rows in blocks)
    shown = []
    for head, rows in blocks:
        fitting = 0
        for row in rows:
            if len(row) > room:
                break
            room -= len(row)
            fitting += 1
        rest = len(rows) - fitting
        shown.append(head + "".join(rows[:fitting]) + (f"\nand {rest} more\n" if rest else ""))
    return "\n".join(shown)


def _by_number(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda found: json.dumps(found[0])[1:-1], text)
