# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random histories of an account: tasks, hand changes, lost files, faults, power failures; and what holds after each.

SENDCLEAN_SEQUENCES says how many to run, 200 if it is not set. A failure is printed as the steps that lead to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test
from simulator import FAULT_KINDS, Settings
from unit.exactly_once.kept import InFile, Kept, Result
from unit.exactly_once.playground import OWNER
from unit.exactly_once.world import LAG, NO_TROUBLE, OUTCOMES, World

# In how many parts, and which share of the histories each store has: a statement to a server takes its time.
SHARES = {"file": (4, 5 / 6), "database": (2, 1 / 6)}
ALIASES = ["billing", "shop", "news", "alerts"]
DAY = 86400
LIMITS = [(100, 10), (200, 20)]
# Faults in which the service answers with what is not true; the fault matrix has them.
LIES = {"ignored", "wrong_listing"}


@st.composite
def troubles(draw: st.DrawFn, *calls: str, points: int = 32) -> dict[str, Any]:
    """None; or faults of the next calls, of ``calls`` most of all; or a power failure at one of the run's points."""
    what = draw(st.sampled_from(["none", "none", "fault", "faults", "power", "power"]))
    if what == "power":
        return {"end_at": draw(st.one_of(st.integers(1, 10), st.integers(1, points))), "keeps_renames": draw(st.booleans())}
    one = st.tuples(
        st.sampled_from([*calls, "listSmtp", "*"]),
        st.sampled_from([kind for kind in FAULT_KINDS if kind not in LIES]),
        st.sampled_from([1, 1, 2, 5]),
        st.sampled_from([0, 0, 1]),
    )
    number = {"none": 0, "fault": 1, "faults": 2}[what]
    return {"faults": draw(st.lists(one, min_size=number, max_size=number))}


# What only a person can decide.
FOR_PEOPLE = ("users could be it", "has other limits", "nobody is created", "of renamed_from to", "renamed_from gives it")
FOR_PEOPLE += ("remove the binding", "has been enabled by somebody", "what is new since may be somebody else")

# Which of the two spellings of the place a task has.
NODES = st.sampled_from([0, 1])
ALIAS = st.sampled_from(ALIASES)
LIMIT = st.sampled_from(LIMITS)
PICK = st.integers(0, 9)


