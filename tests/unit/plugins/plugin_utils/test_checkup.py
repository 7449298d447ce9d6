# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at, whatever else cannot be; and that it leaves no trace."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError, RoleError
from ansible_collections.sendclean.email.plugins.plugin_utils import _checkup, _role
from ansible_collections.sendclean.email.plugins.plugin_utils._checkup import examine, write_report
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor import Facts, findings_of
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    FakeClock,
    MakeReadOnly,
    durable,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service, Settings

SECRETS = [("default", VaultSecret(b"what opens the vault"))]
Examine = Callable[..., Facts]


@pytest.fixture
def look(server: RunningServer, bindings_path: Path) -> Examine:
    """look(credentials_file=…) examines the account with these variables of the role; None takes one away."""

    def run(secrets: Any = SECRETS, environment: Mapping[str, str] | None = None, sources: Any = (), **variables: Any) -> Facts:
        given = {"owner_id": OWNER, "token": TOKEN, "api_url": server.base_url, "bindings_path": str(bindings_path), "timeout": 5}
        given = {f"smtp_users_{name}": value for name, value in {**given, **variables}.items() if value is not None}

        @contextlib.contextmanager
        def environ() -> Iterator[None]:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in (environment or {}).items():
                    patch.setenv(name, value)
                yield

        def converted(kinds: Mapping[str, _role.Kind]) -> tuple[dict[str, Any], list[str]]:
            for name in kinds:
                if given.get(f"smtp_users_{name}") == "a mistake":
                    raise RoleError([f"smtp_users_{name} cannot be evaluated"])
            return _role.converted(given, kinds)

        node: Any = SimpleNamespace(
            variables={"ansible_version": {"full": "2.19.0"}},
            environment=environ,
            omit=object(),
            given=lambda names: {"ansible_inventory_sources": list(sources)},
            action=SimpleNamespace(_loader=SimpleNamespace(_vault=SimpleNamespace(secrets=secrets))),
        )
        return examine(node, "production", converted)

    return run


@pytest.fixture
def team(service: Service, server: RunningServer, bindings_path: Path) -> dict[str, dict[str, str]]:
    """Two users with aliases; what the credentials file has of them if all is in order."""
    users = {alias: service.create_user(OWNER) for alias in ("billing", "shop")}
    write_bindings(bindings_path, server.base_url, aliases={alias: user.smtp_user_name for alias, user in users.items()})
    return {
        alias: {"smtp_user_name": user.smtp_user_name, "smtp_password": user.smtp_password} for alias, user in users.items()
    }


def codes(facts: Facts) -> list[str]:
    """Return what needs a hand."""
    return [finding.code for finding in findings_of(facts) if finding.needs_a_hand]


def keep(path: Path, credentials: Any, secret: VaultSecret = SECRETS[0][1]) -> Path:
    """Write a credentials file."""
    path.write_bytes(VaultLib().encrypt(yaml.safe_dump(credentials), secret=secret))
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
    ("name", "value"), [("timeout", "a mistake"), ("token", 7), ("api_url", "http://mail.example/"), ("token", None), ("app_domain", "a/b")]
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

    monkeypatch.setattr(_checkup, "BindingsFile", broken)
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


def test_answers_that_are_written_alike_are_told_once(look: Examine, service: Service, team: dict[str, Any], fast: FakeClock) -> None:
    assert team and fast
    service.add_fault("listSmtp", "bad_gateway_502_after", times=3)
    assert [answer["http_status"] for answer in look().answers] == [502, 200]


def test_who_is_named_in_the_list_is_somebodys(look: Examine, service: Service, team: dict[str, Any]) -> None:
    assert team
    name = service.create_user(OWNER).smtp_user_name
    assert codes(look()) == ["unclaimed"]
    assert codes(look(list=[{"smtp_user_name": name}])) == []


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (lambda path: path.write_text("<<<<<<<"), "it is not JSON"),
        (lambda path: (path.unlink(), path.mkdir()), "is not a regular file"),
        (lambda path: path.with_name("bindings.json.lock").mkdir(), "is a link, a folder or a device"),
        (lambda path: path.with_name("bindings.json.lock").symlink_to("/dev/null"), "is a link, a folder or a device"),
        (lambda path: (path.unlink(), path.parent.rmdir()), "lies in a folder that does not exist"),
    ],
)
def test_a_file_that_cannot_be_used(break_it: Callable[[Path], Any], problem: str, look: Examine, team: Any, bindings_path: Path) -> None:
    assert team
    break_it(bindings_path)
    findings = [finding for finding in findings_of(look()) if finding.needs_a_hand and finding.code != "nobody_known"]
    assert len(findings) == 1 and problem in str(findings[0])


