# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The overview of all accounts of a play: everybody is in it, however the play goes through its hosts and whoever fails."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sendclean.email.plugins.plugin_utils._overview import overview as render
from ansible_collections.sendclean.email.plugins.plugin_utils._overview import row_of, rows
from integration.browser import SURROUNDINGS, can_be_read, width_of
from integration.guides import ROOT
from integration.project import OWNER_ID, TOKEN, Project, Run, new_project
from selenium import webdriver
from simulator import Service, serve
from unit.plugins.plugin_utils.pages import validate

LIMITS = {"total_limit": 1000, "hourly_limit": 100}
NOWHERE = {"smtp_users_api_url": "http://127.0.0.1:9/v1.0", "smtp_users_timeout": 1, "smtp_users_retry_timeout": 1}
HOSTS: dict[str, dict[str, Any]] = {
    "alright": {"smtp_users_list": []},
    "differs": {"smtp_users_list": [{"alias": "billing", **LIMITS}]},
    "lost": {"smtp_users_list": [], **NOWHERE},
    "refused": {"smtp_users_list": [], "smtp_users_timeout": "soon"},
    "nolist": {},
}
# By what a dry run finds, the worst first.
FOUND = {"refused": "failed", "lost": "unreachable", "nolist": "unreachable", "differs": "to_change", "alright": "in_order"}
ENFORCE = "ansible-playbook -i hosts.yml sendclean.email.enforce"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Accounts of each kind."""
    service = Service({OWNER_ID: TOKEN})
    with serve(service) as server:
        project = new_project(tmp_path, service, server)
        for number, host in enumerate(HOSTS):
            service.add_account(str(number), f"the token of {host}")
        hosts = {
            host: {"smtp_users_owner_id": str(number), "smtp_users_token": f"the token of {host}", **variables}
            for number, (host, variables) in enumerate(HOSTS.items())
        }
        paths = {
            "smtp_users_report_path": "{{ inventory_dir }}/pages/{{ inventory_hostname }}.{{ kind | default('html') }}",
            "smtp_users_overview_path": "{{ inventory_dir }}/overview.json",
        }
        (tmp_path / "pages").mkdir()
        project.write("hosts.yml", yaml.safe_dump({"sendclean_accounts": {"hosts": hosts, "vars": paths}}))
        yield project


def overview(project: Project) -> dict[str, Any]:
    """Return the overview, and take it away."""
    file = project.folder / "overview.json"
    whole: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    return whole


def states(project: Project) -> dict[str, str]:
    """Return the states of the overview in their order."""
    return {account["account"]: account["state"] for account in overview(project)["accounts"]}


def own_play(project: Project, *pre_tasks: dict[str, Any], check: str = "--check", **keywords: Any) -> Run:
    """Run a play of one's own with the role in it."""
    play = {"hosts": "all", "gather_facts": False, "roles": ["sendclean.email.smtp_users"], "pre_tasks": list(pre_tasks)}
    project.write("site.yml", yaml.safe_dump([{**play, **keywords}]))
    return project.run(f"ansible-playbook -i hosts.yml site.yml {check}")


def test_everybody_is_in_it_the_worst_first(project: Project) -> None:
    dry = project.run(f"{ENFORCE} --check")
    assert dry.returncode == 2
    whole = overview(project)
    accounts = {account["account"]: account for account in whole["accounts"]}
    assert {host: account["state"] for host, account in accounts.items()} == FOUND, accounts["lost"]
    assert list(accounts) == list(FOUND)
    assert (whole["check_mode"], whole["limit"]) == (True, None)
    assert accounts["differs"]["created"] == 1 and accounts["differs"]["page"] == "pages/differs.html"
    assert accounts["refused"]["why"] == 'smtp_users_timeout must be a number, not "soon"'
    assert "cannot be reached" in accounts["lost"]["why"] or "127.0.0.1:9" in accounts["lost"]["why"]
    assert accounts["nolist"]["page"] is None and "did not get to this account" in accounts["nolist"]["why"]
    for account in accounts.values():
        assert account["page"] is None or (project.folder / account["page"]).is_file()
    project.run(ENFORCE)
    assert states(project) == {**FOUND, "differs": "changed"}
    assert project.run(f"{ENFORCE} --limit alright,differs").succeeded()
    whole = overview(project)
    assert [account["state"] for account in whole["accounts"]] == ["in_order", "in_order"]
    assert (whole["check_mode"], whole["limit"]) == (False, "alright,differs")


