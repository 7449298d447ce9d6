# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read in a report: of HTML and Markdown tags and text, of JSON what the documented schema says."""

from __future__ import annotations

import json
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import strategies as st
from markdown_it import MarkdownIt

ACTIONS = ("failed", "created", "adopted", "renamed", "disabled", "enabled", "updated", "unchanged")
# Names and messages that another page would take for its own.
HOSTILE = [
    "a|b",
    "a\\|b",
    "a\\\\|b`",
    "``a`",
    " a ",
    "\\",
    "a\n# b\n\n- c",
    "<script>alert(1)</script>",
    "<!--",
    "[a](javascript:alert(1))",
    "![a](http://a.example/b.png)",
    "@everyone",
    "#1 !2 &copy; $a$ ~~a~~ **b** https://a.example www.a.example a@b.example",
    "a\u202eb\u2066c\u200bd\ufeffe\u00adf",
    "{{ 6 * 7 }}{% for %}{# #}",
    '" onclick="alert(1)',
]
TEXTS = st.text(min_size=1, max_size=300) | st.sampled_from(HOSTILE)
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

_DOCS = Path(__file__).resolve().parents[4] / "docs"


class Page(HTMLParser):
    """The tags, with their attributes, and the text of each cell."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data

    @property
    def links(self) -> list[str]:
        return [attributes["href"] or "" for tag, attributes in self.tags if "href" in attributes]


def unseen(text: str) -> set[str]:
    """What is in a text and is not seen as it is, but for blanks."""
    return {char for char in text if char not in "\t\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


def _strict(schema: Any) -> Any:
    """Return a schema that refuses what it does not name, which readers have to put up with."""
    if isinstance(schema, list):
        return [_strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if "properties" in schema and "required" in schema else {}
    return {**{key: _strict(inner) for key, inner in schema.items()}, **closed}


def validate(text: str, kind: str) -> Any:
    """Return what a text of JSON holds. Raises where it is not as docs/<kind>.schema.json says."""
    schema = json.loads((_DOCS / f"{kind}.schema.json").read_text(encoding="utf-8"))
    whole = json.loads(text)
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    validator(_strict(schema)).validate(whole)
    return whole
