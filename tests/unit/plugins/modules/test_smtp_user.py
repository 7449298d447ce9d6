# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendclean.email.smtp_user: the contract's table, check mode, diff and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
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
    known: list[str] = field(default_factory=list)
    operation: dict[str, Any] | None = None
    adopted: bool = False
    renamed: bool = False
    after: dict[str, Any] = field(default_factory=dict)
    exists: bool = True


BY_NAME = {"smtp_user_name": "smtp1"}
BY_ALIAS = {"alias": "billing"}
BY_BOTH = {**BY_NAME, **BY_ALIAS}
BOUND = {"billing": "smtp1"}
RENAMED = {**BY_ALIAS, "renamed_from": "invoices"}

ROWS = {
    "same limits, by name": Row({**BY_NAME, **BOTH_LIMITS}),
    "same limits, by alias": Row({**BY_ALIAS, **BOTH_LIMITS}, aliases=BOUND),
    "same limits, by both": Row({**BY_BOTH, **BOTH_LIMITS}, aliases=BOUND),
    "same limits, by the name of a bound user": Row({**BY_NAME, **BOTH_LIMITS}, aliases=BOUND),
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
    "creation beside an acknowledged user with these limits": Row({**BY_ALIAS, **BOTH_LIMITS}, known=["smtp1"], operation=ADD),
    "creation beside a disabled user with these limits": Row(
        {**BY_ALIAS, **BOTH_LIMITS}, status="Disable", aliases={"shop": "smtp9"}, operation=ADD
    ),
    "creation beside a bound user with these limits": Row({**BY_ALIAS, **BOTH_LIMITS}, aliases={"shop": "smtp1"}, operation=ADD),
    "renamed": Row({**RENAMED, **BOTH_LIMITS}, aliases={"invoices": "smtp1"}, renamed=True),
    "renamed, by both": Row({**RENAMED, **BY_NAME}, aliases={"invoices": "smtp1"}, renamed=True),
    "renamed and a limit differs": Row(
        {**RENAMED, "hourly_limit": 7},
        aliases={"invoices": "smtp1"},
        renamed=True,
        operation=edit(hourly_limit=7),
        after={"hourly_limit": 7},
    ),
    "renamed and absent": Row(
        {**RENAMED, "state": "absent"},
        aliases={"invoices": "smtp1"},
        renamed=True,
        operation=edit(status="Disable"),
        after={"status": "Disable"},
    ),
    "renamed long ago": Row(RENAMED, aliases=BOUND),
    "renamed from somebody who never was": Row({**RENAMED, **BOTH_LIMITS}, there=False, operation=ADD),
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
    "absent, enabled, by the name of a bound user": Row(
        {**BY_NAME, "state": "absent"}, aliases=BOUND, operation=edit(status="Disable"), after={"status": "Disable"}
    ),
    "absent, other limits given": Row(
        {**BY_NAME, "state": "absent", "total_limit": 5}, operation=edit(status="Disable"), after={"status": "Disable"}
    ),
    "absent, both given, alias unbound": Row(
        {**BY_BOTH, "state": "absent"}, adopted=True, operation=edit(status="Disable"), after={"status": "Disable"}
    ),
    "absent, both given, alias unbound, disabled": Row({**BY_BOTH, "state": "absent"}, status="Disable", adopted=True),
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
    if row.aliases or row.known:
        write_bindings(bindings_path, server.base_url, aliases=row.aliases, known=row.known)


def calls_of(service: Service) -> list[str]:
    """The calls since the last look."""
    calls = [entry.call for entry in service.log]
    service.clear_log()
    return calls


def expected_user(row: Row, service: Service) -> dict[str, Any] | None:
    """The user as the result has to show it: as the server holds it, and as the row says."""
    if not row.exists:
        return None
    user = next(user for user in service.users(OWNER) if (user.smtp_user_name != "smtp1") is (row.operation is ADD))
    status = "Enable" if row.operation is ADD else row.status
    held = {name: getattr(user, name) for name in ("smtp_user_name", "status", "total_limit", "hourly_limit")}
    assert held == {**held, "status": status, **BOTH_LIMITS, **row.after}
    binds = row.adopted or row.renamed or row.operation is ADD
    return {"alias": row.options["alias"] if binds else next(iter(row.aliases), None), **held}


def expected_before(row: Row) -> dict[str, Any]:
    """What the difference has to show as there before."""
    if row.operation is ADD or not row.exists:
        return {}
    return {"alias": next(iter(row.aliases), None), **BOTH_LIMITS, "status": row.status, "smtp_user_name": "smtp1"}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_check_run_says_what_the_real_run_does_and_the_second_run_does_nothing(
    row: Row, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    prepare(row, service, server, bindings_path)
    before = snapshot(bindings_path.parent)
    options = {**row.options, "bindings_path": str(bindings_path)}

    check = run_module("smtp_user", check=True, **options)
    assert calls_of(service) == ["listSmtp"]
    assert snapshot(bindings_path.parent) == before

    real = run_module("smtp_user", **options)
    log = service.log
    writes = [row.operation["call"]] if row.operation else []
    assert calls_of(service) == ["listSmtp", *writes, *["listSmtp" for call in writes]]
    assert check["changed"] is real["changed"] is (row.adopted or row.renamed or row.operation is not None)
    # Who has nothing to bind takes no lock.
    assert Path(f"{bindings_path}.lock").exists() is (row.adopted or row.renamed or row.operation is ADD)

    shown = expected_user(row, service)
    name = shown["smtp_user_name"] if shown else None
    # What nobody can know before.
    unknown = {"smtp_user_name": None} if row.operation is ADD else {}
    assert real["smtp_user"] == shown
    assert check["smtp_user"] == (shown and {**shown, **unknown})
    assert real["operations"] == [{"smtp_user_name": name, **row.operation} for call in writes if row.operation]
    assert check["operations"] == [{**operation, **unknown} for operation in real["operations"]]
    if row.operation:
        assert log[1].parameters == {**({} if unknown else {"smtp_user_name": name}), **row.operation["parameters"]}
    assert real["diff"] == {"before": expected_before(row), "after": shown or {}}
    assert check["diff"] == {"before": expected_before(row), "after": check["smtp_user"] or {}}
    bindings = read_bindings(bindings_path, server.base_url) if bindings_path.exists() else {}
    others = {} if row.renamed else row.aliases
    assert bindings.get("aliases", {}) == ({**others, shown["alias"]: name} if shown and shown["alias"] else row.aliases)
    assert "intents" not in bindings
    nothing_is_left_to_do(options, real["smtp_user"], service, run_module, bindings_path)


def nothing_is_left_to_do(
    options: dict[str, Any], shown: Any, service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    """Run again, dry and for real."""
    settled, users = snapshot(bindings_path.parent), service.users(OWNER)
    for check in (True, False):
        again = run_module("smtp_user", check=check, **options)
        assert calls_of(service) == ["listSmtp"]
        assert (again["changed"], again["operations"], again["smtp_user"]) == (False, [], shown)
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
    "the file knows nobody": (Row({**BY_ALIAS, **BOTH_LIMITS}), "and there are 1: smtp1"),
    "the file knows nobody, all are disabled": (Row({**BY_ALIAS, **BOTH_LIMITS}, status="Disable"), "there are 1: smtp1"),
    "somebody has just these limits": (Row({**BY_ALIAS, **BOTH_LIMITS}, aliases={"shop": "smtp9"}), "smtp1 may be its user"),
    "renamed, both bound": (
        Row(RENAMED, aliases={**BOUND, "invoices": "smtp2"}),
        'is bound to smtp1, and "invoices" of renamed_from to smtp2',
    ),
    "renamed, and bound to another": (
        Row({**RENAMED, "smtp_user_name": "smtp9"}, aliases={"invoices": "smtp1"}),
        'alias "billing" is bound to smtp1, not to smtp9',
    ),
    "renamed, user not listed": (Row(RENAMED, there=False, aliases={"invoices": "smtp1"}), "remove the binding"),
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
    monkeypatch.setenv("SENDCLEAN_TOKEN", TOKEN)
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
