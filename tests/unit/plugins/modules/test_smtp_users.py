# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendclean.email.smtp_users: a whole account in one task, with its refusals, failures, purge and counts of calls."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import simulator.service
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    FakeClock,
    RunModule,
    held,
    is_locked,
    made,
    read_bindings,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service, Settings

LIMITS = {"total_limit": 1000, "hourly_limit": 100}
NO_ACTION = dict.fromkeys(["failed", "created", "adopted", "renamed", "disabled", "enabled", "updated", "unchanged"], 0)


@pytest.fixture
def account(service: Service, server: RunningServer, bindings_path: Path) -> Service:
    """smtp1 (bound to "bound"), smtp2 and smtp3 (created by hand and acknowledged), smtp4 (disabled, bound to "off")."""
    for name in ("smtp1", "smtp2", "smtp3"):
        service.create_user(OWNER, smtp_user_name=name, **LIMITS)
    service.create_user(OWNER, smtp_user_name="smtp4", status="Disable", **LIMITS)
    write_bindings(bindings_path, server.base_url, aliases={"bound": "smtp1", "off": "smtp4"}, known=["smtp2", "smtp3"])
    return service


EVERYTHING = [
    {"alias": "bound", "hourly_limit": 7},
    {"alias": "new", **LIMITS},
    {"alias": "adopted", "smtp_user_name": "smtp2", "hourly_limit": 8},
    {"alias": "off", "hourly_limit": 9},
    {"smtp_user_name": "smtp3", "state": "absent"},
    {"alias": "nobody", "state": "absent"},
    {"smtp_user_name": "nowhere", "state": "absent"},
]


def test_four_steps_over_every_action(run_module: RunModule, account: Service, bindings_path: Path) -> None:
    options = {"users": EVERYTHING, "bindings_path": str(bindings_path)}
    before = snapshot(bindings_path.parent)

    check = run_module("smtp_users", check=True, requests_per_minute=2, **options)
    assert made(account) == {"listSmtp": 1}
    assert snapshot(bindings_path.parent) == before

    real = run_module("smtp_users", **options)
    assert made(account) == {"listSmtp": 2, "addSmtp": 1, "editSmtp": 4}

    actions = ["updated", "created", "adopted", "enabled", "disabled", "unchanged", "unchanged"]
    nowhere = {**dict.fromkeys(["alias", "smtp_user_name", "status", "total_limit", "hourly_limit"]), "action": "unchanged"}
    nowhere["password_age_days"] = None
    for done in (check, real):
        assert done["changed"] is True
        assert [row["action"] for row in done["smtp_users"]] == actions
        assert [row["alias"] for row in done["smtp_users"]] == ["bound", "new", "adopted", "off", None, "nobody", None]
        assert done["smtp_users"][5:] == [{**nowhere, "alias": "nobody"}, nowhere]
        assert len(done["diff"]) == 5
    expected = {**NO_ACTION, **Counter(actions)}
    assert real["summary"] == expected
    assert check["summary"] == {**expected, "estimated_calls": 7, "estimated_minutes": 3.5}
    name = real["smtp_users"][1]["smtp_user_name"]
    assert check["smtp_users"][1]["smtp_user_name"] is None
    assert [{**call, "smtp_user_name": call["smtp_user_name"] or name} for call in check["operations"]] == real["operations"]
    assert held(account) == {
        "smtp1": ("Enable", 1000, 7),
        "smtp2": ("Enable", 1000, 8),
        "smtp3": ("Disable", 1000, 100),
        "smtp4": ("Enable", 1000, 9),
        name: ("Enable", 1000, 100),
    }

    for again in (run_module("smtp_users", check=True, **options), run_module("smtp_users", **options)):
        assert again["changed"] is False
        assert again["summary"]["unchanged"] == len(EVERYTHING)
        assert again["operations"] == again["diff"] == []
    assert made(account) == {"listSmtp": 2}


def test_a_user_that_differs_costs_one_call(run_module: RunModule, service: Service) -> None:
    names = [service.create_user(OWNER, **LIMITS).smtp_user_name for unused in range(50)]
    users = [{"smtp_user_name": name, "total_limit": 1 + index % 2, "hourly_limit": 100} for index, name in enumerate(names)]
    run_module("smtp_users", users=users)
    assert made(service) == {"listSmtp": 2, "editSmtp": 50}
    assert run_module("smtp_users", users=users)["changed"] is False
    assert made(service) == {"listSmtp": 1}


