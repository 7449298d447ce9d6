# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What no run may do, dry or for real: create who may be there already, disable who was not meant. And what may pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    FakeClock,
    ModuleResult,
    RunModule,
    held,
    made,
    read_bindings,
    write_bindings,
)
from simulator import RunningServer, Service, Settings

LIMITS = {"total_limit": 1000, "hourly_limit": 100}
OTHER_LIMITS = {"total_limit": 5, "hourly_limit": 5}
TEAM = ["billing", "shop", "news"]
USERS = [{"alias": alias, **LIMITS} for alias in TEAM]

Run = Callable[..., ModuleResult]


@pytest.fixture
def team(service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path) -> Run:
    """smtp_users for an account whose users the list has made; what it does not name is another team's: smtp90, smtp91."""

    def run(**options: Any) -> ModuleResult:
        return run_module("smtp_users", **{"users": USERS, "bindings_path": str(bindings_path), **options})

    assert not run().failed
    for name in ("smtp90", "smtp91"):
        service.create_user(OWNER, 7, 7, smtp_user_name=name)
    service.clear_log()
    return run


def refused(service: Service, run: Run, *words: str, **options: Any) -> None:
    """Nothing is written, dry or for real, and the message has these words."""
    before = held(service)
    for check in (True, False):
        ended = run(check=check, **options)
        assert ended.failed, ended.result
        for word in words:
            assert word in ended.msg
        assert made(service) == {"listSmtp": 1}
    assert held(service) == before


def passed(service: Service, run: Run, **options: Any) -> ModuleResult:
    """Check mode says that it passes, it does, and then nothing is left to do."""
    check = run(check=True, **options)
    assert not check.failed, check.msg
    real = run(**options)
    assert not real.failed, real.msg
    assert check["unclaimed"] == real["unclaimed"]
    assert [row["action"] for row in check["smtp_users"]] == [row["action"] for row in real["smtp_users"]]
    assert run(**options)["changed"] is False
    return real


def status(service: Service) -> dict[str, str]:
    """Who can send."""
    return {name: about[0] for name, about in held(service).items()}


# ---- nobody is created twice ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("purge", [{}, {"purge": True}, {"purge": True, "purge_scope": "account"}], ids=str)
def test_a_lost_file_creates_and_disables_nobody(
    purge: dict[str, Any], team: Run, service: Service, bindings_path: Path, tmp_path: Path
) -> None:
    kept = bindings_path.rename(tmp_path / "kept")
    ways = ["and there are 5: ", "smtp90", str(bindings_path), "recover", "export", "smtp_user_name beside", "acknowledge"]
    refused(service, team, *ways, **purge)
    refused(service, team, '"more"', users=[{"alias": "more", **OTHER_LIMITS}], **purge)
    assert not bindings_path.exists()
    # With the file back there is nothing to do, with or without a purge.
    kept.rename(bindings_path)
    assert team(purge=bool(purge))["changed"] is False


def test_a_lost_file_is_no_hindrance_to_adoption(team: Run, service: Service, bindings_path: Path) -> None:
    names = read_bindings_of(bindings_path)
    bindings_path.unlink()
    adoption = [{**user, "smtp_user_name": names[user["alias"]]} for user in USERS]
    assert [row["action"] for row in passed(service, team, users=adoption)["smtp_users"]] == ["adopted"] * 3
    # Beside an adoption others may be created: the file does not come out of nowhere.
    bindings_path.unlink()
    passed(service, team, users=[*adoption, {"alias": "more", **OTHER_LIMITS}])


def test_an_account_without_users_needs_nothing(service: Service, run_module: RunModule, bindings_path: Path) -> None:
    assert not run_module("smtp_users", users=USERS, bindings_path=str(bindings_path)).failed
    assert len(held(service)) == 3


