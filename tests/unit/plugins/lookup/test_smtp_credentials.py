# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup smtp_credentials, run in this process against the simulated service: whom it finds, and how often it asks."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.sendclean.email.plugins.lookup import smtp_credentials
from ansible_collections.sendclean.email.plugins.module_utils import _client
from ansible_collections.sendclean.email.plugins.module_utils._document import TIME_FORMAT
from ansible_collections.sendclean.email.plugins.module_utils._lag import utc_now
from ansible_collections.sendclean.email.plugins.plugin_utils import _listed
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    FakeClock,
    RunModule,
    hidden,
    made,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service, Settings

LookUp = Callable[..., "list[dict[str, str]]"]


@pytest.fixture(autouse=True)
def clock(fast: FakeClock, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Nothing was listed before, and waiting takes no time."""
    monkeypatch.setattr(_listed, "time", fast)
    monkeypatch.setattr(_listed, "_seen", {})
    return fast


@pytest.fixture
def look_up(bindings_path: Path, server: RunningServer, service: Service) -> LookUp:
    """look_up("billing", timeout=…) for an account where billing is smtp1 and shop smtp2; None counts as not given."""
    for name in ("smtp1", "smtp2", "smtp3"):
        service.create_user(OWNER, smtp_user_name=name)
    write_bindings(bindings_path, server.base_url, aliases={"billing": "smtp1", "shop": "smtp2"})
    loader = DataLoader()
    loader.set_basedir(str(bindings_path.parent))

    def run(*terms: Any, **options: Any) -> list[dict[str, str]]:
        given = {"owner_id": OWNER, "token": TOKEN, "api_url": server.base_url, "bindings_path": str(bindings_path)}
        given = {**given, "requests_per_minute": 0, "timeout": 5, **options}
        return smtp_credentials.LookupModule(loader=loader, templar=None).run(list(terms), variables={}, **given)

    return run


def refusal(look_up: LookUp, *terms: Any, **options: Any) -> str:
    """Return why a lookup fails."""
    with pytest.raises(AnsibleLookupError) as caught:
        look_up(*terms, **options)
    # Ansible shows what an error was raised from.
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    return str(caught.value)


def password(service: Service, name: str) -> str:
    """Return the password that an account has."""
    return next(user.smtp_password for user in service.users(OWNER) if user.smtp_user_name == name)


def of(service: Service, *names: str) -> list[dict[str, str]]:
    """Return what has to be found for these users."""
    return [{"smtp_user_name": name, "smtp_password": password(service, name)} for name in names]


def test_users_are_found_by_alias_and_name_in_the_order_asked(look_up: LookUp, service: Service) -> None:
    assert look_up("billing") == of(service, "smtp1")
    assert look_up("shop", "smtp3", "billing", "shop") == of(service, "smtp2", "smtp3", "smtp1", "smtp2")
    assert look_up(["shop", "billing"], "smtp3") == of(service, "smtp2", "smtp1", "smtp3")
    assert look_up("smtp3", bindings_path=None) == of(service, "smtp3")


@pytest.mark.parametrize("terms", [(), ([],)])
def test_nobody_is_asked_for(terms: tuple[Any, ...], look_up: LookUp, service: Service) -> None:
    assert look_up(*terms) == []
    assert service.log == []


def test_an_alias_wins_over_the_name_of_another(
    look_up: LookUp, service: Service, bindings_path: Path, server: RunningServer
) -> None:
    """As it is after the rotation of a user who was adopted under its own name."""
    standby = {"smtp3": {"smtp_user_name": "smtp3", "retires_at": "2026-01-31T12:00:00Z"}}
    write_bindings(bindings_path, server.base_url, aliases={"smtp3": "smtp1"}, standbys=standby)
    assert look_up("smtp3") == of(service, "smtp1")


def test_what_is_off_is_found_too(look_up: LookUp, service: Service) -> None:
    service.update_user(OWNER, "smtp1", status="Disable")
    assert look_up("billing") == of(service, "smtp1")


def test_the_active_user_of_a_rotated_alias_is_found(
    look_up: LookUp, service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    before = look_up("billing")
    # Who has other limits is nobody's second user.
    service.update_user(OWNER, "smtp3", hourly_limit=7)
    rotated = run_module("smtp_user_rotate", alias="billing", bindings_path=str(bindings_path))
    assert not rotated.failed, rotated.result
    assert look_up("billing") == [{name: rotated[name] for name in ("smtp_user_name", "smtp_password")}]
    # Who has the former credentials still finds the user by its name.
    assert before == look_up("smtp1") and before != look_up("billing")


def test_one_task_lists_once_and_another_one_anew(look_up: LookUp, service: Service, clock: FakeClock) -> None:
    for unused in range(3):
        assert look_up("billing", "smtp3") + look_up("shop") == of(service, "smtp1", "smtp3", "smtp2")
    assert made(service) == {"listSmtp": 1}
    clock.now += 9.9
    look_up("billing")
    assert made(service) == {}
    clock.now += 0.1
    service.update_user(OWNER, "smtp1", smtp_password="another")
    assert look_up("billing")[0]["smtp_password"] == "another"
    assert made(service) == {"listSmtp": 1}


def test_no_password_is_kept_for_longer(look_up: LookUp, clock: FakeClock) -> None:
    look_up("billing")
    clock.now += 10
    look_up("smtp3", bindings_path=None)
    assert [seen.moment for seen in _listed._seen.values()] == [clock.now]


@pytest.mark.parametrize(
    "other",
    [
        {"token": "another-token"},
        {"owner_id": "other", "token": "another-token"},
        {"bindings_path": "other.json"},
        {"api_url": "http://localhost:1/v1.0", "retry_timeout": 0.1},
        {"timeout": 6.0},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_one_account_shows_is_nothing_that_is_known_of_another(
    other: dict[str, Any], look_up: LookUp, service: Service
) -> None:
    look_up("billing")
    service.clear_log()
    try:
        found = look_up("billing", **other)
    except AnsibleLookupError:
        found = []
    assert "api_url" in other or made(service) == {"listSmtp": 1}
    assert found == (of(service, "smtp1") if "timeout" in other else [])


def test_a_change_of_the_bindings_file_is_seen_at_once(
    look_up: LookUp, service: Service, bindings_path: Path, server: RunningServer
) -> None:
    look_up("billing")
    write_bindings(bindings_path, server.base_url, aliases={"billing": "smtp3"})
    assert look_up("billing") == of(service, "smtp3")
    assert made(service) == {"listSmtp": 2}


def test_another_process_lists_itself(look_up: LookUp, service: Service) -> None:
    """As Ansible forks one for each task and host, from one that may have looked for the name of a task before."""
    look_up("billing")
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def ask() -> None:
        look_up("billing")
        sender.send(made(service))

    process = context.Process(target=ask)
    process.start()
    assert receiver.recv() == {"listSmtp": 2}
    process.join()


def test_who_was_created_a_moment_ago_is_waited_for(
    look_up: LookUp, service: Service, bindings_path: Path, server: RunningServer, clock: FakeClock
) -> None:
    look_up("billing")
    times = {"smtp4": utc_now().strftime(TIME_FORMAT)}
    write_bindings(bindings_path, server.base_url, aliases={"new": "smtp4"}, password_times=times)

    def create() -> None:
        clock.meanwhile = None
        service.create_user(OWNER, smtp_user_name="smtp4")

    clock.meanwhile = create
    assert look_up("new") == of(service, "smtp4")


@pytest.mark.parametrize(
    ("terms", "options", "said"),
    [
        (["nobody"], {}, ['"nobody" is no alias in', "bindings.json", "bindings_path and owner_id"]),
        (["nobody", "billing", "none", "nobody"], {}, ['"nobody" is no alias', '\n"none" is no alias']),
        (["billing"], {"bindings_path": None}, ['"billing" is no smtp_user_name', "give bindings_path or bindings_url"]),
        (["billing"], {"bindings_path": "nothing.json"}, ['"billing" is no alias in', "nothing.json"]),
        ([5], {}, ["terms[0] must be a string, not 5: put it in quotes"]),
        (["billing", None], {}, ["terms[1] is empty"]),
        (["billing "], {}, ["terms[0] has white space (U+0020) at its end"]),
        ([["billing", {}]], {}, ["terms[1] must be a string"]),
        (["billing"], {"owner_id": None}, ["owner_id must be given to the lookup, or SENDCLEAN_OWNER_ID in the environment of"]),
        (["billing"], {"token": 12345678}, ["token must be a string: put it in quotes"]),
        (["billing"], {"bindings": "x"}, ["Unsupported parameters for (sendclean.email.smtp_credentials): bindings"]),
        (["billing"], {"timeout": "soon"}, ["timeout must be a positive number of seconds"]),
        (["billing"], {"bindings_url": "postgresql://me:pw@here/db"}, ["bindings_url must not hold a password"]),
        (["billing"], {"bindings_url": "postgresql://here/db"}, ["bindings_url and bindings_path exclude each other"]),
        (["billing"], {"app_domain": TOKEN + "/x", "api_url": None}, ["app_domain must be a host name such as sendclean.net"]),
        (["billing"], {"token": "another-token"}, ["SendClean answered listSmtp with an error", "Check owner_id and token"]),
    ],
)
def test_what_cannot_be_looked_up_is_told_without_a_secret(
    terms: list[Any], options: dict[str, Any], said: list[str], look_up: LookUp, service: Service
) -> None:
    message = refusal(look_up, *terms, **options)
    assert [text for text in said if text not in message] == [], message
    for secret in [TOKEN, "another-token", "12345678", "me:pw", *(user.smtp_password for user in service.users(OWNER))]:
        assert hidden(secret, message)


def test_a_user_whom_the_account_does_not_list_or_show_the_password_of_is_an_error(
    look_up: LookUp, service: Service, bindings_path: Path, server: RunningServer, clock: FakeClock
) -> None:
    write_bindings(bindings_path, server.base_url, aliases={"gone": "smtp9", "billing": "smtp1"})
    assert 'alias "gone" is bound to smtp9, which SendClean does not list any more' in refusal(look_up, "gone")
    service.settings = Settings(listing_fields={"smtp1": {"password": None}})
    clock.now += 10
    assert 'no password, or one that is no text, for "billing", smtp1' in refusal(look_up, "billing", "smtp2")
    assert look_up("smtp2") == of(service, "smtp2")


def test_the_environment_applies_where_an_option_is_not_given(
    look_up: LookUp, service: Service, monkeypatch: pytest.MonkeyPatch, bindings_path: Path
) -> None:
    monkeypatch.setenv("SENDCLEAN_TOKEN", TOKEN)
    monkeypatch.setenv("SENDCLEAN_OWNER_ID", OWNER)
    monkeypatch.setenv("SENDCLEAN_BINDINGS_PATH", str(bindings_path))
    absent = dict.fromkeys(("token", "owner_id", "bindings_path"))
    assert look_up("billing", **absent) == of(service, "smtp1")


def test_a_relative_path_starts_from_the_playbooks_folder(look_up: LookUp, service: Service) -> None:
    assert look_up("billing", bindings_path="bindings.json") == of(service, "smtp1")


def test_nothing_is_written_and_nothing_shown(look_up: LookUp, service: Service, bindings_path: Path) -> None:
    before = snapshot(bindings_path.parent)
    look_up("billing")
    assert snapshot(bindings_path.parent) == before
    assert all(hidden(secret, repr(_listed._seen)) for secret in (TOKEN, password(service, "smtp1")))


def test_what_is_odd_in_the_account_is_told(look_up: LookUp, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("ansible.utils.display.Display.warning", lambda self, text, **more: told.append(text))
    service.settings = Settings(listing_fields={"smtp3": {"hourly_limit": -1}})
    look_up("billing")
    assert ["smtp3" in text for text in told] == [True]


def test_a_bug_shows_its_place_and_nothing_else(look_up: LookUp, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*unused: Any) -> None:
        raise KeyError(TOKEN)

    monkeypatch.setattr(_listed, "not_listed", broken)
    monkeypatch.setattr(_listed, "_problems", broken)
    message = refusal(look_up, "billing")
    assert "A bug, please report it: KeyError" in message and TOKEN not in message


def test_requests_is_asked_for_where_it_is_missing(look_up: LookUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_credentials, "REQUESTS_IMPORT_ERROR", "Traceback")
    assert "requests" in refusal(look_up, "billing")
    assert _client.REQUESTS_IMPORT_ERROR is None


def test_the_result_is_what_json_can_hold(look_up: LookUp) -> None:
    assert json.loads(json.dumps(look_up("billing", "shop"))) == look_up("billing", "shop")
