# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action smtp_credentials, run in this process against the simulated service: what is called and written when."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.sendclean.email.plugins.action import smtp_credentials
from ansible_collections.sendclean.email.plugins.module_utils import _client
from ansible_collections.sendclean.email.plugins.module_utils._lag import utc_now
from ansible_collections.sendclean.email.tests.unit.plugins.action.encrypted import VAULT_SECRET, Act, stored
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    FakeClock,
    is_locked,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service, Settings


def put(dest: Path, text: str) -> None:
    """Have an encrypted file."""
    dest.write_bytes(VaultLib().encrypt(text, VAULT_SECRET))


def passwords(service: Service) -> list[str]:
    """What must not be shown."""
    return [TOKEN, "the vault password", *(user.smtp_password for user in service.users(OWNER))]


def test_it_stores_what_the_account_shows_with_one_call_and_then_writes_nothing(act: Act, dest: Path, service: Service) -> None:
    first = act()
    before = snapshot(dest.parent)
    second = act()

    assert (first["changed"], second["changed"]) == (True, False)
    held = {user.smtp_user_name: user.smtp_password for user in service.users(OWNER)}
    expected = {
        alias: {"smtp_user_name": name, "smtp_password": held[name]} for alias, name in (("billing", "smtp1"), ("shop", "smtp2"))
    }
    assert stored(dest) == {"smtp_credentials": expected}
    assert snapshot(dest.parent) == before
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    assert [entry.call for entry in service.log] == ["listSmtp", "listSmtp"]
    assert first["diff"] == {"prepared": "billing: added\nshop: added\nencrypted with vault ID default\n"}
    assert not [secret for secret in passwords(service) if secret in str((first, second)) or secret.encode() in dest.read_bytes()]


def test_check_mode_says_the_same_and_touches_nothing(act: Act, dest: Path, service: Service) -> None:
    for prepare in (lambda: None, lambda: act() and service.update_user(OWNER, "smtp1", smtp_password="another")):
        prepare()
        before = snapshot(dest.parent)
        service.clear_log()
        forecast = act(check=True)
        assert snapshot(dest.parent) == before
        assert [entry.call for entry in service.log] == ["listSmtp"]
        assert act() == forecast
        assert forecast["changed"]


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_what_else_is_in_the_file_is_kept_and_so_are_its_mode_and_a_link_to_it(mode: int, act: Act, dest: Path) -> None:
    put(dest, "# ours\nport: 587\n")
    dest.chmod(mode)
    link = dest.parent.parent / "link.yml"
    link.symlink_to(dest)

    assert act(dest=str(link))["added"] == ["billing", "shop"]

    plain = VaultLib([("default", VAULT_SECRET)]).decrypt(dest.read_bytes()).decode()
    assert plain.startswith("# ours\nport: 587\nsmtp_credentials:\n")
    assert stat.S_IMODE(dest.stat().st_mode) == mode
    assert link.is_symlink()
    assert sorted(path.name for path in dest.parent.iterdir()) == ["smtp.yml", "smtp.yml.lock"]


def test_a_user_whose_password_is_not_shown_keeps_the_one_that_is_stored(act: Act, dest: Path, service: Service) -> None:
    act()
    before = dest.read_bytes()
    service.settings = Settings(password_key=None)
    result = act()
    assert "listSmtp shows no password, or one that is no text, for 'billing', 'shop'" in result["msg"]
    assert dest.read_bytes() == before


def test_what_is_odd_in_the_account_is_told_and_spares_the_others(act: Act, dest: Path, service: Service) -> None:
    service.settings = Settings(listing_fields={"smtp3": {"hourly_limit": -1, "password": 5}})
    for result in (act(), act(aliases=["nobody"])):
        assert ["smtp3" in text for text in result["warnings"]] == [True, True]
    assert list(stored(dest)["smtp_credentials"]) == ["billing", "shop"]
    service.settings = Settings()
    assert "warnings" not in act()


def test_the_last_users_are_not_taken_away_by_a_mistake(act: Act, dest: Path, tmp_path: Path) -> None:
    nobody = str(tmp_path / "nothing.json")
    assert act(bindings_path=nobody)["changed"]
    assert stored(dest) == {"smtp_credentials": {}}
    assert not act(bindings_path=nobody)["changed"]
    act()
    before = dest.read_bytes()
    assert "would remove all users from smtp_credentials in dest" in act(bindings_path=nobody)["msg"]
    assert dest.read_bytes() == before


