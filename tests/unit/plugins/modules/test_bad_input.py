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
from ansible_collections.sendclean.email.plugins.module_utils import _client
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    FakeClock,
    ModuleResult,
    RunModule,
    hidden,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service, serve

BY_NAME = {"smtp_user_name": "smtp1"}
# Each module with the options that it needs beside the shared ones.
MODULES: dict[str, dict[str, Any]] = {
    "smtp_user": BY_NAME,
    "smtp_users": {"users": [BY_NAME]},
    "smtp_user_info": {},
    "smtp_password_reset": BY_NAME,
}
every_module = pytest.mark.parametrize("module_name", MODULES)


def refuse(result: ModuleResult, option: str) -> None:
    """See that a module failed with a text for people that names the option."""
    assert result.failed, result.result
    assert option in result.msg
    assert "Traceback" not in result.output
    assert "exception" not in result.result


# ---- options that every module shares --------------------------------------------------------------------------

SHARED: dict[str, list[Any]] = {
    "owner_id": ["", " "],
    "token": ["", "\t"],
    "app_domain": ["", "example.net/v1.0", "user@example.net", "https://example.net", "example net", ".example.net"],
    "api_url": [
        "", "api.example.net/v1.0", "//api.example.net/v1.0", "ftp://api.example.net/v1.0", "file:///etc/passwd", "https://",
        "https:///v1.0", "https://api.example.net:99999/v1.0", "https://api.example.net:port/v1.0", "https://[::1/v1.0",
        "https://api.example.net/v1.0?token=x", "https://api.example.net/v1.0#x", "https://api.example.net/v1.0 ",
        "https://api.example.net\\@127.0.0.1/v1.0", "https://api.example.net/v1.0\n", "http://api.example.net/v1.0",
        "http://192.168.1.1/v1.0", "http://0.0.0.0/v1.0", "http://127.0.0.1.example.net/v1.0",
        "http://localhost.example.net/v1.0", "http://[fe80::1]/v1.0", "https://user:Zq4Xw7Zq4@api.example.net/v1.0",
        "https://user@api.example.net/v1.0", "http://127.0.0.1:80@api.example.net/v1.0",
    ],
    "ca_path": ["/nonexistent/ca.pem", ""],
    "timeout": [0, -1, "nan", "inf", "-inf", "1e400", True, False, "soon", [1], 1e10],
    "retry_timeout": [0, -0.1, "nan", "inf", True, "soon", 1e10],
    "requests_per_minute": [-1, True, 1.5, "many", 10**400],
    "validate_certs": ["perhaps"],
    "bindings_path": ["", " ", "/nonexistent/bindings.json", "/dev/null/bindings.json"],
}  # fmt: skip


@pytest.mark.parametrize(("option", "value"), [(option, value) for option, values in SHARED.items() for value in values])
def test_a_shared_option_that_makes_no_sense_is_refused_by_name_before_anything_is_sent(
    option: str, value: Any, service: Service, run_module: RunModule
) -> None:
    url = {"api_url": None} if option == "app_domain" else {}
    failed = run_module("smtp_user_info", invocation=True, **{**url, option: value})
    refuse(failed, option)
    # No call failed, since none was tried: neither here nor anywhere else.
    assert "error" not in failed.result
    assert hidden("Zq4Xw7Zq4", failed.output)
    assert service.log == []


@every_module
@pytest.mark.parametrize(
    ("option", "value"), [("retry_timeout", True), ("requests_per_minute", True), ("bindings_path", " "), ("ca_path", "")]
)
def test_every_module_judges_the_options_that_it_shares(
    option: str, value: Any, module_name: str, service: Service, run_module: RunModule
) -> None:
    refuse(run_module(module_name, **{**MODULES[module_name], option: value}), option)
    assert service.log == []


@pytest.mark.parametrize("option", ["api_url", "ca_path", "bindings_path", "owner_id"])
def test_a_null_character_ends_in_no_traceback(option: str, service: Service, run_module: RunModule, tmp_path: Path) -> None:
    # Ansible logs arguments without no_log only, and syslog takes no such text.
    for no_log in (True, False):
        failed = run_module("smtp_user_info", _ansible_no_log=no_log, **{option: f"{tmp_path}\0x"})
        assert failed.msg.startswith(f"{option} has a control character (U+0000)")
        assert "Traceback" not in failed.output
    assert service.log == []


