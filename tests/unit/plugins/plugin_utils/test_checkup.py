# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at, whatever else cannot be; and that it leaves no trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError
from ansible_collections.sendclean.email.plugins.plugin_utils import _checkup
from ansible_collections.sendclean.email.plugins.plugin_utils._checkup import write_report
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor import Facts, findings_of
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    FakeClock,
    durable,
    snapshot,
)
from simulator import Service, Settings

Examine = Callable[..., Facts]


def codes(facts: Facts) -> list[str]:
    """Return what needs a hand."""
    return [finding.code for finding in findings_of(facts) if finding.needs_a_hand]


def keep(path: Path, credentials: Any) -> Path:
    """Write a credentials file."""
    path.write_bytes(VaultLib().encrypt(yaml.safe_dump(credentials), secret=VaultSecret(b"what opens the vault")))
    return path


@pytest.mark.usefixtures("team")
def test_an_account_in_order(look: Examine, service: Service) -> None:
    facts = look()
    assert findings_of(facts) == []
    assert facts.base_url and facts.seconds is not None and len(facts.listing or ()) == 2
    assert facts.bindings and facts.bindings_file and facts.bindings_file.there
    assert facts.versions["ansible-core"] == "2.19.0" and facts.versions["requests"]
    assert [call.call for call in service.log] == ["listSmtp"]


