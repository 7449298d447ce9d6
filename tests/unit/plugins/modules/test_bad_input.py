# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be right is refused by name, before anything is sent or written, and never ends in a traceback."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from ansible_collections.sendclean.email.plugins.module_utils import _module
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    FakeClock,
    ModuleResult,
    RunModule,
    snapshot,
)
from simulator import RunningServer, Service, serve

MODULES = ["smtp_user", "smtp_user_info", "smtp_password_reset"]
BY_NAME = {"smtp_user_name": "smtp1"}


def refuse(result: ModuleResult, option: str) -> None:
    """See that a module failed with a text for people that names the option."""
    assert result.failed, result.result
    assert option in result.msg
    assert "Traceback" not in result.output
    assert "exception" not in result.result


# ---- options that every module shares --------------------------------------------------------------------------

SHARED: list[tuple[str, Any]] = [
    ("owner_id", ""),
    ("owner_id", " "),
    ("token", ""),
    ("token", "\t"),
    ("app_domain", ""),
    ("app_domain", "example.net/v1.0"),
    ("app_domain", "user@example.net"),
    ("app_domain", "https://example.net"),
    ("app_domain", "example net"),
    ("app_domain", ".example.net"),
    ("api_url", ""),
    ("api_url", "api.example.net/v1.0"),
    ("api_url", "//api.example.net/v1.0"),
    ("api_url", "ftp://api.example.net/v1.0"),
    ("api_url", "file:///etc/passwd"),
    ("api_url", "https://"),
    ("api_url", "https:///v1.0"),
    ("api_url", "https://api.example.net:99999/v1.0"),
    ("api_url", "https://api.example.net:port/v1.0"),
    ("api_url", "https://[::1/v1.0"),
    ("api_url", "https://api.example.net/v1.0?token=x"),
    ("api_url", "https://api.example.net/v1.0#x"),
    ("api_url", "https://api.example.net/v1.0 "),
    ("api_url", "https://api.example.net\\@127.0.0.1/v1.0"),
    ("api_url", "https://api.example.net/v1.0\n"),
    ("api_url", "http://api.example.net/v1.0"),
    ("api_url", "http://192.168.1.1/v1.0"),
    ("api_url", "http://0.0.0.0/v1.0"),
    ("api_url", "http://127.0.0.1.example.net/v1.0"),
    ("api_url", "http://localhost.example.net/v1.0"),
    ("api_url", "http://[fe80::1]/v1.0"),
    ("api_url", "https://user:Zq4Xw7Zq4@api.example.net/v1.0"),
    ("api_url", "https://user@api.example.net/v1.0"),
    ("api_url", "http://127.0.0.1:80@api.example.net/v1.0"),
    ("ca_path", "/nonexistent/ca.pem"),
    ("ca_path", ""),
    ("timeout", 0),
    ("timeout", -1),
    ("timeout", "nan"),
    ("timeout", "inf"),
    ("timeout", "-inf"),
    ("timeout", "1e400"),
    ("timeout", True),
    ("timeout", False),
    ("timeout", "soon"),
    ("timeout", [1]),
    ("timeout", 1e10),
    ("retry_timeout", 0),
    ("retry_timeout", -0.1),
    ("retry_timeout", "nan"),
    ("retry_timeout", "inf"),
    ("retry_timeout", True),
    ("retry_timeout", "soon"),
    ("retry_timeout", 1e10),
    ("requests_per_minute", -1),
    ("requests_per_minute", True),
    ("requests_per_minute", 1.5),
    ("requests_per_minute", "many"),
    ("requests_per_minute", 10**400),
    ("validate_certs", "perhaps"),
    ("bindings_path", ""),
    ("bindings_path", " "),
    ("bindings_path", "/nonexistent/bindings.json"),
    ("bindings_path", "/dev/null/bindings.json"),
]


@pytest.mark.parametrize("module_name", MODULES)
@pytest.mark.parametrize(("option", "value"), SHARED)
def test_a_shared_option_that_makes_no_sense_is_refused_by_name_before_anything_is_sent(
    module_name: str, option: str, value: Any, service: Service, run_module: RunModule
) -> None:
    named = {} if module_name == "smtp_user_info" else BY_NAME
    url = {"api_url": None} if option == "app_domain" else {}
    failed = run_module(module_name, **{**named, **url, option: value})
    refuse(failed, option)
    # No call failed, since none was tried: neither here nor anywhere else.
    assert "error" not in failed.result
    assert "Zq4Xw7Zq4" not in failed.msg
    assert service.log == []


