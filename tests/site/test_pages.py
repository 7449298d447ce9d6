# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages that "make docs" has made: each plugin's is complete, all are in the navigation, and links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from integration.browser import chromium

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".build" / "site"
REPOSITORY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
PAGED = r".*\.md|plugins/(modules|filter|lookup)/."
PAGES = sorted(SITE.rglob("*.html"))
# README.md is the first page. CHANGELOG.rst is made by the first release.
GUIDES = {
    str(path.relative_to(ROOT).with_suffix(".html"))
    for kind in ("*.rst", "*.md", "docs/*.md", "roles/*/README.md", "tests/*/README.md")
    for path in ROOT.glob(kind)
} - {"README.html"}
PLUGINS = [
    *(f"{path.stem}_module" for path in sorted((ROOT / "plugins" / "modules").glob("*.py"))),
    *(f"{path.stem}_{kind}" for kind in ("filter", "lookup") for path in sorted((ROOT / "plugins" / kind).glob("*.py"))),
    *(f"{path.name}_role" for path in sorted((ROOT / "roles").iterdir())),
]

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SITE)))


@cache
def read(page: Path) -> BeautifulSoup:
    """Return what is in a page."""
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(page: Path) -> set[str]:
    """Return what a link to a page may name behind #."""
    return {str(element["id"]) for element in read(page)(id=True)}


@pytest.fixture(scope="module")
def documented() -> dict[str, dict[str, Any]]:
    """What ansible-doc knows of all plugins, by kind and name."""
    dump = subprocess.run(["ansible-doc", "--metadata-dump", "sendclean.email"], stdout=subprocess.PIPE, check=True).stdout
    known: dict[str, dict[str, Any]] = json.loads(dump)["all"]
    return known


def paths(options: dict[str, Any], inner: str, before: str = "") -> Iterator[str]:
    """Yield the names of options or return values, those inside of others behind theirs."""
    for name, about in options.items():
        yield f"{before}{name}"
        yield from paths(about.get(inner) or {}, inner, f"{before}{name}/")


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_page_of_a_plugin_is_complete(plugin: str, documented: dict[str, dict[str, Any]]) -> None:
    name, unused, kind = plugin.rpartition("_")
    about = documented[kind][f"sendclean.email.{name}"]
    page = SITE / "reference" / f"{plugin}.html"
    if kind == "role":
        points = about["entry_points"].items()
        wanted = {f"parameter-{point}--{path}" for point, of in points for path in paths(of["options"], "options")}
    else:
        wanted = {f"parameter-{path}" for path in paths(about["doc"]["options"], "suboptions")}
        wanted |= {f"attribute-{attribute}" for attribute in about["doc"].get("attributes") or {}}
        wanted |= {f"return-{path}" for path in paths(about["return"], "contains")}
        assert about["examples"].strip() in [block.text.strip() for block in read(page)("pre")]

    assert {anchor["id"] for anchor in read(page).select(".ansibleOptionAnchor")} == wanted


def test_the_navigation_has_every_document_and_every_plugin() -> None:
    shown = {link["href"] for link in read(SITE / "index.html").select(".sidebar-tree a")}
    assert shown == GUIDES | {f"reference/{plugin}.html" for plugin in PLUGINS}
    assert {str(page.relative_to(SITE)) for page in PAGES} == shown | {"index.html", "search.html"}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in read(page)("a", href=True):
        address = str(link["href"])
        url = urlsplit(address)
        if url.scheme:
            file = re.fullmatch(f"{REPOSITORY}/(?:blob|tree)/main/(.+)", address)
            # What is a page of the site is linked as one.
            assert not file or (ROOT / file[1]).exists() and not re.match(PAGED, file[1]), address
        else:
            target = (page.parent / url.path).resolve() if url.path else page
            assert target.is_file(), address
            assert not url.fragment or unquote(url.fragment) in anchors(target), address


@every_page
def test_a_page_asks_nobody_else_for_anything(page: Path) -> None:
    for element in read(page)(["audio", "embed", "iframe", "img", "link", "object", "script", "source", "video"]):
        address = urlsplit(str(element.get("src") or element.get("href") or element.get("data") or ""))
        assert not address.netloc and not address.scheme, element
        assert not address.path or (page.parent / address.path).resolve().is_file(), element


def test_no_style_or_script_asks_anybody_else() -> None:
    for file in [*SITE.rglob("*.css"), *SITE.rglob("*.js")]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"""(url\(|@import|import\(|fetch\(|src\s*=)\s*["']?(https?:)?//""", text), file


@every_page
def test_a_page_shows_no_error(page: Path) -> None:
    # Docutils, antsibull-docs and the theme all write some of what they dislike onto the page.
    assert not read(page).select(".system-message, .problematic, .contents:not([class*=still-useful])")
    assert "ERROR while parsing" not in read(page).text


def test_a_telephone_shows_all_columns() -> None:
    """The last column mostly says what to do. A few pixels can be scrolled to."""
    hidden = "return [...document.querySelectorAll('article .table-wrapper')].map(table => table.scrollWidth - table.clientWidth)"
    for browser in chromium():
        metrics = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for page in PAGES:
            browser.get(page.as_uri())
            assert max(browser.execute_script(hidden), default=0) < 16, page
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 390, page
