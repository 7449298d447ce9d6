# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner: for any account, bindings and wish, one step leads to where nothing is left to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import RefusedError
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Intent, User, Wanted
from ansible_collections.sendclean.email.plugins.module_utils._planner import (
    Plan,
    begun_creation,
    created_since,
    may_be_of,
    plan_user,
    unmet,
)
from hypothesis import assume, given
from hypothesis import strategies as st

NAMES = ["smtp1", "smtp2", "smtp3", "smtp4"]
ALIASES = ["billing", "news", "shop"]

limits = st.integers(1, 2)
statuses = st.sampled_from(["Enable", "Disable"])


@st.composite
def listings(draw: st.DrawFn) -> dict[str, User]:
    """What an account may show, a user without limits included."""
    names = draw(st.sets(st.sampled_from(NAMES)))
    return {name: User(name, draw(statuses), draw(limits | st.none()), draw(limits | st.none())) for name in names}


@st.composite
def all_bindings(draw: st.DrawFn) -> Bindings:
    """What a bindings file may hold: each user has one alias; users may be gone, creations begun."""
    aliases = draw(st.lists(st.sampled_from(ALIASES), unique=True))
    names = draw(st.permutations(NAMES))
    begun = draw(st.sets(st.sampled_from(ALIASES)))
    intents = {alias: Intent(draw(limits), draw(limits), frozenset(draw(st.sets(st.sampled_from(NAMES))))) for alias in begun}
    return Bindings(aliases=dict(zip(aliases, names)), intents=intents)


wishes = st.builds(
    Wanted,
    alias=st.sampled_from(ALIASES) | st.none(),
    smtp_user_name=st.sampled_from(NAMES) | st.none(),
    state=st.sampled_from(["present", "absent"]),
    total_limit=limits | st.none(),
    hourly_limit=limits | st.none(),
).filter(lambda wanted: wanted.alias is not None or wanted.smtp_user_name is not None)

for_any_situation = given(wanted=wishes, listing=listings(), bindings=all_bindings())


def planned(wanted: Wanted, listing: dict[str, User], bindings: Bindings) -> Plan:
    """A plan; what is refused is another test's matter."""
    try:
        return plan_user(wanted, listing, bindings)
    except RefusedError:
        assume(False)
        raise


def carry_out(plan: Plan, listing: dict[str, User], bindings: Bindings) -> tuple[dict[str, User], Bindings]:
    """What the account and the file hold afterwards, done here in the plainest way."""
    listing, aliases, intents = dict(listing), dict(bindings.aliases), dict(bindings.intents)
    name = plan.user.smtp_user_name if plan.user else None
    if plan.create:
        name = "smtp9"
        listing[name] = User(name, "Enable", plan.wanted.total_limit, plan.wanted.hourly_limit)
    elif name and plan.changes:
        changes: dict[str, Any] = dict(plan.changes)
        listing[name] = replace(listing[name], **changes)
    if name and plan.wanted.alias and (plan.create or plan.adopt):
        aliases[plan.wanted.alias] = name
        intents.pop(plan.wanted.alias, None)
    return listing, Bindings(aliases=aliases, intents=intents)


@for_any_situation
def test_after_a_plan_is_carried_out_nothing_is_left_to_do(wanted: Wanted, listing: dict[str, User], bindings: Bindings) -> None:
    plan = planned(wanted, listing, bindings)
    again = plan_user(wanted, *carry_out(plan, listing, bindings))
    assert not again.changed
    assert again.operation is None
    assert again.before() == again.after()
    if again.user:
        assert unmet(wanted, again.user) is None
        assert again.after() == {**plan.after(), "smtp_user_name": again.user.smtp_user_name}


@for_any_situation
def test_there_is_one_operation_at_most_and_it_sets_only_what_was_asked_for_and_differs(
    wanted: Wanted, listing: dict[str, User], bindings: Bindings
) -> None:
    plan = planned(wanted, listing, bindings)
    assert not (plan.create and (plan.changes or plan.adopt or plan.user))
    assert plan.changes.items() <= wanted.fields().items()
    if plan.user:
        assert all(plan.user.facts()[name] != value for name, value in plan.changes.items())
        assert {**plan.user.facts(), **plan.changes}.items() >= wanted.fields().items()
    if plan.operation:
        assert plan.operation.smtp_user_name == (plan.user.smtp_user_name if plan.user else None)
    if wanted.state == "absent":
        assert not plan.create
        assert plan.changes in ({}, {"status": "Disable"})


@for_any_situation
def test_a_plan_is_for_the_user_that_was_meant_and_for_no_other(
    wanted: Wanted, listing: dict[str, User], bindings: Bindings
) -> None:
    plan = planned(wanted, listing, bindings)
    if plan.user is None:
        return
    name = plan.user.smtp_user_name
    assert wanted.smtp_user_name in (None, name)
    if wanted.alias in bindings.aliases:
        assert name == bindings.aliases[wanted.alias or ""]
    elif wanted.smtp_user_name is None:
        # Only a creation that was begun says that an unbound alias is some user.
        intent = bindings.intents[wanted.alias or ""]
        assert plan.adopt == name
        assert name not in intent.smtp_user_names
        assert name not in bindings.aliases.values()
    if plan.adopt:
        assert plan.adopt == name
        assert wanted.alias not in bindings.aliases
        assert name not in bindings.aliases.values()


