# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page on which a person approves a change: what it says, that it stands alone, and how a real browser shows it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.browser import SURROUNDINGS, can_be_read, width_of
from integration.project import OWNER_ID, TOKEN, new_project
from selenium import webdriver
from simulator import Service, serve

# A name that a page which does not escape would take for its own, and that Ansible would evaluate.
HOSTILE = '<b title="x">&amp;\'{{ 6 * 7 }}'
UNCLAIMED = "smtp7 <i>nobody's</i> & {{ 6 * 7 }}"
ALIAS = "<script>alert(1)</script> & \"co\" 'n'"


@dataclass
class Page(HTMLParser):
    """A page's text, elements and tables."""

    source: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    tables: dict[str, list[list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self._inside: list[str] = []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "h2":
            self._heading = ""
        elif tag == "table":
            self._rows = self.tables[self._heading] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside.remove(tag)

    def handle_data(self, data: str) -> None:
        self.text += data
        if "h2" in self._inside:
            self._heading += data
        elif {"td", "th"} & set(self._inside):
            self._rows[-1][-1] = " ".join(f"{self._rows[-1][-1]} {data}".split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def account(service: Service) -> None:
    """An account in which users of the list differ in each way, and two of no list."""
    service.create_user(OWNER_ID, smtp_user_name="smtp1", total_limit=700, hourly_limit=70)
    service.create_user(OWNER_ID, smtp_user_name="smtp2", status="Disable", total_limit=1000)
    service.create_user(OWNER_ID, smtp_user_name="smtp3")
    service.create_user(OWNER_ID, smtp_user_name="smtp4", total_limit=400)
    service.create_user(OWNER_ID, smtp_user_name="smtp5")
    service.create_user(OWNER_ID, smtp_user_name="smtp6")
    # Limits that no user gets who is to be created.
    for name in (HOSTILE, UNCLAIMED):
        service.create_user(OWNER_ID, 7, 7, smtp_user_name=name)


USERS = [
    {"alias": ALIAS},
    {"alias": "newsletter", "smtp_user_name": "smtp1", "hourly_limit": 90},
    {"smtp_user_name": "smtp2"},
    {"smtp_user_name": "smtp3", "state": "absent"},
    {"smtp_user_name": "smtp4"},
    {"smtp_user_name": "smtp5"},
    {"alias": "news", "renamed_from": "letter"},
]
PURGE = {"smtp_users_purge": True, "smtp_users_purge_scope": "account", "smtp_users_purge_exclude": ["smtp7 *"]}
HOSTS: dict[str, dict[str, Any]] = {
    "differs": {"smtp_users_list": USERS, **PURGE},
    "fine": {"smtp_users_list": [{"smtp_user_name": "smtp5"}, {"smtp_user_name": "smtp404", "state": "absent"}]},
    "refused": {"smtp_users_list": [{"alias": "a", HOSTILE: 1}]},
    "failed": {"smtp_users_list": [{"alias": ALIAS}], "smtp_users_defaults": {}},
    "lost": {"smtp_users_list": [{"alias": ALIAS}], **PURGE, "smtp_users_bindings_path": "{{ inventory_dir }}/lost.json"},
    "locked-out": {"smtp_users_list": [], "smtp_users_token": "another token"},
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of a dry run and, of the first account, of the real run and the one after it."""
    folder = tmp_path_factory.mktemp("pages")
    service = Service({OWNER_ID: TOKEN})
    service.secrets.add("another token")
    account(service)
    with serve(service) as server:
        project = new_project(folder, service, server)
        variables = {
            "smtp_users_defaults": {"total_limit": 1000, "hourly_limit": 100},
            "smtp_users_report_path": f"{folder}/{{{{ page | default(inventory_hostname) }}}}.html",
        }
        project.write("hosts.yml", yaml.safe_dump({"sendclean_accounts": {"hosts": HOSTS, "vars": variables}}))
        project.write_bindings({OWNER_ID: {"aliases": {"letter": "smtp6"}}})
        command = "ansible-playbook -i hosts.yml sendclean.email.enforce"
        dry = project.run(f"{command} --check --diff")
        assert "<html" not in dry.output
        assert re.findall(r"^(\S+) +: ok=\d+ +changed=1", dry.output, re.MULTILINE) == ["differs"], dry.output
        # A partial editSmtp that is refused is made once more, with all fields.
        service.add_fault("editSmtp", "echo_request", skip=1, times=2)
        real = project.run(f"{command} --limit differs -e page=done")
        assert "1 of 8 users failed" in real.output, real.output
        assert project.run(f"{command} --limit differs -e page=mended").succeeded().changed == 1
        assert project.run(f"{command} --limit differs -e page=again").succeeded().changed == 0
        before = (folder / "again.html").read_text(encoding="utf-8")
        assert project.run(f"{command} --limit differs -e page=again").succeeded().changed == 0
        assert (folder / "again.html").read_text(encoding="utf-8") == before
    return {path.stem: path for path in folder.glob("*.html")}


PAGES = [*HOSTS, "done", "mended", "again"]


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, pages: dict[str, Path]) -> Page:
    """Each page in turn."""
    assert set(pages) == set(PAGES)
    return Page(pages[request.param].read_text(encoding="utf-8"))


def read(pages: dict[str, Path], name: str) -> Page:
    """Return a page by its name."""
    return Page(pages[name].read_text(encoding="utf-8"))


def test_a_page_needs_nothing_but_itself(page: Page) -> None:
    assert not {"script", "link", "img", "iframe", "object", "a", "form"} & {tag for tag, _attributes in page.elements}
    assert not [attributes for _tag, attributes in page.elements if {"src", "href", "style", "onload"} & set(attributes)]
    assert not re.search(r"url\(|@import|https?:", page.source.split("</style>")[0])
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_page_can_be_read_aloud(page: Page) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("title")) == len(page.all("main")) == 1
    assert len(page.all("caption")) == len(page.all("table"))
    assert {attributes.get("scope") for attributes in page.all("th")} <= {"col", "row"}


def test_names_are_shown_as_they_are_and_escaped(pages: dict[str, Path]) -> None:
    assert HOSTILE in read(pages, "differs").text and ALIAS in read(pages, "differs").text
    assert HOSTILE in read(pages, "refused").text
    assert ALIAS in read(pages, "failed").text
    for name in PAGES:
        assert not {"b", "script"} & {tag for tag, _attributes in read(pages, name).elements}


def test_the_plan_shows_what_would_be_done(pages: dict[str, Path]) -> None:
    plan = read(pages, "differs")
    assert "A run would change 7 users of 8. This was a dry run: nothing is changed yet." in plan.text
    assert [row[:2] for row in plan.tables["Totals"]] == [
        ["Users", "Number"],
        ["+ to create", "1"],
        ["= to adopt", "1"],
        ["» to rename", "1"],
        ["− to disable", "2"],
        ["▸ to enable", "1"],
        ["~ to change", "1"],
        ["✓ in order", "1"],
        ["all", "8"],
    ]
    assert plan.tables["What would change"][1:] == [
        [ALIAS, "+ to create", f"before: none → after: {ALIAS}", "before: none → after: Enable",
         "before: none → after: 1000", "before: none → after: 100", "new"],
        ["newsletter smtp1", "= to adopt", "before: none → after: newsletter", "Enable",
         "before: 700 → after: 1000", "before: 70 → after: 90", "unknown"],
        ["smtp2", "▸ to enable", "none", "before: Disable → after: Enable", "1000", "100", "unknown"],
        ["smtp3", "− to disable", "none", "before: Enable → after: Disable", "1000", "100", "unknown"],
        ["smtp4", "~ to change", "none", "Enable", "before: 400 → after: 1000", "100", "unknown"],
        ["news smtp6", "» to rename", "before: letter → after: news", "Enable", "1000", "100", "unknown"],
        [HOSTILE, "− to disable not in the list", "none", "before: Enable → after: Disable", "7", "7", "unknown"],
    ]  # fmt: skip
    assert plan.tables["What is in order"][1:] == [["smtp5", "Enable", "1000", "100", "unknown"]]
    # One listing, six writes, one more listing.
    assert re.search(r"Calls that a run makes\s*8\s", plan.text)
    assert re.search(r"Minutes that they take\s*less than 1\s", plan.text)


def test_after_the_run_the_page_shows_what_was_done_and_what_failed(pages: dict[str, Path]) -> None:
    done = read(pages, "done")
    assert "1 user of 8 failed, 6 changed, 1 in order." in done.text
    ((user, call, why),) = done.tables["What failed"][1:]
    assert (user, call) == ("smtp2", "editSmtp")
    assert "SendClean answered editSmtp with an error" in why
    assert [row[:2] for row in done.tables["What was changed"][1:]] == [
        [f"{ALIAS} smtp10001", "+ created"],
        ["newsletter smtp1", "= adopted"],
        ["smtp3", "− disabled"],
        ["smtp4", "~ changed"],
        ["news smtp6", "» renamed"],
        [HOSTILE, "− disabled not in the list"],
    ]
    assert re.search(r"Calls that wrote\s*5\s", done.text)

    mended = read(pages, "mended")
    assert "1 user of 7 changed. SendClean's listing shows it." in mended.text
    assert mended.tables["What was changed"][1:] == [
        ["smtp2", "▸ enabled", "none", "before: Disable → after: Enable", "1000", "100", "unknown"],
    ]
    assert "Everything was in order: nothing was changed." in read(pages, "again").text


def test_a_page_says_what_is_wrong_where_nothing_could_be_planned(pages: dict[str, Path]) -> None:
    assert "Everything is in order: a run would change nothing." in read(pages, "fine").text
    assert read(pages, "fine").tables["What is in order"][2] == ["smtp404", "no such user", "none", "none", "none"]
    assert "Refused: nothing was changed." in read(pages, "refused").text
    assert "The dry run stopped with an error: nothing was changed." in read(pages, "failed").text
    assert "total_limit and hourly_limit must be given" in read(pages, "failed").text
    assert "Check owner_id and token" in read(pages, "locked-out").text
    assert "lost.json knows none of the account's users, and there are 8" in read(pages, "lost").text


def test_a_page_names_whom_nobody_has_claimed(pages: dict[str, Path]) -> None:
    nobodys = {name: re.findall(r"(?<=\n)Nobody has claimed\n(.*)", read(pages, name).text, re.DOTALL) for name in PAGES}
    assert [name for name in PAGES if nobodys[name]] == ["differs", "fine", "done", "mended", "again"]
    for name in ("differs", "done", "mended", "again"):
        assert nobodys[name][0].split("\n\n")[1].split("\n") == [UNCLAIMED]
    assert HOSTILE in nobodys["fine"][0] and "smtp5" not in nobodys["fine"][0]


@pytest.mark.parametrize(("media", "scheme"), SURROUNDINGS)
@pytest.mark.parametrize("name", PAGES)
def test_a_browser_shows_a_page_that_all_can_read(
    name: str, media: str, scheme: str, pages: dict[str, Path], browser: webdriver.Chrome
) -> None:
    """Light, dark and on paper."""
    can_be_read(browser, pages[name], media, scheme)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_telephone_and_paper(name: str, pages: dict[str, Path], browser: webdriver.Chrome) -> None:
    """Only tables scroll sideways on a screen, and on paper nothing does."""
    assert width_of(browser, pages[name], "screen", 390) <= 390
    assert width_of(browser, pages[name], "print", 720) <= 720
