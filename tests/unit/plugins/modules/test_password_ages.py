# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The age of a password is in the results of smtp_user_info and smtp_users where the bindings know it, and null elsewhere."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._lag import utc_now
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, RunModule, write_bindings
from simulator import RunningServer, Service


def test_who_is_listed_has_an_age(service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path) -> None:
    for name in ("smtp1", "smtp2", "smtp3"):
        service.create_user(OWNER, smtp_user_name=name)
    two_days_ago = (utc_now() - datetime.timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    # By name: of a user whose alias was taken away, too.
    times = {"smtp1": two_days_ago, "smtp3": two_days_ago}
    write_bindings(bindings_path, server.base_url, aliases={"billing": "smtp1", "news": "smtp2"}, password_times=times)
    shown = run_module("smtp_user_info", bindings_path=str(bindings_path))
    ages = {user["smtp_user_name"]: user["password_age_days"] for user in shown["smtp_users"]}
    assert ages == {"smtp1": pytest.approx(2, abs=0.01), "smtp2": None, "smtp3": pytest.approx(2, abs=0.01)}


def test_who_is_held_to_the_list_has_an_age(
    run_module: RunModule, service: Service, server: RunningServer, bindings_path: Path
) -> None:
    for name in ("smtp1", "smtp2", "smtp3", "smtp4"):
        service.create_user(OWNER, smtp_user_name=name)
    aliases = {"bound": "smtp1", "off": "smtp4", "gone": "smtp9"}
    times = {"smtp1": "2026-01-31T12:00:00Z", "smtp3": "2026-02-01T12:00:00Z"}
    write_bindings(bindings_path, server.base_url, aliases=aliases, password_times=times, known=["smtp2", "smtp3"])
    users = [{"alias": "bound"}, {"alias": "new", "total_limit": 7, "hourly_limit": 7}]
    users += [{"alias": "adopted", "smtp_user_name": "smtp2"}, {"smtp_user_name": "smtp3"}]
    options = {"users": users, "bindings_path": str(bindings_path), "purge": True}

    def ages(**more: Any) -> list[float | None]:
        return [user["password_age_days"] for user in run_module("smtp_users", **options, **more)["smtp_users"]]

    check, real, again = ages(check=True), ages(), ages()
    for shown, new in ((check, None), (real, 0.0), (again, 0.0)):
        assert shown[0] is not None and shown[3] is not None and shown[0] - shown[3] == pytest.approx(1, abs=0.001)
        assert shown[1] == (None if new is None else pytest.approx(0, abs=0.01))
        assert shown[2] is None, "of whom nobody knows when the password was made"
