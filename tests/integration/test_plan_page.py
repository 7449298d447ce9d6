# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page on which a person approves a change: what it says, that it stands alone, and how a real browser shows it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.project import OWNER_ID, TOKEN, new_project
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as ChromeService
from selenium_axe_python import Axe
from simulator import Service, serve

# A name that a page which does not escape would take for its own, and that Ansible would evaluate.
HOSTILE = '<b title="x">&amp;\'{{ 6 * 7 }}'
ALIAS = "<script>alert(1)</script> & \"co\" 'n'"
PATH = {name: shutil.which(name) for name in ("chromium", "chromedriver")}


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
    """An account in which users of the list differ in each way, and one of no list."""
    service.create_user(OWNER_ID, smtp_user_name="smtp1", total_limit=700, hourly_limit=70)
    service.create_user(OWNER_ID, smtp_user_name="smtp2", status="Disable", total_limit=1000)
    service.create_user(OWNER_ID, smtp_user_name="smtp3")
    service.create_user(OWNER_ID, smtp_user_name="smtp4", total_limit=400)
    service.create_user(OWNER_ID, smtp_user_name="smtp5")
    service.create_user(OWNER_ID, smtp_user_name=HOSTILE)


USERS = [
    {"alias": ALIAS},
    {"alias": "newsletter", "smtp_user_name": "smtp1", "hourly_limit": 90},
    {"smtp_user_name": "smtp2"},
    {"smtp_user_name": "smtp3", "state": "absent"},
    {"smtp_user_name": "smtp4"},
    {"smtp_user_name": "smtp5"},
]
HOSTS: dict[str, dict[str, Any]] = {
    "differs": {"smtp_users_list": USERS, "smtp_users_purge": True},
    "fine": {"smtp_users_list": [{"smtp_user_name": "smtp5"}, {"smtp_user_name": "smtp404", "state": "absent"}]},
    "refused": {"smtp_users_list": [{"alias": "a", HOSTILE: 1}]},
    "failed": {"smtp_users_list": [{"alias": ALIAS}], "smtp_users_defaults": {}},
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
        command = "ansible-playbook -i hosts.yml sendclean.email.enforce"
        dry = project.run(f"{command} --check --diff")
        assert "<html" not in dry.output
        assert re.findall(r"^(\S+) +: ok=\d+ +changed=1", dry.output, re.MULTILINE) == ["differs"], dry.output
        service.add_fault("editSmtp", "echo_request", skip=1, times=2)
        real = project.run(f"{command} --limit differs -e page=done")
        assert "1 of 7 users failed" in real.output, real.output
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
    assert "A run would change 6 users of 7. This was a dry run: nothing is changed yet." in plan.text
    assert [row[:2] for row in plan.tables["Totals"]] == [
        ["Users", "Number"],
        ["+ to create", "1"],
        ["= to adopt", "1"],
        ["− to disable", "2"],
        ["▸ to enable", "1"],
        ["~ to change", "1"],
        ["✓ in order", "1"],
        ["all", "7"],
    ]
    assert plan.tables["What would change"][1:] == [
        [ALIAS, "+ to create", f"before: none → after: {ALIAS}", "before: none → after: Enable",
         "before: none → after: 1000", "before: none → after: 100"],
        ["newsletter smtp1", "= to adopt", "before: none → after: newsletter", "Enable",
         "before: 700 → after: 1000", "before: 70 → after: 90"],
        ["smtp2", "▸ to enable", "none", "before: Disable → after: Enable", "1000", "100"],
        ["smtp3", "− to disable", "none", "before: Enable → after: Disable", "1000", "100"],
        ["smtp4", "~ to change", "none", "Enable", "before: 400 → after: 1000", "100"],
        [HOSTILE, "− to disable not in the list", "none", "before: Enable → after: Disable", "1000", "100"],
    ]  # fmt: skip
    assert plan.tables["What is in order"][1:] == [["smtp5", "Enable", "1000", "100"]]
    # One listing, six writes, one more listing.
    assert re.search(r"Calls that a run makes\s*8\s", plan.text)
    assert re.search(r"Minutes that they take\s*less than 1\s", plan.text)


def test_after_the_run_the_page_shows_what_was_done_and_what_failed(pages: dict[str, Path]) -> None:
    done = read(pages, "done")
    assert "1 user of 7 failed, 5 changed, 1 in order." in done.text
    ((user, call, why),) = done.tables["What failed"][1:]
    assert (user, call) == ("smtp2", "editSmtp")
    assert "SendClean answered editSmtp with an error" in why
    assert [row[:2] for row in done.tables["What was changed"][1:]] == [
        [f"{ALIAS} smtp10001", "+ created"],
        ["newsletter smtp1", "= adopted"],
        ["smtp3", "− disabled"],
        ["smtp4", "~ changed"],
        [HOSTILE, "− disabled not in the list"],
    ]
    assert re.search(r"Calls that wrote\s*5\s", done.text)

    mended = read(pages, "mended")
    assert "1 user of 6 changed. SendClean's listing shows it." in mended.text
    assert mended.tables["What was changed"][1:] == [
        ["smtp2", "▸ enabled", "none", "before: Disable → after: Enable", "1000", "100"],
    ]
    assert "Everything was in order: nothing was changed." in read(pages, "again").text


def test_a_page_says_what_is_wrong_where_nothing_could_be_planned(pages: dict[str, Path]) -> None:
    assert "Everything is in order: a run would change nothing." in read(pages, "fine").text
    assert read(pages, "fine").tables["What is in order"][2] == ["smtp404", "no such user", "none", "none"]
    assert "Refused: nothing was changed." in read(pages, "refused").text
    assert "The dry run stopped with an error: nothing was changed." in read(pages, "failed").text
    assert "total_limit and hourly_limit must be given" in read(pages, "failed").text
    assert "Check owner_id and token" in read(pages, "locked-out").text


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """A real Chromium without a window."""
    if not all(PATH.values()):
        # A developer may do without; CI has Debian's packages chromium and chromium-driver.
        pytest.skip("chromium and chromedriver are not on PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = PATH["chromium"] or ""
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--window-size=1100,1400"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        # Chromium refuses to run as root otherwise, and containers often have no other user.
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=ChromeService(executable_path=PATH["chromedriver"]))
    yield driver
    driver.quit()


@pytest.mark.parametrize(
    ("media", "scheme", "background"),
    [
        ("screen", "light", "rgb(255, 255, 255)"),
        ("screen", "dark", "rgb(18, 22, 29)"),
        ("print", "light", "rgb(255, 255, 255)"),
        ("print", "dark", "rgb(255, 255, 255)"),
    ],
)
@pytest.mark.parametrize("name", PAGES)
def test_a_browser_shows_a_page_that_all_can_read(
    name: str, media: str, scheme: str, background: str, pages: dict[str, Path], browser: webdriver.Chrome
) -> None:
    """Light, dark and on paper, by the rules of axe-core: contrast, landmarks, tables, and what else it knows."""
    emulated = {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
    browser.get(pages[name].as_uri())
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == background
    assert browser.execute_script("return alert.name") == "alert"
    # Nothing was blocked, requested or wrong.
    assert browser.get_log("browser") == []

    axe = Axe(browser)
    axe.inject()
    results = axe.run()

    assert not results["violations"], axe.report(results["violations"])
    assert "color-contrast" in {rule["id"] for rule in results["passes"]}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_telephone_and_paper(name: str, pages: dict[str, Path], browser: webdriver.Chrome) -> None:
    """Only tables scroll sideways on a screen, and on paper nothing does."""
    browser.get(pages[name].as_uri())
    for media, width in (("screen", 390), ("print", 720)):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        assert wide <= width, media