REFUSED: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "the same alias twice": ([{"alias": "a", **LIMITS}, {"alias": "a", **LIMITS}], ['users[1]: alias "a" is asked for twice']),
    "the same name twice": ([{"smtp_user_name": "smtp2"}] * 2, ["users[1]: smtp2 is asked for twice, also in users[0]"]),
    "a name and its alias": ([{"alias": "bound"}, {"smtp_user_name": "smtp1"}], ["smtp1 is asked for twice"]),
    "an alias twice, each with a mistake of its own": (
        [{"alias": "a", "total_limit": 1}, {"alias": "a", "smtp_user_name": "nowhere"}],
        ['users[0]: alias "a" is asked for twice', "users[0]: hourly_limit must be given", "users[1]: smtp_user_name nowhere"],
    ),
    "two aliases for a name": (
        [{"alias": "a", "smtp_user_name": "smtp2"}, {"alias": "b", "smtp_user_name": "smtp2"}],
        ["users[1]: smtp2 is asked for twice"],
    ),
    "an alias that is bound to another": ([{"alias": "bound", "smtp_user_name": "smtp2"}], ["users[0]: alias", "bound to smtp1"]),
    "a user that has another alias": ([{"alias": "a", "smtp_user_name": "smtp1"}], ["smtp_user_name smtp1 already has"]),
    "twice somebody who is not there": (
        [{"smtp_user_name": "nowhere", "state": "absent"}] * 2,
        ["users[1]: nowhere is asked for twice, also in users[0]"],
    ),
    "a wrong limit and a missing one": (
        [{"alias": "a", "total_limit": 0}],
        ["users[0].total_limit must be a positive integer, not 0", "users[0]: hourly_limit must be given"],
    ),
    "nobody": ([{"alias": "a", **LIMITS}, {"total_limit": 1}], ["users[1] needs an alias or a smtp_user_name"]),
    "many at once": (
        [
            {"smtp_user_name": "smtp2"},
            {"alias": "a", "total_limit": 0, "hourly_limit": 1},
            {"alias": "b", "total_limit": 5, "hourly_limit": True},
            {"smtp_user_name": "nowhere"},
            {"alias": "c", "total_limit": 5},
            {"alias": " ", **LIMITS},
            {"smtp_user_name": ""},
            {"alias": "d", "total_limit": False, "hourly_limit": -1},
            {"smtp_user_name": "smtp2", "total_limit": -7},
        ],
        [
            "users[1].total_limit must be a positive integer, not 0",
            "users[2].hourly_limit must be a positive integer, not true",
            "users[3]: smtp_user_name nowhere",
            "users[4]: hourly_limit must be given",
            "users[5].alias is empty",
            "users[6].smtp_user_name is empty",
            "users[7].total_limit must be a positive integer",
            "users[7].hourly_limit must be a positive integer, not -1",
            "users[8].total_limit must be a positive integer, not -7",
            "users[8]: smtp2 is asked for twice, also in users[0]",
        ],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_all_that_is_wrong_is_said_at_once_and_nothing_is_written(
    run_module: RunModule, account: Service, bindings_path: Path, case: str
) -> None:
    users, texts = REFUSED[case]
    before, content = held(account), bindings_path.read_bytes()
    for check in (True, False):
        done = run_module("smtp_users", check=check, users=users, bindings_path=str(bindings_path))
        assert done.failed
        for text in texts:
            assert text in done.msg
        assert made(account) == {"listSmtp": 1}
    assert held(account) == before
    assert bindings_path.read_bytes() == content
    assert {path for path in bindings_path.parent.iterdir() if path.suffix != ".lock"} == {bindings_path}
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"users": [{"smtp_user_name": "smtp2"}], "purge": True, "purge_exclude": ["ops*", " "]}, "purge_exclude[1] is empty"),
        ({"users": [{"smtp_user_name": "smtp2", "daily_limit": 1}]}, "daily_limit"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_call(
    run_module: RunModule, account: Service, options: dict[str, Any], says: str
) -> None:
    failed = run_module("smtp_users", **options)
    assert failed.failed and says in failed.msg
    assert not account.log


def test_an_alias_needs_a_bindings_file(run_module: RunModule, service: Service) -> None:
    done = run_module("smtp_users", users=[{"alias": "a", **LIMITS}])
    assert done.failed and "users[0].alias needs bindings_path" in done.msg
    assert service.users(OWNER) == []


def test_purge_disables_all_others_and_leaves_the_excluded(run_module: RunModule, account: Service, bindings_path: Path) -> None:
    for name in ("ops7", "ops8", "ops78"):
        account.create_user(OWNER, smtp_user_name=name, **LIMITS)
    options = {
        "users": [{"alias": "bound"}],
        "purge": True,
        "purge_scope": "account",
        "purge_exclude": ["*7", "smtp[2]", "op?8"],
        "bindings_path": str(bindings_path),
    }
    for check in (True, False):
        done = run_module("smtp_users", check=check, **options)
        assert [(row["smtp_user_name"], row["action"]) for row in done["smtp_users"]] == [
            ("smtp1", "unchanged"),
            ("ops78", "disabled"),
            ("smtp3", "disabled"),
        ]
    assert {name: status for name, (status, unused, unused2) in held(account).items()} == {
        "smtp1": "Enable",
        "smtp2": "Enable",
        "smtp3": "Disable",
        "smtp4": "Disable",
        "ops7": "Enable",
        "ops8": "Enable",
        "ops78": "Disable",
    }
    assert run_module("smtp_users", **options)["changed"] is False


def test_purge_spares_users_that_are_created_or_adopted_in_the_same_run(
    run_module: RunModule, account: Service, bindings_path: Path
) -> None:
    users = [{"alias": "new", "total_limit": 1, "hourly_limit": 1}, {"alias": "a", "smtp_user_name": "smtp2"}]
    done = run_module("smtp_users", users=users, purge=True, purge_scope="account", bindings_path=str(bindings_path))
    name = done["smtp_users"][0]["smtp_user_name"]
    assert {user for user, (status, unused, unused2) in held(account).items() if status == "Enable"} == {name, "smtp2"}


def test_purge_is_refused_without_users(run_module: RunModule, account: Service) -> None:
    done = run_module("smtp_users", users=[], purge=True)
    assert done.failed and done.msg.startswith("purge is refused while users is empty")
    assert not account.log


def test_no_users_change_nothing(run_module: RunModule, account: Service) -> None:
    assert run_module("smtp_users", users=[])["smtp_users"] == []
    assert made(account) == {"listSmtp": 1}


def test_one_failure_does_not_stop_the_others(run_module: RunModule, account: Service, bindings_path: Path) -> None:
    # An edit that is refused is made once more, with all fields.
    account.add_fault("editSmtp", "validation_error", skip=1, times=2)
    account.add_fault("addSmtp", "validation_error")
    users = [
        {"alias": "new", **LIMITS},
        {"alias": "newer", **LIMITS},
        {"alias": "bound", "hourly_limit": 1},
        {"smtp_user_name": "smtp2", "hourly_limit": 2},
        {"smtp_user_name": "smtp3", "hourly_limit": 3},
    ]
    done = run_module("smtp_users", users=users, bindings_path=str(bindings_path))
    assert done.failed and done["changed"] is True
    rows = done["smtp_users"]
    assert [row["action"] for row in rows] == ["failed", "created", "updated", "failed", "updated"]
    assert (rows[0]["status"], rows[3]["hourly_limit"]) == (None, 100), "what was not done"
    assert done["summary"] == {**NO_ACTION, "failed": 2, "created": 1, "updated": 2}
    first, second = done["failures"]
    assert (first["alias"], first["smtp_user_name"], first["call"]) == ("new", None, "addSmtp")
    assert (second["alias"], second["smtp_user_name"], second["call"]) == (None, "smtp2", "editSmtp")
    assert first["error"]["name"] == second["error"]["name"] == "ValidationError"
    assert "2 of 5 users failed" in done.msg and "new" in done.msg
    assert made(account) == {"listSmtp": 2, "addSmtp": 2, "editSmtp": 4}
    assert held(account)["smtp3"] == ("Enable", 1000, 3)

    again = run_module("smtp_users", users=users, bindings_path=str(bindings_path))
    assert not again.failed
    assert [row["action"] for row in again["smtp_users"]] == ["created", "unchanged", "unchanged", "updated", "unchanged"]


@pytest.mark.parametrize("call", ["addSmtp", "editSmtp"])
def test_a_refused_account_stops_at_once(run_module: RunModule, account: Service, bindings_path: Path, call: str) -> None:
    account.add_fault(call, "authentication_error", times=99)
    users = [{"alias": "new", **LIMITS}, {"alias": "newer", **LIMITS}] if call == "addSmtp" else []
    users += [{"smtp_user_name": "smtp2", "hourly_limit": 2}, {"smtp_user_name": "smtp3", "hourly_limit": 3}, {"alias": "bound"}]
    done = run_module("smtp_users", users=users, bindings_path=str(bindings_path))
    assert done.failed
    assert made(account) == {"listSmtp": 1, call: 1}
    assert [row["action"] for row in done["smtp_users"]] == ["failed"] * (len(users) - 1) + ["unchanged"]
    assert done["error"] == done["failures"][0]["error"]
    assert done["error"]["name"] == "AuthenticationError"
    assert all("not attempted" in failure["msg"] for failure in done["failures"][1:])


def test_a_write_that_is_not_applied_fails_for_its_user(run_module: RunModule, account: Service, fast: FakeClock) -> None:
    account.add_fault("editSmtp", "ignored")
    users = [{"smtp_user_name": "smtp2", "hourly_limit": 2}, {"smtp_user_name": "smtp3", "hourly_limit": 3}]
    done = run_module("smtp_users", users=users)
    assert [row["action"] for row in done["smtp_users"]] == ["failed", "updated"]
    assert done["smtp_users"][0]["hourly_limit"] == 100
    (failure,) = done["failures"]
    assert failure["call"] == "editSmtp" and "hourly_limit 100 instead of 2" in failure["msg"]


def test_a_failed_user_is_shown_as_the_account_has_it(run_module: RunModule, account: Service, fast: FakeClock) -> None:
    account.add_fault("editSmtp", "cut_after", times=4)
    done = run_module("smtp_users", users=[{"smtp_user_name": name, "hourly_limit": 7} for name in ("smtp2", "smtp3")])
    assert [(row["action"], row["hourly_limit"]) for row in done["smtp_users"]] == [("failed", 7), ("updated", 7)]


@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "bad_gateway_502_after", "truncated_after", "general_error_after"])
def test_lost_answers_make_no_second_user(
    run_module: RunModule, account: Service, bindings_path: Path, fast: FakeClock, kind: str
) -> None:
    account.add_fault("addSmtp", kind, skip=1)
    users = [{"alias": alias, **LIMITS} for alias in ("a", "b", "c")]
    done = run_module("smtp_users", users=users, bindings_path=str(bindings_path))
    assert not done.failed, done.msg
    assert [row["action"] for row in done["smtp_users"]] == ["created"] * 3
    assert len(held(account)) == 4 + 3
    assert run_module("smtp_users", users=users, bindings_path=str(bindings_path))["changed"] is False


