# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said where another plan was approved, by itself; through the modules: test_plan_checksum.py."""

from __future__ import annotations

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import RefusedError
from ansible_collections.sendclean.email.plugins.module_utils._model import DISABLE, User, Wanted
from ansible_collections.sendclean.email.plugins.module_utils._planner import Plan
from ansible_collections.sendclean.email.plugins.module_utils._rails import NOTHING_TO_DO, refuse_other_plan

USER = User("smtp2", "Enable", 5, 1)
PLANS = [
    Plan(Wanted("shop", total_limit=5, hourly_limit=1), alias="shop", create=True),
    Plan(Wanted(smtp_user_name="smtp2", state="absent"), USER, changes={"status": DISABLE}),
    Plan(Wanted("news"), USER, alias="news"),
]


@pytest.mark.parametrize(
    ("approved", "why"),
    [
        ("c2", "The account, the bindings or what is asked for has changed since"),
        (
            NOTHING_TO_DO,
            "It is that of a run with nothing to do, also for a host that smtp_users_plan_checksums does not have",
        ),
    ],
)
def test_another_plan_is_refused_with_what_would_be_done(approved: str, why: str) -> None:
    with pytest.raises(RefusedError) as caught:
        refuse_other_plan(PLANS, "c1", approved)
    assert str(caught.value) == (
        f"plan_checksum {approved} is not that of this run, whose plan is c1: 1 created (shop), 1 disabled (smtp2). {why}. "
        "Nothing was written. Look at the plan in a dry run without plan_checksum, and give the one of that if it is meant"
    )
    assert caught.value.done == {
        "changed": False,
        "operations": [
            {"call": "addSmtp", "smtp_user_name": None, "parameters": {"total_limit": 5, "hourly_limit": 1}},
            {"call": "editSmtp", "smtp_user_name": "smtp2", "parameters": {"status": DISABLE}},
        ],
        "plan_checksum": "c1",
    }


def test_what_was_approved_or_has_nothing_to_do_passes() -> None:
    refuse_other_plan(PLANS, "c1", "c1")
    refuse_other_plan(PLANS, "c1", None)
    refuse_other_plan(PLANS[2:], "c1", "c2")