class Histories(World):
    """What tasks, people and accidents do."""

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
        self, alias: str, limits: tuple[int, int] | None, trouble: Result, node: int, again: bool, renamed_from: str | None
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
    def absent(self, alias: str, trouble: Result, node: int) -> None:
        self.task("smtp_user", {"alias": alias, "state": "absent"}, trouble, node)

    @rule(alias=ALIAS, pick=PICK, trouble=troubles("editSmtp"), node=NODES)
    def adopt(self, alias: str, pick: int, trouble: Result, node: int) -> None:
        """The right user, one that has another alias, or one that does not exist."""
        names = [*self.known(), "smtp0"]
        name = names[pick % len(names)]
        self.adopted.add((alias, name))
        taken, intents = self.account.aliases(), self.intents()
        refused = name == "smtp0" or taken.get(alias, name) != name or (name in taken.values() and taken.get(alias) != name)
        result = self.task("smtp_user", {"alias": alias, "smtp_user_name": name}, trouble, node)
        assert not (refused and result and not result.get("failed")), "adopted what it must not"
        if alias in intents and self.account.aliases().get(alias) == name:
            # By somebody's word the creation has made this one; who was really made by it is nobody's.
            self.give_up({other for other, owner in self.made_for.items() if owner == alias and other != name})

    @precondition(lambda self: self.known())
    @rule(pick=PICK, limits=LIMIT, state=st.sampled_from(["present", "absent"]), trouble=troubles("editSmtp"))
    def by_name(self, pick: int, limits: tuple[int, int], state: str, trouble: Result) -> None:
        """Without an alias and without the file's help."""
        names = self.known()
        self.meddled = True
        options = {"smtp_user_name": names[pick % len(names)], "state": state, "hourly_limit": limits[1]}
        self.task("smtp_user", options, trouble)

    @precondition(lambda self: self.account.aliases())
    @rule(
        pick=PICK,
        guard=st.sampled_from(["none", "max_age_days", "current_password", "wrong_password", "both"]),
        trouble=troubles("resetSmtpPassword"),
        node=NODES,
    )
    def reset(self, pick: int, guard: str, trouble: Result, node: int) -> None:
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

    @precondition(lambda self: self.account.aliases())
    @rule(
        pick=PICK,
        overlap_hours=st.sampled_from([0, 24]),
        max_age_days=st.sampled_from([None, 30, 30]),
        later=st.sampled_from([0, DAY, 2 * DAY, 40 * DAY, 40 * DAY]),
        trouble=troubles("addSmtp", "editSmtp", "resetSmtpPassword", points=56),
        node=NODES,
        again=st.booleans(),
    )
    def rotate(
        self, pick: int, overlap_hours: int, max_age_days: int | None, later: float, trouble: Result, node: int, again: bool
    ) -> None:
        aliases = sorted(self.account.aliases())
        options: Result = {"alias": aliases[pick % len(aliases)], "overlap_hours": overlap_hours}
        options.update({} if max_age_days is None else {"max_age_days": max_age_days})
        self.let_pass(later)
        result = self.task("smtp_user_rotate", options, trouble, node)
        if again and trouble != NO_TROUBLE and (result is None or result.get("failed")):
            trouble = NO_TROUBLE
            result = self.task("smtp_user_rotate", options, trouble, node)
        if result and result.get("failed") and trouble == NO_TROUBLE:
            assert any(words in result["msg"] for words in FOR_PEOPLE), result["msg"]
            # No run enables who could be taken for one that somebody has enabled.
            assert "by somebody" not in result["msg"] or self.lossy or self.meddled

    # Another rule of the same: what may go wrong with it has many steps.
    rotate_once_more = rotate

    @precondition(lambda self: self.standbys())
    @rule(pick=PICK, trouble=troubles("resetSmtpPassword"))
    def reset_standby(self, pick: int, trouble: Result) -> None:
        """Whose password has leaked."""
        names = sorted(self.standbys().values())
        self.task("smtp_password_reset", {"smtp_user_name": names[pick % len(names)]}, trouble)

    @rule(
        present=st.sets(ALIAS, min_size=1),
        scope=st.sampled_from(["managed", "managed", "account"]),
        trouble=troubles("editSmtp"),
        node=NODES,
    )
    def purge(self, present: set[str], scope: str, trouble: Result, node: int) -> None:
        """Hold the account to some aliases, and purge."""
        bound = self.account.aliases()
        users = [{"alias": alias} for alias in sorted(present & bound.keys())]
        if users:
            self.task("smtp_users", {"users": users, "purge": True, "purge_scope": scope, "purge_limit": "100%"}, trouble, node)

    @rule(limits=LIMIT, trouble=troubles("addSmtp"), node=NODES)
    def everybody(self, limits: tuple[int, int], trouble: Result, node: int) -> None:
        """All aliases, in one task: each durable write serves two creations."""
        self.asked |= set(ALIASES)
        users = [{"alias": alias, "total_limit": limits[0], "hourly_limit": limits[1]} for alias in ALIASES]
        self.task("smtp_users", {"users": users}, trouble, node)

    # ---- what becomes of the bindings ---------------------------------------------------------------------------

    @precondition(lambda self: self.account.aliases())
    @rule(forgets=st.sets(ALIAS), switched=st.sets(ALIAS), everything=st.booleans(), again=st.booleans())
    def lose_bindings(self, forgets: set[str], switched: set[str], everything: bool, again: bool) -> None:
        """All of it, or what came after the copy that is put back, also a rotation; the next run may come at once.

        Begun creations are settled before: what was begun where it is lost, nobody can tell from others' doing.
        """
        self.let_pass(2 * LAG + 60)
        aliases = self.account.aliases()
        if self.intents():
            return
        self.lossy = True
        self.cut_short = self.unsettled = False
        if everything:
            self.account.kept.lose()
        else:
            document = self.account.kept.document() or {}
            section = document["accounts"][self.account.options["api_url"]][OWNER]
            standbys = section.pop("standbys", {})
            first = {alias: standbys[alias]["smtp_user_name"] for alias in switched & standbys.keys()}
            section["aliases"] = {alias: name for alias, name in {**aliases, **first}.items() if alias not in forgets}
            section["standbys"] = {
                alias: standby for alias, standby in standbys.items() if alias in aliases.keys() - forgets - switched
            }
            self.account.kept.put(document)
            if again and first.keys() - forgets:
                alias = min(first.keys() - forgets)
                self.task("smtp_user_rotate", {"alias": alias, "overlap_hours": 24}, NO_TROUBLE, 1)
        gone = [alias for alias in sorted(aliases) if everything or alias in forgets]
        if again and gone and any(user.smtp_user_name == aliases[gone[0]] for user in self.account.users()):
            user = self.account.user(aliases[gone[0]])
            self.present(gone[0], (user.total_limit, user.hourly_limit), NO_TROUBLE, 1, False, None)

    @rule()
    def recover(self) -> None:
        """Bind again who was made for whom, as a file with credentials has it."""
        bound, owned = self.account.aliases(), {*self.account.aliases().values(), *self.standbys().values()}
        names = {user.smtp_user_name for user in self.account.users()}
        lost = {
            alias: name
            for name, alias in self.made_for.items()
            if name in names and alias not in bound and name not in owned and alias not in self.intents()
        }
        self.let_pass(2 * LAG + 60)
        result = self.account.run("smtp_bindings", bindings=lost)
        assert not result.get("failed"), result["msg"]
        assert self.account.aliases().items() >= lost.items()

    @rule(pick=PICK)
    def acknowledge(self, pick: int) -> None:
        """One of those that nobody has claimed, or all of them."""
        self.let_pass(2 * LAG + 60)
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
        self.let_go(alias, name)
        assert not self.account.run("smtp_bindings", unbind=[alias]).get("failed")

    @rule(alias=ALIAS, limits=LIMIT)
    def another_team(self, alias: str, limits: tuple[int, int]) -> None:
        """A file of its own for the same account: what it makes is a stranger's here."""
        self.let_pass(2 * LAG + 60)
        if self.intents():
            return
        before = {user.smtp_user_name for user in self.account.users()}
        theirs = self.account.kept.theirs()
        gone = [f"their {alias}" for alias in ALIASES]
        known = self.account.run("smtp_bindings", **theirs, unbind=gone)["unclaimed"]
        self.account.run("smtp_bindings", **theirs, acknowledge=known)
        options = {"alias": f"their {alias}", "total_limit": limits[0], "hourly_limit": limits[1]}
        assert not self.account.run("smtp_user", **theirs, **options).get("failed")
        self.by_hand |= {user.smtp_user_name for user in self.account.users()} - before
        self.let_pass(2 * LAG + 60)

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
        self.meddled = True
        self.service.update_user(OWNER, name, total_limit=limits[0], hourly_limit=limits[1], status=status)

    @precondition(lambda self: self.account.aliases())
    @rule(pick=PICK, which=st.sampled_from(["user", "standby"]))
    def support_removes(self, pick: int, which: str) -> None:
        """The user is gone, its binding is not: a run says so, until somebody removes the binding. A standby is just missing."""
        aliases = sorted(self.account.aliases().items())
        alias, name = aliases[pick % len(aliases)]
        self.let_pass(2 * LAG + 60)
        # By an older file an alias may have a user that is gone already.
        there = {user.smtp_user_name for user in self.account.users()}
        if which == "standby":
            name = self.standbys().get(alias, "")
            if name in there:
                self.service.remove_user(OWNER, name)
                self.made_for.pop(name, None)
            return
        self.let_go(alias, name)
        if name in there:
            self.service.remove_user(OWNER, name)
        result = self.account.run("smtp_user", alias=alias, total_limit=100, hourly_limit=10)
        assert result["failed"]
        assert "remove the binding" in result["msg"]
        gone = [other for other, bound in aliases if other != alias and bound not in there]
        assert self.account.run("smtp_bindings", unbind=[alias])["unlisted"] == gone

    @rule(seconds=st.sampled_from([1, 20, 40 * DAY]))
    def pass_time(self, seconds: float) -> None:
        self.let_pass(seconds)

    @initialize(lag=st.sampled_from([0.0, LAG]), turns=st.sampled_from([0, 0, 1, 2]))
    def listing(self, lag: float, turns: int) -> None:
        """In some an alias has changed users already."""
        if turns:
            self.account.run("smtp_user", alias=ALIASES[0], total_limit=100, hourly_limit=10)
            self.asked.add(ALIASES[0])
        for unused in range(turns):
            self.let_pass(40 * DAY)
            assert self.account.run("smtp_user_rotate", alias=ALIASES[0], overlap_hours=24)["changed"]
            self.works_until = {self.standbys()[ALIASES[0]]: self.clock.now + 86399}
        self.made_for = {user.smtp_user_name: ALIASES[0] for user in self.account.users()}
        self.service.settings = Settings(listing_lag=lag)

    # ---- what holds after every step ------------------------------------------------------------------------

    @invariant()
    def one_user_per_alias_and_none_lost(self) -> None:
        bindings = self.account.bindings()
        aliases, intents = bindings.get("aliases", {}), bindings.get("intents", {})
        owned = [*aliases.values(), *self.standbys().values()]
        assert len(set(owned)) == len(owned)
        strangers = {(alias, name) for alias, name in aliases.items() if name in self.by_hand}
        assert strangers <= self.adopted
        # Those that were made for an alias and are neither bound nor given up by a person: only a lost file leaves them.
        made = [user for user in self.account.users() if user.smtp_user_name not in self.by_hand]
        stray = [user for user in made if user.smtp_user_name not in owned]
        for user in stray:
            assert user.smtp_user_name in self.made_for or any(
                user.smtp_user_name not in intent["smtp_user_names"]
                and (user.total_limit, user.hourly_limit) == (intent["total_limit"], intent["hourly_limit"])
                for intent in intents.values()
            ), f"{user.smtp_user_name} is lost"
        assert self.lossy or len(stray) <= len(intents), "a user was made that no alias has"