def test_a_creation_that_an_earlier_run_began_counts_as_adopted(
    run_module: RunModule, account: Service, server: RunningServer, bindings_path: Path
) -> None:
    left = {"smtp_user_names": sorted(held(account)), **LIMITS}
    write_bindings(bindings_path, server.base_url, intents={"new": left})
    orphan = account.create_user(OWNER, **LIMITS).smtp_user_name
    users = [{"alias": "new", "total_limit": 5, "hourly_limit": 6}]
    for check in (True, False):
        done = run_module("smtp_users", check=check, users=users, bindings_path=str(bindings_path))
        assert [(row["action"], row["smtp_user_name"]) for row in done["smtp_users"]] == [("adopted", orphan)]
    section = read_bindings(bindings_path, server.base_url)
    assert section["aliases"] == {"new": orphan} and "intents" not in section
    assert held(account)[orphan] == ("Enable", 5, 6)


@pytest.mark.parametrize(
    ("other", "actions"),
    [({"alias": "y", **LIMITS}, ["adopted", "created"]), ({"smtp_user_name": "orphan"}, ["created", "unchanged"])],
    ids=["begun too", "asked for by name"],
)
def test_a_begun_creation_does_not_take_the_user_of_another(
    other: dict[str, Any],
    actions: list[str],
    run_module: RunModule,
    account: Service,
    server: RunningServer,
    bindings_path: Path,
    fast: FakeClock,
) -> None:
    left = {"smtp_user_names": sorted(held(account)), **LIMITS}
    write_bindings(bindings_path, server.base_url, intents={"x": left, "y": left}, known=sorted(held(account)))
    account.create_user(OWNER, smtp_user_name="orphan", **LIMITS)
    users = [{"alias": "x", **LIMITS}, other]
    for check in (True, False):
        done = run_module("smtp_users", check=check, users=users, bindings_path=str(bindings_path))
        assert [row["action"] for row in done["smtp_users"]] == actions
    aliases = read_bindings(bindings_path, server.base_url)["aliases"]
    assert (aliases["x"] == "orphan") is ("alias" in other) and len(set(aliases.values())) == len(aliases)
    assert len(held(account)) == 4 + 2


