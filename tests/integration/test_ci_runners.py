# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs of GitLab and GitHub on what docs/ci-runners.md tells a team to write: nobody is created twice, whatever is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from integration.database import Database
from integration.forge import GUIDE, SECONDS, Forge, Outcome, bound
from integration.forges import GitHub, GitLab
from integration.project import OWNER_ID, Project
from simulator import Service

BILLING, NEWSLETTER = {"alias": "billing"}, {"alias": "newsletter", "hourly_limit": 5000}
SHOP = {"alias": "shop", "hourly_limit": 700}

on_gitlab, on_github = (pytest.mark.parametrize("forge", [kind], indirect=True) for kind in (GitLab, GitHub))


@pytest.fixture(params=[GitLab, GitHub])
def forge(request: pytest.FixtureRequest, project: Project) -> Iterator[Forge]:
    """A forge. Nothing runs on it any more afterwards."""
    forge: Forge = request.param(project)
    yield forge
    forge.stop()


def assert_one_user_each(forge: Forge, *aliases: str) -> None:
    """The account has a user for each alias, and the branch says which."""
    bound = forge.bound()
    assert set(bound) == set(aliases)
    assert sorted(bound.values()) == sorted(user.smtp_user_name for user in forge.service.users(OWNER_ID))


def assert_nothing_to_do(forge: Forge) -> None:
    """A job for the newest commit changes nothing, and makes no commit."""
    before = forge.history()
    outcome = forge.run(forge.newest())
    assert outcome.succeeded, outcome.output
    assert "changed=0" in outcome.output
    assert forge.history() == before


def refused(outcome: Outcome) -> bool:
    """Return whether a job failed since it would create who may be there."""
    return not outcome.succeeded and "nobody is created for" in outcome.output


class Held:
    """Calls that are carried out and whose answers wait, from the one of this number on, until told to go on."""

    def __init__(self, service: Service, call: str, number: int) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        numbers = iter(range(1, 1000))

        def wait(this: str, unused_owner_id: str | None) -> None:
            if this == call and next(numbers) >= number:
                self.begun.set()
                assert self.go_on.wait(SECONDS)

        service.after_call = wait


@pytest.fixture
def hold(service: Service) -> Iterator[Any]:
    """What holds back calls. None waits any more afterwards."""
    held: list[Held] = []

    def hold_back(call: str, number: int) -> Held:
        held.append(Held(service, call, number))
        return held[-1]

    yield hold_back
    for one in held:
        one.go_on.set()


# ---- as it should be -----------------------------------------------------------------------------------------------


def test_jobs_wait_for_each_other_and_take_what_the_one_before_has_bound(forge: Forge) -> None:
    """Both are started before one has pushed: the second's commit knows nobody."""
    second = forge.commit_users(BILLING, NEWSLETTER, SHOP)
    outcomes = [job.finish() for job in [forge.start(forge.first), forge.start(second)]]

    assert [outcome.succeeded for outcome in outcomes] == [True, True], outcomes
    assert_one_user_each(forge, "billing", "newsletter", "shop")
    assert forge.changed_since(second) == ["sendclean/bindings.json", "sendclean/credentials.yml"]
    pushed = forge.history()[0]
    assert pushed.startswith(forge.bot) and pushed.endswith("[skip ci]")
    # Not a job for the newest commit only: also one that is started once more.
    before = forge.history()
    stale = forge.run(forge.first)
    assert stale.succeeded and "changed=0" in stale.output
    assert forge.history() == before


