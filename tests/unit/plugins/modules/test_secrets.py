# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The token and the passwords are shown nowhere but where a user asked for them, and masking them mangles nothing."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import requests
import urllib3
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    FakeClock,
    RunModule,
    hidden,
    write_bindings,
)
from simulator import RunningServer, Service

LIMITS = {"total_limit": 1000, "hourly_limit": 100}

# None of them is by chance a part of something else in a result.
TOKENS = {
    "1 character": "~",
    "4 characters": "Zq4~",
    "8 characters": "Zq4~Xw7#",
    "40 characters": "Zq4~Xw7#" * 5,
    "quotes": "Zq4\"~'Xw7",
    "backslashes": "Zq4\\~\\\\Xw7",
    "not ASCII": "Zq4é~ñXw7",
    "short, quotes and backslashes": '\\"~',
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize("inject", [True, False], ids=["with invocation", "without invocation"])
def test_no_output_holds_the_token(
    token: str, inject: bool, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.add_account(OWNER, token)
    service.create_user(OWNER, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, known=["smtp1"])
    shared: dict[str, Any] = {"token": token, "bindings_path": str(bindings_path), "invocation": inject}
    ended = [
        run_module("smtp_user", alias="billing", **LIMITS, **shared),
        run_module("smtp_users", users=[{"alias": "news", **LIMITS}, {"smtp_user_name": "smtp1"}], **shared),
        run_module("smtp_user", check=True, alias="shop", **LIMITS, **shared),
        run_module("smtp_user", alias="billing", state="absent", **shared),
        run_module("smtp_user_info", **shared),
        run_module("smtp_password_reset", alias="billing", **shared),
    ]
    for result in ended:
        assert not result.failed, result.msg
        assert hidden(token, result.output)
    assert hidden(token, bindings_path.read_text())
    failures = [
        run_module("smtp_user", alias="shop", **shared),
        run_module("smtp_user", **{**shared, "token": token, "owner_id": "nobody", "smtp_user_name": "smtp1"}),
        run_module("smtp_user", alias="shop", timeout=0, **shared),
    ]
    edit = {"smtp_user_name": "smtp1", "total_limit": 5}
    runs: dict[str, tuple[str, dict[str, Any]]] = {
        "listSmtp": ("smtp_user", edit),
        "editSmtp": ("smtp_user", edit),
        "addSmtp": ("smtp_users", {"users": [{"alias": "shop", **LIMITS}]}),
        "resetSmtpPassword": ("smtp_password_reset", {"smtp_user_name": "smtp1"}),
    }
    for call, (module_name, wanted) in runs.items():
        # An edit that is refused is made once more, with all fields.
        service.add_fault(call, "echo_request", times=2 if call == "editSmtp" else 1)
        failures.append(run_module(module_name, **wanted, **shared))
        assert failures[-1].result.get("error", failures[-1].result.get("failures", [{}])[0])["call"] == call
        assert "Request not understood" in failures[-1].msg
    for result in failures:
        assert result.failed
        assert hidden(token, result.output)
    assert not service.faults


@pytest.mark.parametrize("token", [*string.digits, *"aeimnst", "10", "smtp", "demo"])
def test_a_short_token_mangles_no_result(token: str, service: Service, run_module: RunModule, bindings_path: Path) -> None:
    service.add_account(OWNER, token)
    made = run_module(
        "smtp_user", token=token, alias="billing", bindings_path=str(bindings_path), include_password=True, **LIMITS
    )
    (user,) = service.users(OWNER)
    assert made["smtp_user"] == {
        "alias": "billing",
        "smtp_user_name": user.smtp_user_name,
        "status": "Enable",
        **LIMITS,
        "smtp_password": user.smtp_password,
    }
    assert made["changed"] is True
    # What is not a secret keeps its value in the arguments, too.
    shown = run_module("smtp_user_info", token=token, invocation=True)
    arguments = shown["invocation"]["module_args"]
    assert (arguments["owner_id"], arguments["timeout"], arguments["requests_per_minute"]) == (OWNER, 5.0, 0)
    assert arguments["token"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


@pytest.mark.parametrize(
    ("module_name", "named"),
    [
        ("smtp_user", {"smtp_user_name": "smtp1"}),
        ("smtp_users", {"users": []}),
        ("smtp_user_info", {}),
        ("smtp_password_reset", {"smtp_user_name": "smtp1"}),
    ],
)
def test_a_refused_option_shows_no_token_in_the_invocation(
    module_name: str, named: dict[str, Any], run_module: RunModule
) -> None:
    for token in TOKENS.values():
        failed = run_module(module_name, token=token, retry_timeout=0, invocation=True, **named)
        assert failed.msg.startswith("retry_timeout must be")
        assert hidden(token, failed.output)


@pytest.mark.parametrize("token", ["secretsecret", "s", "cret", "secretsecret-and-more"])
def test_a_password_that_holds_the_token_is_shown_whole(token: str, service: Service, run_module: RunModule) -> None:
    service.add_account(OWNER, token)
    password = "my-secretsecret-and-more"
    service.create_user(OWNER, smtp_user_name="smtp1", smtp_password=password)
    by_user = run_module("smtp_user", token=token, smtp_user_name="smtp1", include_password=True)
    by_info = run_module("smtp_user_info", token=token, include_passwords=True)
    assert by_user["smtp_user"]["smtp_password"] == password
    assert [user["smtp_password"] for user in by_info["smtp_users"]] == [password]


@pytest.mark.parametrize("length", [1, 4, 8, 12])
def test_a_new_password_that_holds_the_old_one_is_shown_whole(
    length: int, service: Service, run_module: RunModule, fast: FakeClock
) -> None:
    """The old password is given as current_password, which Ansible is told not to log."""
    made = "0123456789abcdef"
    old = made[2 : 2 + length]
    service.create_user(OWNER, smtp_user_name="smtp1", smtp_password=old)

    def choose(call: str, owner_id: str | None) -> None:
        if call == "resetSmtpPassword":
            service.update_user(OWNER, "smtp1", smtp_password=made)

    service.after_call = choose
    done = run_module("smtp_password_reset", smtp_user_name="smtp1", current_password=old)
    assert done["smtp_password"] == made


def test_no_output_holds_current_password(service: Service, run_module: RunModule, fast: FakeClock) -> None:
    for number, current in enumerate(["~", "Zq4~", 'Zq4~"Xw7', "Zq4~\\Xw7#" * 4]):
        name = f"smtp{number + 1}"
        service.create_user(OWNER, smtp_user_name=name, smtp_password=current)
        options = {"smtp_user_name": name, "current_password": current, "invocation": True}
        service.add_fault("resetSmtpPassword", "validation_error")
        results = [
            run_module("smtp_password_reset", check=True, **options),
            run_module("smtp_password_reset", **options),
            run_module("smtp_password_reset", **options),
            run_module("smtp_password_reset", **options),
        ]
        assert [result.failed for result in results] == [False, True, False, False]
        assert [result.result.get("changed") for result in results if not result.failed] == [True, True, False]
        for result in results:
            assert hidden(current, result.output)


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("listSmtp", "unreadable_after"),
        ("listSmtp", "non_object_after"),
        ("listSmtp", "truncated_after"),
        ("addSmtp", "non_object_after"),
        ("resetSmtpPassword", "non_object_after"),
    ],
)
def test_an_answer_that_is_not_understood_is_not_quoted(
    call: str,
    fault: str,
    service: Service,
    server: RunningServer,
    run_module: RunModule,
    bindings_path: Path,
    fast: FakeClock,
) -> None:
    """Whatever it was, it may have held passwords."""
    user = service.create_user(OWNER, smtp_user_name="smtp1")
    write_bindings(bindings_path, server.base_url, known=["smtp1"])
    service.add_fault(call, fault, times=10)
    if call == "resetSmtpPassword":
        ended = run_module("smtp_password_reset", smtp_user_name="smtp1", max_age_days=1, bindings_path=str(bindings_path))
        assert ended["changed"] is True
    else:
        ended = run_module("smtp_user", alias="billing", bindings_path=str(bindings_path), **LIMITS)
        assert ended.failed is (call == "listSmtp")
        assert all(user.smtp_password not in ended.output for user in service.users(OWNER))
    assert user.smtp_password not in ended.output
    if bindings_path.exists():
        assert all(user.smtp_password not in bindings_path.read_text() for user in service.users(OWNER))


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:{}@127.0.0.1:9",
        "http://user:{}#@127.0.0.1:9",
        "http://user:{}/@127.0.0.1:9",
        "http://user:{}?@127.0.0.1:9",
        "http://user:{}]@127.0.0.1:9",
        "http://user:{}✓@127.0.0.1:9",
        "http://user:{}@127.0.0.1:99999",
        "http://user:{}@",
        "ftp://user:{}@127.0.0.1:9",
    ],
)
def test_the_password_of_a_proxy_is_not_quoted(
    proxy: str, run_module: RunModule, monkeypatch: pytest.MonkeyPatch, fast: FakeClock
) -> None:
    """One with a character that has a meaning in a URL makes urllib3 take it for a part of the host, and say so."""
    monkeypatch.setenv("https_proxy", proxy.format("Zq4~Xw7"))
    failed = run_module("smtp_user_info", api_url="https://192.0.2.1/v1.0")
    assert failed["error"]["name"] == "TransportError"
    assert "proxies" in failed.msg
    assert hidden("Zq4~Xw7", failed.output)