def test_passwords_only_on_demand(run_module: RunModule, account: Service) -> None:
    passwords = {user.smtp_user_name: user.smtp_password for user in account.users(OWNER)}
    users = [{"smtp_user_name": "smtp2", "hourly_limit": 3}, {"smtp_user_name": "smtp3"}]
    without = run_module("smtp_users", users=users)
    assert not any(password in without.output for password in passwords.values())
    done = run_module("smtp_users", users=users, include_passwords=True)
    assert [row["smtp_password"] for row in done["smtp_users"]] == [passwords["smtp2"], passwords["smtp3"]]


def test_edits_and_purge_need_no_lock(run_module: RunModule, account: Service, bindings_path: Path) -> None:
    """They may take long; whoever wants to create meanwhile must not wait for them."""
    seen = set()
    account.before_call = lambda call, owner_id: seen.add((call, is_locked(bindings_path)))
    users = [{"alias": "new", "total_limit": 1, "hourly_limit": 1}, {"smtp_user_name": "smtp2", "hourly_limit": 1}]
    assert not run_module("smtp_users", users=users, purge=True, bindings_path=str(bindings_path)).failed
    assert seen == {("listSmtp", True), ("addSmtp", True), ("editSmtp", False), ("listSmtp", False)}


@pytest.mark.parametrize(("quota", "refused"), [(60, False), (20, True)])
def test_a_large_account_stays_within_its_quota_or_waits_for_it(
    run_module: RunModule, service: Service, fast: FakeClock, monkeypatch: pytest.MonkeyPatch, quota: int, refused: bool
) -> None:
    """As many calls a minute as the pace allows; where the account has fewer, each call is carried out once all the same."""
    monkeypatch.setattr(simulator.service, "time", fast)
    service.settings = Settings(quota_calls=quota, retry_after="seconds")
    names = [service.create_user(OWNER).smtp_user_name for unused in range(200)]
    users = [{"smtp_user_name": name, "hourly_limit": 7} for name in names]
    assert not run_module("smtp_users", users=users, requests_per_minute=60).failed
    assert {user.hourly_limit for user in service.users(OWNER)} == {7}
    assert any(entry.http_status == 429 for entry in service.log) is refused
    assert sum(entry.carried_out for entry in service.calls("editSmtp")) == 200
    assert sum(fast.slept) < 1.2 * 60 * 202 / quota


def test_a_full_account_is_told_and_the_rest_is_done(run_module: RunModule, account: Service, bindings_path: Path) -> None:
    account.settings = Settings(max_users=5)
    users = [{"alias": "a", **LIMITS}, {"alias": "b", **LIMITS}, {"smtp_user_name": "smtp2", "hourly_limit": 7}]
    for actions in (["created", "failed", "updated"], ["unchanged", "failed", "unchanged"]):
        done = run_module("smtp_users", users=users, bindings_path=str(bindings_path))
        assert [row["action"] for row in done["smtp_users"]] == actions
        assert done["failures"][0]["error"]["message"] == "You reached the max SMTP user"
        assert '"intents"' not in bindings_path.read_text()
    assert len(held(account)) == 5
