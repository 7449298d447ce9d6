# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control endpoints and the command line."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import requests
import simulator.__main__
from simulator import RunningServer, Service, Settings

TESTS = pathlib.Path(__file__).resolve().parents[2]
Call = Callable[..., Any]


@pytest.fixture
def control(server: RunningServer, session: requests.Session) -> Call:
    """control("GET", "/log") gives (HTTP status, JSON)."""

    def control(method: str, path: str, body: object = None) -> tuple[int, Any]:
        response = session.request(method, server.control_url + path, json=body, timeout=5)
        return response.status_code, response.json()

    return control


def test_users_as_a_colleague(service: Service, control: Call) -> None:
    status, user = control("POST", "/accounts/demo/users", {"total_limit": "7", "status": "Disable"})
    assert status == 200
    assert (user["total_limit"], user["hourly_limit"], user["status"]) == (7, 100, "Disable")
    path = f"/accounts/demo/users/{user['smtp_user_name']}"
    assert control("PATCH", path, {"total_limit": 8, "smtp_password": "new"})[1] == {
        **user,
        "total_limit": 8,
        "smtp_password": "new",
    }
    assert control("GET", "/accounts/demo/users")[1]["users"][0]["total_limit"] == 8
    assert control("DELETE", path) == (200, {})
    assert service.users("demo") == []
    assert service.log == []


def test_accounts(service: Service, control: Call, call: Call) -> None:
    assert control("PUT", "/accounts/new", {"token": "new-token"}) == (200, {"owner_id": "new"})
    assert call("listSmtp", "new") == {"status": "success", "smtp_list": []}
    service.create_user("demo")
    control("PUT", "/accounts/demo", {"token": "changed"})
    assert call("listSmtp")["name"] == "AuthenticationError"
    assert len(call("listSmtp", token="changed")["smtp_list"]) == 1


def test_log(service: Service, control: Call, call: Call) -> None:
    call("listSmtp")
    call("listSmtp", "other")
    call("addSmtp", "other", total_limit=1)
    (entry,) = control("GET", "/log?owner_id=other&call=addSmtp")[1]["calls"]
    assert set(entry) == {
        "number", "time", "call", "owner_id", "parameters", "user_agent", "http_status", "carried_out", "fault"
    }  # fmt: skip
    assert entry["parameters"] == {"total_limit": 1} and entry["carried_out"] is False
    everything = control("GET", "/log")[1]
    assert len(everything["calls"]) == 3 and "-token" not in json.dumps(everything)
    control("DELETE", "/log")
    assert control("GET", "/log")[1] == {"calls": []}


def test_settings(service: Service, control: Call) -> None:
    status, settings = control("PATCH", "/settings", {"shuffle": True, "latency": 0.01})
    assert status == 200 and settings["shuffle"] is True
    assert service.settings == Settings(shuffle=True, latency=0.01)


def test_faults(service: Service, control: Call, call: Call) -> None:
    control("POST", "/faults", {"call": "*", "kind": "validation_error"})
    control("POST", "/faults", [{"call": "*", "kind": "authentication_error"}, {"call": "*", "kind": "ignored"}])
    assert call("listSmtp")["name"] == "ValidationError"
    assert [fault.kind for fault in service.faults] == ["authentication_error", "ignored"]


def test_reset(service: Service, control: Call, call: Call) -> None:
    service.add_account("new", "new-token")
    service.create_user("demo")
    service.add_fault("addSmtp", "cut_after")
    service.settings = Settings(shuffle=True)
    call("listSmtp")
    assert control("POST", "/reset") == (200, {})
    assert (service.users("demo"), service.log, service.faults, service.settings) == ([], [], [], Settings())
    with pytest.raises(ValueError, match="no account 'new'"):
        service.users("new")


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("GET", "/accounts/nobody/users", None, "no account 'nobody'"),
        ("POST", "/accounts/demo/users", {"limit": 1}, "unknown field limit"),
        ("POST", "/accounts/demo/users", {"total_limit": 0}, "greater than zero"),
        ("POST", "/accounts/demo/users", {"smtp_user_name": "taken"}, "taken"),
        ("POST", "/accounts/demo/users", {"smtp_password": 5}, "smtp_password"),
        ("POST", "/accounts/demo/users", [1], "must be a JSON object"),
        ("PATCH", "/accounts/demo/users/smtp1", {"total_limit": 1}, "no user 'smtp1'"),
        ("PATCH", "/accounts/demo/users/taken", {"smtp_user_name": "x"}, "unknown field smtp_user_name"),
        ("DELETE", "/accounts/demo/users/smtp1", None, "no user 'smtp1'"),
        ("PUT", "/accounts/new", {}, "token must be a string"),
        ("PATCH", "/settings", {"shuffel": True}, "unknown setting shuffel"),
        ("POST", "/faults", {"call": "*"}, "needs call and kind"),
        ("POST", "/faults", [{"call": "*", "kind": "ignored"}, {"call": "*", "kind": "odd"}], "unknown fault kind"),
        ("POST", "/faults", {"call": "*", "kind": ["ignored"]}, "must be strings"),
        ("GET", "/nothing", None, "no control endpoint"),
        ("PUT", "/log", None, "no control endpoint"),
    ],
)
def test_refusals(service: Service, control: Call, method: str, path: str, body: object, message: str) -> None:
    service.create_user("demo", smtp_user_name="taken")
    status, answer = control(method, path, body)
    assert status == 400 and message in answer["error"]
    assert len(service.users("demo")) == 1 and service.faults == []


@pytest.mark.parametrize(
    ("command", "folder", "number"),
    [(["tests/simulator"], TESTS.parent, signal.SIGTERM), (["-m", "simulator"], TESTS, signal.SIGINT)],
)
def test_command_line(session: requests.Session, command: list[str], folder: pathlib.Path, number: int) -> None:
    options = ["--account", "a:t:1", "--account", "b:u", "--settings", '{"kind_key": "type"}']
    with subprocess.Popen(
        [sys.executable, *command, *options], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Simulated SendClean listens on http://127.0.0.1:")
            url = line.split()[-1] + "/settings/listSmtp"
            assert session.post(url, json={"owner_id": "a", "token": "t:1"}).json()["smtp_list"] == []
            assert session.post(url, json={"owner_id": "b", "token": "x"}).json()["type"] == "AuthenticationError"
            process.send_signal(number)
            assert process.communicate(timeout=10) == ("", "")
            assert process.returncode == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "0.0.0.0 is not a loopback address"),
        (["--account", "demo"], "must be OWNER_ID:TOKEN"),
        (["--settings", '{"odd": 1}'], "unknown setting odd"),
        (["--settings", "{"], "--settings"),
    ],
)
def test_command_line_refusals(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        simulator.__main__._arguments(options)
    assert message in capsys.readouterr().err


def test_every_secret_is_remembered(service: Service, call: Call) -> None:
    created = call("addSmtp", total_limit=10, hourly_limit=1)
    reset = call("resetSmtpPassword", smtp_user_name=created["smtp_user_name"])
    by_hand = service.create_user("other", smtp_password="chosen")
    service.update_user("other", by_hand.smtp_user_name, smtp_password="chosen again")
    service.add_account("other", "another token")
    service.reset()
    passwords = {created["smtp_password"], reset["smtp_password"], "chosen", "chosen again"}
    assert service.secrets == {"demo-token", "other-token", "another token", *passwords}