@pytest.mark.parametrize(("store", "part"), [(store, part) for store, (parts, unused) in SHARES.items() for part in range(parts)])
def test_histories(store: str, part: int, stores: Callable[[str], Kept], record_property: Callable[[str, object], None]) -> None:
    """In parts, so that several processes can share the work."""
    OUTCOMES.clear()
    if store == "file":
        keep: Callable[[Path], Kept] = InFile
    else:
        table = stores(store)

        def keep(folder: Path) -> Kept:
            table.empty()
            return table

    machine = type(f"Histories_{part}", (Histories,), {"keep": staticmethod(keep)})
    if "SENDCLEAN_SEQUENCES" not in os.environ:
        # The same histories in each run of all tests, others in each soak.
        seed(part)(machine)
    parts, share = SHARES[store]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=-(int(int(os.environ.get("SENDCLEAN_SEQUENCES", "200")) * share) // -parts),
            stateful_step_count=12,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    sequences, faults = OUTCOMES.pop("sequences"), OUTCOMES.pop("faults")
    assert min(OUTCOMES[outcome] for outcome in ("ok", "failed", "power lost")) > sequences / 20
    ends = ", ".join(f"{number} {outcome}" for outcome, number in OUTCOMES.most_common())
    record_property(
        "random histories",
        f"{sequences} sequences with {OUTCOMES.total()} runs of modules and {faults} faults, bindings in a {store}: {ends}",
    )
