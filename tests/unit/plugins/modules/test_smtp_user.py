# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendclean.email.smtp_user: the contract's table, check mode, diff, results, and creation exactly once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    FakeClock,
    RunModule,
    read_bindings,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service, Settings

BOTH_LIMITS = {"total_limit": 1000, "hourly_limit": 100}
ADD = {"call": "addSmtp", "parameters": BOTH_LIMITS}


def edit(**parameters: Any) -> dict[str, Any]:
    """An editSmtp as `operations` shows it, without the name."""
    return {"call": "editSmtp", "parameters": parameters}


@dataclass(frozen=True)
class Row:
    """A row of the table: options, what is there before, what is done, and what is there then.

    The account has the user smtp1 (limits 1000 and 100) unless ``there`` says otherwise.
    """

    options: dict[str, Any]
    there: bool = True
    status: str = "Enable"
    aliases: dict[str, str] = field(default_factory=dict)
    operation: dict[str, Any] | None = None
    adopted: bool = False
    after: dict[str, Any] = field(default_factory=dict)
    exists: bool = True


BY_NAME = {"smtp_user_name": "smtp1"}
BY_ALIAS = {"alias": "billing"}
BY_BOTH = {**BY_NAME, **BY_ALIAS}
BOUND = {"billing": "smtp1"}

ROWS = {
    "same limits, by name": Row({**BY_NAME, **BOTH_LIMITS}),
    "same limits, by alias": Row({**BY_ALIAS, **BOTH_LIMITS}, aliases=BOUND),
    "same limits, by both": Row({**BY_BOTH, **BOTH_LIMITS}, aliases=BOUND),
    "limits as strings": Row({**BY_NAME, "total_limit": "1000", "hourly_limit": "100"}),
    "other total_limit": Row(
        {**BY_NAME, "total_limit": 5, "hourly_limit": 100}, operation=edit(total_limit=5), after={"total_limit": 5}
    ),
    "other hourly_limit": Row(
        {**BY_ALIAS, "total_limit": 1000, "hourly_limit": 7},
        aliases=BOUND,
        operation=edit(hourly_limit=7),
        after={"hourly_limit": 7},
    ),
    "both limits differ": Row(
        {**BY_NAME, "total_limit": 5, "hourly_limit": 7},
        operation=edit(total_limit=5, hourly_limit=7),
        after={"total_limit": 5, "hourly_limit": 7},
    ),
    "disabled": Row({**BY_NAME, **BOTH_LIMITS}, status="Disable", operation=edit(status="Enable"), after={"status": "Enable"}),
    "disabled and a limit differs": Row(
        {**BY_NAME, "total_limit": 5},
        status="Disable",
        operation=edit(total_limit=5, status="Enable"),
        after={"total_limit": 5, "status": "Enable"},
    ),
    "no limits, enabled": Row(BY_NAME),
    "no limits, disabled": Row(
        BY_ALIAS, aliases=BOUND, status="Disable", operation=edit(status="Enable"), after={"status": "Enable"}
    ),
    "creation": Row({**BY_ALIAS, **BOTH_LIMITS}, there=False, operation=ADD),
    "creation beside a stranger with these limits": Row({**BY_ALIAS, **BOTH_LIMITS}, operation=ADD),
    "adoption": Row({**BY_BOTH, **BOTH_LIMITS}, adopted=True),
    "adoption without limits": Row(BY_BOTH, adopted=True),
    "adoption and a limit differs": Row(
        {**BY_BOTH, "hourly_limit": 7}, adopted=True, operation=edit(hourly_limit=7), after={"hourly_limit": 7}
    ),
    "adoption of a disabled user": Row(
        BY_BOTH, status="Disable", adopted=True, operation=edit(status="Enable"), after={"status": "Enable"}
    ),
    "absent, enabled, by name": Row(
        {**BY_NAME, "state": "absent"}, operation=edit(status="Disable"), after={"status": "Disable"}
    ),
    "absent, enabled, by alias": Row(
        {**BY_ALIAS, "state": "absent"}, aliases=BOUND, operation=edit(status="Disable"), after={"status": "Disable"}
    ),
    "absent, other limits given": Row(
        {**BY_NAME, "state": "absent", "total_limit": 5}, operation=edit(status="Disable"), after={"status": "Disable"}
    ),
    "absent, both given, alias unbound": Row(
        {**BY_BOTH, "state": "absent"}, operation=edit(status="Disable"), after={"status": "Disable"}
    ),
    "absent, disabled": Row({**BY_NAME, "state": "absent", "total_limit": 5}, status="Disable"),
    "absent, alias unbound": Row({**BY_ALIAS, "state": "absent"}, exists=False),
    "absent, name not listed": Row({"smtp_user_name": "smtp9", "state": "absent"}, exists=False),
    "absent, bound user not listed": Row({**BY_ALIAS, "state": "absent"}, there=False, aliases=BOUND, exists=False),
    "absent, both given, not listed": Row({**BY_BOTH, "state": "absent"}, there=False, exists=False),
}


