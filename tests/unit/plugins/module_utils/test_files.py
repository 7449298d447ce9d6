# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bindings file on the disk: mode, owner, links, durable writes, and the lock."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError, OptionError
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import BASE, OWNER, bind, record_of


def test_a_new_file_is_for_its_owner_only(file: Record, bindings_path: Path) -> None:
    old = os.umask(0)
    try:
        bind(file)
    finally:
        os.umask(old)
    assert stat.S_IMODE(bindings_path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o644])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_an_existing_mode_is_kept(mode: int, umask: int, file: Record, bindings_path: Path) -> None:
    bind(file)
    bindings_path.chmod(mode)
    old = os.umask(umask)
    try:
        bind(file, "shop", "smtp2")
    finally:
        os.umask(old)
    assert stat.S_IMODE(bindings_path.stat().st_mode) == mode


@pytest.mark.parametrize(("mode", "lock_mode"), [(0o664, 0o664), (0o640, 0o640), (0o444, 0o644), (0o400, 0o600)])
def test_whoever_may_write_the_file_and_its_owner_may_lock_it(
    mode: int, lock_mode: int, file: Record, bindings_path: Path
) -> None:
    bindings_path.write_text('{"version": 1, "accounts": {}}')
    bindings_path.chmod(mode)
    old = os.umask(0o022)
    try:
        bind(file)
    finally:
        os.umask(old)
    assert stat.S_IMODE(Path(f"{bindings_path}.lock").stat().st_mode) == lock_mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_an_existing_owner_is_kept(file: Record, bindings_path: Path) -> None:
    bind(file)
    os.chown(bindings_path, 1234, 2345)
    bind(file, "shop", "smtp2")
    assert (bindings_path.stat().st_uid, bindings_path.stat().st_gid) == (1234, 2345)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_an_owner_that_cannot_be_kept_is_no_failure(file: Record, bindings_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A colleague's file in a shared folder: who is not root tries to keep the group at least."""
    asked: list[tuple[int, int]] = []

    def refuse(descriptor: int, uid: int, gid: int) -> None:
        asked.append((uid, gid))
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    bind(file)
    os.chown(bindings_path, 1234, 2345)
    monkeypatch.setattr(os, "fchown", refuse)
    bind(file, "shop", "smtp2")
    assert (-1, 2345) in asked
    assert (bindings_path.stat().st_uid, bindings_path.stat().st_gid) == (os.geteuid(), os.getegid())
    assert file.read().aliases == {"billing": "smtp1", "shop": "smtp2"}


@pytest.mark.parametrize("there", [True, False], ids=["target is there", "dangling"])
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_a_symbolic_link_is_written_through_with_the_lock_beside_its_target(
    relative: bool, there: bool, tmp_path: Path, bindings_path: Path
) -> None:
    target = tmp_path / "target" / "real.json"
    target.parent.mkdir()
    if there:
        bind(record_of(str(target), BASE, OWNER), "news", "smtp9")
    bindings_path.symlink_to(os.path.relpath(target, bindings_path.parent) if relative else target)
    bind(record_of(str(bindings_path), BASE, OWNER))
    assert bindings_path.is_symlink()
    assert [path.name for path in bindings_path.parent.iterdir()] == ["bindings.json"]
    assert sorted(path.name for path in target.parent.iterdir()) == ["real.json", "real.json.lock"]
    aliases = record_of(str(target), BASE, OWNER).read().aliases
    assert aliases == ({"billing": "smtp1", "news": "smtp9"} if there else {"billing": "smtp1"})


def test_a_link_into_a_missing_folder_is_refused(bindings_path: Path, tmp_path: Path) -> None:
    bindings_path.symlink_to(tmp_path / "no" / "real.json")
    with pytest.raises(OptionError, match="bindings_path"):
        record_of(str(bindings_path), BASE, OWNER)


# ---- atomic and durable ----------------------------------------------------------------------------------------


def test_the_file_is_durable_before_the_rename_and_the_rename_before_the_end(
    file: Record, bindings_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind(file, "news", "smtp5")
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        if kind == "file":
            # All of the content has left this process: otherwise something else was made durable.
            json.loads(_content_of(bindings_path.parent))
        steps.append(f"fsync {kind}")
        real_fsync(descriptor)

    def replace(source: str, target: str) -> None:
        assert Path(source).parent == Path(target).parent == bindings_path.parent
        assert Path(target) == bindings_path
        steps.append("replace")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    bind(file)
    assert steps == ["fsync file", "replace", "fsync folder"]


def _content_of(folder: Path) -> str:
    (temporary,) = (path for path in folder.iterdir() if path.name not in ("bindings.json", "bindings.json.lock"))
    return temporary.read_text()


def test_what_a_crash_left_behind_is_no_hindrance_and_gets_taken_away(file: Record, bindings_path: Path) -> None:
    (bindings_path.parent / ".bindings.json.new").write_text('{"version": 1, "acc')
    bind(file)
    assert sorted(path.name for path in bindings_path.parent.iterdir()) == ["bindings.json", "bindings.json.lock"]


@pytest.mark.parametrize("name", ["open", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_write_that_fails_is_told_by_name_and_changes_nothing(
    code: int, name: str, file: Record, bindings_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind(file)
    before = bindings_path.read_bytes()
    real = getattr(os, name)

    def refuse(*arguments: Any, **options: Any) -> Any:
        if name == "open" and str(arguments[0]).endswith(".lock"):
            return real(*arguments, **options)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch, pytest.raises(BindingsError) as caught:
        patch.setattr(os, name, refuse)
        bind(file, "shop", "smtp2")
    assert "bindings_path" in str(caught.value)
    assert os.strerror(code) in str(caught.value)
    assert str(bindings_path) in str(caught.value)
    assert bindings_path.read_bytes() == before
    assert sorted(path.name for path in bindings_path.parent.iterdir()) == ["bindings.json", "bindings.json.lock"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_lock_that_cannot_be_opened_is_told_by_name(code: int, file: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch, pytest.raises(BindingsError, match="bindings_path"):
        patch.setattr(os, "open", refuse)
        bind(file)
