# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run is made of, step by step, and what a task tells of it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils import _lag
from ansible_collections.sendclean.email.plugins.module_utils._apply import Step
from ansible_collections.sendclean.email.plugins.module_utils._errors import CallError, Outcome, SendCleanError
from ansible_collections.sendclean.email.plugins.module_utils._lag import age_in_days
from ansible_collections.sendclean.email.plugins.module_utils._model import Operation, User, Wanted
from ansible_collections.sendclean.email.plugins.module_utils._planner import Plan
from ansible_collections.sendclean.email.plugins.module_utils._report import (
    diff,
    estimate,
    named_diff,
    operations,
    refuse_failed,
    row,
    summary,
)

NOW = datetime.datetime(2026, 1, 31, tzinfo=datetime.timezone.utc)
USER = User("smtp1", "Enable", 5, 1, "secret")
CHANGED = User("smtp1", "Enable", 7, 1, "secret")
ADD, EDIT = Operation("addSmtp", "smtp9", {"total_limit": 5}), Operation("editSmtp", "smtp1", {"total_limit": 7})
WANTED = Wanted("billing", total_limit=7, hourly_limit=1)
BEFORE: dict[str, Any] = {**USER.facts(), "alias": "billing"}
AFTER: dict[str, Any] = {**CHANGED.facts(), "alias": "billing"}
TO_CREATE = Plan(WANTED, alias="billing", create=True)
TO_CHANGE = Plan(WANTED, USER, "billing", changes={"total_limit": 7})
TO_ADOPT = Plan(Wanted("billing", "smtp1"), USER, "billing", adopt="smtp1")
NOTHING = Plan(WANTED, USER, "billing")
REFUSED = CallError("no", call="addSmtp", name="ValidationError", outcome=Outcome.REFUSED, message="No", code=3, http_status=400)


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lag, "utc_now", lambda: NOW)


@pytest.mark.parametrize(
    ("step", "outstanding", "action", "facts"),
    [
        (Step(TO_CREATE), True, "created", {}),
        (
            Step(TO_CREATE, ADD, True),
            False,
            "created",
            {"alias": "billing", "smtp_user_name": "smtp9", "status": "Enable", "total_limit": 7, "hourly_limit": 1},
        ),
        (Step(TO_CHANGE), True, "updated", BEFORE),
        (Step(TO_CHANGE, EDIT, True), False, "updated", AFTER),
        (Step(TO_CHANGE, EDIT, True, User("smtp1", None, 6, 1)), False, "updated", {**AFTER, "status": None, "total_limit": 6}),
        (Step(TO_ADOPT), True, "adopted", {**BEFORE, "alias": None}),
        (Step(TO_ADOPT, changed=True), False, "adopted", BEFORE),
        (Step(NOTHING), False, "unchanged", BEFORE),
        (Step(NOTHING, error=SendCleanError("no")), False, "failed", BEFORE),
    ],
)
def test_what_a_step_has_come_to(step: Step, outstanding: bool, action: str, facts: dict[str, Any]) -> None:
    assert (step.outstanding, step.action, step.facts()) == (outstanding, action, facts)
    assert diff(step) == {"before": step.plan.before(), "after": facts}
    assert named_diff(step) == {"before_header": "billing", "after_header": "billing", **diff(step)}


def test_a_difference_has_the_former_user_too() -> None:
    former = Step(Plan(WANTED, User("smtp2", "Enable", 5, 1), standby_of="billing", changes={"status": "Disable"}))
    before = former.plan.before()
    assert diff(Step(TO_CHANGE, EDIT, True), [former]) == {
        "before": {**BEFORE, "former": before},
        "after": {**AFTER, "former": before},
    }
    assert row(former, False)["standby_of"] == "billing"


def test_a_row_has_the_same_fields_whoever_there_is() -> None:
    old = Step(NOTHING, password_time=NOW - datetime.timedelta(days=2, hours=6))
    assert row(old, False) == {**BEFORE, "action": "unchanged", "password_age_days": 2.25}
    assert row(old, True) == {**row(old, False), "smtp_password": "secret"}
    assert row(Step(TO_CHANGE, user=User("smtp1", "Enable", 7, 1, "fresh")), True)["smtp_password"] == "fresh"
    nobody = {"smtp_user_name": None, "status": None, "total_limit": None, "hourly_limit": None}
    assert row(Step(TO_CREATE), True) == {
        "alias": "billing",
        **nobody,
        "action": "created",
        "password_age_days": None,
        "smtp_password": None,
    }


def test_of_an_age_five_digits_are_told() -> None:
    assert age_in_days(None) is None
    assert age_in_days(NOW - datetime.timedelta(seconds=1)) == 0.00001
    assert age_in_days(NOW - datetime.timedelta(days=30)) == 30.0


def test_the_headers_of_a_difference_say_who_it_is() -> None:
    for plan, name in (
        (Plan(Wanted(smtp_user_name="smtp3")), "smtp3"),
        (Plan(Wanted(smtp_user_name="smtp3"), alias="shop"), "shop"),
    ):
        assert named_diff(Step(plan))["before_header"] == named_diff(Step(plan))["after_header"] == name
    assert named_diff(Step(Plan(Wanted()), EDIT))["before_header"] == "smtp1"


STEPS = [Step(TO_CREATE, ADD, True), Step(TO_CHANGE, EDIT, True), Step(NOTHING)]


def test_what_a_run_has_done_is_counted_and_listed() -> None:
    assert operations(STEPS) == [ADD.facts(), EDIT.facts()]
    assert summary([*STEPS, Step(NOTHING)]) == {
        **dict.fromkeys(("failed", "adopted", "renamed", "disabled", "enabled"), 0),
        **{"created": 1, "updated": 1, "unchanged": 2},
    }


@pytest.mark.parametrize(
    ("steps", "pace", "calls", "minutes"),
    [([], 60, 1, 0.02), (STEPS[2:], 60, 1, 0.02), (STEPS[1:], 60, 3, 0.05), (STEPS, 7, 4, 0.57), (STEPS, 0, 4, 0.0)],
)
def test_what_a_run_will_cost(steps: list[Step], pace: int, calls: int, minutes: float) -> None:
    assert estimate(steps, pace) == {"estimated_calls": calls, "estimated_minutes": minutes}


def test_a_run_in_which_a_user_failed_fails_with_all_that_was_done() -> None:
    refuse_failed(STEPS, {})
    lost = Step(Plan(Wanted(smtp_user_name="smtp3")), error=SendCleanError("lost"))
    late = Step(TO_CHANGE, EDIT, error=SendCleanError("late"))
    for failed, told in (
        ([Step(TO_CREATE, error=REFUSED)], "1 of 4 users failed, see failures. The first, billing: no"),
        ([lost, late, Step(TO_CREATE, error=REFUSED)], "3 of 6 users failed, see failures. The first, smtp3: lost"),
    ):
        with pytest.raises(SendCleanError) as caught:
            refuse_failed([*STEPS, *failed], {"changed": True})
        assert str(caught.value) == told
        error = REFUSED.details()["error"]
        refused = {"alias": "billing", "smtp_user_name": None, "call": "addSmtp", "msg": "no", "error": error}
        failures = [
            {"alias": None, "smtp_user_name": "smtp3", "call": None, "msg": "lost", "error": None},
            {"alias": "billing", "smtp_user_name": "smtp1", "call": "editSmtp", "msg": "late", "error": None},
            refused,
        ]
        assert caught.value.done == {"changed": True, "failures": failures[-len(failed) :], "error": error}
    with pytest.raises(SendCleanError) as caught:
        refuse_failed([lost], {})
    assert "error" not in caught.value.done
