# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account's report as Markdown and JSON: the same as on the page, for a comment and for programs."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import jsonschema
import pytest
from ansible_collections.sendclean.email.plugins.plugin_utils._page import report
from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.pages import (
    ACTIONS,
    MARKDOWN,
    TEXTS,
    Page,
    unseen,
    validate,
)
from hypothesis import example, given
from hypothesis import strategies as st

SECRET = "a-password-of-somebody"


def user(alias: str | None, name: str | None, status: str | None = "Enable", limit: int | None = 5) -> dict[str, Any]:
    return {"alias": alias, "smtp_user_name": name, "status": status, "total_limit": limit, "hourly_limit": limit}


def planned(text: str = "billing", dry: bool = True) -> dict[str, Any]:
    """A result in which a user changes in each way, with what no report may have."""
    new, old = user(text, None if dry else "smtp1"), user(None, f"{text}2", limit=7)
    rows = [
        {**new, "action": "created", "password_age_days": None},
        {**user(None, f"{text}3"), "action": "unchanged", "password_age_days": 400.7},
        {**old, "status": "Disable", "action": "disabled", "password_age_days": 1.5},
        {**user(None, None, None, None), "action": "unchanged", "password_age_days": None},
    ]
    for row in rows:
        row["smtp_password"] = SECRET
    estimate = {"estimated_calls": 4, "estimated_minutes": 0.1} if dry else {}
    return {
        "changed": True,
        "smtp_users": rows,
        "summary": {**dict.fromkeys(ACTIONS, 0), "created": 1, "disabled": 1, "unchanged": 2, **estimate},
        "diff": [
            {"before": {}, "after": new, "before_header": text, "after_header": text},
            {"before": old, "after": {**old, "status": "Disable"}},
        ],
        "operations": [{"call": "editSmtp", "smtp_user_name": f"{text}2", "parameters": {"status": "Disable"}}],
        "unclaimed": [f"{text}4"],
        "warnings": [text],
        "invocation": {"module_args": {"token": SECRET}},
        "plan_checksum": "c0ffee",
    }


def failing(text: str) -> dict[str, Any]:
    """The same, in which a user failed."""
    result = planned(text, dry=False)
    result["smtp_users"][2]["action"] = "failed"
    result["summary"] |= {"failed": 1, "disabled": 0}
    del result["diff"][1]
    failure = {
        "alias": None,
        "smtp_user_name": f"{text}2",
        "call": "editSmtp",
        "msg": f"{text}\n{text}",
        "error": {"message": SECRET},
    }
    return {**result, "failed": True, "msg": f"1 of 4 users failed, {text}", "failures": [failure]}


def unchanged(dry: bool) -> dict[str, Any]:
    """A result of an account that is as its list says."""
    estimate = {"estimated_calls": 1, "estimated_minutes": 0.0} if dry else {}
    return {"changed": False, "smtp_users": [], "summary": {**dict.fromkeys(ACTIONS, 0), **estimate}, "operations": []}


REFUSED = {"failed": True, "msg": ["smtp_users_token must be a string", "and more"]}
ERROR = {"failed": True, "msg": "no answer", "error": {"name": "TransportError"}}
CHECKSUM = {"failed": True, "msg": "another plan", "plan_checksum": "c0ffee", "operations": planned()["operations"]}
RESULTS = [planned(), planned(dry=False), failing("a"), REFUSED, ERROR, CHECKSUM]
TOLD = {"owner_id": "4711", "list": [{}, {}]}


def test_a_former_user_is_told_apart_from_one_that_is_purged() -> None:
    result = planned("shop")
    result["smtp_users"][2]["standby_of"] = "a|b"
    comment = report("/srv/p.md", result, True, "production", TOLD)
    assert "to disable, former user of `a\\|b`" in comment
    assert "not in the list" not in comment
    page = report("/srv/p.html", result, True, "production", TOLD)
    assert "former user of a|b" in page and "not in the list" not in page
    assert "Those of the list, former users that still work." in page
    whole = validate(report("/srv/p.json", result, True, "production", TOLD), "report")
    assert [user["standby_of"] for user in whole["smtp_users"]] == [None, None, "a|b", None]
    assert [change["standby_of"] for change in whole["changes"]] == [None, "a|b"]