@pytest.mark.parametrize("known", ["aliases", "intents", "known"])
def test_a_file_that_knows_somebody_is_no_lost_one(
    known: str, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.create_user(OWNER, 7, 7, smtp_user_name="smtp90")
    begun = {"x": {"smtp_user_names": ["smtp90"], **OTHER_LIMITS}}
    section: dict[str, Any] = {"aliases": {"x": "smtp90"}, "intents": begun, "known": ["smtp90"]}
    write_bindings(bindings_path, server.base_url, **{known: section[known]})
    assert not run_module("smtp_user", alias="billing", bindings_path=str(bindings_path), **LIMITS).failed


def test_times_of_passwords_are_no_knowledge_of_who_is_who(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.create_user(OWNER, 7, 7, smtp_user_name="smtp90")
    write_bindings(bindings_path, server.base_url, password_times={"smtp90": "2026-01-31T12:00:00Z"})
    assert run_module("smtp_user", alias="billing", bindings_path=str(bindings_path), **LIMITS).failed


def test_another_base_url_of_the_account_is_told(team: Run, service: Service, server: RunningServer, bindings_path: Path) -> None:
    document = json.loads(bindings_path.read_text())
    document["accounts"] = {"https://api.sendclean.net/v1.0": document["accounts"][server.base_url]}
    bindings_path.write_text(json.dumps(document))
    refused(service, team, "same owner_id under https://api.sendclean.net/v1.0: check api_url")


def test_an_old_file_does_not_create_again_who_came_since(team: Run, service: Service, bindings_path: Path) -> None:
    old = bindings_path.read_text()
    users = [*USERS, {"alias": "more", **OTHER_LIMITS}]
    name = team(users=users)["smtp_users"][3]["smtp_user_name"]
    service.clear_log()
    bindings_path.write_text(old)
    refused(service, team, f'users[3]: nobody is created for alias "more": {name} may be its user', "recover", users=users)
    # Adopted, nothing is created.
    assert [
        row["action"] for row in passed(service, team, users=[*USERS, {**users[3], "smtp_user_name": name}])["smtp_users"]
    ] == [
        *["unchanged"] * 3,
        "adopted",
    ]


@pytest.mark.parametrize(
    "look",
    [
        {"status": "Disable"},
        {"total_limit": 6},
        {"hourly_limit": 6},
    ],
    ids=str,
)
def test_who_does_not_look_like_the_one_to_be_created_is_no_hindrance(look: dict[str, Any], team: Run, service: Service) -> None:
    service.create_user(OWNER, smtp_user_name="smtp92", **{**OTHER_LIMITS, **look})
    passed(service, team, users=[*USERS, {"alias": "more", **OTHER_LIMITS}])


def test_who_is_acknowledged_adopted_or_asked_for_by_name_is_no_hindrance(
    team: Run, service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    for name in ("smtp92", "smtp93", "smtp94"):
        service.create_user(OWNER, smtp_user_name=name, **OTHER_LIMITS)
    more = [*USERS, {"alias": "more", **OTHER_LIMITS}]
    users = [*more, {"smtp_user_name": "smtp93"}, {"alias": "most", "smtp_user_name": "smtp94"}]
    refused(service, team, "smtp92 may be its user", users=users)
    run_module("smtp_bindings", bindings_path=str(bindings_path), acknowledge=["smtp92"])
    passed(service, team, users=users)


def test_a_status_that_is_none_of_the_api_s_does_not_say_that_the_user_cannot_send(team: Run, service: Service) -> None:
    service.create_user(OWNER, smtp_user_name="smtp92", **OTHER_LIMITS)
    service.settings = Settings(listing_fields={"smtp92": {"status": "Active"}})
    refused(service, team, "smtp92 may be its user", users=[*USERS, {"alias": "more", **OTHER_LIMITS}])
    assert team()["unclaimed"] == ["smtp90", "smtp91", "smtp92"]


def test_one_begun_creation_has_made_one_user_at_most(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    """Of an old file: x was begun, and y created since. Whichever is x's, the other one is somebody's."""
    for name in ("smtp1", "smtp2"):
        service.create_user(OWNER, smtp_user_name=name, **LIMITS)
    write_bindings(bindings_path, server.base_url, intents={"x": {"smtp_user_names": [], **LIMITS}})
    users = [{"alias": "x", "smtp_user_name": "smtp1", **LIMITS}, {"alias": "y", **LIMITS}]

    def run(users: list[dict[str, Any]], **options: Any) -> ModuleResult:
        return run_module("smtp_users", users=users, bindings_path=str(bindings_path), **options)

    refused(service, run, "smtp1, smtp2 may be its user", users=users[1:])
    refused(service, run, "smtp2 may be its user", users=users)
    service.remove_user(OWNER, "smtp2")
    # The one that is left may well be what was begun.
    passed(service, run, users=users[1:])


def test_a_purge_is_refused_where_the_list_names_nobody(team: Run, service: Service) -> None:
    users = [{"smtp_user_name": "smtp404", "state": "absent"}, {"alias": "nobody", "state": "absent"}]
    refused(service, team, "users names nobody of the account", users=users, purge=True)
    passed(service, team, users=[*users, USERS[0]], purge=True)


def test_several_with_the_same_limits_are_created_in_one_run(team: Run, service: Service) -> None:
    passed(service, team, users=[*USERS, *({"alias": alias, **OTHER_LIMITS} for alias in ("more", "most"))])


# ---- renames -------------------------------------------------------------------------------------------------------


def test_a_renamed_alias_keeps_its_user_whatever_is_purged(team: Run, service: Service, bindings_path: Path) -> None:
    names = read_bindings_of(bindings_path)
    users = [{"alias": "invoices", "renamed_from": "billing", **LIMITS}, *USERS[1:]]
    done = passed(service, team, users=users, purge=True)
    assert [row["action"] for row in done["smtp_users"]] == ["renamed", "unchanged", "unchanged"]
    assert done["diff"][0]["before"]["alias"] == "billing" and done["diff"][0]["after"]["alias"] == "invoices"
    assert done["operations"] == []
    assert read_bindings_of(bindings_path) == {"invoices": names["billing"], "shop": names["shop"], "news": names["news"]}


def test_a_rename_that_nobody_said_is_refused_where_it_would_disable_the_user(team: Run, service: Service) -> None:
    users = [{"alias": "invoices", **LIMITS}, *USERS[1:]]
    refused(service, team, "give renamed_from: billing", "state: absent", users=users, purge=True)
    # What else may be meant: in two runs, or said by name.
    passed(service, team, users=[*users, {"alias": "billing", "state": "absent"}], purge=True)


@pytest.mark.parametrize(
    ("users", "words"),
    [
        ([{"alias": "a", "renamed_from": "billing"}, USERS[0]], 'users[1]: alias "billing" is asked for twice, also in users[0]'),
        ([{"alias": alias, "renamed_from": "billing"} for alias in ("a", "b")], 'alias "billing" is asked for twice'),
        ([{"alias": "shop", "renamed_from": "billing"}], '"billing" of renamed_from to smtp'),
    ],
    ids=["still in use", "to two", "both bound"],
)
def test_a_rename_that_leaves_a_doubt_is_refused(users: list[dict[str, Any]], words: str, team: Run, service: Service) -> None:
    refused(service, team, words, users=users)


def test_the_former_alias_in_another_spelling_is_refused_and_a_new_spelling_is_a_rename(
    team: Run, service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    names = read_bindings_of(bindings_path)
    run_module("smtp_bindings", bindings_path=str(bindings_path), unbind=["news"], bindings={"caf\u00e9": names["news"]})
    service.clear_log()
    refused(service, team, "looks the same", users=[*USERS[:2], {"alias": "new", "renamed_from": "cafe\u0301", **OTHER_LIMITS}])
    passed(service, team, users=[*USERS[:2], {"alias": "cafe\u0301", "renamed_from": "caf\u00e9"}])


def test_a_rename_forgets_nobody_whose_creation_was_begun(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.create_user(OWNER, 7, 7, smtp_user_name="smtp1")
    begun = {"new": {"smtp_user_names": ["smtp1"], **LIMITS}}
    write_bindings(bindings_path, server.base_url, aliases={"old": "smtp1"}, intents=begun)
    options = {"alias": "new", "renamed_from": "old", "bindings_path": str(bindings_path)}
    orphan = service.create_user(OWNER, **LIMITS).smtp_user_name
    for check in (True, False):
        ended = run_module("smtp_user", check=check, **options)
        assert ended.failed and f"{orphan} may be its user" in ended.msg
    # Where nobody was made, there is nobody to forget.
    service.remove_user(OWNER, orphan)
    assert run_module("smtp_user", **options)["smtp_user"]["smtp_user_name"] == "smtp1"


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"alias": "a", "renamed_from": " "}, "users[0].renamed_from is empty"),
        ({"alias": "a", "renamed_from": "a"}, "users[0].renamed_from is the alias itself"),
        ({"smtp_user_name": "smtp90", "renamed_from": "a"}, "users[0].renamed_from needs alias"),
    ],
)
def test_a_rename_that_makes_no_sense_is_refused(user: dict[str, Any], words: str, team: Run, service: Service) -> None:
    refused(service, team, words, users=[user])


def test_a_begun_creation_is_settled_under_its_new_alias(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    write_bindings(bindings_path, server.base_url, intents={"old": {"smtp_user_names": [], **LIMITS}})
    orphan = service.create_user(OWNER, **LIMITS).smtp_user_name
    done = run_module("smtp_user", alias="new", renamed_from="old", bindings_path=str(bindings_path), **LIMITS)
    assert done["smtp_user"]["smtp_user_name"] == orphan
    section = read_bindings(bindings_path, server.base_url)
    assert section["aliases"] == {"new": orphan} and "intents" not in section


# ---- purges --------------------------------------------------------------------------------------------------------


def test_a_purge_leaves_to_others_what_is_theirs(team: Run, service: Service, bindings_path: Path) -> None:
    done = passed(service, team, users=USERS[:2], purge=True)
    assert done["unclaimed"] == ["smtp90", "smtp91"]
    assert [row["alias"] for row in done["smtp_users"] if row["action"] == "disabled"] == ["news"]
    assert [name for name, word in status(service).items() if word == "Disable"] == [read_bindings_of(bindings_path)["news"]]


def test_a_purge_of_the_account_is_asked_for_by_name(team: Run, service: Service) -> None:
    done = passed(service, team, purge=True, purge_scope="account")
    assert [name for name, word in status(service).items() if word == "Disable"] == ["smtp90", "smtp91"]
    assert done["unclaimed"] == []


@pytest.mark.parametrize(
    ("limit", "users", "disabled"),
    [("30%", 10, 3), ("30%", 4, 3), ("0%", 4, 3), ("50%", 10, 5), ("59.9%", 10, 5), ("100%", 10, 9), ("2", 10, 2), (2, 4, 2)],
)
def test_a_purge_passes_up_to_its_limit(
    limit: Any, users: int, disabled: int, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    names = [service.create_user(OWNER, 7, 7, smtp_user_name=f"smtp{number}").smtp_user_name for number in range(users)]
    service.create_user(OWNER, 7, 7, smtp_user_name="smtp99", status="Disable")
    write_bindings(bindings_path, server.base_url, aliases={f"alias{name}": name for name in [*names, "smtp99"]})

    def run(keep: int, **options: Any) -> ModuleResult:
        rows = [{"smtp_user_name": name} for name in names[:keep]]
        return run_module("smtp_users", users=rows, bindings_path=str(bindings_path), purge=True, **options)

    keep = users - disabled
    if keep > 1:
        words = [f"purge: would disable {disabled + 1} of {users}", ", ".join(names[keep - 1 :]), f"purge_limit: {disabled + 1} "]
        refused(service, run, *words, keep=keep - 1, purge_limit=limit)
    passed(service, run, keep=keep, purge_limit=limit)
    assert list(status(service).values()).count("Disable") == disabled + 1
    # What the message names lets it pass; what is asked for user by user does not count.
    if keep > 1:
        passed(service, run, keep=keep - 1, purge_limit=str(disabled + 1))


def test_what_is_asked_for_user_by_user_is_no_purge(team: Run, service: Service) -> None:
    users = [{**user, "state": "absent"} for user in USERS]
    passed(service, team, users=users, purge=True, purge_limit="0")
    assert list(status(service).values()).count("Disable") == 3


@pytest.mark.parametrize(
    "limit", ["many", "-1", "30 %", "%", "3.5", "1e3", "٣", "30%%", "9" * 5000, f"{'9' * 5000}%", f"0.{'9' * 5000}%"]
)
def test_a_limit_that_is_none_is_refused_before_any_call(limit: str, team: Run, service: Service) -> None:
    ended = team(purge_limit=limit)
    assert ended.failed and "purge_limit must be a number of users or a percentage" in ended.msg
    assert made(service) == {}


def test_a_purge_needs_to_know_whose_users_are_managed(run_module: RunModule, service: Service) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    service.create_user(OWNER, smtp_user_name="smtp2")
    users = [{"smtp_user_name": "smtp1"}]
    ended = run_module("smtp_users", users=users, purge=True)
    assert ended.failed and "purge_scope managed needs bindings_path" in ended.msg
    assert made(service) == {}
    assert not run_module("smtp_users", users=users, purge=True, purge_scope="account").failed
    assert status(service) == {"smtp1": "Enable", "smtp2": "Disable"}


def test_a_purge_of_the_account_needs_a_file_that_binds_somebody(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    for name in ("smtp1", "smtp2"):
        service.create_user(OWNER, smtp_user_name=name)
    write_bindings(bindings_path, server.base_url, known=["smtp2"])
    users = [{"alias": "billing", "smtp_user_name": "smtp1"}]

    def run(**options: Any) -> ModuleResult:
        return run_module("smtp_users", users=users, bindings_path=str(bindings_path), purge_scope="account", **options)

    refused(service, run, "binds nobody of the account", purge=True)
    assert not run().failed
    passed(service, run, purge=True)


def test_a_pattern_that_matches_nobody_is_warned_of(team: Run) -> None:
    warning = "purge_exclude: stmp1* matches no user of the account"
    assert warning in json.dumps(team(purge=True, purge_exclude=["smtp9*", "stmp1*"])["warnings"])
    assert "warnings" not in team(purge=True, purge_exclude=["smtp9*"]).result


def read_bindings_of(path: Path) -> dict[str, str]:
    """The aliases of the only account."""
    (owners,) = json.loads(path.read_text())["accounts"].values()
    aliases = owners[OWNER]["aliases"]
    assert isinstance(aliases, dict)
    return aliases