@pytest.mark.parametrize("option", ["api_url", "ca_path", "bindings_path", "owner_id"])
def test_a_null_character_ends_in_no_traceback(option: str, service: Service, run_module: RunModule, tmp_path: Path) -> None:
    # Without no_log Ansible refuses it, since syslog takes no such text.
    failed = run_module("smtp_user_info", _ansible_no_log=True, **{option: f"{tmp_path}\0x"})
    assert failed.failed
    assert "Traceback" not in failed.output
    assert {entry.call for entry in service.log} <= {"listSmtp"}


@pytest.mark.parametrize("module_name", MODULES)
@pytest.mark.parametrize("option", ["owner_id", "token"])
def test_credentials_are_required(module_name: str, option: str, service: Service, run_module: RunModule) -> None:
    refuse(run_module(module_name, **{**BY_NAME, option: None}), option)
    assert service.log == []


@pytest.mark.parametrize(("name", "option"), [("SENDCLEAN_OWNER_ID", "owner_id"), ("SENDCLEAN_TOKEN", "token")])
def test_an_empty_environment_variable_is_refused_as_the_option_would_be(
    name: str, option: str, service: Service, run_module: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "")
    refuse(run_module("smtp_user_info", **{option: None}), option)
    assert service.log == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_ca_path_that_may_not_be_read_is_refused(service: Service, run_module: RunModule, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch(mode=0)
    refuse(run_module("smtp_user_info", ca_path=str(bundle)), "ca_path")
    assert service.log == []


# ---- options of one module -------------------------------------------------------------------------------------

PATH = {"bindings_path": "{bindings_path}"}
OWN: list[tuple[str, str, dict[str, Any]]] = [
    ("smtp_user", "alias", {}),
    ("smtp_user", "smtp_user_name", {}),
    ("smtp_user", "alias", {"alias": "", **PATH}),
    ("smtp_user", "alias", {"alias": " ", **PATH}),
    ("smtp_user", "alias", {"alias": "", **BY_NAME, **PATH}),
    ("smtp_user", "smtp_user_name", {"smtp_user_name": ""}),
    ("smtp_user", "smtp_user_name", {"smtp_user_name": "", "alias": "billing", **PATH}),
    ("smtp_user", "bindings_path", {"alias": "billing"}),
    ("smtp_user", "bindings_path", {"alias": "billing", **BY_NAME}),
    ("smtp_user", "state", {**BY_NAME, "state": "gone"}),
    ("smtp_user", "include_password", {**BY_NAME, "include_password": "perhaps"}),
    *(
        ("smtp_user", option, {**BY_NAME, option: value})
        for option in ("total_limit", "hourly_limit")
        # "inf" is left out: some versions of ansible-core fail over it themselves, before the module has a say.
        for value in (0, -1, True, False, "many", "", 1.5, "1.5", [1], {"a": 1}, "nan", "0x10")
    ),
    *(
        ("smtp_user", option, {**BY_NAME, "state": "absent", option: value})
        for option in ("total_limit", "hourly_limit")
        for value in (0, True)
    ),
    ("smtp_user_info", "bindings_path", {"aliases": ["billing"]}),
    ("smtp_user_info", "aliases", {"aliases": ["billing", ""], **PATH}),
    ("smtp_user_info", "smtp_user_names", {"smtp_user_names": [""]}),
    ("smtp_user_info", "status", {"status": "enabled"}),
    ("smtp_user_info", "status", {"status": ""}),
    ("smtp_password_reset", "alias", {}),
    ("smtp_password_reset", "smtp_user_name", {}),
    ("smtp_password_reset", "alias", {"alias": "billing", **BY_NAME, **PATH}),
    ("smtp_password_reset", "alias", {"alias": "", **PATH}),
    ("smtp_password_reset", "smtp_user_name", {"smtp_user_name": ""}),
    ("smtp_password_reset", "current_password", {**BY_NAME, "current_password": ""}),
    ("smtp_password_reset", "bindings_path", {"alias": "billing"}),
    ("smtp_password_reset", "bindings_path", {**BY_NAME, "max_age_days": 1}),
    *(
        ("smtp_password_reset", "max_age_days", {**BY_NAME, **PATH, "max_age_days": value})
        for value in (-1, -0.001, True, False, "nan", "inf", "old", "")
    ),
]


@pytest.mark.parametrize(("module_name", "option", "options"), OWN)
@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
def test_an_option_that_makes_no_sense_is_refused_by_name_before_anything_is_sent_or_written(
    module_name: str,
    option: str,
    options: dict[str, Any],
    check: bool,
    service: Service,
    run_module: RunModule,
    bindings_path: Path,
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    if "bindings_path" in options:
        options = {**options, "bindings_path": str(bindings_path)}
    failed = run_module(module_name, check=check, **options)
    refuse(failed, option)
    assert "error" not in failed.result
    assert service.log == []
    assert not list(bindings_path.parent.iterdir())


def test_an_option_that_does_not_exist_is_refused(service: Service, run_module: RunModule) -> None:
    refuse(run_module("smtp_user", daily_limit=5, **BY_NAME), "daily_limit")
    assert service.log == []


# ---- the bindings file -----------------------------------------------------------------------------------------


def in_account(**section: Any) -> str:
    """A bindings file with this account's section; the address is filled in later."""
    return json.dumps({"version": 1, "accounts": {"BASE": {OWNER: section}}})


INTENT = {"total_limit": 1, "hourly_limit": 1, "smtp_user_names": []}
CONTENTS: dict[str, str | bytes] = {
    "empty": "",
    "blank": "\n",
    "not JSON": "billing: smtp1\n",
    "half": in_account(aliases={"billing": "smtp1"})[:-3],
    "two documents": "{}{}",
    "conflict markers": '{\n<<<<<<< HEAD\n "version": 1,\n=======\n "version": 1,\n>>>>>>> other\n "accounts": {}\n}\n',
    "the same key twice": '{"version": 1, "accounts": {"BASE": {"demo": {"aliases": {"billing": "smtp1", "billing": "smtp2"}}}}}',
    "not UTF-8": b'{"version": 1, "accounts": {}, "caf\xe9": 1}',
    "UTF-16": '{"version": 1, "accounts": {}}'.encode("utf-16"),
    "deeply nested": "[" * 100_000,
    "a list": "[]",
    "null": "null",
    "a number": "1",
    "a string": '"bindings"',
    "an empty object": "{}",
    "no version": '{"accounts": {}}',
    "a version that is no number": '{"version": "1", "accounts": {}}',
    "version true": '{"version": true, "accounts": {}}',
    "version 0": '{"version": 0, "accounts": {}}',
    "no accounts": '{"version": 1}',
    "accounts is a list": '{"version": 1, "accounts": []}',
    "accounts of a list": '{"version": 1, "accounts": {"BASE": []}}',
    "account is a list": '{"version": 1, "accounts": {"BASE": {"demo": []}}}',
    "account is null": '{"version": 1, "accounts": {"BASE": {"demo": null}}}',
    "aliases is a list": in_account(aliases=["smtp1"]),
    "aliases is null": in_account(aliases=None),
    "alias without a name": in_account(aliases={"billing": None}),
    "alias with an empty name": in_account(aliases={"billing": ""}),
    "alias of a number": in_account(aliases={"billing": 1}),
    "alias of an object": in_account(aliases={"billing": {"smtp_user_name": "smtp1"}}),
    "two aliases of one user": in_account(aliases={"billing": "smtp1", "shop": "smtp1"}),
    "intents is a list": in_account(intents=[]),
    "intent is null": in_account(intents={"billing": None}),
    "intent is a string": in_account(intents={"billing": "smtp1"}),
    "intent without names": in_account(intents={"billing": {"total_limit": 1, "hourly_limit": 1}}),
    "intent without a limit": in_account(intents={"billing": {"total_limit": 1, "smtp_user_names": []}}),
    "intent with null as limit": in_account(intents={"billing": {**INTENT, "total_limit": None}}),
    "intent with a word as limit": in_account(intents={"billing": {**INTENT, "total_limit": "many"}}),
    "intent with a huge limit": in_account(intents={"billing": {**INTENT, "total_limit": 0.5}}).replace("0.5", "1e999"),
    "intent with names as text": in_account(intents={"billing": {**INTENT, "smtp_user_names": "smtp1"}}),
    "intent with a number as name": in_account(intents={"billing": {**INTENT, "smtp_user_names": [1]}}),
    "password_times is a list": in_account(password_times=[]),
    "password time is a number": in_account(password_times={"smtp1": 1700000000}),
    "password time is a word": in_account(password_times={"smtp1": "yesterday"}),
    "password time is null": in_account(password_times={"smtp1": None}),
}

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "create": ("smtp_user", {"alias": "news", "total_limit": 1, "hourly_limit": 1}),
    "adopt": ("smtp_user", {"alias": "news", **BY_NAME}),
    "disable": ("smtp_user", {"alias": "billing", "state": "absent"}),
    "inform": ("smtp_user_info", {}),
    "reset": ("smtp_password_reset", {**BY_NAME, "max_age_days": 1}),
}


@pytest.mark.parametrize(("module_name", "options"), RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_bindings_file_that_makes_no_sense_is_refused_and_left_as_it_is(
    content: str | bytes,
    module_name: str,
    options: dict[str, Any],
    service: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    raw = content.encode() if isinstance(content, str) else content
    bindings_path.write_bytes(raw.replace(b"BASE", server.base_url.encode()))
    before = bindings_path.stat()
    left = bindings_path.read_bytes()
    for check in (True, False):
        failed = run_module(module_name, check=check, bindings_path=str(bindings_path), **options)
        refuse(failed, "bindings_path")
        assert str(bindings_path) in failed.msg
    assert service.log == []
    assert bindings_path.read_bytes() == left
    assert (bindings_path.stat().st_mtime_ns, bindings_path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize("version", [2, 17])
def test_a_bindings_file_of_a_newer_version_is_left_to_that_version(
    version: int, service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    bindings_path.write_text(json.dumps({"version": version, "entries": []}))
    failed = run_module("smtp_user", bindings_path=str(bindings_path), alias="news", total_limit=1, hourly_limit=1)
    refuse(failed, "bindings_path")
    assert "newer" in failed.msg
    assert service.log == []
    assert json.loads(bindings_path.read_text()) == {"version": version, "entries": []}


@pytest.mark.parametrize(("module_name", "options"), RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "FIFO"])
def test_a_bindings_path_that_is_no_file_is_refused(
    make: Callable[[Path], None],
    module_name: str,
    options: dict[str, Any],
    service: Service,
    run_module: RunModule,
    bindings_path: Path,
) -> None:
    make(bindings_path)
    refuse(run_module(module_name, bindings_path=str(bindings_path), **options), "bindings_path")
    assert service.log == []
    assert not bindings_path.is_file()


def test_a_bindings_path_that_is_a_socket_or_a_device_is_refused(service: Service, run_module: RunModule) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        # A short path: that of a socket has a limit.
        listening.bind(f"{folder}/s")
        for path in (f"{folder}/s", "/dev/null"):
            refuse(run_module("smtp_user_info", bindings_path=path), "bindings_path")
    assert service.log == []


def test_a_bindings_path_that_is_a_loop_of_links_is_refused(service: Service, run_module: RunModule, bindings_path: Path) -> None:
    bindings_path.symlink_to(bindings_path)
    for module_name, options in RUNS.values():
        refuse(run_module(module_name, bindings_path=str(bindings_path), **options), "bindings_path")
    assert service.log == []
    assert bindings_path.is_symlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_bindings_file_that_may_not_be_read_is_refused(service: Service, run_module: RunModule, bindings_path: Path) -> None:
    bindings_path.touch(mode=0)
    for module_name, options in RUNS.values():
        refuse(run_module(module_name, bindings_path=str(bindings_path), **options), "bindings_path")
    assert service.log == []


# ---- the service -----------------------------------------------------------------------------------------------

WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "edit": ("smtp_user", {**BY_NAME, "total_limit": 5}),
    "create": ("smtp_user", {"alias": "news", "total_limit": 1, "hourly_limit": 1}),
    "reset": ("smtp_password_reset", BY_NAME),
}
every_write = pytest.mark.parametrize(("module_name", "options"), WRITES.values(), ids=WRITES)


@pytest.fixture
def write(service: Service, run_module: RunModule, bindings_path: Path, fast: FakeClock) -> Iterator[RunModule]:
    """Run a module that would write if it got that far; afterwards see that it did not."""
    service.create_user(OWNER, smtp_user_name="smtp1")
    users = service.users(OWNER)
    before = snapshot(bindings_path.parent)
    yield lambda name, **options: run_module(name, **{"bindings_path": str(bindings_path), **options})
    assert service.users(OWNER) == users
    assert {entry.call for entry in service.log if entry.carried_out} <= {"listSmtp"}
    written = {name: about for name, about in snapshot(bindings_path.parent).items() if not name.endswith(".lock")}
    assert written.keys() == before.keys()


@every_write
def test_credentials_that_do_not_fit_are_told(module_name: str, options: dict[str, Any], write: RunModule) -> None:
    for credentials in ({"token": "wrong-token"}, {"owner_id": "nobody"}):
        failed = write(module_name, **options, **credentials)
        assert failed["error"]["name"] == "AuthenticationError"
        assert "owner_id" in failed.msg and "token" in failed.msg


@every_write
@pytest.mark.parametrize("path", ["", "/v2.0", "/v1.0/v1.0", "/v1.0/settings"])
def test_a_base_url_with_a_wrong_path_is_told(
    path: str, module_name: str, options: dict[str, Any], service: Service, server: RunningServer, write: RunModule
) -> None:
    failed = write(module_name, api_url=server.base_url.replace("/v1.0", path), **options)
    refuse(failed, "api_url")
    assert failed["error"]["call"] == "listSmtp"
    assert len(service.log) == 1


def test_a_trailing_slash_in_the_base_url_makes_no_difference(
    service: Service, server: RunningServer, run_module: RunModule
) -> None:
    assert run_module("smtp_user_info", api_url=f"{server.base_url}//")["smtp_users"] == []


@every_write
def test_a_closed_port_is_told(module_name: str, options: dict[str, Any], write: RunModule) -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else gets the port meanwhile.
        taken.bind(("127.0.0.1", 0))
        failed = write(module_name, api_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1.0", **options)
    refuse(failed, "api_url")
    assert "refused" in failed.msg
    assert failed["error"] == {
        "call": "listSmtp",
        "name": "TransportError",
        "code": None,
        "message": failed["error"]["message"],
        "http_status": None,
    }


# Names below .invalid never resolve (RFC 6761); the others are no names at all.
@pytest.mark.parametrize("host", ["api.sendclean.invalid", "a..b", "." * 3, "x" * 64 + ".invalid", "ü" * 80 + ".invalid", "*"])
def test_a_host_that_does_not_resolve_is_told(host: str, write: RunModule) -> None:
    refuse(write("smtp_user_info", api_url=f"https://{host}/v1.0"), "api_url")


@every_write
@pytest.mark.parametrize("fault", ["html_404", "unreadable_after", "non_object_after", "empty_after", "bad_gateway_502_after"])
def test_an_answer_that_is_no_json_object_is_told(
    fault: str, module_name: str, options: dict[str, Any], service: Service, write: RunModule
) -> None:
    service.add_fault("listSmtp", fault, times=10)
    failed = write(module_name, **options)
    assert failed["error"]["name"] == "ProtocolError"
    assert isinstance(failed["error"]["http_status"], int)
    assert "Traceback" not in failed.output


ENTRY = {"smtp_user_name": "smtp1", "password": "p", "status": "Enable", "total_limit": 1, "hourly_limit": 1}
WRONG_VALUES: dict[str, tuple[Any, ...]] = {
    "smtp_user_name": (None, "", 1, ["smtp1"], {}),
    "status": (None, "", "Enabled", 2, -1, ["Enable"], {}, "null"),
    "total_limit": ("", "many", "-1", -1, 1.5, True, [1], {}, "1e3", "²", "9" * 5000),
    "hourly_limit": ("many", False, -0.5),
}
LISTINGS: dict[str, Any] = {
    "null": None,
    "an object": {"smtp1": ENTRY},
    "a string": "smtp1",
    "a number": 1,
    "names": ["smtp1"],
    "null inside": [ENTRY, None],
    "a list inside": [[ENTRY]],
    "the same user twice": [ENTRY, ENTRY],
    **{f"{key} is {value!r}": [{**ENTRY, key: value}] for key, values in WRONG_VALUES.items() for value in values},
    **{f"no {key}": [{name: value for name, value in ENTRY.items() if name != key}] for key in ("smtp_user_name", "status")},
}


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=[name[:40] for name in LISTINGS])
def test_a_listing_that_makes_no_sense_stops_every_write(listing: Any, service: Service, write: RunModule) -> None:
    for module_name, options in WRITES.values():
        service.clear_faults()
        service.add_fault("listSmtp", "wrong_listing", value=listing, times=10)
        failed = write(module_name, **options)
        assert failed["error"]["name"] == "ProtocolError", failed.msg
        assert failed["error"]["call"] == "listSmtp"
        assert "Traceback" not in failed.output


@every_write
def test_a_redirect_is_never_followed(module_name: str, options: dict[str, Any], service: Service, write: RunModule) -> None:
    thief = Service({OWNER: TOKEN})
    with serve(thief) as elsewhere:
        service.add_fault("listSmtp", "redirect", location=f"{elsewhere.base_url}/settings/listSmtp", times=100)
        failed = write(module_name, **options)
    refuse(failed, "redirect")
    assert failed["error"]["http_status"] == 307
    assert thief.log == []


@pytest.mark.parametrize(
    ("call", "run"), [("editSmtp", "edit"), ("addSmtp", "create"), ("resetSmtpPassword", "reset")], ids=WRITES
)
def test_a_redirect_of_a_write_is_never_followed(
    call: str, run: str, service: Service, run_module: RunModule, bindings_path: Path, fast: FakeClock
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    users = service.users(OWNER)
    module_name, options = WRITES[run]
    thief = Service({OWNER: TOKEN})
    with serve(thief) as elsewhere:
        service.add_fault(call, "redirect", location=f"{elsewhere.base_url}/settings/{call}", times=100)
        failed = run_module(module_name, bindings_path=str(bindings_path), **options)
    refuse(failed, "redirect")
    assert failed["error"]["call"] == call
    assert thief.log == []
    assert service.users(OWNER) == users


@pytest.mark.parametrize(("sent", "shown"), [(None, None), (" 7 ", 7), (7.0, 7), (0, 0)])
def test_a_limit_in_another_spelling_is_read(sent: Any, shown: int | None, service: Service, run_module: RunModule) -> None:
    service.add_fault("listSmtp", "wrong_listing", value=[{**ENTRY, "total_limit": sent}])
    (user,) = run_module("smtp_user_info")["smtp_users"]
    assert user["total_limit"] == shown


@pytest.mark.parametrize("module_name", MODULES)
def test_a_machine_without_requests_is_told(
    module_name: str, service: Service, run_module: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_module, "REQUESTS_IMPORT_ERROR", "No module named 'requests'")
    named = {} if module_name == "smtp_user_info" else BY_NAME
    failed = run_module(module_name, **named)
    assert failed.failed
    assert "Failed to import the required Python library (requests)" in failed.msg
    assert service.log == []


@responses.activate
def test_a_user_that_was_there_before_is_not_taken_for_a_new_one(run_module: RunModule, tmp_path: Path) -> None:
    url = "https://api.sendclean.invalid/v1.0"
    responses.post(f"{url}/settings/listSmtp", json={"status": "success", "smtp_list": [ENTRY]})
    created = {"status": "success", "smtp_user_name": ENTRY["smtp_user_name"], "smtp_password": "new"}
    responses.post(f"{url}/settings/addSmtp", json=created)
    bindings = tmp_path / "bindings.json"
    limits = {"total_limit": 1, "hourly_limit": 1}
    failed = run_module("smtp_user", api_url=url, alias="billing", bindings_path=str(bindings), **limits)
    assert "a user that was there before: nothing is bound" in failed.msg
    (account,) = json.loads(bindings.read_text(encoding="utf-8"))["accounts"][url].values()
    assert not account.get("aliases")