def test_what_is_written_is_as_the_schemas_say(project: Project) -> None:
    """Of a run, whose settings show next to nothing of it, and what the documentation shows."""
    quiet = {"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0", "ANSIBLE_DISPLAY_OK_HOSTS": "0", "ANSIBLE_STDOUT_CALLBACK": "minimal"}
    project.run(f"{ENFORCE} --check -e kind=json", ANSIBLE_STRATEGY="free", **quiet)
    validate((project.folder / "overview.json").read_text(encoding="utf-8"), "overview")
    assert list(found := states(project)) == list(FOUND) and found == FOUND
    pages = {
        path.stem: validate(path.read_text(encoding="utf-8"), "report") for path in (project.folder / "pages").glob("*.json")
    }
    assert {host: page["state"] for host, page in pages.items()} == {host: FOUND[host] for host in FOUND if host != "nolist"}
    assert pages["differs"]["changes"][0]["after"]["alias"] == "billing"
    said = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```json\n(.*?)^```$", said, re.DOTALL | re.MULTILINE)
    validate(shown, "overview")


def test_batches_write_one_overview(project: Project) -> None:
    """The second one, of which everybody fails, ends the play. Who is not reached is in the overview, too."""
    clear = {"name": "Clear", "sendclean.email._smtp_users": {"step": "clear"}}
    own_play(project, clear, serial=2, order="sorted")
    whole = {account["account"]: account for account in overview(project)["accounts"]}
    assert {host: account["state"] for host, account in whole.items()} == {**FOUND, "refused": "unreachable"}
    assert "did not get to this account" in whole["refused"]["why"]
    assert "did not get to this account" not in whole["lost"]["why"]


@pytest.mark.parametrize("keywords", [{"any_errors_fatal": True}, {"max_fail_percentage": 0}])
def test_a_play_that_ends_early_has_written_it(keywords: dict[str, Any], project: Project) -> None:
    hosts = {"hosts": "all,!nolist"}
    own_play(project, **keywords, **hosts)
    assert states(project) == {host: state for host, state in FOUND.items() if host != "nolist"}


def test_who_knows_less_writes_first_with_the_strategy_free(project: Project) -> None:
    """One host takes long to write the overview, and another one long before: what that one knows has to stay."""
    wait = "{{ lookup('pipe', 'sleep 5') if inventory_hostname == 'alright' and __smtp_users_page is defined else '' }}"
    slow = {"sendclean_python": "{{ inventory_dir }}/python"}
    project.write("python", f'#!/bin/sh\nsleep 2\nexec {sys.executable} "$@"\n')
    (project.folder / "python").chmod(0o755)
    play = {"hosts": "alright,differs", "strategy": "free", "environment": {"WAIT": wait}}
    own_play(project, {"ansible.builtin.set_fact": slow, "when": "inventory_hostname == 'differs'"}, **play).succeeded()
    assert states(project) == {"differs": "to_change", "alright": "in_order"}


def test_who_fails_or_is_unreachable_before_the_role_is_in_it(project: Project) -> None:
    fail = {"name": "Fail", "ansible.builtin.fail": {}, "when": "inventory_hostname == 'differs'"}
    gone = {
        "name": "Log in",
        "ansible.builtin.ping": {},
        "when": "inventory_hostname == 'alright'",
        "vars": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9},
    }
    own_play(project, fail, gone)
    found = states(project)
    assert found == {**FOUND, "alright": "unreachable", "differs": "unreachable"}
    # Nobody gets to the role.
    own_play(project, {"name": "Fail", "ansible.builtin.fail": {}})
    assert not (project.folder / "overview.json").exists()


def test_a_play_tells_nothing_of_the_one_before(project: Project) -> None:
    play = {"hosts": "all", "gather_facts": False, "roles": ["sendclean.email.smtp_users"]}
    fail = {"name": "Fail", "ansible.builtin.fail": {}, "when": "inventory_hostname == 'alright'"}
    plays = [{**play, "check_mode": True, "hosts": "alright,differs"}, {**play, "hosts": "alright,differs", "pre_tasks": [fail]}]
    project.write("site.yml", yaml.safe_dump(plays))
    project.run("ansible-playbook -i hosts.yml site.yml")
    assert states(project) == {"alright": "unreachable", "differs": "changed"}


def test_where_pages_cannot_be_written_the_overview_is(project: Project) -> None:
    (project.folder / "pages").rmdir()
    run = project.run(f"{ENFORCE} --check --limit alright,differs")
    assert run.returncode == 2
    whole = overview(project)
    assert [(account["state"], account["page"]) for account in whole["accounts"]] == [("to_change", None), ("in_order", None)]