def test_nothing_is_left_behind(look: Examine, team: dict[str, Any], bindings_path: Path, tmp_path: Path) -> None:
    """Neither where there are lock files nor where there are none, nor of the credentials file."""
    dest = keep(tmp_path / "credentials.yml", {"smtp_credentials": team})
    for _with_locks in (False, True):
        before = snapshot(tmp_path)
        assert findings_of(look(credentials_file=str(dest))) == []
        assert snapshot(tmp_path) == before
        with durable(bindings_path).lock(), durable(dest).lock():
            pass
    bindings_path.unlink()
    before = snapshot(tmp_path)
    assert "nobody_known" in codes(look())
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout", "a mistake"), ("token", 7), ("api_url", "http://mail.example/"), ("token", None), ("app_domain", "a/b")],
)
def test_no_account_is_looked_at_by_half_of_its_variables(
    name: str, value: Any, look: Examine, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENDCLEAN_APP_DOMAIN", "elsewhere.example")
    more = {"api_url": None} if name == "app_domain" else {}
    facts = look(**{name: value, **more})
    assert codes(facts) == ["setup"]
    assert name in facts.problems[0]
    assert service.log == [] and facts.base_url is None
    # The file is looked at all the same.
    assert facts.bindings_file and not facts.bindings_file.problems


def test_a_mistake_elsewhere_stops_nothing(look: Examine, team: dict[str, Any]) -> None:
    assert team
    facts = look(purge="perhaps", list=[{"alias": 7}], credentials_file="relative.yml", defaults="a mistake")
    assert codes(facts) == ["setup"] * 4
    assert facts.listing


def test_what_nobody_has_thought_of_stops_nothing_and_shows_no_secret(
    look: Examine, team: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*unused: Any) -> None:
        raise KeyError(team["billing"]["smtp_password"])

    monkeypatch.setattr(_checkup, "Record", broken)
    facts = look()
    assert codes(facts) == ["setup"]
    assert facts.problems[0].startswith("A bug, please report it: KeyError in ")
    assert facts.listing


def test_the_environment_counts_where_variables_do_not(look: Examine, team: dict[str, Any]) -> None:
    assert team
    credentials = {"SENDCLEAN_OWNER_ID": OWNER, "SENDCLEAN_TOKEN": TOKEN}
    assert codes(look(owner_id=None, token=None, environment=credentials)) == []
    assert look(owner_id=None, token=None).problems == [
        "smtp_users_owner_id must be given, or SENDCLEAN_OWNER_ID in the environment",
        "smtp_users_token must be given, or SENDCLEAN_TOKEN in the environment",
    ]
    assert "SENDCLEAN_TOKEN" in look(token=None, environment={"SENDCLEAN_TOKEN": ""}).problems[0]


def test_who_looks_is_not_kept_waiting_by_the_quota(look: Examine, service: Service, fast: FakeClock) -> None:
    service.add_fault("listSmtp", "rate_limited", times=99)
    assert codes(look()) == ["rate_limit"]
    assert 25 < sum(fast.slept) < 45


def test_the_error_of_an_account_and_how_it_is_written(look: Examine) -> None:
    facts = look(token="a wrong token")
    assert codes(facts) == ["credentials_refused"]
    assert facts.answers[0]["kind"] == "AuthenticationError"


def test_answers_that_are_written_alike_are_told_once(
    look: Examine, service: Service, team: dict[str, Any], fast: FakeClock
) -> None:
    assert team and fast
    service.add_fault("listSmtp", "bad_gateway_502_after", times=3)
    assert [answer["http_status"] for answer in look().answers] == [502, 200]


def test_who_is_named_in_the_list_is_somebodys(look: Examine, service: Service, team: dict[str, Any]) -> None:
    assert team
    name = service.create_user(OWNER).smtp_user_name
    assert codes(look()) == ["unclaimed"]
    assert codes(look(list=[{"smtp_user_name": name}])) == []
    facts = look(list=[{"smtp_user_name": name}, {"smtp_user_name": "smtp5", "alias": "more"}, {"alias": "other"}])
    assert (facts.named, facts.adopted) == ({name, "smtp5"}, {"smtp5"})


# ---- credentials -----------------------------------------------------------------------------------------------------


def test_credentials_are_compared_by_alias(look: Examine, team: dict[str, dict[str, str]], tmp_path: Path) -> None:
    billing, shop = team["billing"], team["shop"]
    states: list[tuple[Any, tuple[list[str], list[str], list[str]]]] = [
        (team, ([], [], [])),
        ({"billing": billing}, (["shop"], [], [])),
        ({**team, "shop": {**shop, "smtp_password": "an old one"}}, ([], ["shop"], [])),
        ({**team, "shop": {**shop, "smtp_user_name": "smtp0"}}, ([], ["shop"], [])),
        ({**team, "old": shop}, ([], [], ["old"])),
        ({}, (["billing", "shop"], [], [])),
    ]
    for stored, expected in states:
        facts = look(credentials_file=str(keep(tmp_path / "credentials.yml", {"smtp_credentials": stored})))
        assert facts.difference is not None
        assert (facts.difference.added, facts.difference.updated, facts.difference.removed) == expected
        assert codes(facts) == (["credentials_stale"] if any(expected) else [])
        told = "".join(map(str, findings_of(facts)))
        assert billing["smtp_password"] not in told and shop["smtp_password"] not in told and "an old one" not in told


def test_a_credentials_file_that_is_not_there_yet(look: Examine, team: Any, tmp_path: Path, service: Service) -> None:
    assert team
    path = str(tmp_path / "credentials.yml")
    assert codes(look(credentials_file=path)) == ["credentials_stale"]
    for user in service.users(OWNER):
        service.remove_user(OWNER, user.smtp_user_name)
    # Nothing is missing in it: who is not listed has a finding already.
    assert codes(look(credentials_file=path)) == ["unlisted"]


def test_what_is_kept_of_a_user_who_is_not_listed_is_left_to_the_other_finding(
    look: Examine, team: dict[str, dict[str, str]], tmp_path: Path, service: Service
) -> None:
    service.remove_user(OWNER, team["shop"]["smtp_user_name"])
    assert codes(look(credentials_file=str(keep(tmp_path / "credentials.yml", {"smtp_credentials": team})))) == ["unlisted"]


def test_the_variable_of_the_file_counts(look: Examine, team: Any, tmp_path: Path) -> None:
    path = keep(tmp_path / "credentials.yml", {"smtp_credentials": {}, "production_credentials": team})
    assert codes(look(credentials_file=str(path), credentials_variable="production_credentials")) == []


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"secrets": []}, "There is no vault secret"),
        ({"secrets": [("other", VaultSecret(b"another"))]}, "cannot be decrypted"),
        ({"credentials_vault_id": "nowhere"}, "no vault secret of this run has that ID"),
        ({"credentials_variable": "list"}, "as something else than a mapping"),
    ],
)
def test_what_cannot_be_read_of_it_is_a_finding_beside_the_others(
    more: dict[str, Any], problem: str, look: Examine, team: Any, tmp_path: Path
) -> None:
    path = keep(tmp_path / "credentials.yml", {"smtp_credentials": team, "list": [1]})
    facts = look(credentials_file=str(path), **more)
    (finding,) = findings_of(facts)
    assert problem in finding.text and finding.needs_a_hand
    assert facts.listing and facts.difference is None


