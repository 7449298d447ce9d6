# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action smtp_credentials, run in this process against the simulated service: what is called and written when."""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.sendclean.email.plugins.action import smtp_credentials
from ansible_collections.sendclean.email.plugins.module_utils import _client
from ansible_collections.sendclean.email.plugins.module_utils._apply import utc_now
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    FakeClock,
    MakeReadOnly,
    RunModule,
    is_locked,
    snapshot,
    write_bindings,
)
from simulator import RunningServer, Service, Settings

SECRET = VaultSecret(b"the vault password")
Act = Callable[..., "dict[str, Any]"]


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """The file, alone in a folder; it is not there yet."""
    (tmp_path / "stored").mkdir()
    return tmp_path / "stored" / "smtp.yml"


@pytest.fixture
def act(dest: Path, bindings_path: Path, server: RunningServer, service: Service) -> Act:
    """act(check=True, vault_id=…) runs the action for an account with the aliases billing and shop; None takes an option away."""
    for name in ("smtp1", "smtp2", "smtp3"):
        service.create_user(OWNER, smtp_user_name=name)
    write_bindings(bindings_path, server.base_url, aliases={"billing": "smtp1", "shop": "smtp2"})

    def run(
        check: bool = False,
        secrets: list[tuple[str, VaultSecret]] | None = None,
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        given = {"owner_id": OWNER, "token": TOKEN, "api_url": server.base_url, "requests_per_minute": 0, "timeout": 5}
        given = {**given, "dest": str(dest), "bindings_path": str(bindings_path), **options}
        arguments = {name: value for name, value in given.items() if value is not None}
        task = SimpleNamespace(args=arguments, check_mode=check, environment=environment, async_val=0, action="smtp_credentials")
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None, env_prefix=lambda **variables: ""))
        loader = DataLoader()
        loader.set_basedir(str(dest.parent))
        loader.set_vault_secrets([("default", SECRET)] if secrets is None else secrets)
        templar = SimpleNamespace(template=lambda value: value)
        action = smtp_credentials.ActionModule(task, connection, None, loader, templar, None)
        result: dict[str, Any] = action.run(task_vars={})
        return result

    return run


def stored(dest: Path) -> Any:
    """What the file holds, as Ansible loads it."""
    loader = DataLoader()
    loader.set_vault_secrets([("default", SECRET)])
    return loader.load_from_file(str(dest))


def put(dest: Path, text: str) -> None:
    """Have an encrypted file."""
    dest.write_bytes(VaultLib().encrypt(text, SECRET))


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

    plain = VaultLib([("default", SECRET)]).decrypt(dest.read_bytes()).decode()
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
    secrets = [("default", SECRET), ("prod", VaultSecret(b"S3CRET"))]
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


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no-secret": ({"secrets": []}, "plain text is never written"),
    "another-secret": ({"secrets": [("default", VaultSecret(b"S3CRET"))]}, "dest cannot be decrypted"),
    "vault-id": ({"vault_id": "prod"}, 'vault_id is "prod"'),
    "variable": ({"variable": "port"}, "dest has port as something else"),
    "no-variable": ({"variable": "a-b"}, "variable must be the name of a variable"),
    "keyword": ({"variable": "class"}, "variable must be the name of a variable"),
    "not-ascii": ({"variable": "größe"}, "variable must be the name of a variable"),
    "no-dest": ({"dest": None}, "missing required arguments: dest"),
    "null": ({"dest": "/tmp/a\0b"}, "dest holds a null character"),
    "nobody": ({"aliases": []}, "aliases is empty: name somebody"),
    "none-named": ({"smtp_user_names": []}, "smtp_user_names is empty: name somebody"),
    "neither-named": ({"smtp_user_names": [], "aliases": []}, "is empty: name somebody"),
    "blank": ({"smtp_user_names": ["smtp1", " "]}, "smtp_user_names[1] is empty"),
    "no-bindings": ({"bindings_path": None}, "bindings_path must be given unless smtp_user_names"),
    "aliases-alone": ({"bindings_path": None, "aliases": ["billing"]}, "required by 'aliases': bindings_path"),
    "bad-bindings": ({"bindings_path": "/dev/null"}, "bindings_path is not a regular file"),
    "boolean": ({"timeout": True}, "timeout must be a positive number of seconds, up to 1000000, not true"),
    "number": ({"timeout": TOKEN}, "argument 'timeout' is of type"),
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