def test_a_comment_has_who_changes_and_nobody_else() -> None:
    shown = report("/srv/p.md", planned(), True, "production", TOLD)
    assert (
        shown
        == """# Plan for `production`

A run would change 2 users of 4. This was a dry run: nothing is changed yet.

| Account | `production` |
| --- | --- |
| Owner ID | `4711` |
| Calls that a run makes | 4 |
| Minutes that they take | less than 1 |
| Oldest password | 400 days |
| Checksum of the plan | `c0ffee` |

## What would change

| User | Action | Alias | Status | Total limit | Hourly limit | Password |
| --- | --- | --- | --- | --- | --- | --- |
| `billing` | + to create | none → **`billing`** | none → **`Enable`** | none → **`5`** | none → **`5`** | new |
| `billing2` | − to disable, not in the list | none | `Enable` → **`Disable`** | `7` | `7` | 1 day |

## Nobody has claimed

| User |
| --- |
| `billing4` |
"""
    )


def test_a_comment_says_what_failed() -> None:
    shown = report("/srv/p.md", failing("a"), False, "prod|uction", TOLD)
    assert (
        shown
        == """# Result for `prod|uction`

1 user of 4 failed, 1 changed, 2 in order.

| Account | `prod\\|uction` |
| --- | --- |
| Owner ID | `4711` |
| Oldest password | 400 days |
| Checksum of the plan | `c0ffee` |

## What failed

| User | Call | Why |
| --- | --- | --- |
| `a2` | editSmtp | `a; a` |

## What was changed

| User | Action | Alias | Status | Total limit | Hourly limit | Password |
| --- | --- | --- | --- | --- | --- | --- |
| `a` `smtp1` | + created | none → **`a`** | none → **`Enable`** | none → **`5`** | none → **`5`** | unknown |

## Nobody has claimed

| User |
| --- |
| `a4` |
"""
    )
    refused = report("/srv/p.md", REFUSED, True, "production", TOLD)
    assert "Refused: nothing was changed." in refused
    assert "| Problem |\n| --- |\n| `smtp_users_token must be a string` |\n| `and more` |\n" in refused


def test_credentials_that_could_not_be_kept_are_told() -> None:
    told = {**TOLD, "kept": {"failed": True, "msg": "no vault secret"}}
    for kind in ("html", "md"):
        shown = report(f"/srv/p.{kind}", planned(dry=False), False, "a", told)
        assert "no vault secret" in shown and "But it then failed, see below." in shown
    assert validate(report("/srv/p.json", planned(dry=False), False, "a", told), "report")["state"] == "failed"


def test_a_comment_is_not_too_long() -> None:
    result = planned()
    row, diff = result["smtp_users"][0], result["diff"][0]
    result["smtp_users"], result["diff"] = [row] * 3000, [diff] * 3000
    shown = report("/srv/p.md", result, True, "production", TOLD)
    assert len(shown) <= 60_000
    (rest,) = re.findall(r"\n\nand (\d+) more\n", shown)
    assert shown.count("+ to create") + int(rest) == 3000
    assert "`billing4`" in shown or "Nobody has claimed" in shown


@given(TEXTS)
@example("<b>|@all`")
def test_a_name_does_nothing_in_a_comment(text: str) -> None:
    for make in (planned, failing):
        pages = [Page(MARKDOWN.render(report("/srv/p.md", make(name), True, name, TOLD))) for name in (text, "plain")]
        assert pages[0].tags == pages[1].tags
        assert len(pages[0].cells) == len(pages[1].cells)
        assert not unseen(report("/srv/p.md", make(text), True, text, TOLD))


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: str(result.get("msg", "planned")))
def test_json_is_as_its_schema_says(result: dict[str, Any]) -> None:
    whole = validate(report("/srv/p.JSON", result, True, "production", TOLD), "report")
    assert whole["account"] == "production" and whole["owner_id"] == "4711"
    assert len(whole["changes"]) == len(result.get("diff", []))
    assert whole["plan_checksum"] == result.get("plan_checksum")