@pytest.mark.parametrize("kind", ["LocationParseError", "ProxyError", "SSLError", "InvalidHeader", "MaxRetryError"])
def test_an_exception_that_quotes_the_token_does_not_get_it_into_the_output(
    kind: str, run_module: RunModule, monkeypatch: pytest.MonkeyPatch, fast: FakeClock
) -> None:
    """Whatever requests or urllib3 put into their texts, and however deep."""
    token = TOKENS["40 characters"]
    made: dict[str, Exception] = {
        "LocationParseError": urllib3.exceptions.LocationParseError(f"http://{token}"),
        "ProxyError": requests.exceptions.ProxyError(urllib3.exceptions.ProxyError(token, OSError(token))),
        "SSLError": requests.exceptions.SSLError(OSError(token)),
        "InvalidHeader": requests.exceptions.InvalidHeader(f"Header value must not hold {token!r}"),
        "MaxRetryError": requests.ConnectionError(urllib3.exceptions.MaxRetryError(Mock(), token, OSError(token))),
    }

    def fail(*unused: Any, **also_unused: Any) -> None:
        raise made[kind]

    monkeypatch.setattr(requests.Session, "send", fail)
    failed = run_module("smtp_user_info", token=token)
    assert failed["error"]["name"] == "TransportError"
    assert hidden(token, failed.output)


