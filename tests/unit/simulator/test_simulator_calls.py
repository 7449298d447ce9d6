# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The four calls as documented, over HTTP."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
from simulator import RunningServer, Service, serve

Call = Callable[..., Any]
DIGITS_ONLY = "total_limit and hourly_limit should digits only"
GREATER = "total_limit and hourly_limit should be greater than zero"


def refusal(message: str, kind: str = "ValidationError") -> dict[str, object]:
    return {"status": "error", "code": -1, "name": kind, "message": message}


def test_add_and_list(service: Service, call: Call) -> None:
    first = call("addSmtp", total_limit=500, hourly_limit="50")
    second = call("addSmtp", total_limit=1, hourly_limit=1)
    assert first["smtp_user_name"] == "smtp10001"
    assert re.fullmatch(r"smtp1\d{4}", second["smtp_user_name"])
    assert re.fullmatch(r"[A-Za-z0-9]{16}", first["smtp_password"])
    assert {**first, "smtp_user_name": "", "smtp_password": ""} == {
        "status": "success",
        "message": "SMTP User Created",
        "smtp_user_name": "",
        "smtp_password": "",
    }
    listing = call("listSmtp")
    assert listing["status"] == "success"
    assert listing["smtp_list"][0] == {
        "smtp_user_name": "smtp10001",
        "password": first["smtp_password"],
        "status": "Enable",
        "total_limit": 500,
        "hourly_limit": 50,
    }
    assert len(listing["smtp_list"]) == 2


def test_accounts_are_apart_and_names_unique(call: Call) -> None:
    names = {call("addSmtp", owner, total_limit=1, hourly_limit=1)["smtp_user_name"] for owner in ("demo", "other")}
    assert len(names) == 2
    assert len(call("listSmtp", "other")["smtp_list"]) == 1


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({}, DIGITS_ONLY),
        ({"total_limit": 5}, DIGITS_ONLY),
        ({"total_limit": "5k", "hourly_limit": 5}, DIGITS_ONLY),
        ({"total_limit": "-5", "hourly_limit": 5}, DIGITS_ONLY),
        ({"total_limit": 5.0, "hourly_limit": 5}, DIGITS_ONLY),
        ({"total_limit": True, "hourly_limit": 5}, DIGITS_ONLY),
        ({"total_limit": 0, "hourly_limit": 5}, GREATER),
        ({"total_limit": 5, "hourly_limit": "0"}, GREATER),
        ({"total_limit": 5, "hourly_limit": -1}, GREATER),
    ],
)
def test_bad_limits_change_nothing(service: Service, call: Call, limits: dict[str, Any], message: str) -> None:
    assert call("addSmtp", **limits) == refusal(message)
    assert service.users("demo") == []
    assert not service.log[0].carried_out


def test_edit_sets_only_what_is_given(service: Service, call: Call) -> None:
    user = service.create_user("demo", total_limit=10, hourly_limit=5)
    name = user.smtp_user_name
    answer = call("editSmtp", smtp_user_name=name, total_limit=None, hourly_limit="7", status="Disable")
    assert answer == {"status": "success", "message": "SMTP User Updated"}
    changed = service.users("demo")[0]
    assert (changed.total_limit, changed.hourly_limit, changed.status) == (10, 7, "Disable")
    assert changed.smtp_password == user.smtp_password


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"total_limit": 5}, "smtp user required !!"),
        ({"smtp_user_name": "smtp1", "total_limit": 5}, "smtp user not found !!"),
        ({"smtp_user_name": "mine"}, "No update field given !!"),
        ({"smtp_user_name": "mine", "status": None}, "No update field given !!"),
        ({"smtp_user_name": "mine", "status": "enable"}, "status should be Enable or Disable"),
        ({"smtp_user_name": "mine", "status": 1}, "status should be Enable or Disable"),
        ({"smtp_user_name": "mine", "status": "Disable", "total_limit": 0}, GREATER),
    ],
)
def test_bad_edits_change_nothing(service: Service, call: Call, parameters: dict[str, Any], message: str) -> None:
    before = service.create_user("demo", smtp_user_name="mine")
    assert call("editSmtp", **parameters) == refusal(message)
    assert service.users("demo") == [before]


def test_reset_password(service: Service, call: Call) -> None:
    before = service.create_user("demo", status="Disable")
    answer = call("resetSmtpPassword", smtp_user_name=before.smtp_user_name)
    after = service.users("demo")[0]
    assert answer == {
        "status": "success",
        "message": "password reseted",
        "smtp_user_name": before.smtp_user_name,
        "smtp_password": after.smtp_password,
    }
    assert after.smtp_password != before.smtp_password and after.status == "Disable"
    assert call("resetSmtpPassword") == refusal("smtp user required !!")
    assert call("resetSmtpPassword", smtp_user_name="smtp1") == refusal("smtp user not found !!")