def test_another_vault_id_is_a_change(act: Act, dest: Path) -> None:
    secrets = [("default", VAULT_SECRET), ("prod", VaultSecret(b"S3CRET"))]
    act()
    result = act(secrets=secrets, vault_id="prod")
    assert result["changed"]
    assert (result["added"], result["updated"], result["removed"]) == ([], [], [])
    assert result["diff"] == {"prepared": "encrypted with vault ID prod\n"}
    assert dest.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert not act(secrets=secrets, vault_id="prod")["changed"]
    # It stays with that.
    assert act(secrets=secrets, smtp_user_names=["smtp3"])["changed"]
    assert dest.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")


def test_aliases_of_the_file_are_kept_whatever_is_in_them(
    act: Act, dest: Path, bindings_path: Path, server: RunningServer
) -> None:
    """No option would take them any more, but they stand in the file from before, or by hand."""
    aliases = {"a\x92": "smtp1", "\ufeff{{ x }}": "smtp2", "e\x7f\u2028 ": "smtp3"}
    write_bindings(bindings_path, server.base_url, aliases=aliases)
    assert act()["added"] == sorted(aliases)
    assert {alias: fields["smtp_user_name"] for alias, fields in stored(dest)["smtp_credentials"].items()} == aliases
    assert not act()["changed"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no-secret": ({"secrets": []}, "which is always encrypted"),
    "another-secret": ({"secrets": [("default", VaultSecret(b"S3CRET"))]}, "dest cannot be decrypted"),
    "vault-id": ({"vault_id": "prod"}, 'vault_id is "prod"'),
    "variable": ({"variable": "port"}, "dest has port as something else"),
    "no-variable": ({"variable": "a-b"}, "variable must be the name of a variable"),
    "keyword": ({"variable": "class"}, "variable must be the name of a variable"),
    "not-ascii": ({"variable": "größe"}, "variable must be the name of a variable"),
    "no-dest": ({"dest": None}, "missing required arguments: dest"),
    "null": ({"dest": "/tmp/a\0b"}, "dest has a control character (U+0000)"),
    "nobody": ({"aliases": []}, "aliases is empty: name somebody"),
    "none-named": ({"smtp_user_names": []}, "smtp_user_names is empty: name somebody"),
    "neither-named": ({"smtp_user_names": [], "aliases": []}, "is empty: name somebody"),
    "blank": ({"smtp_user_names": ["smtp1", " "]}, "smtp_user_names[1] is empty"),
    "no-bindings": ({"bindings_path": None}, "bindings_path or bindings_url must be given unless smtp_user_names"),
    "aliases-alone": ({"bindings_path": None, "aliases": ["billing"]}, "aliases needs bindings_path or bindings_url"),
    "bad-bindings": ({"bindings_path": "/dev/null"}, "bindings_path is not a regular file"),
    "boolean": ({"timeout": True}, "timeout must be a positive number of seconds, up to 1000000, not true"),
    "number": ({"timeout": TOKEN}, 'up to 1000000, not "****'),
    "secret-elsewhere": ({"variable": TOKEN}, "variable must be the name of a variable, not '****"),
    "no-text": ({"token": 12345678}, "token must be a string: put it in quotes"),
    "no-list": ({"aliases": False}, "aliases[0] must be a string, not false: put it in quotes"),
    "stray": ({"vault_id": "prod\n"}, "vault_id has a line break (U+000A) at its end"),
    "null-in-list": ({"smtp_user_names": [None]}, "smtp_user_names[0] is empty"),
    "unknown": ({"password": 1}, "Unsupported parameters for (smtp_credentials): password. Supported parameters include"),
    "http": ({"api_url": "http://example.com/v1.0"}, "api_url must begin with https://"),
}


@pytest.mark.parametrize(("options", "says"), REFUSED.values(), ids=list(REFUSED))
@pytest.mark.parametrize("check", [False, True])
def test_what_cannot_be_done_is_refused_before_any_call(
    check: bool, options: dict[str, Any], says: str, act: Act, dest: Path, service: Service
) -> None:
    put(dest, "port: 587\n")
    before = dest.read_bytes()
    result = act(check=check, **options)
    assert result["failed"]
    assert says in result["msg"]
    assert not [secret for secret in [*passwords(service), "S3CRET"] if secret in str(result)]
    assert not service.log
    assert dest.read_bytes() == before


@pytest.mark.parametrize("text", ["smtp_credentials: {}\n", "{}", ""])
def test_a_plain_file_is_refused_before_any_call(text: str, act: Act, dest: Path, service: Service) -> None:
    dest.write_text(text)
    assert "dest is there and is not encrypted as a whole" in act()["msg"]
    assert dest.read_text() == text
    assert not service.log


