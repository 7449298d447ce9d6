# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File systems for tests: with faults between the code and the real one, mounted ones, ones that several users share."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import durable

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
LISTS = "system.posix_acl_access"
NOBODY = 65534


class Volume:
    """The real file system with faults: each call of ``os`` fails where ``fails`` says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.refused: list[str] = []

    def fails(self, name: str, code: int, where: Callable[..., bool] = lambda *arguments: True) -> None:
        """Let a call fail with an error number, for the arguments that ``where`` chooses."""
        if not hasattr(os, name):
            return
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if where(*arguments):
                self.refused.append(name)
                raise OSError(code, os.strerror(code))
            return real(*arguments, **options)

        self._monkeypatch.setattr(os, name, call)

    def has_one_mode(self, mode: int) -> None:
        """All files have the mode of the mount, as on SMB."""
        real_open = os.open

        def opened(path: Any, flags: int, mode_asked: int = 0o777, **options: Any) -> int:
            return int(real_open(path, flags, mode, **options))

        self._monkeypatch.setattr(os, "open", opened)


def change(path: Path, content: bytes = b"two") -> None:
    """Read and replace under the lock, as all do."""
    file = durable(path)
    with file.lock():
        file.read()
        file.replace(content)


def whole(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


@contextlib.contextmanager
def acting_as(user: int, group: int = NOBODY, member_of: int = NOBODY) -> Iterator[None]:
    """Be another user; root comes back."""
    groups = os.getgroups()
    os.setgroups([member_of])
    os.setresgid(group, group, 0)
    os.setresuid(user, user, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)


@contextlib.contextmanager
def mounted(*arguments: str) -> Iterator[None]:
    """Mount something on the last argument."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", arguments[-1]], check=True)


def access_list(*, group: int, mask: int, other: int, users: dict[int, int]) -> bytes:
    """Pack a list of POSIX rights as Linux has it: linux/posix_acl_xattr.h."""
    entries = [(0x01, 6, 0xFFFFFFFF), *((0x02, rights, user) for user, rights in sorted(users.items()))]
    entries += [(0x04, group, 0xFFFFFFFF), (0x10, mask, 0xFFFFFFFF), (0x20, other, 0xFFFFFFFF)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def give_list(path: Path, name: str = LISTS) -> bytes:
    """Let one user write and the group only nothing: the group's bits of the mode are the mask."""
    value = access_list(group=0, mask=6, other=4, users={1111: 6, 2222: 0})
    try:
        os.setxattr(path, name, value)
    except OSError as exc:
        pytest.skip(f"no access lists here: {exc.strerror}")
    return os.getxattr(path, name)


def attribute(path: Path, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name)
    except OSError as exc:
        assert exc.errno == errno.ENODATA
        return None
