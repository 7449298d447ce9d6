# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random histories of an account: tasks, hand changes, lost files, faults, power failures; and what holds after each.

SENDCLEAN_SEQUENCES says how many to run, 2,000 if it is not set. A failure is printed as the steps that lead to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from simulator import FAULT_KINDS, Service, Settings
from simulator.wire import wired
from unit.exactly_once.playground import OWNER, TIMEOUT, TOKEN, Account, Disk, PowerLoss, Result, fake_time

PARTS = 4
LAG = 2.0
ALIASES = ["billing", "shop", "news", "alerts"]
LIMITS = [(100, 10), (200, 20)]
# Faults in which the service answers with what is not true; the fault matrix has them.
LIES = {"ignored", "wrong_listing"}


@st.composite
def troubles(draw: st.DrawFn, *calls: str) -> dict[str, Any]:
    """None; or faults of the next calls, of ``calls`` most of all; or a power failure at one of the run's points."""
    what = draw(st.sampled_from(["none", "none", "fault", "faults", "power", "power"]))
    if what == "power":
        return {"end_at": draw(st.one_of(st.integers(1, 10), st.integers(1, 32))), "keeps_renames": draw(st.booleans())}
    one = st.tuples(
        st.sampled_from([*calls, "listSmtp", "*"]),
        st.sampled_from([kind for kind in FAULT_KINDS if kind not in LIES]),
        st.sampled_from([1, 1, 2, 5]),
        st.sampled_from([0, 0, 1]),
    )
    number = {"none": 0, "fault": 1, "faults": 2}[what]
    return {"faults": draw(st.lists(one, min_size=number, max_size=number))}


# How many sequences ran, and how the runs of modules in them ended.
OUTCOMES: Counter[str] = Counter()

NO_TROUBLE: Result = {"faults": []}

FOR_PEOPLE = ("users could be it", "has other limits", "nobody is created", "of renamed_from to", "remove the binding")

NODES = st.sampled_from(["bindings/bindings.json", "link.json"])
ALIAS = st.sampled_from(ALIASES)
LIMIT = st.sampled_from(LIMITS)
PICK = st.integers(0, 9)