@pytest.mark.parametrize("fault", ["authentication_error", "echo_request", "html_404", "redirect"])
def test_a_call_that_fails_changes_nothing_and_says_what_a_module_says(
    fault: str, act: Act, fast: FakeClock, dest: Path, service: Service
) -> None:
    act()
    before = dest.read_bytes()
    service.add_fault("listSmtp", fault, times=4, **({"location": "http://127.0.0.1:9/"} if fault == "redirect" else {}))
    result = act(timeout=5, retry_timeout=1)
    assert result["failed"]
    assert result["error"]["call"] == "listSmtp"
    assert result["error"].keys() == {"call", "name", "code", "message", "http_status"}
    assert not [secret for secret in passwords(service) if secret in str(result)]
    assert dest.read_bytes() == before


def test_a_user_created_a_moment_ago_is_waited_for(
    act: Act, fast: FakeClock, dest: Path, bindings_path: Path, server: RunningServer, service: Service
) -> None:
    moment = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
    write_bindings(bindings_path, server.base_url, aliases={"young": "smtp9"}, password_times={"smtp9": moment})
    fast.meanwhile = lambda: service.create_user(OWNER, smtp_user_name="smtp9") if len(fast.slept) == 1 else None
    assert act()["added"] == ["young"]


def test_relative_paths_start_from_the_folder_of_the_playbook(act: Act, dest: Path, bindings_path: Path) -> None:
    result = act(dest="smtp.yml", bindings_path=f"../{bindings_path.parent.name}/{bindings_path.name}")
    assert result["dest"] == str(dest)
    assert stored(dest)["smtp_credentials"].keys() == {"billing", "shop"}


def test_the_environment_of_the_task_counts_while_it_runs(act: Act, bindings_path: Path) -> None:
    before = dict(os.environ)
    environment = {"SENDCLEAN_TOKEN": TOKEN, "SENDCLEAN_OWNER_ID": OWNER, "SENDCLEAN_BINDINGS_PATH": str(bindings_path)}
    missing = {"token": None, "owner_id": None, "bindings_path": None}
    assert act(environment=environment, **missing)["changed"]
    assert dict(os.environ) == before
    assert "missing required arguments: owner_id, token" in act(**missing)["msg"]


def test_an_exception_that_nobody_thought_of_does_not_show_its_text(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise ValueError(TOKEN)

    monkeypatch.setattr(smtp_credentials, "store", fail)
    with pytest.raises(RuntimeError, match=r"ValueError in .*test_smtp_credentials.py, line \d+") as caught:
        act()
    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_control_node_without_requests_is_told(act: Act, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _client.REQUESTS_IMPORT_ERROR is None
    monkeypatch.setattr(smtp_credentials, "REQUESTS_IMPORT_ERROR", "No module named 'requests'")
    result = act()
    assert result["failed"]
    assert "Failed to import the required Python library (requests)" in result["msg"]


# Python 3.12 warns of locks that another thread may hold: the child writes a file and dies, and needs none of them.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_a_process_that_dies_while_it_writes_leaves_the_old_file_and_the_next_run_goes_on(
    step: str, exists: bool, act: Act, dest: Path, service: Service
) -> None:
    if exists:
        act(smtp_user_names=["smtp3"])
    before = dest.read_bytes() if exists else None
    real = getattr(os, step)

    def die(*arguments: Any, **options: Any) -> Any:
        if step == "open" and not str(arguments[0]).endswith(".new"):
            return real(*arguments, **options)
        os._exit(9)

    child = os.fork()
    if child == 0:
        try:
            setattr(os, step, die)
            act()
        finally:
            # Whatever happens: the child must not go on with the tests.
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

    assert (dest.read_bytes() if dest.exists() else None) == before
    left = b"".join(path.read_bytes() for path in dest.parent.iterdir())
    assert not [secret for secret in passwords(service) if secret.encode() in left]
    assert act()["changed"]
    assert stored(dest)["smtp_credentials"].keys() == {"billing", "shop"}
    assert sorted(path.name for path in dest.parent.iterdir()) == ["smtp.yml", "smtp.yml.lock"]


def test_what_an_older_listing_shows_does_not_replace_what_a_newer_one_has(act: Act, dest: Path, service: Service) -> None:
    """A run that has listed holds the lock until it has written: another one lists only then."""
    act()
    service.update_user(OWNER, "smtp1", smtp_password="older")
    locked: list[bool] = []
    service.after_call = lambda call, owner_id: locked.append(is_locked(dest))
    assert act()["updated"] == ["billing"]
    assert locked == [True]