def test_what_a_person_pushes_meanwhile_is_kept(forge: Forge, hold: Any) -> None:
    # A page that is in a commit, and that each run writes anew.
    page = {"smtp_users_report_path": "{{ inventory_dir }}/../plan-{{ inventory_hostname }}.html"}
    forge.commit({"plan-production.html": "the page of before"})
    started = forge.commit_users(BILLING, NEWSLETTER, **page)
    held = hold("addSmtp", 2)
    job = forge.start(started)
    assert held.begun.wait(SECONDS)
    forge.commit({"README.md": "Whom to ask"})
    held.go_on.set()

    outcome = job.finish()
    assert outcome.succeeded, outcome.output
    assert forge.shown("README.md") == "Whom to ask"
    assert_one_user_each(forge, "billing", "newsletter")
    assert len(forge.history()) == 5


def test_a_proposed_change_is_shown_with_the_newest_bindings_and_lost_ones_are_recovered(forge: Forge, service: Service) -> None:
    assert forge.run(forge.first).succeeded
    # Its author has not fetched since then.
    proposed = forge.commit_users(BILLING, NEWSLETTER, SHOP, branch="proposed", start=forge.first)
    before = forge.history()
    service.clear_log()

    shown = forge.run(proposed, "check")
    assert shown.succeeded, shown.output
    assert '+    "alias": "shop"' in shown.output
    assert '"alias": "billing"' not in shown.output
    assert {entry.call for entry in service.log} == {"listSmtp"}
    assert forge.history() == before

    bound = forge.bound()
    # Say, by a merge.
    lost = forge.commit({"sendclean/bindings.json": None})
    assert refused(forge.run(lost))
    recovered = forge.run(lost, "recover")
    assert recovered.succeeded, recovered.output
    assert forge.bound() == bound
    assert_one_user_each(forge, "billing", "newsletter")
    assert_nothing_to_do(forge)


# ---- what may fail -------------------------------------------------------------------------------------------------


def test_a_token_that_may_not_push_does_nothing_and_a_job_that_fails_pushes_whom_it_has_bound(
    forge: Forge, service: Service
) -> None:
    forge.token_may_push = False
    outcome = forge.run(forge.first)

    assert not outcome.succeeded
    assert not service.log
    forge.token_may_push = True
    service.add_fault("addSmtp", "validation_error", skip=1)
    assert not forge.run(forge.first).succeeded
    assert_one_user_each(forge, "billing")
    assert forge.run(forge.newest()).succeeded
    assert_one_user_each(forge, "billing", "newsletter")


def test_what_could_not_be_pushed_is_an_artifact(forge: Forge) -> None:
    forge.protect()
    outcome = forge.run(forge.first)

    assert not outcome.succeeded
    assert "failed=0" in outcome.output
    assert len(forge.history()) == 1
    forge.protect(False)
    forge.commit(forge.artifact())
    assert_one_user_each(forge, "billing", "newsletter")
    assert_nothing_to_do(forge)


@on_github
def test_without_its_group_a_job_is_refused_while_another_creates(forge: Forge, hold: Any) -> None:
    held = hold("addSmtp", 2)
    job = forge.start(forge.first, grouped=False)
    assert held.begun.wait(SECONDS)
    second = forge.run(forge.first, grouped=False)
    held.go_on.set()

    assert refused(second), second.output
    assert job.finish().succeeded
    assert_one_user_each(forge, "billing", "newsletter")


@on_gitlab
def test_without_its_group_two_that_list_at_once_both_create_and_one_is_told(forge: Forge, service: Service) -> None:
    """What the group is for. What the second has made is seen, and stays without an alias."""
    both = threading.Barrier(2)
    listings = iter(range(2))

    def wait(call: str, unused_owner_id: str | None) -> None:
        if call == "listSmtp" and next(listings, None) is not None:
            both.wait(SECONDS)

    service.after_call = wait
    outcomes = [job.finish() for job in [forge.start(forge.first, grouped=False) for unused in range(2)]]

    assert sorted(outcome.succeeded for outcome in outcomes) == [False, True]
    assert "rejected" in next(outcome.output for outcome in outcomes if not outcome.succeeded)
    assert len(service.users(OWNER_ID)) == 4
    assert len(forge.bound()) == 2
    service.clear_log()
    assert_nothing_to_do(forge)
    assert not service.calls("addSmtp")
    # What is kept can be read, and is no half of a merge.
    kept = [bound(forge.artifact(number)["sendclean/bindings.json"]) for number in (1, 2)]
    assert forge.bound() in kept and kept[0] != kept[1]