def test_json_has_all_that_programs_need() -> None:
    result = failing("a")
    fields = ("alias", "smtp_user_name", "status", "total_limit", "hourly_limit")
    shown = {"action", "password_age_days", *fields}
    assert json.loads(report("/srv/p.json", result, False, "production", TOLD)) == {
        "sendclean_report": 1,
        "account": "production",
        "owner_id": "4711",
        "check_mode": False,
        "state": "failed",
        "problems": [],
        "summary": result["summary"],
        "plan_checksum": "c0ffee",
        "oldest_password_days": 400.7,
        "smtp_users": [
            {**{name: value for name, value in row.items() if name in shown}, "standby_of": None} for row in result["smtp_users"]
        ],
        "changes": [
            {
                "alias": "a",
                "smtp_user_name": "smtp1",
                "action": "created",
                "standby_of": None,
                "before": dict.fromkeys(fields),
                "after": user("a", "smtp1"),
            }
        ],
        "failures": [{"alias": None, "smtp_user_name": "a2", "call": "editSmtp", "msg": "a\na"}],
        "operations": result["operations"],
        "unclaimed": ["a4"],
    }
    refused = json.loads(report("/srv/p.json", REFUSED, True, "production", TOLD))
    assert (refused["check_mode"], refused["problems"], refused["summary"]) == (True, REFUSED["msg"], None)
    assert [refused[name] for name in ("smtp_users", "changes", "failures", "operations", "unclaimed")] == [[]] * 5


def test_the_schema_refuses_what_is_no_report() -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate('{"sendclean_report": 1}', "report")
    text = report("/srv/p.json", planned(), True, "a", TOLD)
    with pytest.raises(jsonschema.ValidationError):
        validate(text.replace('"sendclean_report": 1', '"sendclean_report": 2'), "report")


@pytest.mark.parametrize("kind", ["html", "md", "json"])
@given(text=st.sampled_from(["a", "|", "<b>"]))
def test_no_report_has_a_secret(kind: str, text: str) -> None:
    for make in (planned, failing):
        assert SECRET not in report(f"/srv/p.{kind}", make(text), True, text, TOLD)


@given(TEXTS)
def test_json_holds_the_names_as_they_are(text: str) -> None:
    shown = report("/srv/p.json", failing(text), False, text, TOLD)
    whole = validate(shown, "report")
    assert shown.isascii()
    assert (whole["account"], whole["changes"][0]["alias"], whole["unclaimed"]) == (text, text, [f"{text}4"])


@pytest.mark.parametrize(
    ("result", "dry", "verdict"),
    [
        (REFUSED, True, "Refused: nothing was changed."),
        (ERROR, True, "The dry run stopped with an error: nothing was changed."),
        (ERROR, False, "The run stopped with an error."),
        (CHECKSUM, False, "Refused, since this is not the plan that was approved: nothing was changed."),
        (planned(), True, "A run would change 2 users of 4. This was a dry run: nothing is changed yet."),
        (planned(dry=False), False, "2 users of 4 changed. SendClean's listing shows it."),
        (failing("a"), False, "1 user of 4 failed, 1 changed, 2 in order."),
        (unchanged(True), True, "Everything is in order: a run would change nothing."),
        (unchanged(False), False, "Everything was in order: nothing was changed."),
    ],
)
def test_the_verdict_is_the_same_on_the_page_and_in_a_comment(result: dict[str, Any], dry: bool, verdict: str) -> None:
    kinds = {"A ": "", "E": "good", "2": "good"}
    kind = next((kind for words, kind in kinds.items() if verdict.startswith(words)), "bad")
    assert f'<p class="verdict {kind}">{verdict}</p>' in html.unescape(report("/srv/p.html", result, dry, "a", TOLD))
    assert report("/srv/p.md", result, dry, "a", TOLD).split("\n\n")[1].strip() == verdict


def test_a_plan_that_is_not_the_approved_one_is_told() -> None:
    page = Page(report("/srv/p.html", CHECKSUM, False, "a", TOLD))
    assert [text.strip() for text in page.cells[-3:]] == ["billing2", "editSmtp", "status: Disable"]
    comment = report("/srv/p.md", CHECKSUM, False, "a", TOLD)
    assert comment.endswith(
        """
## What is wrong

| Problem |
| --- |
| `another plan` |

## What the plan is now

| Call | User | Parameters |
| --- | --- | --- |
| `editSmtp` | `billing2` | `status: Disable` |
"""
    )
    assert "What the plan is now" not in report("/srv/p.md", planned(), True, "a", TOLD)