def test_a_folder_that_cannot_be_written(look: Examine, team: Any, bindings_path: Path, read_only: MakeReadOnly) -> None:
    assert team
    read_only(bindings_path.parent)
    (finding,) = findings_of(look())
    assert "its folder is read-only, or not for this user" in finding.text


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_folder_in_which_no_lock_can_be_made(code: int, look: Examine, team: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert team
    refuse_nameless(monkeypatch, code)
    (finding,) = findings_of(look())
    assert f"cannot be opened: {os.strerror(code)}" in finding.text


def refuse_nameless(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    real = os.open

    def refuse(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(code, os.strerror(code))
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EISDIR, None])
def test_without_files_that_have_no_name_permissions_must_do(
    code: int | None, look: Examine, team: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert team
    if code is None:
        monkeypatch.delattr(os, "O_TMPFILE")
    else:
        refuse_nameless(monkeypatch, code)
    assert findings_of(look()) == []


def test_a_file_system_that_cannot_lock(look: Examine, team: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert team

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (finding,) = findings_of(look())
    assert "Put it on a file system that can lock files" in finding.text


def test_a_run_at_work_is_no_trouble(look: Examine, team: Any, bindings_path: Path) -> None:
    assert team
    with durable(bindings_path).lock():
        facts = look()
    assert [(finding.code, finding.needs_a_hand) for finding in findings_of(facts)] == [("busy", False)]


@pytest.mark.parametrize("whose", ["file", "temporary", "nobody", "folder", "root"])
def test_a_sticky_folder(whose: str, look: Examine, team: Any, bindings_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the owner of a file, or of the folder, replaces a file there."""
    assert team
    bindings_path.parent.chmod(0o1777)
    temporary = bindings_path.with_name(f".{bindings_path.name}.new")
    temporary.touch()
    me = os.geteuid()
    owners = {bindings_path: "file", temporary: "temporary", bindings_path.parent: "folder"}
    real_stat, real_lstat = os.stat, os.lstat

    def owned(about: os.stat_result, path: Any) -> os.stat_result:
        owner = owners.get(Path(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else Path())
        mine = whose == "folder" if owner == "folder" else whose in ("nobody", "folder", "root") or owner != whose
        return os.stat_result([*about[:4], me + 5 if mine and owner else me + 6, *about[5:]], {}) if owner else about

    monkeypatch.setattr(os, "stat", lambda path, **how: owned(real_stat(path, **how), path))
    monkeypatch.setattr(os, "lstat", lambda path, **how: owned(real_lstat(path, **how), path))
    monkeypatch.setattr(os, "geteuid", lambda: 0 if whose == "root" else me + 5)
    findings = findings_of(look())
    expected = {"file": "In a folder such as /tmp only its owner may replace it", "temporary": "left behind by another run"}
    assert [expected[whose] in finding.text for finding in findings] == ([True] if whose in expected else [])


def test_a_file_that_is_mounted_by_itself(look: Examine, team: Any, bindings_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert team
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(bindings_path.resolve()))
    (finding,) = findings_of(look())
    assert "Mount its folder" in finding.text


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
    assert [(finding.code, finding.needs_a_hand, finding.count) for finding in findings_of(facts)] == [("no_password_shown", False, 2)]


@pytest.mark.parametrize(
    ("place", "is_read"),
    [("inventory/c.yml", True), ("inventory/group_vars/all/c.yml", False), ("inventory/sub/host_vars/c.yml", False), ("c.yml", False)],
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
    with pytest.raises(OptionError, match="cannot be written: No such file"):
        write_report(str(tmp_path / "nowhere" / "report.json"), [], {})