# ---- a server that shows less, or later -----------------------------------------------------------------------------


def older(service: Service, name: str, password: str, times: int = 1) -> None:
    """Have the next listings show a user with the password of before, as a replica that lags does."""
    view = [
        {
            "smtp_user_name": user.smtp_user_name,
            "password": password if user.smtp_user_name == name else user.smtp_password,
            "status": user.status,
            "total_limit": user.total_limit,
            "hourly_limit": user.hourly_limit,
        }
        for user in service.users(OWNER)
    ]
    service.add_fault("listSmtp", "wrong_listing", times=times, value=view)


def password_stored(dest: Path, alias: str = "billing") -> str:
    """The password that the file has."""
    return str(stored(dest)["smtp_credentials"][alias]["smtp_password"])


@pytest.mark.parametrize("check", [False, True])
def test_bound_users_who_are_not_listed_are_named_and_stay_in_the_file(
    check: bool, act: Act, bindings_path: Path, server: RunningServer, service: Service, dest: Path
) -> None:
    names = [f"many{number}" for number in range(12)]
    for name in names:
        service.create_user(OWNER, smtp_user_name=name)
    write_bindings(bindings_path, server.base_url, aliases={f"a{number}": name for number, name in enumerate(names)})
    act()
    before = dest.read_bytes()
    for name in names[4:]:
        service.remove_user(OWNER, name)

    result = act(check=check)

    assert result["failed"]
    assert [f'alias "a{number}" is bound to many{number}, which SendClean does not list any more' in result["msg"]
            for number in range(12)] == [False] * 4 + [True] * 8  # fmt: skip
    assert f'remove the binding and run again: it is the line "a7" under accounts, "{server.base_url}"' in result["msg"]
    assert dest.read_bytes() == before
    # Who is asked for is there: the others do not matter.
    assert "failed" not in act(check=check, aliases=["a0", "a3"])


@pytest.mark.parametrize("asked", [{"aliases": ["shop"]}, {"smtp_user_names": ["smtp2"]}])
def test_a_bound_user_who_is_asked_for_and_not_listed_is_the_same_error(
    asked: dict[str, list[str]], act: Act, service: Service
) -> None:
    service.remove_user(OWNER, "smtp2")
    assert 'alias "shop" is bound to smtp2, which SendClean does not list any more' in act(**asked)["msg"]


def test_all_that_is_wrong_with_the_users_is_told_at_once(act: Act, service: Service) -> None:
    service.remove_user(OWNER, "smtp2")
    message = act(aliases=["shop", "nobody", "billing"], smtp_user_names=["smtp99"])["msg"]
    assert 'alias "shop" is bound to smtp2' in message
    assert "does not have: nobody, smtp99." in message


def test_an_older_view_does_not_put_back_what_was_reset_a_moment_ago(
    act: Act, fast: FakeClock, dest: Path, run_module: RunModule, bindings_path: Path, service: Service
) -> None:
    act()
    old = password_stored(dest)
    new = run_module("smtp_password_reset", alias="billing", bindings_path=str(bindings_path))["smtp_password"]
    # Not yet stored: the older view and the file agree.
    older(service, "smtp1", old, times=2)
    assert act()["updated"] == ["billing"]
    assert password_stored(dest) == new
    # Stored: the older view says otherwise.
    older(service, "smtp1", old, times=2)
    service.clear_log()
    assert not act()["changed"]
    assert password_stored(dest) == new
    assert len(service.calls("listSmtp")) >= 3