@on_gitlab
def test_a_first_job_whose_machine_is_gone(forge: Forge, service: Service, hold: Any) -> None:
    killed(forge, forge.first, hold("addSmtp", 2))
    billing, newsletter = (user.smtp_user_name for user in service.users(OWNER_ID))

    outcome = forge.run(forge.newest())
    assert refused(outcome)
    assert billing in outcome.output and newsletter in outcome.output
    adopted = forge.run(forge.commit_users({**BILLING, "smtp_user_name": billing}, {**NEWSLETTER, "smtp_user_name": newsletter}))
    assert adopted.succeeded, adopted.output
    assert forge.bound() == {"billing": billing, "newsletter": newsletter}
    assert len(service.users(OWNER_ID)) == 2


@on_github
def test_a_later_job_whose_machine_is_gone(forge: Forge, service: Service, hold: Any) -> None:
    assert forge.run(forge.first).succeeded
    before = {user.smtp_user_name for user in service.users(OWNER_ID)}
    killed(forge, forge.commit_users(BILLING, NEWSLETTER, SHOP), hold("addSmtp", 1))
    (shop,) = {user.smtp_user_name for user in service.users(OWNER_ID)} - before

    outcome = forge.run(forge.newest())
    assert refused(outcome)
    assert f"{shop} may be its user" in outcome.output
    assert forge.run(forge.commit_users(BILLING, NEWSLETTER, {**SHOP, "smtp_user_name": shop})).succeeded
    assert_one_user_each(forge, "billing", "newsletter", "shop")


class WithDatabase(GitLab):
    """The pipeline that has nothing to push."""

    def __init__(self, project: Project, database: Database) -> None:
        super().__init__(project)
        self.definition = yaml.safe_load(GUIDE["with-a-database/.gitlab-ci.yml"])
        inventory = yaml.safe_load(GUIDE["inventory/hosts.yml"])
        variables = inventory["sendclean_accounts"]["vars"]
        del variables["smtp_users_bindings_path"], variables["smtp_users_credentials_file"]
        variables["smtp_users_bindings_url"] = database.url
        self.first = self.commit({"inventory/hosts.yml": yaml.safe_dump(inventory)})

    def kept(self, name: str) -> str:
        return "sendclean"


def test_with_a_database_nothing_is_pushed_and_no_machine_that_goes_away_matters(
    project: Project, database: Database, service: Service, hold: Any
) -> None:
    forge = WithDatabase(project, database)
    before = forge.history()
    held = hold("addSmtp", 2)
    job = forge.start(forge.first)
    assert held.begun.wait(SECONDS)
    job.kill()
    held.go_on.set()
    service.after_call = None
    jobs = [forge.start(forge.first) for unused in range(2)]
    outcomes = [job.finish() for job in jobs]

    assert [outcome.succeeded for outcome in outcomes] == [True, True], outcomes
    assert set(database.aliases(OWNER_ID)) == {"billing", "newsletter"}
    assert set(database.aliases(OWNER_ID).values()) == {user.smtp_user_name for user in service.users(OWNER_ID)}
    service.clear_log()
    shown = forge.run(forge.first, "check")
    assert shown.succeeded and "changed=0" in shown.output, shown.output
    assert {entry.call for entry in service.log} == {"listSmtp"}
    assert forge.history() == before


def killed(forge: Forge, commit: str, held: Held) -> None:
    """Start a job, and take its machine away while it creates."""
    job = forge.start(commit)
    assert held.begun.wait(SECONDS)
    job.kill()
    held.go_on.set()
    forge.service.after_call = None
    # Nothing was pushed.
    assert forge.newest() == commit
