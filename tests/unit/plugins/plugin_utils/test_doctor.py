# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From facts to findings, to a page and to a report that can be published."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import CallError, Outcome
from ansible_collections.sendclean.email.plugins.module_utils._lag import utc_now
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Intent, Standby, User
from ansible_collections.sendclean.email.plugins.plugin_utils._credentials import Difference
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor import (
    Facts,
    FileFacts,
    Finding,
    ago,
    claim_of,
    findings_of,
    rivals,
)
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor_report import is_report, page_of, report_of, whole_report

PATH = "/srv/acme/sendclean_bindings.json"
NOW = utc_now()
LISTING = {
    "smtp1": User("smtp1", "Enable", 100, 10, "of smtp1"),
    "smtp2": User("smtp2", "Disable", 100, 10, "of smtp2"),
    "smtp3": User("smtp3", "Enable", 7, 7, "of smtp3"),
}
BINDINGS = Bindings(
    {"billing": "smtp1", "shop": "smtp2"},
    password_times={"smtp1": NOW - datetime.timedelta(days=40, hours=1)},
    known=frozenset({"smtp3"}),
    path=PATH,
)
HEALTHY = Facts(
    host="acme-production",
    versions={"sendclean.email": "1.0.0", "Python": "3.11.7", "requests": None},
    base_url="https://mail.acme.example/v1.0",
    seconds=0.25,
    answers=[
        {
            **{"http_status": 200, "body": "object", "smtp_list": "array", "further_keys": [], "further_fields": ["created"]},
            "users": {"total_limit": {"integer": 3}, "hourly_limit": {"integer": 2, "null": 1}, "smtp_user_name": {"text": 3}},
        }
    ],
    listing=LISTING,
    bindings_file=FileFacts(PATH, there=True),
    bindings=BINDINGS,
)


def changed(**facts: Any) -> Facts:
    """The healthy account, but for this."""
    return dataclasses.replace(HEALTHY, **facts)


def bound(**bindings: Any) -> Facts:
    return changed(bindings=dataclasses.replace(BINDINGS, **bindings))


def begun(*names: str, **more: Any) -> Facts:
    """An alias whose creation has not ended; it listed these users before."""
    time = NOW - datetime.timedelta(hours=3, minutes=5)
    return dataclasses.replace(bound(intents={"new": Intent(5, 5, frozenset(names), time)}), **more)


def error(name: str) -> CallError:
    return CallError(
        f"It failed with {name}. Check it", call="listSmtp", name=name, outcome=Outcome.REFUSED, message="", http_status=200
    )


MORE = {**LISTING, "smtp4": User("smtp4", "Enable", 5, 5), "smtp5": User("smtp5", "Enable", 5, 5)}
STALE = Difference(["billing"], ["shop"], ["old"], ["a line"])
KEPT = FileFacts("/srv/acme/credentials.yml", there=True)
LOST = Bindings(path=PATH)
MANY = {f"smtp{number}": User(f"smtp{number}", "Enable", 1, 1) for number in range(3, 23)}

