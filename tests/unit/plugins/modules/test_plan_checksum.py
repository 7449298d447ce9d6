# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""plan_checksum of sendclean.email.smtp_users: what is in it, and how another plan is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    FakeClock,
    RunModule,
    held,
    is_locked,
    made,
    read_bindings,
    write_bindings,
)
from ansible_collections.sendclean.email.tests.unit.plugins.modules.accounts import NAMES, Account
from simulator import RunningServer, Service

LIMITS = {"total_limit": 1000, "hourly_limit": 100}
NOTHING = "ce3b0c44298fc1c149afbf4c8996fb92"

# ---- what is in it -------------------------------------------------------------------------------------------------

USERS: list[dict[str, Any]] = [
    {"alias": "bound", "hourly_limit": 7},
    {"alias": "first", **LIMITS},
    {"alias": "second", "total_limit": 1000, "hourly_limit": 8},
    {"alias": "adopted", "smtp_user_name": "smtp2"},
    {"alias": "new", "renamed_from": "old"},
    {"smtp_user_name": "smtp4", "state": "absent"},
    {"smtp_user_name": "smtp5"},
]


@pytest.fixture
def account(run_module: RunModule, bare_run: RunModule, service: Service, server: RunningServer, bindings_path: Path) -> Account:
    """One in which the users above differ in each way, smtp5 aside. smtp6 is in no list."""
    for name in NAMES:
        service.create_user(OWNER, smtp_user_name=name, **LIMITS)
    service.create_user(OWNER, 6, 6, smtp_user_name="smtp6")
    section = {"aliases": {"bound": "smtp1", "old": "smtp3"}, "known": ["smtp2", "smtp4", "smtp5", "smtp6"], "intents": {}}
    return Account(bare_run, server.base_url, service, bindings_path, section, users=[dict(user) for user in USERS])


Change = Callable[[Account, "list[dict[str, Any]]"], object]


def by_hand(name: str, **fields: Any) -> Change:
    """Return what changes a user in SendClean's panel."""
    return lambda account, users: account.service.update_user(OWNER, name, **fields)


ANOTHER_PLAN: dict[str, Change] = {
    "a limit to be set": lambda account, users: users[0].update(hourly_limit=9),
    "a limit more": lambda account, users: users[0].update(total_limit=9),
    "what the user was in the field that is set": by_hand("smtp1", hourly_limit=99),
    "what the user was in another field": by_hand("smtp1", total_limit=99),
    "what a user was who is only bound": by_hand("smtp2", total_limit=99),
    "what a user was who is only renamed": by_hand("smtp3", hourly_limit=99),
    "what a disabled one was": by_hand("smtp4", total_limit=99),
    "nothing to be done for one": by_hand("smtp1", hourly_limit=7),
    "something to be done for another": by_hand("smtp5", status="Disable"),
    "a limit of a creation": lambda account, users: users[1].update(total_limit=9),
    "the alias of a creation": lambda account, users: users[1].update(alias="third"),
    "limits of creations the other way around": lambda account, users: (
        users[1].update(hourly_limit=8),
        users[2].update(hourly_limit=100),
    ),
    "a creation less": lambda account, users: users.pop(1),
    "the alias of an adoption": lambda account, users: users[3].update(alias="third"),
    "the user of an adoption": lambda account, users: users[3].update(smtp_user_name="smtp6"),
    "the alias of a rename": lambda account, users: users[4].update(alias="third"),
    "where a rename comes from": lambda account, users: (
        account.section["aliases"].update({"older": account.section["aliases"].pop("old")}),
        users[4].update(renamed_from="older"),
    ),
    "a status": lambda account, users: users[4].update(state="absent"),
    "an alias that the user has": lambda account, users: (
        account.section["aliases"].update(panel="smtp4"),
        account.section["known"].remove("smtp4"),
    ),
    "a creation that was begun and has a user": lambda account, users: (
        account.section["intents"].update(first={**LIMITS, "smtp_user_names": [*NAMES, "smtp6"]}),
        account.service.create_user(OWNER, smtp_user_name="smtp7", **LIMITS),
    ),
}
THE_SAME_PLAN: dict[str, Change] = {
    "the order": lambda account, users: users.reverse(),
    "what a user was who is not touched": by_hand("smtp5", hourly_limit=99),
    "one more who is in order": lambda account, users: users.append({"smtp_user_name": "smtp6"}),
    "one less who is in order": lambda account, users: users.pop(6),
    "a password": by_hand("smtp1", smtp_password="another one"),
    "a limit that is as it is": lambda account, users: users[0].update(total_limit=1000),
    "a user by alias and name": lambda account, users: users[0].update(smtp_user_name="smtp1"),
    "a stranger": lambda account, users: account.service.create_user(OWNER, 5, 5),
    "one who is nobody's any more": lambda account, users: account.section["known"].remove("smtp6"),
    "a creation that was begun and has no user": lambda account, users: account.section["intents"].update(
        first={**LIMITS, "smtp_user_names": [*NAMES, "smtp6"]}
    ),
}


