# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendclean.email.smtp_users: for any account and any users, check mode is the real run without its writes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, TOKEN, RunModule, held, made, write_bindings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator import Service
from simulator.wire import wired

ALIASES = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "bound", "off"]))
NAMES = st.one_of(st.none(), st.sampled_from(["smtp1", "smtp2", "smtp3", "smtp4", "smtp5", "nowhere"]))
LIMIT = st.one_of(st.none(), st.integers(1, 3))
USERS = st.fixed_dictionaries(
    {
        "alias": ALIASES,
        "smtp_user_name": NAMES,
        "state": st.sampled_from(["present", "present", "absent"]),
        "total_limit": LIMIT,
        "hourly_limit": LIMIT,
    }
)
SHOWN = st.tuples(st.sampled_from(["Enable", "Disable"]), st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shown=st.lists(SHOWN, max_size=5),
    users=st.lists(USERS, max_size=5),
    purge=st.booleans(),
    exclude=st.lists(st.sampled_from(["smtp[12]", "*4", "x"]), max_size=2),
    bound=st.permutations(["smtp1", "smtp2", "smtp3", "smtp4", "smtp5"]),
)
def test_check_mode_is_the_real_run_without_its_writes(
    bare_run: RunModule,
    tmp_path_factory: pytest.TempPathFactory,
    shown: list[tuple[str, int, int]],
    users: list[dict[str, Any]],
    purge: bool,
    exclude: list[str],
    bound: list[str],
) -> None:
    service = Service({OWNER: TOKEN})
    for index, (status, total, hourly) in enumerate(shown, 1):
        service.create_user(OWNER, total, hourly, status, smtp_user_name=f"smtp{index}")
    path = tmp_path_factory.mktemp("account") / "bindings.json"
    with wired(service) as base_url:
        aliases = {alias: name for alias, name in zip(("bound", "off"), bound) if name in held(service)}
        write_bindings(path, base_url, aliases=aliases)
        options = {
            "owner_id": OWNER,
            "token": TOKEN,
            "api_url": base_url,
            "requests_per_minute": 0,
            "bindings_path": str(path),
            "users": users,
            "purge": purge,
            "purge_exclude": exclude,
        }
        before, text = held(service), path.read_text()
        check = bare_run("smtp_users", {**options, "_ansible_check_mode": True})
        assert (held(service), path.read_text()) == (before, text)
        real = bare_run("smtp_users", options)
        if check.failed:
            assert real.msg == check.msg
            assert (held(service), path.read_text()) == (before, text)
            return
        assert not real.failed, real.msg
        assert real["changed"] == check["changed"]
        assert actions(real) == actions(check)
        assert without_new_names(real, before) == without_new_names(check, before)
        made(service)
        again = bare_run("smtp_users", options)
        assert again["changed"] is False and made(service) == {"listSmtp": 1}


def actions(done: Any) -> list[tuple[Any, ...]]:
    """Return the rows but for names that are not known before."""
    return [(row["alias"], row["action"], row["status"], row["total_limit"], row["hourly_limit"]) for row in done["smtp_users"]]


def without_new_names(done: Any, before: dict[str, Any]) -> list[str]:
    """Return the operations with the names that were there before."""
    known = [call if call["smtp_user_name"] in before else {**call, "smtp_user_name": None} for call in done["operations"]]
    return sorted(map(json.dumps, known))
