# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a file could be changed, found out without a trace."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor import Facts, findings_of
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import MakeReadOnly, durable

Examine = Callable[..., Facts]


pytestmark = pytest.mark.usefixtures("team")


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
def test_a_file_that_cannot_be_used(break_it: Callable[[Path], Any], problem: str, look: Examine, bindings_path: Path) -> None:
    break_it(bindings_path)
    findings = [finding for finding in findings_of(look()) if finding.needs_a_hand and finding.code != "nobody_known"]
    assert len(findings) == 1 and problem in str(findings[0])


def test_a_folder_that_cannot_be_written(look: Examine, bindings_path: Path, read_only: MakeReadOnly) -> None:
    read_only(bindings_path.parent)
    (finding,) = findings_of(look())
    assert "its folder is read-only, or not for this user" in finding.text


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_folder_in_which_no_lock_can_be_made(code: int, look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
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
    code: int | None, look: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if code is None:
        monkeypatch.delattr(os, "O_TMPFILE")
    else:
        refuse_nameless(monkeypatch, code)
    assert findings_of(look()) == []


def test_a_file_system_that_cannot_lock(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (finding,) = findings_of(look())
    assert "Put it on a file system that can lock files" in finding.text


def test_a_run_at_work_is_no_trouble(look: Examine, bindings_path: Path) -> None:
    with durable(bindings_path).lock():
        facts = look()
    assert [(finding.code, finding.needs_a_hand) for finding in findings_of(facts)] == [("busy", False)]


@pytest.mark.parametrize("whose", ["file", "temporary", "nobody", "folder", "root"])
def test_a_sticky_folder(whose: str, look: Examine, bindings_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the owner of a file, or of the folder, replaces a file there."""
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


def test_a_file_that_is_mounted_by_itself(look: Examine, bindings_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(bindings_path.resolve()))
    (finding,) = findings_of(look())
    assert "Mount its folder" in finding.text