@pytest.mark.parametrize("case", [*ANOTHER_PLAN, *THE_SAME_PLAN])
def test_each_part_of_a_plan_counts_and_nothing_else(account: Account, fast: FakeClock, case: str) -> None:
    before = account.run(check=True)["plan_checksum"]
    {**ANOTHER_PLAN, **THE_SAME_PLAN}[case](account, account.options["users"])
    write_bindings(account.path, account.base_url, **account.section)
    assert (account.run(check=True)["plan_checksum"] == before) is (case in THE_SAME_PLAN)
    done = account.run(plan_checksum=before)
    assert done.failed is (case in ANOTHER_PLAN)


def test_a_plan_has_the_same_checksum_wherever_and_whenever_it_is_made(account: Account) -> None:
    """So that what was approved is accepted by another version of Python or of the collection."""
    assert account.run(check=True)["plan_checksum"] == "cd74dcc0da28a58560d1743f82b5f363"
    assert account.run(check=True, users=[])["plan_checksum"] == NOTHING


def test_a_purge_counts_and_not_whether_the_list_or_a_purge_disables(account: Account) -> None:
    by_purge = account.run(check=True, users=[{"alias": "bound"}], purge=True)["plan_checksum"]
    users = [{"alias": "bound"}, {"alias": "old", "state": "absent"}]
    assert account.run(check=True, users=users)["plan_checksum"] == by_purge
    assert account.run(check=True, users=users[:1])["plan_checksum"] == NOTHING


# ---- the refusal ---------------------------------------------------------------------------------------------------


def test_another_plan_is_refused_under_the_lock_before_anything_is_written(
    account: Account, service: Service, fast: FakeClock
) -> None:
    """Also before a creation that was begun is settled, here one with a user and one that is not wanted any more."""
    service.create_user(OWNER, smtp_user_name="smtp7", **LIMITS)
    left = {**LIMITS, "smtp_user_names": [*NAMES, "smtp6"]}
    account.section["intents"] = {"first": left, "off": {**left, "total_limit": 5}}
    account.options["users"].append({"alias": "off", "state": "absent"})
    write_bindings(account.path, account.base_url, **account.section)
    locked = set()
    service.before_call = lambda call, owner_id: locked.add((call, is_locked(account.path)))
    before, now = account.snapshot(), account.run(check=True)
    locked.clear()
    for check in (True, False):
        made(service)
        done = account.run(check=check, plan_checksum="c" + 31 * "0")
        assert done.failed and account.snapshot() == before
        assert (done["operations"], done["plan_checksum"]) == (now["operations"], now["plan_checksum"])
        assert "smtp_users" not in done.result
        assert done.msg == (
            f"plan_checksum c{31 * '0'} is not that of this run, whose plan is {now['plan_checksum']}: 1 updated (bound), "
            "2 adopted (first, adopted), 1 created (second), 1 renamed (new), 1 disabled (smtp4). The account, the bindings "
            "or what is asked for has changed since. Nothing was written. Look at the plan in a dry run without plan_checksum, "
            "and give the one of that if it is meant"
        )
    assert locked == {("listSmtp", False), ("listSmtp", True)}, "dry and for real"
    assert not account.run(plan_checksum=now["plan_checksum"]).failed
    assert "intents" not in read_bindings(account.path, account.base_url)