class Histories(RuleBasedStateMachine):
    """The account as people, tasks and accidents change it."""

    def __init__(self) -> None:
        super().__init__()
        OUTCOMES["sequences"] += 1
        self.stack = contextlib.ExitStack()
        self.folder = Path(tempfile.mkdtemp())
        self.stack.callback(shutil.rmtree, self.folder)
        (self.folder / "bindings").mkdir()
        (self.folder / "link.json").symlink_to(self.folder / "bindings" / "bindings.json")
        self.service = Service({OWNER: TOKEN})
        self.clock = self.stack.enter_context(fake_time())
        base_url = self.stack.enter_context(wired(self.service, self.clock))
        self.account = Account(self.service, base_url, self.folder / "bindings")
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

    def teardown(self) -> None:
        """Take the folder away."""
        self.stack.close()

    # ---- tasks ----------------------------------------------------------------------------------------------

    @rule(
        alias=ALIAS,
        limits=st.one_of(LIMIT, LIMIT, LIMIT, st.none()),
        trouble=troubles("addSmtp", "addSmtp", "editSmtp"),
        node=NODES,
        again=st.booleans(),
        renamed_from=st.one_of(st.none(), st.none(), st.none(), ALIAS),
    )
    def present(
        self, alias: str, limits: tuple[int, int] | None, trouble: Result, node: str, again: bool, renamed_from: str | None
    ) -> None:
        options: Result = {"alias": alias}
        if limits:
            options.update(total_limit=limits[0], hourly_limit=limits[1])
            self.asked.add(alias)
        if renamed_from != alias and renamed_from is not None:
            options["renamed_from"] = renamed_from
        result = self.task("smtp_user", options, trouble, node)
        if again and trouble != NO_TROUBLE and (result is None or result.get("failed")):
            trouble = NO_TROUBLE
            result = self.task("smtp_user", options, trouble, node)
        if limits and result and result.get("failed") and trouble == NO_TROUBLE:
            # Nothing that went wrong before stands in the way for ever, but what only a person can decide.
            assert any(words in result["msg"] for words in FOR_PEOPLE), result["msg"]

    @rule(alias=ALIAS, trouble=troubles("editSmtp"), node=NODES)
    def absent(self, alias: str, trouble: Result, node: str) -> None:
        self.task("smtp_user", {"alias": alias, "state": "absent"}, trouble, node)

    @rule(alias=ALIAS, pick=PICK, trouble=troubles("editSmtp"), node=NODES)
    def adopt(self, alias: str, pick: int, trouble: Result, node: str) -> None:
        """The right user, one that has another alias, or one that does not exist."""
        names = [*self.known(), "smtp0"]
        name = names[pick % len(names)]
        self.adopted.add((alias, name))
        taken = self.account.aliases()
        refused = name == "smtp0" or taken.get(alias, name) != name or (name in taken.values() and taken.get(alias) != name)
        result = self.task("smtp_user", {"alias": alias, "smtp_user_name": name}, trouble, node)
        assert not (refused and result and not result.get("failed")), "adopted what it must not"

    @precondition(lambda self: self.known())
    @rule(pick=PICK, limits=LIMIT, state=st.sampled_from(["present", "absent"]), trouble=troubles("editSmtp"))
    def by_name(self, pick: int, limits: tuple[int, int], state: str, trouble: Result) -> None:
        """Without an alias and without the file's help."""
        names = self.known()
        options = {"smtp_user_name": names[pick % len(names)], "state": state, "hourly_limit": limits[1]}
        self.task("smtp_user", options, trouble, "bindings/bindings.json")

    @precondition(lambda self: self.account.aliases())
    @rule(
        pick=PICK,
        guard=st.sampled_from(["none", "max_age_days", "current_password", "wrong_password", "both"]),
        trouble=troubles("resetSmtpPassword"),
        node=NODES,
    )
    def reset(self, pick: int, guard: str, trouble: Result, node: str) -> None:
        aliases = self.account.aliases()
        alias = sorted(aliases)[pick % len(aliases)]
        users = {user.smtp_user_name: user for user in self.account.users()}
        options: Result = {"alias": alias}
        if guard in ("max_age_days", "both"):
            options["max_age_days"] = 30
        if guard in ("current_password", "both"):
            options["current_password"] = users[aliases[alias]].smtp_password
        if guard == "wrong_password":
            options["current_password"] = "not-the-one-in-force"
        self.task("smtp_password_reset", options, trouble, node)

    @rule(present=st.sets(ALIAS, min_size=1), trouble=troubles("editSmtp"), node=NODES)
    def purge(self, present: set[str], trouble: Result, node: str) -> None:
        """Hold the account to some aliases, and purge."""
        bound = self.account.aliases()
        users = [{"alias": alias} for alias in sorted(present & bound.keys())]
        if users:
            self.task("smtp_users", {"users": users, "purge": True, "purge_limit": "100%"}, trouble, node)

    # ---- what becomes of the file ---------------------------------------------------------------------------

    @precondition(lambda self: self.account.aliases())
    @rule(forgets=st.sets(ALIAS), everything=st.booleans(), again=st.booleans())
    def lose_the_file(self, forgets: set[str], everything: bool, again: bool) -> None:
        """All of it, or what came after the copy that is put back; the next run may come at once.

        Begun creations are settled before: what was begun by a file that is lost, nobody can tell from others' doing.
        """
        self.pass_time(2 * LAG + 60)
        aliases = self.account.aliases()
        if self.intents():
            return
        self.lossy = True
        self.cut_short = self.unsettled = False
        if everything:
            self.account.path.unlink()
        else:
            document = json.loads(self.account.path.read_text())
            section = document["accounts"][self.account.options["api_url"]][OWNER]
            section["aliases"] = {alias: name for alias, name in aliases.items() if alias not in forgets}
            self.account.path.write_text(json.dumps(document))
        gone = [alias for alias in sorted(aliases) if everything or alias in forgets]
        if again and gone:
            user = self.account.user(aliases[gone[0]])
            self.present(gone[0], (user.total_limit, user.hourly_limit), NO_TROUBLE, "link.json", False, None)

    @rule()
    def recover(self) -> None:
        """Bind again who was made for whom, as a file with credentials has it."""
        bound = self.account.aliases()
        names = {user.smtp_user_name for user in self.account.users()}
        lost = {
            alias: name
            for name, alias in self.made_for.items()
            if name in names and alias not in bound and name not in bound.values() and alias not in self.intents()
        }
        self.pass_time(2 * LAG + 60)
        result = self.account.run("smtp_bindings", bindings=lost)
        assert not result.get("failed"), result["msg"]
        assert self.account.aliases().items() >= lost.items()

    @rule(pick=PICK)
    def acknowledge(self, pick: int) -> None:
        """One of those that nobody has claimed, or all of them."""
        self.pass_time(2 * LAG + 60)
        unclaimed = self.account.run("smtp_bindings")["unclaimed"]
        begun = {name for name in unclaimed if name not in self.by_hand and name not in self.made_for}
        chosen = [name for name in unclaimed if name not in begun]
        chosen = chosen if pick == 0 else chosen[pick - 1 : pick]
        self.account.acknowledge(*chosen)
        for name in chosen:
            self.made_for.pop(name, None)
            self.by_hand.add(name)

    @precondition(lambda self: self.account.aliases())
    @rule(pick=PICK)
    def unbind(self, pick: int) -> None:
        aliases = sorted(self.account.aliases().items())
        alias, name = aliases[pick % len(aliases)]
        assert not self.account.run("smtp_bindings", unbind=[alias]).get("failed")
        self.made_for.pop(name, None)
        self.by_hand.add(name)

    @rule(alias=ALIAS, limits=LIMIT)
    def another_team(self, alias: str, limits: tuple[int, int]) -> None:
        """A file of its own for the same account: what it makes is a stranger's here."""
        self.pass_time(2 * LAG + 60)
        if self.intents():
            return
        before = {user.smtp_user_name for user in self.account.users()}
        theirs = str(self.folder / "theirs.json")
        known = self.account.run("smtp_bindings", bindings_path=theirs)["unclaimed"]
        self.account.run("smtp_bindings", bindings_path=theirs, acknowledge=known)
        options = {"alias": f"their {alias}", "total_limit": limits[0], "hourly_limit": limits[1]}
        assert not self.account.run("smtp_user", bindings_path=theirs, **options).get("failed")
        self.by_hand |= {user.smtp_user_name for user in self.account.users()} - before
        self.pass_time(2 * LAG + 60)

    def intents(self) -> Result:
        """The creations of which the file does not know how they ended."""
        return dict(self.account.bindings().get("intents", {}))

    # ---- what people and time do ----------------------------------------------------------------------------

    @rule(limits=LIMIT)
    def somebody_creates(self, limits: tuple[int, int]) -> None:
        """With limits of its own while a creation is to be settled: which of two alike is meant, only people know."""
        extra = 1 if self.account.bindings().get("intents") else 0
        self.by_hand.add(self.service.create_user(OWNER, limits[0] + extra, limits[1]).smtp_user_name)

    @precondition(lambda self: self.known() and not self.account.bindings().get("intents"))
    @rule(pick=PICK, limits=LIMIT, status=st.sampled_from(["Enable", "Disable"]))
    def somebody_changes(self, pick: int, limits: tuple[int, int], status: str) -> None:
        names = self.known()
        name = names[pick % len(names)]
        self.service.update_user(OWNER, name, total_limit=limits[0], hourly_limit=limits[1], status=status)

    @precondition(lambda self: self.account.aliases())
    @rule(pick=PICK)
    def support_removes(self, pick: int) -> None:
        """The user is gone, its binding is not: a run says so, until somebody removes the binding."""
        aliases = sorted(self.account.aliases().items())
        alias, name = aliases[pick % len(aliases)]
        self.pass_time(2 * LAG + 60)
        self.service.remove_user(OWNER, name)
        self.made_for.pop(name, None)
        result = self.account.run("smtp_user", alias=alias, total_limit=100, hourly_limit=10)
        assert result["failed"]
        assert "remove the binding" in result["msg"]
        assert self.account.run("smtp_bindings", unbind=[alias])["unlisted"] == []

    @rule(seconds=st.sampled_from([1, 20, 40 * 86400]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.unsettled = self.unsettled and seconds < LAG + 2 * TIMEOUT

    @initialize(lag=st.sampled_from([0.0, LAG]))
    def listing(self, lag: float) -> None:
        self.service.settings = Settings(listing_lag=lag)

    # ---- a run ----------------------------------------------------------------------------------------------

    def task(self, module: str, options: Result, trouble: Result, node: str) -> Result | None:
        """Predict, run, and look at the result; None if the power was lost."""
        if self.unsettled:
            # Nobody can tell from a listing that lags what an edit or a reset did whose run has died.
            self.pass_time(LAG + 2 * TIMEOUT)
        options = {**options, "bindings_path": str(self.folder / node)}
        before, bound = {user.smtp_user_name: user for user in self.account.users()}, self.account.aliases()
        knows = any(self.account.bindings().get(key) for key in ("aliases", "intents", "known"))
        plan = self.predict(module, options)
        lagging = self.service.settings.listing_lag and (self.cut_short or self.account.bindings().get("intents"))
        self.service.clear_log()
        result = self.run_with(module, options, trouble)
        self.service.clear_faults()
        self.nobody_is_disabled_unasked(options, before, bound)
        self.nobody_is_made_again(options, before, bound, knows)
        made = self.account.carried_out()
        self.unsettled = (result is None or "failed" in result) and bool(made["editSmtp"] + made["resetSmtpPassword"])
        OUTCOMES["power lost" if result is None else "failed" if result.get("failed") else "ok"] += 1
        assert made["addSmtp"] <= 1
        self.cut_short = result is None or bool(result.get("failed"))
        if result is None:
            return None
        if trouble == NO_TROUBLE and not lagging:
            # Check mode makes one listing, and so it cannot wait for a user that a lagging one does not show yet.
            self.foretold(plan, result)
        if not result.get("failed"):
            self.done_as_asked(module, options, result)
        return result

    def nobody_is_disabled_unasked(self, options: Result, before: dict[str, Any], bound: dict[str, str]) -> None:
        """Whatever becomes of the run: only who is asked for, or, by a purge, who has an alias that the list does not name."""
        disabled = {user.smtp_user_name for user in self.account.users() if user.status == "Disable"}
        disabled = {name for name in disabled if name not in before or before[name].status == "Enable"}
        if options.get("purge"):
            named = {user["alias"] for user in options["users"]}
            assert disabled <= {name for alias, name in bound.items() if alias not in named}
        else:
            asked = {options.get("smtp_user_name"), self.account.aliases().get(options.get("alias", ""))}
            assert disabled <= (asked if options.get("state") == "absent" else set())

    def nobody_is_made_again(self, options: Result, before: dict[str, Any], bound: dict[str, str], knows: bool) -> None:
        """Who was made for an alias and has not changed is not made again, whatever became of the file."""
        alias, old = options.get("alias", ""), options.get("renamed_from", "")
        if bound.get(old) and self.account.aliases().get(alias) == bound[old]:
            self.made_for = {name: alias if name == bound[old] else owner for name, owner in self.made_for.items()}
        for user in self.account.users():
            if user.smtp_user_name in before:
                continue
            limits = (options["total_limit"], options["hourly_limit"])
            assert knows or not before, "made for a file that knows nobody"
            again = [
                other.smtp_user_name
                for other in before.values()
                if self.made_for.get(other.smtp_user_name) == alias
                and (other.status, other.total_limit, other.hourly_limit) == ("Enable", *limits)
            ]
            assert not again, f"{user.smtp_user_name} is {again} once more"
            self.made_for[user.smtp_user_name] = alias

    def predict(self, module: str, options: Result) -> Result:
        """Check mode: one listing, and not a file touched."""
        self.service.clear_log()
        before = {entry.name: entry.read_bytes() for entry in self.account.path.parent.iterdir()}
        plan = self.account.run(module, **options, _ansible_check_mode=True)
        assert self.account.calls() == {"listSmtp": 1}
        assert before == {entry.name: entry.read_bytes() for entry in self.account.path.parent.iterdir()}
        return plan

    def run_with(self, module: str, options: Result, trouble: Result) -> Result | None:
        for call, kind, times, skip in trouble.get("faults", ()):
            location = f"{self.account.options['api_url']}/elsewhere" if kind == "redirect" else None
            seconds = 1.2 * TIMEOUT if FAULT_KINDS[kind].waits != "never" else 0.0
            value = {"listing_shape": "text"} if kind == "with_settings" else None
            self.service.add_fault(call, kind, times=times, skip=skip, location=location, seconds=seconds, value=value)
        disk = Disk(self.account.path, trouble.get("end_at", 10**9), trouble.get("keeps_renames", True))
        try:
            with disk.watched():
                return self.account.run(module, **options)
        except PowerLoss:
            return None

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

    def done_as_asked(self, module: str, options: Result, result: Result) -> None:
        """The service holds what the result says and what was asked for, and an immediate re-run changes nothing."""
        users = {user.smtp_user_name: user for user in self.account.users()}
        if module == "smtp_password_reset":
            assert not result["changed"] or result["smtp_password"] == users[result["smtp_user_name"]].smtp_password
            if "max_age_days" not in options:
                return
        elif module == "smtp_users":
            assert result["summary"]["failed"] == 0
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

    def known(self) -> list[str]:
        """The users that people know of: not those of creations that are still to be settled."""
        bound = set(self.account.aliases().values())
        return [user.smtp_user_name for user in self.account.users() if user.smtp_user_name in self.by_hand | bound]

    # ---- what holds after every step ------------------------------------------------------------------------

    @invariant()
    def one_user_per_alias_and_none_lost(self) -> None:
        bindings = self.account.bindings()
        aliases, intents = bindings.get("aliases", {}), bindings.get("intents", {})
        assert len(set(aliases.values())) == len(aliases)
        strangers = {(alias, name) for alias, name in aliases.items() if name in self.by_hand}
        assert strangers <= self.adopted
        # Those that were made for an alias and are neither bound nor given up by a person: only a lost file leaves them.
        made = [user for user in self.account.users() if user.smtp_user_name not in self.by_hand]
        stray = [user for user in made if user.smtp_user_name not in aliases.values()]
        for user in stray:
            assert user.smtp_user_name in self.made_for or any(
                user.smtp_user_name not in intent["smtp_user_names"]
                and (user.total_limit, user.hourly_limit) == (intent["total_limit"], intent["hourly_limit"])
                for intent in intents.values()
            ), f"{user.smtp_user_name} is lost"
        assert self.lossy or len(stray) <= len(set(intents) - set(aliases)), "a user was made that no alias has"


@pytest.mark.parametrize("part", range(PARTS))
def test_histories(part: int, record_property: Callable[[str, object], None]) -> None:
    """In parts, so that several processes can share the work."""
    OUTCOMES.clear()
    machine = type(f"Histories_{part}", (Histories,), {})
    if "SENDCLEAN_SEQUENCES" not in os.environ:
        # The same histories in each run of all tests, others in each soak.
        seed(part)(machine)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=-(int(os.environ.get("SENDCLEAN_SEQUENCES", "2000")) // -PARTS),
            stateful_step_count=12,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    sequences = OUTCOMES.pop("sequences")
    assert min(OUTCOMES[outcome] for outcome in ("ok", "failed", "power lost")) > sequences / 20
    ends = ", ".join(f"{number} {outcome}" for outcome, number in OUTCOMES.most_common())
    record_property("random histories", f"{sequences} sequences with {OUTCOMES.total()} runs of modules: {ends}")
