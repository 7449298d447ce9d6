# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's variables that say which plan was approved, and what a dry run hands on."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._rails import NOTHING_TO_DO
from ansible_collections.sendclean.email.plugins.plugin_utils import _role
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.steps import Step

ONE, OTHER = "c" + 31 * "1", "c" + 31 * "2"
NO_DIGITS = "must be what plan_checksum of a dry run says, hex digits"
NO_MAPPING = "must be a mapping of hosts to what plan_checksum said of each in a dry run"
BOTH = "smtp_users_plan_checksum and smtp_users_plan_checksums exclude each other: give one of the two"


def looked_at(**variables: Any) -> tuple[dict[str, Any], list[str]]:
    """What becomes of the variables, and what is wrong with them."""
    values, problems = _role.converted({f"smtp_users_{name}": value for name, value in variables.items()}, _role.MAIN)
    return values, [*problems, *_role.approval_problems(values)]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({}, {}),
        ({"production": ONE, "staging": OTHER}, {"production": ONE, "staging": OTHER}),
        # As a survey or the command line gives it.
        (f'{{"production": "{ONE}"}}', {"production": ONE}),
        # A host that looks like a number, and those of which nothing is said.
        ({1001: ONE, "staging": None, "development": ""}, {"1001": ONE}),
    ],
)
def test_a_mapping_has_the_checksum_of_each_host(value: Any, found: dict[str, str]) -> None:
    assert looked_at(plan_checksums=value) == ({"plan_checksums": found}, [])


@pytest.mark.parametrize(
    ("variables", "problems"),
    [
        ({"plan_checksum": "latest"}, [f'smtp_users_plan_checksum {NO_DIGITS}, not "latest"']),
        ({"plan_checksum": 12}, ["smtp_users_plan_checksum must be a string, not 12: put it in quotes"]),
        ({"plan_checksum": f"{ONE}\n"}, ["smtp_users_plan_checksum has a line break (U+000A) at its end: take it out"]),
        ({"plan_checksum": {"production": ONE}}, ["smtp_users_plan_checksum must be a string: put it in quotes"]),
        *(
            ({"plan_checksums": value}, [f"smtp_users_plan_checksums {NO_MAPPING}, not {shown}"])
            for value, shown in [(ONE, f'"{ONE}"'), ([ONE], f'["{ONE}"]'), ("[]", "[]"), (7, "7"), (True, "true")]
        ),
        (
            {"plan_checksums": {"production": 7, "staging": "latest", "development": ONE}},
            [
                "smtp_users_plan_checksums[production] must be a string, not 7: put it in quotes",
                f'smtp_users_plan_checksums[staging] {NO_DIGITS}, not "latest"',
            ],
        ),
        ({"plan_checksum": ONE, "plan_checksums": {"production": ONE}}, [BOTH]),
        ({"plan_checksum": ONE, "plan_checksums": {}}, [BOTH]),
    ],
)  # fmt: skip
def test_what_is_no_checksum_or_no_mapping_is_refused_by_name(variables: dict[str, Any], problems: list[str]) -> None:
    assert looked_at(**variables)[1] == problems


@pytest.mark.parametrize(
    ("values", "dry", "approved"),
    [
        ({}, False, None),
        ({"plan_checksum": ONE}, False, ONE),
        ({"plan_checksum": ONE}, True, ONE),
        ({"plan_checksums": {"production": ONE}}, False, ONE),
        ({"plan_checksums": {"production": ONE}}, True, ONE),
        ({"plan_checksums": {"staging": ONE}}, False, NOTHING_TO_DO),
        ({"plan_checksums": {}}, False, NOTHING_TO_DO),
        ({"plan_checksums": {"staging": ONE}}, True, None),
    ],
)
def test_a_host_that_is_not_in_the_mapping_may_do_nothing(values: dict[str, Any], dry: bool, approved: str | None) -> None:
    assert _role.approved_of(values, "production", dry) == ({} if approved is None else {"plan_checksum": approved})


@pytest.mark.parametrize("name", ["plan_checksum", "plan_checksums"])
def test_a_blank_is_no_approval(step: Step, name: str) -> None:
    """As of a variable that a pipeline has not set. A dry run is how one gets there."""
    result, calls = step("enforce", list=[], **{name: ""})
    assert (calls, result["msg"]) == ([], [f"smtp_users_{name} is empty: give what was approved, or leave it out"])
    for variables, check in (({name: ""}, True), ({name: None}, False)):
        _result, ((_module, options),) = step("enforce", check=check, list=[], **variables)
        assert "plan_checksum" not in options


@pytest.mark.parametrize(
    ("given", "result", "known"),
    [
        ({}, {"plan_checksum": ONE}, {"production": ONE}),
        ({}, {"failed": True, "msg": "no answer"}, {}),
        # One that was refused, since it is another plan than the approved one.
        ({"production": OTHER}, {"failed": True, "plan_checksum": ONE}, {}),
        ({}, {}, {}),
        # That of a job before, for another account.
        ({"staging": OTHER}, {"plan_checksum": ONE}, {"staging": OTHER, "production": ONE}),
        ({"staging": OTHER}, {"failed": True}, {"staging": OTHER}),
        ({"development": OTHER, "production": OTHER}, {"plan_checksum": ONE}, {"production": ONE}),
    ],
)
def test_a_dry_run_hands_on_what_it_has_looked_at(given: dict[str, str], result: dict[str, Any], known: dict[str, str]) -> None:
    stats = _role.handed_on({"plan_checksums": given}, result, "production", ["production", "development"])
    assert stats == {"data": {"smtp_users_plan_checksums": known}, "aggregate": True, "per_host": False}