def test_who_changes_the_account_while_a_run_waits_for_the_lock_makes_it_another_plan(account: Account, service: Service) -> None:
    """What is compared is the very plan that is carried out: it rests on the listing under the lock."""
    approved = account.run(check=True)["plan_checksum"]
    changes = [lambda: service.update_user(OWNER, "smtp1", hourly_limit=99)]
    service.before_call = lambda call, owner_id: changes.pop()() if changes else None
    done = account.run(plan_checksum=approved)
    assert done.failed and held(service).keys() == {*NAMES, "smtp6"}


def test_many_users_are_counted_and_not_all_named(account: Account) -> None:
    users = [{"alias": f"a{index:02}", **LIMITS} for index in range(25)]
    done = account.run(users=users, plan_checksum=NOTHING)
    assert "25 created (a00, " in done.msg and "a19, …)" in done.msg and "a20" not in done.msg
    assert "is that of a run with nothing to do, also for a host that smtp_users_plan_checksums does not have" in done.msg
    assert len(done["operations"]) == 25


@pytest.mark.parametrize("approved", ["c" + 31 * "0", NOTHING, "0", "deadbeef"])
def test_a_run_with_nothing_to_do_is_never_refused(account: Account, approved: str) -> None:
    options = {"users": [{"smtp_user_name": "smtp5"}, {"alias": "nobody", "state": "absent"}], "plan_checksum": approved}
    for check in (True, False):
        done = account.run(check=check, **options)
        assert not done.failed and done["plan_checksum"] == NOTHING


def test_what_was_done_may_be_approved_again(account: Account) -> None:
    approved = account.run(check=True)["plan_checksum"]
    done = [account.run(plan_checksum=approved) for _time in range(2)]
    assert [(each["changed"], each["plan_checksum"]) for each in done] == [(True, approved), (False, NOTHING)]


def test_after_a_failure_the_rest_is_another_plan(account: Account, service: Service) -> None:
    approved = account.run(check=True)["plan_checksum"]
    service.add_fault("addSmtp", "validation_error", skip=1)
    failed = account.run(plan_checksum=approved)
    assert failed.failed and failed["plan_checksum"] == approved and len(failed["failures"]) == 1
    again = account.run(plan_checksum=approved)
    assert ": 1 created (second). The account" in again.msg
    assert account.run(plan_checksum=again["plan_checksum"])["summary"]["created"] == 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "plan_checksum is empty: give a value or leave it out"),
        (" ", "plan_checksum is empty: give a value or leave it out"),
        (f"{NOTHING}\n", "plan_checksum has a line break (U+000A) at its end: take it out"),
        (1234567890123456, "plan_checksum must be a string, not 1234567890123456: put it in quotes"),
        ("latest", 'plan_checksum must be what plan_checksum of a dry run says, hex digits, not "latest"'),
        (NOTHING.upper(), f'plan_checksum must be what plan_checksum of a dry run says, hex digits, not "{NOTHING.upper()}"'),
        ([NOTHING], "plan_checksum must be a string: put it in quotes"),
    ],
)
def test_what_is_no_checksum_is_refused_before_any_call(account: Account, service: Service, value: Any, says: str) -> None:
    for check in (True, False):
        assert account.run(check=check, plan_checksum=value).msg == says
    assert not service.log


def test_null_is_not_given(account: Account) -> None:
    assert not account.run(plan_checksum=None).failed