def test_what_is_young_and_stored_needs_one_listing(
    act: Act, dest: Path, run_module: RunModule, bindings_path: Path, service: Service
) -> None:
    """The clock is the real one: who waits here for nothing is seen by the calls."""
    run_module("smtp_user", alias="young", total_limit=5, hourly_limit=5, bindings_path=str(bindings_path))
    service.clear_log()
    assert "young" in act()["added"]
    assert not act()["changed"]
    assert not act(check=True)["changed"]
    assert len(service.log) == 3


def test_a_password_that_is_no_longer_young_is_taken_as_it_is_shown(
    act: Act, dest: Path, bindings_path: Path, server: RunningServer, service: Service
) -> None:
    """Somebody has reset it in the panel."""
    act()
    moment = (utc_now() - datetime.timedelta(seconds=11)).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_bindings(bindings_path, server.base_url, aliases={"billing": "smtp1"}, password_times={"smtp1": moment})
    service.update_user(OWNER, "smtp1", smtp_password="from-the-panel")
    service.clear_log()
    assert act()["updated"] == ["billing"]
    assert password_stored(dest) == "from-the-panel"
    assert len(service.log) == 1


# What the file has (None: nothing of the user), what listSmtp shows of a user whose reset has answered "answered", and which
# of them is stored.
NEWEST: dict[str, tuple[str | None, str | None, str]] = {
    "shown": ("before", "answered", "answered"),
    "not shown yet": ("before", "before", "answered"),
    "reset since": ("before", "newer", "newer"),
    "stored": ("answered", "answered", "answered"),
    "stored, and reset since": ("answered", "newer", "newer"),
    "no passwords shown": ("before", None, "answered"),
    "first time": (None, "answered", "answered"),
    "first time, not shown yet": (None, "before", "answered"),
}


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("had", "shown", "expected"), NEWEST.values(), ids=list(NEWEST))
def test_a_password_that_this_run_was_answered_is_stored_whatever_an_older_view_shows(
    had: str | None, shown: str | None, expected: str, check: bool, act: Act, fast: FakeClock, dest: Path, service: Service
) -> None:
    if had:
        service.update_user(OWNER, "smtp1", smtp_password=had)
        act()
    if shown:
        service.update_user(OWNER, "smtp1", smtp_password=shown)
    else:
        service.settings = Settings(password_key=None)
    result = act(check=check, aliases=["billing"], answered_passwords={"smtp1": "answered", "smtp99": "of nobody"})
    assert ("billing" in result["added"], "billing" in result["updated"]) == (had is None, had not in (None, expected))
    assert "answered" not in str(result).replace("answered_passwords", "")
    if not check:
        assert password_stored(dest) == expected


@pytest.mark.parametrize("password", [7, None, "", " ", ["a"], True])
def test_an_answered_password_that_is_none_is_refused(password: Any, act: Act, service: Service) -> None:
    message = act(answered_passwords={"smtp1": password})["msg"]
    assert "answered_passwords" in message
    assert "smtp1" in message
    assert not service.log


# ---- odd users --------------------------------------------------------------------------------------------------------


def mute(service: Service, name: str) -> None:
    """Have the listings show no password of one user."""
    older(service, name, "", times=100)


def test_a_user_without_a_password_does_not_keep_the_others_from_being_stored(
    act: Act, fast: FakeClock, dest: Path, service: Service
) -> None:
    act()
    before = stored(dest)["smtp_credentials"]
    service.update_user(OWNER, "smtp2", smtp_password="another")
    mute(service, "smtp1")
    result = act()
    assert (result["updated"], result["removed"], result["unknown"]) == (["shop"], [], ["billing"])
    assert "'billing'" in result["warnings"][0]
    shop = {**before["shop"], "smtp_password": "another"}
    assert stored(dest)["smtp_credentials"] == {"billing": before["billing"], "shop": shop}
    # Who asks for it by name needs it.
    before_bytes = dest.read_bytes()
    for asked in ({"aliases": ["billing", "shop"]}, {"smtp_user_names": ["smtp1"]}):
        assert "listSmtp shows no password, or one that is no text, for 'billing'" in act(**asked)["msg"]
    assert "failed" not in act(aliases=["shop"])
    assert dest.read_bytes() != before_bytes


