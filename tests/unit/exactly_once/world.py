# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The world of a random history: an account, its bindings, what people know, and what has to be true of each run."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis.stateful import RuleBasedStateMachine
from simulator import FAULT_KINDS, Service
from simulator.wire import wired
from unit.exactly_once.kept import Kept
from unit.exactly_once.playground import OWNER, TIMEOUT, TOKEN, Account, Result, fake_time
from unit.exactly_once.steps import PowerLoss

# For how many seconds a listing lags, where it does.
LAG = 2.0

# How many sequences ran and faults were put before their calls, and how the runs of modules in them ended.
OUTCOMES: Counter[str] = Counter()

NO_TROUBLE: Result = {"faults": []}


class World(RuleBasedStateMachine):
    """The account as people, tasks and accidents change it; the rules are elsewhere."""

    # Makes an empty place for the bindings, in a folder if it likes.
    keep: Callable[[Path], Kept]

    def __init__(self) -> None:
        super().__init__()
        OUTCOMES["sequences"] += 1
        self.stack = contextlib.ExitStack()
        self.folder = Path(tempfile.mkdtemp())
        self.stack.callback(shutil.rmtree, self.folder)
        self.service = Service({OWNER: TOKEN})
        self.clock = self.stack.enter_context(fake_time())
        base_url = self.stack.enter_context(wired(self.service, self.clock))
        self.account = Account(self.service, base_url, type(self).keep(self.folder / "bindings"))
        # What tens of thousands of runs can do without: the system log, and many variables to look for proxies in.
        self.account.options["_ansible_no_log"] = True
        self.stack.enter_context(mock.patch.dict(os.environ, {"HOME": str(self.folder)}, clear=True))
        # Users that people made: every other one was made by addSmtp.
        self.by_hand: set[str] = set()
        # Which of them a run was asked to adopt.
        self.adopted: set[tuple[str, str]] = set()
        # The aliases for which a run was ever asked to make a user.
        self.asked: set[str] = set()
        # Whether the last run did not come to its end.
        self.cut_short = False
        # Whether a write of a run that did not come to its end may not show yet.
        self.unsettled = False
        # For which alias each user was made that nobody has acknowledged or unbound since, whatever the file says.
        self.made_for: dict[str, str] = {}
        # Whether the file was ever lost or an old one put back.
        self.lossy = False
        # Whether somebody has changed a user by name, who could be a standby.
        self.meddled = False
        # Until when each former user has to work at least, and how long the last run took.
        self.works_until: dict[str, float] = {}
        self.took = 0.0

    def teardown(self) -> None:
        """Take the folder away."""
        self.stack.close()

    def intents(self) -> Result:
        """The creations of which the file does not know how they ended."""
        return dict(self.account.bindings().get("intents", {}))

    def standbys(self) -> dict[str, str]:
        """Which user takes turns with that of an alias."""
        return {alias: standby["smtp_user_name"] for alias, standby in self.account.bindings().get("standbys", {}).items()}

    def let_go(self, alias: str, name: str) -> None:
        """Its user is nobody's from now on, and so is its standby, also one that may have been made."""
        begun = alias in self.intents()
        made = {other for other, owner in self.made_for.items() if owner == alias and begun}
        self.give_up({name, self.standbys().get(alias, name), *made})

    def give_up(self, names: set[str]) -> None:
        """These users are nobody's from now on."""
        self.by_hand |= names
        self.made_for = {made: owner for made, owner in self.made_for.items() if made not in names}

    def let_pass(self, seconds: float) -> None:
        """Let time pass, for which a listing may lag."""
        self.clock.now += seconds
        self.unsettled = self.unsettled and seconds < LAG + 2 * TIMEOUT

    def task(self, module: str, options: Result, trouble: Result, node: int = 0) -> Result | None:
        """Predict, run, and look at the result; None if the power was lost."""
        if self.unsettled:
            # Nobody can tell from a listing that lags what an edit or a reset did whose run has died.
            self.let_pass(LAG + 2 * TIMEOUT)
        options = {**options, **self.account.kept.spellings()[node]}
        before, was = {user.smtp_user_name: user for user in self.account.users()}, self.account.bindings()
        bound = was.get("aliases", {})
        plan = self.predict(module, options)
        lagging = self.service.settings.listing_lag and (self.cut_short or self.account.bindings().get("intents"))
        self.service.clear_log()
        result = self.run_with(module, options, trouble)
        self.service.clear_faults()
        assert not self.account.kept.left_open()
        self.former_users_work(module, options, before, bound)
        self.nobody_is_cut_off_unasked(module, options, before, was)
        self.nobody_is_made_again(options, before, was)
        made = self.account.carried_out()
        self.unsettled = (result is None or "failed" in result) and bool(made["editSmtp"] + made["resetSmtpPassword"])
        OUTCOMES["power lost" if result is None else "failed" if result.get("failed") else "ok"] += 1
        assert made["addSmtp"] <= len(options.get("users", "1"))
        self.cut_short = result is None or bool(result.get("failed"))
        if result is None:
            return None
        if trouble == NO_TROUBLE and not lagging:
            # Check mode makes one listing, and so it cannot wait for a user that a lagging one does not show yet.
            self.foretold(plan, result)
        if not result.get("failed"):
            self.done_as_asked(module, options, result, bound)
        return result

    def former_users_work(self, module: str, options: Result, before: dict[str, Any], bound: dict[str, str]) -> None:
        """Whatever becomes of a rotation: who had the credentials of before can send, and so can who asks now."""
        if module != "smtp_user_rotate":
            return
        name, now = bound[options["alias"]], self.account.aliases()[options["alias"]]
        if name in before:
            assert self.account.user(name) == before[name], f"{name} was cut off"
            assert self.account.user(now).status == before[name].status, f"{now} cannot send"
        if name != now:
            # Times are kept in whole seconds.
            self.works_until[name] = self.clock.now + options["overlap_hours"] * 3600 - self.took - 1

    def nobody_is_cut_off_unasked(self, module: str, options: Result, before: dict[str, Any], was: Result) -> None:
        """Whatever becomes of the run: only who is asked for, or, by a purge, who has an alias that the list does not name, or a
        standby whose time is over.
        """
        aliases, standbys = was.get("aliases", {}), was.get("standbys", {})
        # Who asks for an alias's user by name asks for the alias.
        owners = {name: alias for alias, name in aliases.items()}
        alias = options.get("alias") or owners.get(options.get("smtp_user_name", ""), "")
        asked = {options.get("smtp_user_name") or aliases.get(alias) or self.account.aliases().get(alias)}
        standby = standbys.get(alias) or standbys.get(options.get("renamed_from", "")) or {}
        other = {standby.get("smtp_user_name")}
        if alias in was.get("intents", {}):
            other |= {name for name, owner in self.made_for.items() if owner == alias}
        over = {name for name in other if self.works_until.get(name, 0.0) <= self.clock.now}
        if options.get("purge"):
            named = {user["alias"] for user in options["users"]}
            off, reset = {name for alias, name in aliases.items() if alias not in named}, set()
            if options["purge_scope"] == "account":
                off |= before.keys() - aliases.values() - {standby["smtp_user_name"] for standby in standbys.values()}
        elif module == "smtp_user_rotate":
            off, reset = over, over
        elif module == "smtp_password_reset":
            off, reset = set(), asked
        else:
            asked |= {aliases.get(options.get("renamed_from", "")), *other}
            off, reset = (asked if options.get("state") == "absent" else set()), set()
        for user in self.account.users():
            old = before.get(user.smtp_user_name, replace(user, status="Enable"))
            assert user.status == old.status or user.status == "Enable" or user.smtp_user_name in off
            assert user.smtp_password == old.smtp_password or user.smtp_user_name in reset

    def nobody_is_made_again(self, options: Result, before: dict[str, Any], was: Result) -> None:
        """Who was made for an alias and has not changed is not made again, whatever became of the file."""
        alias, old = options.get("alias", ""), options.get("renamed_from", "")
        bound, intents = was.get("aliases", {}), was.get("intents", {})
        asked = {user["alias"]: user for user in options.get("users", [options]) if "alias" in user}
        if "overlap_hours" in options:
            # A second user, like the first one.
            first = before.get(bound[alias])
            asked[alias] = {name: getattr(first, name, None) for name in ("total_limit", "hourly_limit")}
        bound_now = {name: alias for alias, name in (*self.account.aliases().items(), *self.standbys().items())}
        for name, owner in bound_now.items():
            if self.made_for.get(name, owner) in intents.keys() - {owner}:
                # Of two creations that were begun with the same limits, either may have made it.
                self.made_for[name] = owner
        if bound.get(old) and self.account.aliases().get(alias) == bound[old]:
            # Who takes turns comes along, and who was made to.
            comes = {bound[old], self.standbys().get(alias), *(self.made_for if old in intents else ())}
            self.made_for = {name: alias if owner == old and name in comes else owner for name, owner in self.made_for.items()}
            self.made_for.update({bound[old]: alias} if bound[old] in self.made_for else {})
            self.adopted.add((alias, bound[old]))
        begun = sorted(self.intents().keys() & asked.keys())
        for user in self.account.users():
            if user.smtp_user_name in before:
                continue
            # One that is not bound is the one whose creation was begun; of several that were, each has made one.
            done = {owner for name, owner in self.made_for.items() if name not in bound_now}
            left = [each for each in begun if each not in done] or begun
            owner = bound_now.get(user.smtp_user_name) or alias or left[0]
            limits = (asked[owner]["total_limit"], asked[owner]["hourly_limit"])
            assert any(was.get(key) for key in ("aliases", "intents", "known")) or not before, "made for a file that knows nobody"
            again = [
                other.smtp_user_name
                for other in before.values()
                if self.made_for.get(other.smtp_user_name) == owner
                and other.smtp_user_name != bound.get(owner)
                and (other.status, other.total_limit, other.hourly_limit) == ("Enable", *limits)
            ]
            assert not again, f"{user.smtp_user_name} is {again} once more"
            self.made_for[user.smtp_user_name] = owner
        assert self.lossy or max(Counter(self.made_for.values()).values(), default=0) <= 2, "an alias has three users"

    def predict(self, module: str, options: Result) -> Result:
        """Check mode: one listing, and nothing touched that is kept."""
        self.service.clear_log()
        before = self.account.kept.snapshot()
        plan = self.account.run(module, **options, _ansible_check_mode=True)
        assert self.account.calls() == {"listSmtp": 1}
        assert before == self.account.kept.snapshot()
        return plan

    def run_with(self, module: str, options: Result, trouble: Result) -> Result | None:
        for call, kind, times, skip in trouble.get("faults", ()):
            OUTCOMES["faults"] += 1
            location = f"{self.account.options['api_url']}/elsewhere" if kind == "redirect" else None
            seconds = 1.2 * TIMEOUT if FAULT_KINDS[kind].waits != "never" else 0.0
            value = {"listing_shape": "text"} if kind == "with_settings" else None
            self.service.add_fault(call, kind, times=times, skip=skip, location=location, seconds=seconds, value=value)
        power = self.account.kept.power(trouble.get("end_at", 10**9), trouble.get("keeps_renames", True))
        start = self.clock.now
        try:
            with power.watched():
                return self.account.run(module, **options)
        except PowerLoss:
            return None
        finally:
            self.took = self.clock.now - start

    @staticmethod
    def foretold(plan: Result, result: Result) -> None:
        """What check mode said came true, but for the names that only the service knows."""
        assert bool(plan.get("failed")) is bool(result.get("failed")), (plan, result)
        if plan.get("failed"):
            assert plan["msg"] == result["msg"]
            return
        assert plan["changed"] is result["changed"], (plan, result)
        for foreseen, real in zip(plan.get("operations", []), result.get("operations", []), strict=True):
            assert (foreseen["call"], foreseen["parameters"]) == (real["call"], real["parameters"])
            assert foreseen["smtp_user_name"] == (None if real["call"] == "addSmtp" else real["smtp_user_name"])

    def done_as_asked(self, module: str, options: Result, result: Result, bound: dict[str, str]) -> None:
        """The service holds what the result says and what was asked for, and an immediate re-run changes nothing."""
        users = {user.smtp_user_name: user for user in self.account.users()}
        if module == "smtp_password_reset":
            assert not result["changed"] or result["smtp_password"] == users[result["smtp_user_name"]].smtp_password
            if "max_age_days" not in options:
                return
        elif module == "smtp_users":
            assert result["summary"]["failed"] == 0
        elif module == "smtp_user_rotate":
            name = self.account.aliases()[options["alias"]]
            assert result["smtp_user_name"] == name
            assert not result["changed"] or result["smtp_password"] == users[name].smtp_password
            if name != bound[options["alias"]]:
                assert result["former"]["smtp_user_name"] == bound[options["alias"]]
                assert not options["overlap_hours"] or "max_age_days" in options or self.waits(options)
            if "max_age_days" not in options or options["overlap_hours"] == 0:
                return
        elif result["smtp_user"]:
            shown = result["smtp_user"]
            true = users[shown["smtp_user_name"]]
            assert (shown["status"], shown["total_limit"], shown["hourly_limit"]) == (
                true.status,
                true.total_limit,
                true.hourly_limit,
            )
            assert true.status == ("Disable" if options.get("state") == "absent" else "Enable")
            asked = {"total_limit", "hourly_limit"} & set(options) if options.get("state") != "absent" else set()
            assert all(getattr(true, name) == options[name] for name in asked)
            if "alias" in options:
                assert self.account.aliases()[options["alias"]] == true.smtp_user_name
        else:
            assert options.get("state") == "absent"
        self.service.clear_log()
        again = self.account.run(module, **options)
        OUTCOMES["run again"] += 1
        assert again["changed"] is False, again
        assert self.account.calls() == {"listSmtp": 1}

    def waits(self, options: Result) -> bool:
        """Whether another rotation is put off."""
        return "waiting_until" in self.account.run("smtp_user_rotate", **options)

    def known(self) -> list[str]:
        """The users that people know of: not those of creations that are still to be settled."""
        bound = {*self.account.aliases().values(), *self.standbys().values()}
        return [user.smtp_user_name for user in self.account.users() if user.smtp_user_name in self.by_hand | bound]