def test_the_suffix_is_refused_before_any_call(project: Project) -> None:
    run = project.run(f"{ENFORCE} --check --limit alright,differs -e smtp_users_overview_path=/srv/a.txt -e kind=pdf")
    for problems in run.failures.values():
        assert "smtp_users_overview_path must end in .html, .md or .json" in problems[1]
        assert "smtp_users_report_path must end in .html, .md or .json" in problems[0]
    assert not project.service.calls()


def test_there_is_one_overview_for_each_path(project: Project) -> None:
    """One that cannot be written fails the run, and hides none of the others. One may be where a link leads to."""
    (project.folder / "a.json").symlink_to("pages/a.json")
    paths = "{'differs': 'nowhere/c', 'alright': 'a'}"
    path = f"{{{{ inventory_dir }}}}/{{{{ {paths}[inventory_hostname] | default('b') }}}}.json"
    project.write(
        "play.yml", yaml.safe_dump([{"import_playbook": "sendclean.email.enforce", "vars": {"smtp_users_overview_path": path}}])
    )
    run = project.run("ansible-playbook -i hosts.yml play.yml --check --limit '!nolist'")
    assert "nowhere" in str(run.failures["alright"]), run.output
    found = {}
    for name in ("a", "b"):
        whole = json.loads((project.folder / f"{name}.json").read_text(encoding="utf-8"))
        found[name] = [account["account"] for account in whole["accounts"]]
    assert found == {"a": ["alright"], "b": ["refused", "lost"]}
    assert (project.folder / "a.json").is_symlink()


def test_two_accounts_that_share_a_report_are_told_and_the_overview_is_there(project: Project) -> None:
    shared = "-e \"smtp_users_report_path='{{ inventory_dir }}/plan.html'\""
    run = project.run(f"{ENFORCE} --check --limit alright,differs {shared}")
    assert run.returncode == 2
    assert "smtp_users_report_path is the same for alright, differs" in str(run.failures.values())
    assert states(project) == {"differs": "to_change", "alright": "in_order"}
    assert project.run(f"{ENFORCE} --check --limit differs {shared}").succeeded()


# ---- in a browser ----------------------------------------------------------------------------------------------------

COUNTS = ("failed", "created", "adopted", "renamed", "disabled", "enabled", "updated", "unchanged")
CHECKSUM = "0123456789abcdef" * 4


def forty(path: Path) -> str:
    """An overview of 40 accounts, in which there is something of all kinds, and a name that is a tag."""
    known: dict[str, dict[str, Any]] = {}
    for number in range(40):
        host = f"account-{number:02}" if number else "<b>&amp;</b> an account with a rather long name.example.com"
        summary = {**dict.fromkeys(COUNTS, number % 3 * number % 7), "estimated_calls": 2, "estimated_minutes": number / 10}
        user = {"status": "Enable", "password_age_days": None if number % 4 else number * 30.5}
        found = {"changed": number % 3 != 0, "summary": summary, "smtp_users": [user], "unclaimed": ["smtp1"] * (number % 5)}
        if number % 10 == 1:
            found = {"failed": True, "msg": [f"smtp_users_list[{number}] is <wrong>", "another_" * 30]}
        if number % 20 == 2:
            found = {"failed": True, "msg": "SendClean cannot be reached", "error": {"name": "TransportError"}}
        known[host] = row_of(host, {**found, "plan_checksum": CHECKSUM}, True, page=f"{path.parent}/{number}.html")
    return render(str(path), rows([*known, "not-reached"], known), True, "all,!another")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The overview of 40 accounts as a page."""
    path = tmp_path_factory.mktemp("overview") / "overview.html"
    path.write_text(forty(path), encoding="utf-8")
    return path


@pytest.mark.parametrize(("media", "scheme"), SURROUNDINGS)
def test_a_browser_shows_an_overview_that_all_can_read(media: str, scheme: str, page: Path, browser: webdriver.Chrome) -> None:
    can_be_read(browser, page, media, scheme)
    assert len(browser.find_elements("css selector", "tbody tr")) == 41


def test_an_overview_fits_a_telephone_and_paper(page: Path, browser: webdriver.Chrome) -> None:
    for width in (390, 400, 1100):
        assert width_of(browser, page, "screen", width) <= width
    # A4, on its side.
    assert width_of(browser, page, "print", 1040) <= 1040


def test_a_link_leads_to_the_page_of_the_account(page: Path, browser: webdriver.Chrome) -> None:
    (page.parent / "31.html").write_text("<title>31</title>", encoding="utf-8")
    browser.get(page.as_uri())
    browser.find_element("link text", "account-31").click()
    assert browser.title == "31"