def test_a_user_without_a_password_who_is_not_in_the_file_is_left_out(act: Act, dest: Path, service: Service) -> None:
    mute(service, "smtp1")
    result = act()
    assert (result["added"], result["unknown"]) == (["shop"], ["billing"])
    assert stored(dest)["smtp_credentials"].keys() == {"shop"}


# ---- who has nothing to write -----------------------------------------------------------------------------------------


def test_a_read_only_checkout_with_nothing_to_write_is_no_failure(
    act: Act, dest: Path, service: Service, read_only: MakeReadOnly
) -> None:
    act()
    (dest.parent / "smtp.yml.lock").unlink()
    read_only(dest.parent)
    before = snapshot(dest.parent)
    service.clear_log()
    assert act()["changed"] is False
    assert len(service.log) == 1
    service.update_user(OWNER, "smtp1", smtp_password="another")
    assert act(check=True)["updated"] == ["billing"]
    assert "dest cannot be written: its folder is read-only, or not for this user:" in act()["msg"]
    assert snapshot(dest.parent) == before


# ---- the first dry run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exists", [False, True], ids=["no file yet", "shop is stored"])
def test_in_check_mode_an_alias_may_have_no_user_yet(
    exists: bool, act: Act, run_module: RunModule, bindings_path: Path, dest: Path
) -> None:
    if exists:
        act(aliases=["shop"])
    before = snapshot(dest.parent)
    shared = {"bindings_path": str(bindings_path), "alias": "new", "total_limit": 5, "hourly_limit": 5}
    assert run_module("smtp_user", check=True, **shared)["changed"]
    forecast = act(check=True, aliases=["new", "shop"])
    assert forecast["changed"]
    assert forecast["unknown"] == ["new"]
    assert "new" in forecast["warnings"][0]
    assert forecast["password_age_days"] == {"new": None, "shop": None}
    assert snapshot(dest.parent) == before

    run_module("smtp_user", **shared)
    done = act(aliases=["new", "shop"])
    assert (done["added"], done["updated"], done["removed"]) == (forecast["added"], forecast["updated"], forecast["removed"])
    assert done["diff"] == forecast["diff"]
    assert done["unknown"] == []
    assert "warnings" not in done


def test_without_check_mode_an_alias_without_a_user_is_an_error_and_so_is_a_name_in_both(act: Act, service: Service) -> None:
    assert "does not have: new." in act(aliases=["new"])["msg"]
    for check in (False, True):
        assert "does not have: smtp99." in act(check=check, smtp_user_names=["smtp99"], aliases=["billing"])["msg"]


def test_in_check_mode_the_bindings_may_know_nobody_yet(act: Act, tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing.json")
    forecast = act(check=True, bindings_path=nothing)
    assert forecast["changed"]
    assert "bindings_path" in forecast["warnings"][0]
    assert "warnings" not in act(bindings_path=nothing)


def test_in_check_mode_the_folder_may_be_made_by_a_task_before(act: Act, dest: Path) -> None:
    missing = dest.parent / "made" / "later" / "smtp.yml"
    forecast = act(check=True, dest=str(missing))
    assert forecast["added"] == ["billing", "shop"]
    assert f"dest lies in a folder that does not exist: {missing.parent}" in forecast["warnings"][0]
    assert not missing.parent.exists()
    assert "dest lies in a folder that does not exist" in act(dest=str(missing))["msg"]
    missing.parent.mkdir(parents=True)
    assert act(dest=str(missing))["diff"] == forecast["diff"]