def test_a_redirect_that_quotes_the_token_is_not_quoted(service: Service, run_module: RunModule, fast: FakeClock) -> None:
    token = TOKENS["8 characters"]
    service.add_account(OWNER, token)
    service.add_fault("listSmtp", "redirect", times=10, location=f"http://127.0.0.1:9/?token={token}")
    failed = run_module("smtp_user_info", token=token)
    assert "a redirect, which is never followed" in failed.msg
    assert hidden(token, failed.output)


@pytest.mark.parametrize("value", [{"smtp_password": "Zq4~Xw7#"}, [{"smtp_user_name": 1, "password": "Zq4~Xw7#"}]])
def test_a_listing_that_makes_no_sense_is_not_quoted(
    value: object, service: Service, run_module: RunModule, fast: FakeClock
) -> None:
    service.add_fault("listSmtp", "wrong_listing", value=value, times=10)
    failed = run_module("smtp_user_info")
    assert failed["error"]["name"] == "ProtocolError"
    assert hidden("Zq4~Xw7#", failed.output)


def test_the_objects_that_hold_secrets_do_not_show_them_in_a_traceback(server: RunningServer) -> None:
    from ansible_collections.sendclean.email.plugins.module_utils._model import User
    from ansible_collections.sendclean.email.plugins.module_utils._options import Connection

    holders = [
        Connection(server.base_url, OWNER, "Zq4~Xw7#"),
        User("smtp1", "Enable", 1, 1, "Zq4~Xw7#"),
    ]
    assert all("Zq4~" not in repr(holder) for holder in holders)


def test_the_system_log_gets_no_secret(service: Service, run_module: RunModule, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible logs each module's arguments; what must not be in there is told by no_log."""
    from ansible.module_utils.basic import AnsibleModule

    logged: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda self, msg, log_args=None: logged.append(f"{msg} {log_args}"))
    service.create_user(OWNER, smtp_user_name="smtp1", smtp_password="Zq4~Xw7#")
    run_module("smtp_password_reset", smtp_user_name="smtp1", current_password="Zq4~Xw7#")
    assert "smtp1" in "".join(logged)
    assert "Zq4~" not in "".join(logged)
    assert TOKEN not in "".join(logged)


@pytest.mark.parametrize("verbosity", [0, 3])
def test_a_list_of_users_is_shown_among_the_arguments_where_ansible_shows_them(
    verbosity: int, service: Service, run_module: RunModule
) -> None:
    """From -vvv on; to carry a list of thousands back is dear."""
    users = [{"smtp_user_name": service.create_user(OWNER).smtp_user_name}]
    done = run_module("smtp_users", users=users, invocation=True, _ansible_verbosity=verbosity)
    assert ("users" in done["invocation"]["module_args"]) is (verbosity == 3)
    assert done["invocation"]["module_args"]["token"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