HANDS: list[tuple[Facts, str, int, str]] = [
    (changed(problems=["smtp_users_timeout must be a number"]), "setup", 1, "smtp_users_timeout must be a number"),
    (changed(listing=None, error=error("TransportError")), "no_answer", 1, "It failed with TransportError. Check it"),
    (changed(listing=None, error=error("ProtocolError")), "not_the_api", 1, "ProtocolError"),
    (changed(listing=None, error=error("RateLimitError")), "rate_limit", 1, "RateLimitError"),
    (changed(listing=None, error=error("AuthenticationError")), "credentials_refused", 1, "AuthenticationError"),
    (changed(listing=None, error=error("Invalid_Key")), "credentials_refused", 1, "Invalid_Key"),
    (changed(listing=None, error=error("GeneralError")), "error_answer", 1, "GeneralError"),
    (changed(bindings_file=FileFacts(PATH, True, ["it is broken: mend it"])), "bindings_file", 1, "it is broken: mend it"),
    (
        changed(bindings=LOST),
        "nobody_known",
        3,
        "lists smtp1, smtp2, smtp3, and /srv/acme/sendclean_bindings.json knows none of them: restore",
    ),
    (changed(bindings=LOST, bindings_file=FileFacts(PATH)), "nobody_known", 3, "sendclean_bindings.json is not there: restore"),
    (changed(bindings=LOST, named=frozenset({"smtp1"})), "nobody_known", 2, "lists smtp2, smtp3, and"),
    (
        changed(bindings=LOST, named=frozenset({"smtp9"}), adopted=frozenset({"smtp9"})),
        "nobody_known",
        3,
        "lists smtp1, smtp2, smtp3, and",
    ),
    # As for a run: who adopts somebody has not just lost the file.
    (changed(bindings=LOST, named=frozenset({"smtp1"}), adopted=frozenset({"smtp1"})), "unclaimed", 1, "claimed smtp3, enabled"),
    (
        changed(bindings=dataclasses.replace(LOST, elsewhere=("https://api.sendclean.net/v1.0",))),
        "nobody_known",
        3,
        "but has the same owner_id under https://api.sendclean.net/v1.0: check api_url and app_domain, or restore",
    ),
    (bound(known=frozenset()), "unclaimed", 1, "nobody has claimed smtp3, enabled: adopt them or disable them"),
    (changed(listing={**LISTING, **MANY}), "unclaimed", 19, "smtp16, smtp17 and 11 more, enabled"),
    (bound(aliases={**BINDINGS.aliases, "gone": "smtp9"}), "unlisted", 1, "does not list the users of gone: check owner_id"),
    (changed(listing={**LISTING, "smtp1": User("smtp1", None, 1, 1)}), "odd_status", 1, "for smtp1: give each a state"),
    (begun("smtp1", "smtp2", "smtp3"), "begun", 1, 'a creation for "new" was begun 3 hours ago and did not end: run the task'),
    (begun("smtp1", "smtp2", "smtp3", listing=MORE), "begun", 1, "smtp4, smtp5 could be its user: choose one"),
    (
        changed(credentials_file=FileFacts("c.yml", True, ["no vault secret: give one"])),
        "credentials_file",
        1,
        "no vault secret: give one",
    ),
    (
        changed(credentials_file=KEPT, difference=STALE),
        "credentials_stale",
        3,
        "is in force (not in it: billing; changed since: shop; no longer bound: old): run sendclean.email.enforce",
    ),
    (
        changed(credentials_file=FileFacts("c.yml"), difference=Difference(["shop"], [], [], [])),
        "credentials_stale",
        1,
        "c.yml is not there",
    ),
]
NOTES: list[tuple[Facts, str | None, str]] = [
    (HEALTHY, None, ""),
    (changed(warnings=["SendClean lists smtp1 with hourly_limit -1"]), "odd_answer", "smtp1 with hourly_limit -1"),
    (changed(bindings_file=FileFacts(PATH, True, busy=True)), "busy", "another run is at work"),
    (begun(listing=MORE, bindings_file=FileFacts(PATH, True, busy=True)), "busy begun", "the run that is at work may yet end it"),
    (changed(listing={}, bindings=LOST, bindings_file=FileFacts(PATH)), "no_bindings_yet", "the first run makes it"),
    (changed(bindings=LOST, named=frozenset(LISTING), bindings_file=FileFacts(PATH)), "no_bindings_yet", "is not there yet"),
    (changed(named=frozenset({"smtp3"}), bindings=dataclasses.replace(BINDINGS, known=frozenset())), None, ""),
    (changed(listing={**LISTING, "smtp4": User("smtp4", "Disable", 1, 1)}), None, ""),
    (changed(credentials_file=KEPT, difference=Difference([], [], [], [])), None, ""),
    (changed(credentials_file=KEPT, mute=["shop"]), "no_password_shown", "shows no password for shop"),
    (changed(listing=None, bindings=None, base_url=None, answers=(), seconds=None, bindings_file=None), None, ""),
]


