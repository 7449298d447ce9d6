# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a change may replace, whoever came in between, and what is known before it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import durable, snapshot


def raise_error(code: int) -> int:
    raise OSError(code, os.strerror(code))


# ---- what a change replaces --------------------------------------------------------------------------------------


def test_what_came_while_the_lock_was_held_is_not_overwritten(bindings_path: Path) -> None:
    """As by a git checkout, which knows no lock."""
    file = durable(bindings_path)
    for before in (None, b"one"):
        with file.lock():
            file.read()
            bindings_path.write_bytes(b"theirs")
            for change in (lambda: file.replace(b"ours"), file.require_writable):
                with pytest.raises(BindingsError, match="bindings_path") as caught:
                    change()
                assert str(bindings_path) in str(caught.value)
            assert bindings_path.read_bytes() == b"theirs"
            assert file.read() == b"theirs"
            file.replace(b"ours")
        assert bindings_path.read_bytes() == b"ours", before


def test_a_file_that_went_while_the_lock_was_held_is_not_made_anew(bindings_path: Path) -> None:
    file = durable(bindings_path)
    with file.lock():
        file.replace(b"one")
        bindings_path.unlink()
        with pytest.raises(BindingsError, match="bindings_path"):
            file.replace(b"two")
    assert not bindings_path.exists()


def test_the_same_content_is_no_change(bindings_path: Path) -> None:
    """Back-ups, chmod and checkouts of the same commit touch the file, and some network file systems number files anew."""
    file = durable(bindings_path)
    with file.lock():
        file.replace(b"one")
        other = bindings_path.with_name("other")
        other.write_bytes(b"one")
        other.replace(bindings_path)
        assert file.is_as_left()
        file.replace(b"two")
    assert bindings_path.read_bytes() == b"two"


def test_who_changes_a_file_often_knows_whether_somebody_else_did(bindings_path: Path) -> None:
    file, other = durable(bindings_path), durable(bindings_path)
    assert file.read() is None
    assert file.is_as_left()
    for number in range(3):
        with file.lock():
            file.replace(b"%d" % number)
        assert file.is_as_left()
    with other.lock():
        assert not other.is_as_left()
        other.read()
        # Of the same size, at the same time.
        about = bindings_path.stat()
        other.replace(b"9")
        os.utime(bindings_path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert not file.is_as_left()
    assert file.read() == b"9"
    assert file.is_as_left()
    bindings_path.unlink()
    assert not file.is_as_left()


@pytest.mark.parametrize("name", ["", "a"])
@pytest.mark.parametrize("then", ["gone", "another", "folder moved"])
def test_a_lock_that_was_removed_while_held_guards_nothing_more(then: str, name: str, bindings_path: Path) -> None:
    file = durable(bindings_path)
    lock = Path(f"{bindings_path}.{name}.lock" if name else f"{bindings_path}.lock")
    with file.lock("a"), file.lock():
        file.replace(b"one")
        if then == "folder moved":
            bindings_path.parent.rename(bindings_path.parent.with_name("before"))
            bindings_path.parent.mkdir()
            bindings_path.write_bytes(b"one")
        else:
            lock.unlink()
        if then == "another":
            lock.touch()
        before = snapshot(bindings_path.parent)
        for change in (lambda: file.replace(b"two"), file.require_writable):
            with pytest.raises(BindingsError, match="removed") as caught:
                change()
            assert "bindings_path" in str(caught.value)
        assert snapshot(bindings_path.parent) == before
    with file.lock("a"), file.lock():
        file.replace(b"two")


# ---- who may have nothing to write, and who must know ------------------------------------------------------------


def unlockable(monkeypatch: pytest.MonkeyPatch, code: int, call: str) -> None:
    def refuse(*arguments: Any) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(*{"open": (os, "open"), "flock": (fcntl, "flock")}[call], refuse)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("open", errno.EROFS),
        ("open", errno.EACCES),
        ("open", errno.EPERM),
        ("open", errno.ENOSPC),
        ("flock", errno.ENOLCK),
        ("flock", errno.EOPNOTSUPP),
        ("flock", errno.ENOSYS),
        ("flock", errno.EINVAL),
    ],
)
@pytest.mark.parametrize("name", ["", "a"])
def test_who_has_nothing_to_write_needs_no_lock(
    name: str, call: str, code: int, bindings_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bindings_path.write_bytes(b"one")
    file = durable(bindings_path)
    unlockable(monkeypatch, code, call)
    with file.lock(name, optional=True):
        assert file.read() == b"one"
        for change in (lambda: file.replace(b"two"), file.require_writable):
            with pytest.raises(BindingsError, match="bindings_path") as caught:
                change()
            assert os.strerror(code) in str(caught.value)
    with pytest.raises(BindingsError, match=os.strerror(code)), file.lock(name):
        pass
    assert bindings_path.read_bytes() == b"one"
    monkeypatch.undo()
    with file.lock("a", optional=True), file.lock(optional=True):
        file.replace(b"two")


def test_a_lock_with_a_name_that_could_not_be_had_is_missed(bindings_path: Path) -> None:
    Path(f"{bindings_path}.a.lock").mkdir()
    file = durable(bindings_path)
    with file.lock("a", optional=True), file.lock(), pytest.raises(BindingsError, match=r"a\.lock"):
        file.replace(b"one")
    assert not bindings_path.exists()


@pytest.mark.parametrize("content", [None, b"one"])
def test_what_can_be_written_is_known_and_nothing_has_changed(content: bytes | None, bindings_path: Path) -> None:
    file = durable(bindings_path)
    if content is not None:
        bindings_path.write_bytes(content)
        bindings_path.chmod(0o640)
    with file.lock():
        file.read()
        file.require_writable()
        assert file.read() == content
        assert [path.name for path in sorted(bindings_path.parent.iterdir())] == [
            *(["bindings.json"] if content else []),
            "bindings.json.lock",
        ]
        file.replace(b"two")
    assert stat.S_IMODE(bindings_path.stat().st_mode) == (0o640 if content else 0o600)


@pytest.mark.parametrize("name", ["open", "fsync", "replace"])
def test_what_cannot_be_written_is_known(name: str, bindings_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bindings_path.write_bytes(b"one")
    file = durable(bindings_path)
    with file.lock():
        file.read()
        with monkeypatch.context() as patch, pytest.raises(BindingsError, match=os.strerror(errno.ENOSPC)):
            patch.setattr(os, name, lambda *arguments: raise_error(errno.ENOSPC))
            file.require_writable()
        assert file.read() == b"one"
    assert [path.name for path in sorted(bindings_path.parent.iterdir())] == ["bindings.json", "bindings.json.lock"]