def prepare(row: Row, service: Service, server: RunningServer, bindings_path: Path) -> None:
    """Set up what a row finds."""
    if row.there:
        service.create_user(OWNER, smtp_user_name="smtp1", status=row.status)
    if row.aliases:
        write_bindings(bindings_path, server.base_url, aliases=row.aliases)


def calls_of(service: Service) -> list[str]:
    """The calls since the last look."""
    calls = [entry.call for entry in service.log]
    service.clear_log()
    return calls


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_check_run_says_what_the_real_run_does_and_the_second_run_does_nothing(
    row: Row, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    prepare(row, service, server, bindings_path)
    before = snapshot(bindings_path.parent)
    options = {**row.options, "bindings_path": str(bindings_path)}
    changed = row.adopted or row.operation is not None
    creation = row.operation is ADD

    check = run_module("smtp_user", check=True, **options)
    assert calls_of(service) == ["listSmtp"]
    assert snapshot(bindings_path.parent) == before
    assert check["changed"] is changed

    real = run_module("smtp_user", **options)
    writes = [row.operation["call"]] if row.operation else []
    log = service.log
    assert calls_of(service) == ["listSmtp", *writes, *["listSmtp" for call in writes]]
    assert real["changed"] is changed

    # What is returned: the server's truth, in check mode but for a name that nobody can know.
    truth = {user.smtp_user_name: user for user in service.users(OWNER)}
    alias = row.options.get("alias") if row.aliases or row.adopted or creation else None
    if row.exists:
        (name,) = {*truth} - {"smtp1"} if creation else {"smtp1"}
        shown = {
            "alias": alias,
            "smtp_user_name": name,
            "status": truth[name].status,
            "total_limit": truth[name].total_limit,
            "hourly_limit": truth[name].hourly_limit,
        }
        assert shown == {**shown, "status": row.status, **BOTH_LIMITS, **row.after}
        assert real["smtp_user"] == shown
        assert check["smtp_user"] == {**shown, "smtp_user_name": None if creation else name}
    else:
        name, shown = "", {}
        assert real["smtp_user"] is check["smtp_user"] is None
    operations = [{"smtp_user_name": name, **row.operation}] if row.operation else []
    assert real["operations"] == operations
    assert check["operations"] == [{**operation, "smtp_user_name": None} if creation else operation for operation in operations]
    if row.operation:
        named = {} if creation else {"smtp_user_name": name}
        assert log[1].parameters == {**named, **row.operation["parameters"]}

    # The difference: what was there, what is there, and nothing else.
    facts = {} if creation or not row.exists else {**BOTH_LIMITS, "status": row.status, "smtp_user_name": "smtp1"}
    assert {key: value for key, value in real["diff"]["before"].items() if key != "alias"} == facts
    assert {key: value for key, value in real["diff"]["after"].items() if key != "alias"} == {
        key: value for key, value in shown.items() if key != "alias"
    }
    assert (real["diff"]["before"] != real["diff"]["after"]) is changed
    assert check["diff"]["before"] == real["diff"]["before"]
    assert check["diff"]["after"] == (check["smtp_user"] or {})

    bindings = read_bindings(bindings_path, server.base_url) if bindings_path.exists() else {}
    assert bindings.get("aliases", {}) == ({alias: name} if alias and row.exists else row.aliases)
    assert "intents" not in bindings

    settled = snapshot(bindings_path.parent)
    users = service.users(OWNER)
    for check_again in (True, False):
        again = run_module("smtp_user", check=check_again, **options)
        assert calls_of(service) == ["listSmtp"]
        assert not again.failed
        assert (again["changed"], again["operations"]) == (False, [])
        assert again["smtp_user"] == real["smtp_user"]
        assert again["diff"]["before"] == again["diff"]["after"]
    assert snapshot(bindings_path.parent) == settled
    assert service.users(OWNER) == users


REFUSALS = {
    "no total_limit": (Row({**BY_ALIAS, "hourly_limit": 7}), "total_limit must be given"),
    "no hourly_limit": (Row({**BY_ALIAS, "total_limit": 7}), "hourly_limit must be given"),
    "no limits": (Row(BY_ALIAS), "total_limit and hourly_limit must be given"),
    "name not listed": (Row({"smtp_user_name": "smtp9", **BOTH_LIMITS}), "give an alias"),
    "both given, name not listed": (Row({"smtp_user_name": "smtp9", **BY_ALIAS, **BOTH_LIMITS}), "smtp9"),
    "user has another alias": (Row({**BY_NAME, "alias": "shop"}, aliases=BOUND), 'already has the alias "billing"'),
    "alias bound to another user": (Row({"smtp_user_name": "smtp9", **BY_ALIAS}, aliases=BOUND), "is bound to smtp1"),
    "absent, alias bound to another user": (
        Row({"smtp_user_name": "smtp9", **BY_ALIAS, "state": "absent"}, aliases=BOUND),
        "is bound to smtp1",
    ),
    "bound user not listed": (Row({**BY_ALIAS, **BOTH_LIMITS}, there=False, aliases=BOUND), "remove the binding"),
}


@pytest.mark.parametrize(("row", "words"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
def test_what_cannot_or_must_not_be_done_is_refused_without_a_write(
    row: Row, words: str, check: bool, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    prepare(row, service, server, bindings_path)
    users = service.users(OWNER)
    content = bindings_path.read_bytes() if bindings_path.exists() else None

    refused = run_module("smtp_user", check=check, bindings_path=str(bindings_path), **row.options)

    assert refused.failed
    assert words in refused.msg
    assert calls_of(service) == ["listSmtp"]
    assert service.users(OWNER) == users
    assert (bindings_path.read_bytes() if bindings_path.exists() else None) == content


def test_missing_user_message_says_where_the_binding_stands(
    server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    write_bindings(bindings_path, server.base_url, aliases=BOUND)
    refused = run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS)
    for part in (str(bindings_path), server.base_url, OWNER, "billing", "smtp1"):
        assert part in refused.msg


VARIANTS = {
    "as in the examples": Settings(),
    "numeric_strings": Settings(numeric_strings=True),
    "integer_status": Settings(integer_status=True),
    "smtp_password in the listing": Settings(password_key="smtp_password"),
    "no password in the listing": Settings(password_key=None),
    "http_error_codes": Settings(http_error_codes=True, kind_key="type", omit_code=True, message_list=True),
    "extra_fields": Settings(extra_fields=True),
    "shuffle": Settings(shuffle=True),
    "all at once": Settings(
        numeric_strings=True,
        integer_status=True,
        password_key="smtp_password",
        kind_key="type",
        omit_code=True,
        http_error_codes=True,
        message_list=True,
        extra_fields=True,
        shuffle=True,
    ),
}


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_a_users_life_is_the_same_in_every_variant_of_the_api(
    settings: Settings, service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    service.settings = settings
    for colleague in range(5):
        service.create_user(OWNER, total_limit=colleague + 1)
    options = {"bindings_path": str(bindings_path), "include_password": True, **BY_ALIAS}

    created = run_module("smtp_user", **options, **BOTH_LIMITS)
    name = created["smtp_user"]["smtp_user_name"]
    password = next(user.smtp_password for user in service.users(OWNER) if user.smtp_user_name == name)
    expected = {
        "alias": "billing",
        "smtp_user_name": name,
        "status": "Enable",
        **BOTH_LIMITS,
        "smtp_password": password if settings.password_key else None,
    }
    assert created["smtp_user"] == expected
    for wanted, difference in (
        (BOTH_LIMITS, {}),
        ({"total_limit": 5}, {"total_limit": 5}),
        ({"state": "absent"}, {"status": "Disable"}),
        ({"state": "present"}, {"status": "Enable"}),
    ):
        service.clear_log()
        ended = run_module("smtp_user", **options, **wanted)
        expected = {**expected, **difference}
        assert ended["smtp_user"] == expected
        assert isinstance(ended["smtp_user"]["total_limit"], int)
        assert isinstance(ended["smtp_user"]["hourly_limit"], int)
        assert calls_of(service) == (["listSmtp", "editSmtp", "listSmtp"] if difference else ["listSmtp"])


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_an_error_answer_is_told_in_every_variant_of_the_api(settings: Settings, service: Service, run_module: RunModule) -> None:
    service.settings = settings
    failed = run_module("smtp_user", token="wrong-token", **BY_NAME)
    assert failed.failed
    assert failed["error"] == {
        "call": "listSmtp",
        "name": "AuthenticationError",
        "code": None if settings.omit_code else -1,
        "message": "Owner Id and Token MisMatch" if settings.http_error_codes else "Token MissMatch",
        "http_status": 401 if settings.http_error_codes else 200,
    }
    assert calls_of(service) == ["listSmtp"]


def test_the_password_is_shown_only_when_asked_for(service: Service, run_module: RunModule) -> None:
    user = service.create_user(OWNER, smtp_user_name="smtp1")
    assert user.smtp_password not in run_module("smtp_user", total_limit=5, **BY_NAME).output
    shown = run_module("smtp_user", include_password=True, total_limit=6, **BY_NAME)
    assert shown["smtp_user"]["smtp_password"] == user.smtp_password
    assert shown.output.count(user.smtp_password) == 1


def test_an_owner_id_may_be_given_as_a_number(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.add_account("12345", "another-token")
    made = run_module(
        "smtp_user", owner_id=12345, token="another-token", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS
    )
    assert made["changed"] is True
    assert len(service.users("12345")) == 1
    assert '"12345": {' in bindings_path.read_text()


def test_options_come_from_the_environment(
    service: Service, server: RunningServer, bare_run: RunModule, bindings_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENDCLEAN_OWNER_ID", OWNER)
    monkeypatch.setenv("SENDCLEAN_TOKEN", "demo-token")
    monkeypatch.setenv("SENDCLEAN_API_URL", server.base_url)
    monkeypatch.setenv("SENDCLEAN_BINDINGS_PATH", str(bindings_path))
    assert bare_run("smtp_user", {**BY_ALIAS, **BOTH_LIMITS})["changed"] is True
    assert list(read_bindings(bindings_path, server.base_url)["aliases"]) == ["billing"]


def test_two_accounts_share_a_bindings_file_without_meeting(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.add_account("other", "other-token")
    options = {"bindings_path": str(bindings_path), **BY_ALIAS, **BOTH_LIMITS}
    first = run_module("smtp_user", **options)
    second = run_module("smtp_user", owner_id="other", token="other-token", **options)
    assert first["smtp_user"]["smtp_user_name"] != second["smtp_user"]["smtp_user_name"]
    assert run_module("smtp_user", **options)["smtp_user"] == first["smtp_user"]


@pytest.mark.parametrize("options", [{**BY_NAME, "total_limit": 5}, {**BY_NAME, "state": "absent"}])
def test_a_write_that_does_not_show_fails_and_says_what_shows(
    options: dict[str, Any], service: Service, run_module: RunModule, fast: FakeClock
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    service.add_fault("editSmtp", "ignored")
    failed = run_module("smtp_user", **options)
    assert failed.failed
    assert "smtp1" in failed.msg
    assert "1000" in failed.msg or "Enable" in failed.msg
    calls = calls_of(service)
    assert calls.count("editSmtp") == 1
    assert calls.count("listSmtp") > 3


def test_a_listing_that_lags_behind_a_write_is_waited_for(service: Service, run_module: RunModule, fast: FakeClock) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    service.settings = Settings(listing_lag=3600)
    fast.meanwhile = lambda: setattr(service, "settings", Settings()) if len(fast.slept) == 3 else None
    assert run_module("smtp_user", **BY_NAME, total_limit=5)["smtp_user"]["total_limit"] == 5
    assert calls_of(service) == ["listSmtp", "editSmtp", *4 * ["listSmtp"]]


# What happens to addSmtp, and whether it is carried out then.
LOST = {
    "cut_before": False,
    "cut_after": True,
    "error_500_before": False,
    "bad_gateway_502_after": True,
    "truncated_after": True,
    "unreadable_after": True,
    "non_object_after": True,
    "empty_after": True,
}
UNKNOWN = {
    "general_error_before": False,
    "general_error_after": True,
    "unknown_kind_before": False,
    "unknown_kind_after": True,
    "missing_kind_before": False,
    "missing_kind_after": True,
}


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("times", [1, 2])
def test_a_lost_answer_of_a_creation_leaves_one_user_bound(
    kind: str,
    times: int,
    service: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
    fast: FakeClock,
) -> None:
    service.create_user(OWNER)  # A colleague's, with the same limits.
    service.add_fault("addSmtp", kind, times=times)
    made = run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS)
    assert not made.failed, made.msg
    assert len(service.users(OWNER)) == 2
    name = service.users(OWNER)[-1].smtp_user_name
    assert made["smtp_user"]["smtp_user_name"] == name
    assert made["operations"] == [{"call": "addSmtp", "smtp_user_name": name, "parameters": BOTH_LIMITS}]
    assert len(service.calls("addSmtp")) == (1 if LOST[kind] else times + 1)
    bindings = read_bindings(bindings_path, server.base_url)
    assert bindings["aliases"] == {"billing": name}
    assert "intents" not in bindings


@pytest.mark.parametrize("kind", UNKNOWN)
def test_an_error_answer_to_a_creation_is_checked_and_not_repeated(
    kind: str, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.add_fault("addSmtp", kind)
    options = {"bindings_path": str(bindings_path), **BY_ALIAS, **BOTH_LIMITS}
    made = run_module("smtp_user", **options)
    assert made.failed is not UNKNOWN[kind]
    assert len(service.calls("addSmtp")) == 1
    assert len(service.users(OWNER)) == int(UNKNOWN[kind])
    again = run_module("smtp_user", **options)
    assert again["changed"] is not UNKNOWN[kind]
    (user,) = service.users(OWNER)
    assert read_bindings(bindings_path, server.base_url)["aliases"] == {"billing": user.smtp_user_name}


@pytest.mark.parametrize("kind", ["validation_error", "authentication_error"])
def test_a_refused_creation_is_final_and_leaves_no_intent(
    kind: str, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.add_fault("addSmtp", kind)
    assert run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS).failed
    assert calls_of(service) == ["listSmtp", "addSmtp"]
    assert read_bindings(bindings_path, server.base_url) == {}


def test_a_refusal_after_a_lost_answer_keeps_the_intent_for_a_later_run(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    """The lost call may have made a user that is not listed yet: what the refusal says is of the second call only."""
    service.settings = Settings(listing_lag=3600)
    service.add_fault("addSmtp", "cut_after")
    service.add_fault("addSmtp", "validation_error")
    options = {"bindings_path": str(bindings_path), **BY_ALIAS, **BOTH_LIMITS}
    assert run_module("smtp_user", **options)["error"]["name"] == "ValidationError"
    assert list(read_bindings(bindings_path, server.base_url)["intents"]) == ["billing"]
    service.settings = Settings()
    assert run_module("smtp_user", **options)["operations"] == []
    (user,) = service.users(OWNER)
    assert read_bindings(bindings_path, server.base_url)["aliases"] == {"billing": user.smtp_user_name}


def test_a_lost_creation_is_repeated_only_after_several_listings_over_the_seconds_of_timeout(
    service: Service, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.add_fault("addSmtp", "cut_before")
    times: list[float] = []
    service.before_call = lambda call, owner_id: times.append(fast.now) if call == "listSmtp" else None
    run_module("smtp_user", bindings_path=str(bindings_path), timeout=20, **BY_ALIAS, **BOTH_LIMITS)
    calls = calls_of(service)
    first, second = (index for index, call in enumerate(calls) if call == "addSmtp")
    between = [time for time, call in zip(times[1:], calls[first + 1 : second])]
    assert len(between) == second - first - 1 >= 3
    assert between[-1] - between[0] >= 20


def test_a_lost_creation_is_repeated_only_after_several_listings_however_slow_the_pace(
    service: Service, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.add_fault("addSmtp", "cut_before")
    run_module("smtp_user", bindings_path=str(bindings_path), timeout=1, requests_per_minute=2, **BY_ALIAS, **BOTH_LIMITS)
    calls = calls_of(service)
    first, second = (index for index, call in enumerate(calls) if call == "addSmtp")
    assert second - first - 1 >= 2


def intent(*names: str, **limits: int) -> dict[str, Any]:
    """What a crash after addSmtp leaves in the bindings file."""
    return {"intents": {"billing": {**BOTH_LIMITS, **limits, "smtp_user_names": list(names)}}}


def test_a_later_run_settles_a_creation_that_was_carried_out(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    service.create_user(OWNER, smtp_user_name="smtp2")
    service.create_user(OWNER, smtp_user_name="smtp3", total_limit=5)
    write_bindings(bindings_path, server.base_url, **intent("smtp1"))
    settled = run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS)
    assert (settled["changed"], settled["operations"]) == (True, [])
    assert calls_of(service) == ["listSmtp"]
    bindings = read_bindings(bindings_path, server.base_url)
    assert bindings["aliases"] == {"billing": "smtp2"}
    assert "intents" not in bindings
    # When the creation was begun by this collection, its password is no older than this run.
    assert list(bindings["password_times"]) == ["smtp2"]


def test_a_later_run_repeats_a_creation_that_was_not_carried_out(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, **intent("smtp1"))
    made = run_module("smtp_user", bindings_path=str(bindings_path), timeout=20, **BY_ALIAS, **BOTH_LIMITS)
    assert [operation["call"] for operation in made["operations"]] == ["addSmtp"]
    assert sum(fast.slept) >= 20
    assert len(service.users(OWNER)) == 2


@pytest.mark.parametrize("state", ["present", "absent"])
def test_several_users_that_a_creation_may_have_made_are_named_and_none_is_touched(
    state: str, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    service.create_user(OWNER, smtp_user_name="smtp2")
    write_bindings(bindings_path, server.base_url, **intent())
    content = bindings_path.read_bytes()
    failed = run_module("smtp_user", bindings_path=str(bindings_path), state=state, **BY_ALIAS, **BOTH_LIMITS)
    assert failed.failed
    assert "smtp1, smtp2" in failed.msg
    assert "smtp_user_name beside the alias" in failed.msg
    assert set(calls_of(service)) == {"listSmtp"}
    assert bindings_path.read_bytes() == content
    # The way out that the message names.
    chosen = run_module("smtp_user", bindings_path=str(bindings_path), **BY_BOTH)
    assert chosen["smtp_user"]["smtp_user_name"] == "smtp1"
    assert "intents" not in read_bindings(bindings_path, server.base_url)


def test_absent_disables_the_user_of_a_creation_that_was_carried_out(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, **intent())
    done = run_module("smtp_user", bindings_path=str(bindings_path), state="absent", **BY_ALIAS)
    assert done["operations"] == [{"smtp_user_name": "smtp1", **edit(status="Disable")}]
    assert read_bindings(bindings_path, server.base_url)["aliases"] == {"billing": "smtp1"}


def test_a_creation_that_no_listing_shows_is_not_repeated_without_limits(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    write_bindings(bindings_path, server.base_url, **intent())
    content = bindings_path.read_bytes()
    failed = run_module("smtp_user", bindings_path=str(bindings_path), timeout=20, **BY_ALIAS)
    assert failed.failed
    assert "total_limit" in failed.msg
    assert sum(fast.slept) >= 20
    assert set(calls_of(service)) == {"listSmtp"}
    assert bindings_path.read_bytes() == content


def test_absent_of_a_named_user_leaves_a_begun_creation_as_it_is(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, **intent())
    content = bindings_path.read_bytes()
    done = run_module("smtp_user", bindings_path=str(bindings_path), state="absent", **BY_BOTH)
    assert done["operations"] == [{"smtp_user_name": "smtp1", **edit(status="Disable")}]
    assert bindings_path.read_bytes() == content


def test_a_user_is_bound_before_anything_else_can_fail(
    service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.add_fault("listSmtp", "cut_before", skip=1, times=100)
    failed = run_module("smtp_user", bindings_path=str(bindings_path), **BY_ALIAS, **BOTH_LIMITS)
    assert failed.failed
    assert failed["changed"] is True
    (user,) = service.users(OWNER)
    assert read_bindings(bindings_path, server.base_url)["aliases"] == {"billing": user.smtp_user_name}
    assert failed["operations"] == [{"smtp_user_name": user.smtp_user_name, **ADD}]