def test_a_user_of_another_account_is_unknown(service: Service, call: Call) -> None:
    name = service.create_user("other").smtp_user_name
    assert call("resetSmtpPassword", smtp_user_name=name) == refusal("smtp user not found !!")


@pytest.mark.parametrize("name", ["listSmtp", "addSmtp", "editSmtp", "resetSmtpPassword"])
def test_authentication(call: Call, name: str) -> None:
    mismatch = refusal("Token MissMatch", "AuthenticationError")
    for wrong in ({"token": "other-token"}, {"token": None}, {"token": 1}, {"owner_id": 7}, {"owner_id": ["demo"]}):
        assert call(name, **wrong) == mismatch
    assert call(name, "nobody") == mismatch


def test_missing_owner_and_bad_bodies(server: RunningServer, call: Call, session: requests.Session) -> None:
    url = f"{server.base_url}/settings/listSmtp"
    assert session.post(url, json={"token": "demo-token"}).json() == refusal("user_id required !!")
    for body in (b"", b"owner_id=demo", b"[1]", b"\xff\xfe", b"null"):
        assert session.post(url, data=body).json() == refusal("The request body should be a JSON object")


@pytest.mark.parametrize("path", ["/", "/v1.0", "/v1.0//settings/listSmtp", "/v1.0/settings/nope", "/v1.0/settings/"])
def test_unknown_path(server: RunningServer, session: requests.Session, path: str) -> None:
    response = session.post(server.base_url.removesuffix("/v1.0") + path, json={}, allow_redirects=False)
    assert response.status_code == 200
    assert response.json() == {"status": "error", "message": "Page not found"}


def test_get_is_an_unknown_path(server: RunningServer, session: requests.Session) -> None:
    response = session.get(f"{server.base_url}/settings/listSmtp")
    assert response.json() == {"status": "error", "message": "Page not found"}


def test_the_log_has_no_credentials(service: Service, call: Call) -> None:
    call("addSmtp", total_limit=5, hourly_limit=1)
    call("addSmtp", "other")
    first, second = service.log
    assert first.parameters == {"total_limit": 5, "hourly_limit": 1}
    assert (first.number, first.call, first.owner_id, first.http_status) == (1, "addSmtp", "demo", 200)
    assert first.carried_out and not second.carried_out and first.fault is None
    assert first.user_agent.startswith("python-requests/")
    assert "-token" not in repr(service.log)
    assert service.calls("addSmtp", "other") == [second]
    service.clear_log()
    assert service.log == []


def test_hooks_run_around_carrying_out(service: Service, call: Call) -> None:
    seen: list[tuple[str, str, int]] = []
    service.before_call = lambda name, owner: seen.append(("before", name, len(service.users("demo"))))
    service.after_call = lambda name, owner: seen.append(("after", name, len(service.users("demo"))))
    call("addSmtp", total_limit=5, hourly_limit=1)
    assert seen == [("before", "addSmtp", 0), ("after", "addSmtp", 1)]


def test_connections_are_kept_and_closed_at_the_end(service: Service, session: requests.Session) -> None:
    with serve(service) as server:
        url = f"{server.base_url}/settings/listSmtp"
        for unused in range(3):
            # Chunked too: a generator has no length.
            session.post(url, data=iter([b'{"owner_id": "demo", ', b'"token": "demo-token"}'])).raise_for_status()
        adapter: Any = session.get_adapter(url)
        pool = adapter.get_connection_with_tls_context(requests.Request("POST", url).prepare(), verify=True)
        assert pool.num_connections == 1 and pool.num_requests == 3
        assert [entry.carried_out for entry in service.log] == [True] * 3
    with pytest.raises(requests.ConnectionError):
        session.post(url, json={})


def test_many_clients_at_once(service: Service, server: RunningServer) -> None:
    body = {"owner_id": "demo", "token": "demo-token", "total_limit": 1, "hourly_limit": 1}

    def add() -> None:
        with requests.Session() as session:
            session.trust_env = False
            for unused in range(5):
                session.post(f"{server.base_url}/settings/addSmtp", json=body)

    threads = [threading.Thread(target=add) for unused in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(service.users("demo")) == 40
    assert [entry.number for entry in service.log] == list(range(1, 41))