@given(wanted=wishes, listing=listings(), bindings=all_bindings())
def test_absent_is_refused_only_where_it_is_not_clear_who_is_meant(
    wanted: Wanted, listing: dict[str, User], bindings: Bindings
) -> None:
    wanted = replace(wanted, state="absent")
    try:
        plan_user(wanted, listing, bindings)
    except RefusedError:
        bound = bindings.aliases.get(wanted.alias or "")
        if bound is not None:
            assert wanted.smtp_user_name not in (None, bound)
        elif wanted.smtp_user_name is not None:
            assert bindings.alias_of(wanted.smtp_user_name) is not None
        else:
            intent = bindings.intents[wanted.alias or ""]
            candidates = created_since(intent, listing, bindings)
            assert len(candidates) > 1 or not may_be_of(intent, listing[candidates[0]])


LISTED = {
    "smtp1": User("smtp1", "Enable", 5, 5),
    "smtp2": User("smtp2", "Enable", 5, 5),
    "smtp3": User("smtp3", "Disable", 5, 5),
    "smtp4": User("smtp4", "Enable", 5, 6),
}
CREATE = Wanted(alias="billing", total_limit=5, hourly_limit=5)
INTENTS: dict[str, tuple[set[str], dict[str, str], list[str]]] = {
    "all were there before": ({"smtp1", "smtp2", "smtp3", "smtp4"}, {}, []),
    "the only new one is bound": ({"smtp1", "smtp3", "smtp4"}, {"news": "smtp2"}, []),
    "one": ({"smtp1", "smtp3", "smtp4"}, {}, ["smtp2"]),
    "one, and another with other limits": ({"smtp1", "smtp3"}, {}, ["smtp2"]),
    "one that was disabled since": ({"smtp1", "smtp2"}, {}, ["smtp3"]),
    "one, and another that is bound": ({"smtp3"}, {"news": "smtp2"}, ["smtp1"]),
    "two": ({"smtp3"}, {}, ["smtp1", "smtp2"]),
    "three": (set(), {}, ["smtp1", "smtp2", "smtp3"]),
}


@pytest.mark.parametrize(("before", "aliases", "candidates"), INTENTS.values(), ids=INTENTS)
def test_a_begun_creation_has_made_the_only_new_unbound_user_with_its_limits(
    before: set[str], aliases: dict[str, str], candidates: list[str]
) -> None:
    bindings = Bindings(aliases=aliases, intents={"billing": Intent(5, 5, frozenset(before))})
    assert created_since(bindings.intents["billing"], LISTED, bindings) == candidates
    if len(candidates) > 1:
        with pytest.raises(RefusedError, match=", ".join(candidates)):
            plan_user(CREATE, LISTED, bindings)
        return
    assert begun_creation(CREATE, LISTED, bindings, set()) == (candidates[0] if candidates else None)
    plan = plan_user(CREATE, LISTED, bindings)
    assert plan.create is not bool(candidates)
    assert plan.adopt == (candidates[0] if candidates else None)


def test_the_only_new_one_with_other_limits_is_a_candidate_that_a_person_has_to_look_at() -> None:
    begun = Intent(5, 5, frozenset({"smtp1", "smtp2", "smtp3"}))
    bindings = Bindings(intents={"billing": begun})
    with pytest.raises(RefusedError, match="other limits: smtp4"):
        plan_user(CREATE, LISTED, bindings)
    for settled in (
        replace(bindings, known=frozenset({"smtp4"})),
        replace(bindings, aliases={"news": "smtp4"}),
        # What another creation may have made is no candidate of this one.
        replace(bindings, intents={**bindings.intents, "news": replace(begun, hourly_limit=6)}),
    ):
        assert plan_user(CREATE, LISTED, settled).create
    assert plan_user(CREATE, LISTED, bindings, taken={"smtp4"}).create
    assert plan_user(replace(CREATE, smtp_user_name="smtp4"), LISTED, bindings).adopt == "smtp4"


def test_a_begun_creation_counts_with_the_limits_of_then() -> None:
    bindings = Bindings(intents={"billing": Intent(5, 6, frozenset())})
    plan = plan_user(CREATE, LISTED, bindings)
    assert plan.adopt == "smtp4"
    assert plan.changes == {"hourly_limit": 5}


def test_what_is_unmet_is_told_in_words() -> None:
    wanted, user = Wanted(smtp_user_name="smtp1", total_limit=5), User("smtp1", "Disable", 4, None)
    assert unmet(wanted, user) == "shows total_limit 4 instead of 5, shows status Disable instead of Enable"
    assert unmet(wanted, replace(user, total_limit=5, status="Enable")) is None
    assert unmet(wanted, None) == "does not list it"
