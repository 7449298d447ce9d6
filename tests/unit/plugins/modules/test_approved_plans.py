# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendclean.email.smtp_users: for any account, users and changes meanwhile, the plan that was approved is done, or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    FakeClock,
    ModuleResult,
    RunModule,
    held,
    write_bindings,
)
from ansible_collections.sendclean.email.tests.unit.plugins.modules.accounts import NAMES, Account
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from simulator import Service
from simulator.wire import wired

LIMIT = st.integers(1, 2)
SHOWN = st.tuples(st.sampled_from(["Enable", "Disable"]), LIMIT, LIMIT)
GIVEN = st.one_of(st.none(), LIMIT)
STATE = st.sampled_from(["present", "present", "absent"])


def entry(state: st.SearchStrategy[str] = STATE, limit: st.SearchStrategy[Any] = GIVEN, **who: str) -> st.SearchStrategy[Any]:
    """Return one of the list."""
    return st.fixed_dictionaries(
        {**{key: st.just(value) for key, value in who.items()}, "state": state, "total_limit": limit, "hourly_limit": limit}
    )


ENTRY = st.one_of(
    entry(alias="bound"),
    entry(alias="renamed", renamed_from="bound"),
    entry(alias="gone", state=st.just("absent")),
    entry(alias="gone too", renamed_from="gone", state=st.just("absent")),
    entry(alias="a", limit=LIMIT),
    entry(alias="b", limit=LIMIT),
    entry(alias="begun", limit=LIMIT),
    entry(alias="begun", renamed_from="begun before", limit=LIMIT),
    entry(alias="adopted", smtp_user_name="smtp2"),
    entry(alias="adopted", smtp_user_name="smtp3"),
    *(entry(smtp_user_name=name) for name in NAMES[2:]),
)
# What happens between a dry run and the real one: to the list, the account and the bindings file.
CHANGE = st.one_of(
    st.just(("nothing", None)),
    st.tuples(st.just("order"), st.randoms(use_true_random=False)),
    st.tuples(st.just("entry"), ENTRY),
    st.tuples(st.just("another limit"), st.tuples(st.integers(0, 3), LIMIT)),
    st.tuples(st.just("another alias"), st.integers(0, 3)),
    st.tuples(st.just("no entry"), st.integers(0, 4)),
    st.tuples(st.just("purge"), st.booleans()),
    st.tuples(st.just("user"), st.tuples(st.sampled_from(NAMES), SHOWN)),
    st.tuples(st.just("password"), st.sampled_from(NAMES)),
    st.tuples(st.just("another user"), SHOWN),
    st.tuples(st.just("alias"), st.sampled_from([("bound", "smtp1"), ("bound", "smtp4"), ("gone", "smtp5"), ("gone", "smtp8")])),
    st.tuples(st.just("known"), st.sampled_from(NAMES)),
    st.tuples(
        st.just("intent"), st.tuples(st.sampled_from(["begun", "begun before"]), LIMIT, LIMIT, st.sets(st.sampled_from(NAMES)))
    ),
)