def test_plain_text_is_a_finding_and_not_shown(look: Examine, team: dict[str, dict[str, str]], tmp_path: Path) -> None:
    path = tmp_path / "credentials.yml"
    path.write_text(json.dumps({"smtp_credentials": team}), encoding="utf-8")
    (finding,) = findings_of(look(credentials_file=str(path)))
    assert "is not encrypted as a whole" in finding.text
    assert team["shop"]["smtp_password"] not in str(finding)


def test_an_account_that_shows_no_passwords(look: Examine, team: Any, tmp_path: Path, service: Service) -> None:
    service.settings = Settings(password_key=None)
    facts = look(credentials_file=str(keep(tmp_path / "credentials.yml", {"smtp_credentials": team})))
    assert [(finding.code, finding.needs_a_hand, finding.count) for finding in findings_of(facts)] == [
        ("no_password_shown", False, 2)
    ]


@pytest.mark.parametrize(
    ("place", "is_read"),
    [
        ("inventory/c.yml", True),
        ("inventory/group_vars/all/c.yml", False),
        ("inventory/sub/host_vars/c.yml", False),
        ("c.yml", False),
    ],
)
def test_where_the_credentials_file_must_not_lie(place: str, is_read: bool, look: Examine, team: Any, tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "inventory").mkdir(exist_ok=True)
    keep(path, {"smtp_credentials": team})
    sources = [str(tmp_path / "hosts.yml"), str(tmp_path / "inventory"), "production,"]
    findings = findings_of(look(credentials_file=str(path), sources=sources))
    assert ["which Ansible reads as inventory" in finding.text for finding in findings] == ([True] if is_read else [])


# ---- the machine -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "problem"), [("2.26.9", "2.27.0 or newer is needed"), (None, ""), ("2.27.0", ""), ("3.0", ""), ("unknown", "")]
)
def test_the_version_of_requests(
    version: str | None, problem: str, look: Examine, team: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert team

    def found(name: str) -> str:
        if version is None:
            raise _checkup.metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(_checkup.metadata, "version", found)
    facts = look()
    assert facts.versions["requests"] == version
    assert [problem in text for text in facts.problems] == ([True] if problem else [])
    assert facts.listing


def test_without_requests_all_but_the_account_is_looked_at(look: Examine, team: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert team
    monkeypatch.setattr(_checkup, "REQUESTS_IMPORT_ERROR", "Traceback")
    facts = look()
    assert facts.problems == ["requests cannot be imported: install it for the Python that runs ansible-playbook"]
    assert facts.listing is None and facts.bindings_file and facts.bindings_file.there


# ---- the report ------------------------------------------------------------------------------------------------------


def test_a_report_replaces_only_a_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for accounts in ([], [{"users": None}]):
        write_report(str(path), accounts, {"Python": "3.11"})
        assert json.loads(path.read_text(encoding="utf-8"))["accounts"] == accounts
    path.write_text("all:\n", encoding="utf-8")
    with pytest.raises(OptionError, match="is no report of the doctor"):
        write_report(str(path), [], {})
    assert path.read_text(encoding="utf-8") == "all:\n"
    with pytest.raises(OptionError, match="cannot be written: .*: No such file"):
        write_report(str(tmp_path / "nowhere" / "report.json"), [], {})