@pytest.mark.parametrize(("facts", "code", "count", "text"), HANDS, ids=[f"{code}-{text[:20]}" for _f, code, _c, text in HANDS])
def test_what_needs_a_hand_says_what_to_do(facts: Facts, code: str, count: int, text: str) -> None:
    findings = findings_of(facts)
    (found,) = [finding for finding in findings if finding.needs_a_hand]
    assert (found.code, found.count) == (code, count)
    assert text in str(found)
    page = page_of(facts, findings)
    assert page.startswith("acme-production: 1 thing needs a hand\n  ! ")
    assert found.text in page and found.advice in page


@pytest.mark.parametrize(("facts", "code", "text"), NOTES, ids=[f"{code}-{text[:20]}" for _f, code, text in NOTES])
def test_what_is_just_to_be_known_needs_none(facts: Facts, code: str | None, text: str) -> None:
    findings = findings_of(facts)
    assert " ".join(finding.code for finding in findings) == (code or "")
    assert not any(finding.needs_a_hand for finding in findings)
    page = page_of(facts, findings)
    assert page.startswith("acme-production: nothing needs a hand\n")
    assert text in page


def claim(account: str = "4711", aliases: Sequence[str] = (), purges: bool = False) -> dict[str, Any] | None:
    """What a host registers."""
    file = FileFacts("/srv/bindings.json", there=True)
    return claim_of(
        Facts("any", base_url="https://a/v1.0", owner_id=account, bindings_file=file, listed=frozenset(aliases), purges=purges)
    )


def test_two_hosts_that_undo_each_others_work_are_told() -> None:
    purges = "a, b have the same account: with smtp_users_purge each run disables the users of the others."
    shares = "a, b have the same account: more than one list has news, shop, so that each run changes what another has set."
    cases: list[tuple[dict[str, Any] | None, dict[str, Any] | None, str | None]] = [
        (claim(purges=True), claim(), purges),
        (claim(aliases=["x"]), claim(aliases=["y"], purges=True), purges),
        (claim(aliases=["shop", "news", "x"]), claim(aliases=["y", "shop", "news"]), shares),
        # Two teams may share an account.
        (claim(aliases=["x"]), claim(aliases=["y"]), None),
        (claim(purges=True, aliases=["x"]), claim("4712", ["x"], True), None),
        (claim(purges=True), None, None),
    ]
    for one, other, told in cases:
        found = rivals({"b": other, "a": one, "c": claim("5", purges=True), "d": None})
        assert {host: text.partition(" Give one host")[0] for host, text in found.items()} == (
            {"a": told, "b": told} if told else {}
        )
    # What is not known is nobody's.
    assert claim_of(Facts("a")) is None is claim_of(Facts("a", base_url="https://a", owner_id="1"))


def test_the_guide_has_each_code() -> None:
    guide = (Path(__file__).resolve().parents[4] / "docs" / "doctor.md").read_text(encoding="utf-8")
    hands, notes = re.split(r"just\s+to\s+be\s+known,", guide[guide.index("The codes are") :])
    codes = {code for _facts, code, _count, _text in HANDS} | {code for _facts, code, _told in STANDBYS}
    assert codes == set(re.findall(r"`(\w+)`", hands))
    noted = {code for _facts, codes, _text in NOTES for code in (codes or "").split()}
    assert noted - {"begun"} == set(re.findall(r"`(\w+)`", notes))


def test_what_needs_a_hand_comes_first_and_is_counted() -> None:
    facts = changed(warnings=["first"], problems=["second"], bindings_file=FileFacts(PATH, True, ["third"], busy=True))
    findings = findings_of(facts)
    assert [finding.needs_a_hand for finding in findings] == [True, True, False, False]
    page = page_of(facts, findings).splitlines()
    assert page[:3] == ["acme-production: 2 things need a hand", "  ! second", "  ! third"]


def test_a_page_is_read_in_ten_seconds() -> None:
    assert page_of(HEALTHY, []).splitlines() == [
        "acme-production: nothing needs a hand",
        "  account      https://mail.acme.example/v1.0 answers in 0.2 s and accepts owner_id and token",
        "  users        3: 2 enabled, 1 disabled",
        "               2 bound to an alias, 1 known, 0 unclaimed",
        "  passwords    the oldest is of 40 days ago (billing); 1 of unknown age",
        f"  bindings     {PATH} can be read, written and locked",
        "  API          HTTP 200, smtp_list array, total_limit integer, hourly_limit integer/null, further created",
        "  versions     sendclean.email 1.0.0, Python 3.11.7",
    ]