class Changing(Account):
    """One to which, and to whose bindings file and list, things happen."""

    def change(self, kind: str, what: Any) -> None:
        """Do one of the things that can happen."""
        users = self.options["users"]
        aliases = self.section["aliases"]
        if kind == "order":
            what.shuffle(users)
        elif kind == "entry":
            users.append(what)
        elif kind == "another limit":
            users[what[0] : what[0] + 1] = [{**user, "hourly_limit": what[1]} for user in users[what[0] : what[0] + 1]]
        elif kind == "another alias" and users[what : what + 1] and {"bound", "gone"}.isdisjoint(users[what].values()):
            users[what] = {**users[what], "alias": "another"}
        elif kind == "no entry":
            del users[what : what + 1]
        elif kind == "purge":
            self.options["purge"] = what
        elif kind == "user" and what[0] in held(self.service):
            status, total, hourly = what[1]
            self.service.update_user(OWNER, what[0], status=status, total_limit=total, hourly_limit=hourly)
        elif kind == "password" and what in held(self.service):
            self.service.update_user(OWNER, what, smtp_password="another one")
        elif kind == "another user":
            status, total, hourly = what
            self.service.create_user(OWNER, total, hourly, status)
        elif kind == "alias" and what[1] not in aliases.values():
            aliases[what[0]] = what[1]
        elif kind == "known" and what not in aliases.values():
            self.section["known"] = sorted({*self.section["known"], what})
        elif kind == "intent":
            alias, total, hourly, names = what
            self.section["intents"][alias] = {"total_limit": total, "hourly_limit": hourly, "smtp_user_names": sorted(names)}
        write_bindings(self.path, self.base_url, **self.section)

    def what_is_to_be_done(self, check: ModuleResult) -> Any:
        """Return what a dry run says of the plan, from its other results: calls, and users before and after."""
        users = [[row["before"], row["after"], renamed(row, self.section["aliases"])] for row in check["diff"]]
        return sorted(map(json.dumps, users)), sorted(map(json.dumps, check["operations"]))


def renamed(row: dict[str, Any], aliases: dict[str, str]) -> Any:
    """Return which binding moves where the user of it is not listed, which no result shows but for the name of the entry."""
    return None if "smtp_user_name" in row["after"] else [row["after_header"], aliases["gone"]]


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(
    shown=st.lists(SHOWN, min_size=5, max_size=5),
    users=st.lists(ENTRY, min_size=2, max_size=4, unique_by=lambda entry: entry.get("smtp_user_name") or entry["alias"]),
    purge=st.booleans(),
    changes=st.lists(CHANGE, min_size=1, max_size=3),
)
def test_what_was_approved_is_done_and_nothing_else(
    bare_run: RunModule,
    tmp_path_factory: pytest.TempPathFactory,
    fast: FakeClock,
    shown: list[tuple[str, int, int]],
    users: list[dict[str, Any]],
    purge: bool,
    changes: list[tuple[str, Any]],
) -> None:
    service = Service({OWNER: TOKEN})
    for name, (status, total, hourly) in zip(NAMES, shown):
        service.create_user(OWNER, total, hourly, status, smtp_user_name=name)
    path = tmp_path_factory.mktemp("account") / "bindings.json"
    # "gone" is the alias of somebody who is not listed any more. A file that knows everybody lets creations pass.
    section = {"aliases": {"bound": "smtp1", "gone": "smtp9"}, "known": NAMES[1:], "intents": {}}
    with wired(service) as base_url:
        account = Changing(bare_run, base_url, service, path, section, users=users, purge=purge)
        planned = account.run(check=True)
        if planned.failed:
            event("the list makes no sense")
            return
        before = account.what_is_to_be_done(planned)
        for kind, what in changes:
            account.change(kind, what)
        now = account.run(check=True)
        approved = planned["plan_checksum"]
        if now.failed:
            event("makes no sense after the change")
            assert account.run(plan_checksum=approved).msg == now.msg
            return
        same = account.what_is_to_be_done(now) == before
        assert (now["plan_checksum"] == approved) is same
        untouched = account.snapshot()
        refused = not same and now["changed"]
        for check in (True, False):
            done = account.run(check=check, plan_checksum=approved)
            assert done.failed is refused, done.msg
            if refused:
                assert (done["operations"], done["plan_checksum"]) == (now["operations"], now["plan_checksum"])
                assert done["changed"] is False and now["plan_checksum"] in done.msg
            else:
                assert done["plan_checksum"] == now["plan_checksum"]
                assert done["changed"] is now["changed"]
            if refused or check:
                assert account.snapshot() == untouched
        event(f"{'the same' if same else 'another'} plan, {'something' if now['changed'] else 'nothing'} to do")
        if refused:
            # What it says it is, is accepted.
            assert not account.run(plan_checksum=done["plan_checksum"]).failed