@every_module
@pytest.mark.parametrize("option", ["owner_id", "token"])
def test_credentials_are_required(module_name: str, option: str, service: Service, run_module: RunModule) -> None:
    refuse(run_module(module_name, **{**MODULES[module_name], option: None}), option)
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


RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "create": ("smtp_user", {"alias": "news", "total_limit": 1, "hourly_limit": 1}),
    "adopt": ("smtp_user", {"alias": "news", **BY_NAME}),
    "disable": ("smtp_user", {"alias": "billing", "state": "absent"}),
    "account": ("smtp_users", {"users": [{"alias": "news", "total_limit": 1, "hourly_limit": 1}]}),
    "inform": ("smtp_user_info", {}),
    "reset": ("smtp_password_reset", {**BY_NAME, "max_age_days": 1}),
}
every_run = pytest.mark.parametrize(("module_name", "options"), RUNS.values(), ids=RUNS)


@every_run
def test_a_bindings_file_that_makes_no_sense_is_refused_and_left_as_it_is(
    module_name: str, options: dict[str, Any], service: Service, run_module: RunModule, bindings_path: Path
) -> None:
    """One of those in module_utils/test_bindings.py."""
    service.create_user(OWNER, smtp_user_name="smtp1")
    bindings_path.write_text("billing: smtp1\n")
    before = bindings_path.stat()
    for check in (True, False):
        refuse(run_module(module_name, check=check, bindings_path=str(bindings_path), **options), "bindings_path")
    assert service.log == []
    assert bindings_path.read_text() == "billing: smtp1\n"
    assert (bindings_path.stat().st_mtime_ns, bindings_path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def link_to_itself(path: Path) -> None:
    """Make a link that leads nowhere else."""
    path.symlink_to(path)


@every_run
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, link_to_itself], ids=["folder", "FIFO", "loop"])
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


# ---- the service -----------------------------------------------------------------------------------------------

WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "edit": ("smtp_user", {**BY_NAME, "total_limit": 5}),
    "create": ("smtp_user", {"alias": "news", "total_limit": 1, "hourly_limit": 1}),
    "reset": ("smtp_password_reset", BY_NAME),
    "account": ("smtp_users", {"users": [{**BY_NAME, "total_limit": 5}]}),
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


ENTRY = {"smtp_user_name": "smtp1", "password": "p", "status": "Enable", "total_limit": 1, "hourly_limit": 1}


@every_write
def test_a_listing_that_makes_no_sense_stops_every_write(
    module_name: str, options: dict[str, Any], service: Service, write: RunModule
) -> None:
    """One of those in module_utils/test_answers.py."""
    service.add_fault("listSmtp", "wrong_listing", value=["smtp1", "smtp2"], times=10)
    failed = write(module_name, **options)
    assert (failed["error"]["name"], failed["error"]["call"]) == ("ProtocolError", "listSmtp")
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


@pytest.mark.parametrize(("call", "run"), [("editSmtp", "edit"), ("addSmtp", "create"), ("resetSmtpPassword", "reset")])
def test_a_redirect_of_a_write_is_never_followed(
    call: str,
    run: str,
    service: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
    fast: FakeClock,
) -> None:
    service.create_user(OWNER, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, known=["smtp1"])
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


@every_module
def test_a_machine_without_requests_is_told(
    module_name: str, service: Service, run_module: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_client, "REQUESTS_IMPORT_ERROR", "No module named 'requests'")
    failed = run_module(module_name, **MODULES[module_name])
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
    write_bindings(bindings, url, known=[ENTRY["smtp_user_name"]])
    limits = {"total_limit": 1, "hourly_limit": 1}
    failed = run_module("smtp_user", api_url=url, alias="billing", bindings_path=str(bindings), **limits)
    assert "a user that was there before: nothing is bound" in failed.msg
    (account,) = json.loads(bindings.read_text(encoding="utf-8"))["accounts"][url].values()
    assert not account.get("aliases")