def test_a_page_stays_short_and_is_text() -> None:
    """Whatever the account holds: so many users, names that a terminal would act upon, messages of several lines."""
    evil = "smtp\x1b[31m\nX"
    listing = {**LISTING, **{f"{evil}{number:04}": User(f"{evil}{number:04}", "Enable", 1, 1) for number in range(2000)}}
    facts = changed(listing=listing, problems=["one\ntwo"], warnings=["odd"] * 3)
    page = page_of(facts, findings_of(facts))
    assert "one; two" in page
    assert len(page.splitlines()) < 20
    assert len(page) < 2000
    assert all(character.isprintable() or character == "\n" for character in page)


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (None, "some time ago"),
        (0.0, "a moment ago"),
        (0.02, "28 minutes ago"),
        (0.05, "1 hour ago"),
        (1.9, "1 day ago"),
        (45.5, "45 days ago"),
    ],
)
def test_ages(days: float | None, text: str) -> None:
    assert ago(days) == text


def test_a_clock_that_runs_behind_makes_nobody_younger_than_new() -> None:
    facts = bound(password_times={"smtp1": NOW + datetime.timedelta(days=2)})
    assert "the oldest is of a moment ago (billing)" in page_of(facts, [])
    assert report_of(facts, [])["password_age_days"] == {"oldest": 0.0, "unknown": 1}


def test_other_answers_in_words() -> None:
    failed = {"http_status": 401, "body": "object", "kind": "unknown", "kind_in": ["type"], "code": "missing", "message": "array"}
    facts = changed(answers=[{"http_status": 502, "body": "no JSON"}, failed, {**failed, "kind_in": []}], listing=None)
    assert (
        "  API          HTTP 502, body no JSON; HTTP 401, an error with kind in type, code missing, message array; HTTP 401, an "
        "error with no kind, code missing, message array"
    ) in page_of(facts, []).splitlines()


EVERYTHING: list[Callable[[], Facts]] = [
    lambda: HEALTHY,
    lambda: begun("smtp1", listing=MORE, credentials_file=KEPT, difference=STALE, mute=["shop"]),
    lambda: changed(listing=None, error=error("AuthenticationError")),
    lambda: changed(listing=None, error=error("Acme Ltd.")),
    lambda: changed(
        problems=["/srv/acme is acme's"], warnings=["smtp1 is odd"], bindings_file=None, bindings=None, base_url=None
    ),
]


@pytest.mark.parametrize("facts", EVERYTHING)
def test_a_report_says_nothing_of_whose_account_it_is(facts: Callable[[], Facts]) -> None:
    report = json.dumps(whole_report([report_of(facts(), findings_of(facts()))], facts().versions)).lower()
    for name in ("acme", "smtp1", "smtp2", "smtp3", "smtp4", "billing", "shop", '"new"', "/srv", "of smtp"):
        assert name not in report.replace("smtp_", "")


def on_standby(status: str, **standby: Any) -> Facts:
    listing = {**LISTING, "smtp4": User("smtp4", status, 100, 10)}
    return dataclasses.replace(bound(standbys={"billing": Standby("smtp4", **standby)}), listing=listing)


def test_who_takes_turns_is_nobody_unclaimed() -> None:
    for facts in (
        on_standby("Enable", retires_at=NOW + datetime.timedelta(hours=1)),
        on_standby("Disable"),
        # It was disabled by somebody, or the run that did so died: there is nothing to do for a person.
        on_standby("Disable", retires_at=NOW - datetime.timedelta(hours=1)),
    ):
        assert findings_of(facts) == []
        assert "2 bound to an alias, 1 taking turns with them, 1 known, 0 unclaimed" in page_of(facts, [])
        assert report_of(facts, [])["users"]["standbys"] == 1


STANDBYS = [
    (on_standby("Enable", retires_at=NOW - datetime.timedelta(seconds=1)), "former_works", "still works, of billing: run"),
    (on_standby("Disable", staged=True), "rotation_begun", "was begun and did not end for billing: run it again"),
    (on_standby("Enable", staged=True), "rotation_begun", "was begun"),
    # Its second user may be there or not: the rotation itself settles that, and to unbind the alias would lose its user.
    (bound(intents={"billing": Intent(5, 5, frozenset(LISTING))}), "rotation_begun", "did not end for billing: run it again"),
    (on_standby("Enable"), "standby_works", "the user on standby of billing was enabled by somebody"),
]


@pytest.mark.parametrize(("facts", "code", "told"), STANDBYS)
def test_a_standby_that_waits_for_somebody_is_told(facts: Facts, code: str, told: str) -> None:
    (finding,) = findings_of(facts)
    assert (finding.code, finding.needs_a_hand, finding.count) == (code, True, 1)
    assert told in str(finding)
    assert facts.bindings_file
    busy = dataclasses.replace(facts, bindings_file=dataclasses.replace(facts.bindings_file, busy=True))
    assert [finding.code for finding in findings_of(busy)] == ["busy"], "the run that is at work may end it"


def test_the_report_counts() -> None:
    facts = begun("smtp1", "smtp2", "smtp3", listing=MORE, credentials_file=KEPT, difference=STALE)
    report = report_of(facts, findings_of(facts))
    assert report["users"] == {
        **{"listed": 5, "enabled": 4, "disabled": 1, "odd": 0, "bound": 2, "standbys": 0, "known": 1},
        **{"unclaimed": 0, "unlisted": 0},
    }
    (creation,) = report["begun"]
    # However long ago these tests were collected.
    age = creation["age_days"] - (utc_now() - NOW).total_seconds() / 86400
    assert creation["candidates"] == 2 and 0.12 < age < 0.14
    assert report["credentials_file"] == {"there": True, "usable": True, "busy": False, "missing": 1, "differing": 1, "gone": 1}
    assert report["bindings_file"] == {"there": True, "usable": True, "busy": False}
    assert (report["host"], report["answered"], report["accepted"], report["seconds"]) == ("other", True, True, 0.25)
    assert report["findings"] == [
        {"code": "begun", "needs_a_hand": True, "count": 1},
        {"code": "credentials_stale", "needs_a_hand": True, "count": 3},
    ]


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://api.sendclean.net/v1.0", "sendclean.net"),
        ("https://api.us1-mta1.sendclean.net/v1.0", "sendclean.net"),
        ("https://sendclean.net.acme.example/v1.0", "other"),
        ("https://notsendclean.net/v1.0", "other"),
        ("http://[::1]:8080/v1.0", "loopback"),
        ("http://localhost:8080/v1.0", "loopback"),
        ("http://127.0.0.1:8080/v1.0", "loopback"),
        (None, None),
    ],
)
def test_a_host_is_named_where_it_is_everybodys(base_url: str | None, host: str | None) -> None:
    assert report_of(changed(base_url=base_url), [])["host"] == host


@pytest.mark.parametrize(("name", "accepted"), [("AuthenticationError", False), ("GeneralError", None), ("TransportError", None)])
def test_whether_credentials_are_accepted_may_not_be_known(name: str, accepted: bool | None) -> None:
    report = report_of(changed(listing=None, error=error(name)), [])
    assert report["accepted"] is accepted
    assert report["error"] == {"name": name, "http_status": 200}
    assert report["users"] is None


def test_only_a_report_or_nothing_is_overwritten() -> None:
    assert (
        is_report(json.dumps(whole_report([], {})))
        and is_report(json.dumps({"sendclean_doctor_report": 99}))
        and is_report(" \n")
    )
    assert not any(map(is_report, ("{}", "all:\n  hosts:", "7", "[" * 100_000, '{"version": 1, "accounts": {}}')))


def test_a_finding_is_one_sentence_where_it_says_itself_what_to_do() -> None:
    assert str(Finding("setup", "mend it")) == "mend it"
    assert str(Finding("begun", "this", "do that")) == "this: do that"
