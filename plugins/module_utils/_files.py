# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that several processes change: read, lock, replace durably. What is in it is not known here."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator

from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError, SendCleanError

LOCK_TIMEOUT = 600.0


class DurableFile:
    """The file that ``option`` names. Reading needs no lock, every change does. Failures are of the class ``error``."""

    def __init__(self, path: str, option: str, error: type[SendCleanError], folder_may_be_missing: bool = False) -> None:
        if "\0" in path:
            raise OptionError(option, "holds a null character, which no path may")
        self.path = path
        # A symbolic link is written through: its target is what gets replaced.
        self._target = os.path.realpath(path)
        self._option = option
        self._error = error
        self._locked = False
        self._folder = os.path.dirname(self._target)
        self.folder_error: OptionError | None = None
        if not os.path.isdir(self._folder):
            self.folder_error = OptionError(option, f"lies in a folder that does not exist: {self._folder}. Create the folder")
            if not folder_may_be_missing:
                raise self.folder_error

    def read(self) -> bytes | None:
        """Return what is in the file, None where there is none yet."""
        try:
            if not stat.S_ISREG(os.stat(self._target).st_mode):
                raise self._error(f"{self._option} is not a regular file: {self.path}. Name a file, no folder or device")
            with open(self._target, "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise self._error(f"{self._option} cannot be read: {exc.strerror}: {self.path}") from None

    def replace(self, content: bytes) -> None:
        """Put ``content`` into the place of what is there."""
        if not self._locked:
            self.require_writable()
            raise RuntimeError(f"{self._option} is changed without its lock")
        try:
            _replace_durably(self._target, content)
        except OSError as exc:
            raise self._error(f"{self._option} cannot be written: {exc.strerror}: {self.path}") from None

    def require_writable(self) -> None:
        """Say now that the file cannot be written: what could not be written down must not happen."""
        if not self._is_writable():
            raise self._error(f"{self._option} cannot be written: no permission to write into {self._folder}")

    def _is_writable(self) -> bool:
        return os.access(self._folder, os.W_OK | os.X_OK)

    @contextlib.contextmanager
    def lock(self, timeout: float = LOCK_TIMEOUT, *, optional: bool = False) -> Iterator[None]:
        """Hold the exclusive lock. The kernel drops it when the process ends, however it ends.

        Where nothing can be written anyway, an ``optional`` one is not held, and a change is refused.
        """
        if optional and not self._is_writable():
            yield
            return
        self.require_writable()
        descriptor = self._acquire(time.monotonic() + timeout, timeout)
        self._locked = True
        try:
            yield
        finally:
            self._locked = False
            os.close(descriptor)

    def _acquire(self, deadline: float, timeout: float) -> int:
        path = self._target + ".lock"
        while True:
            descriptor = self._open_lock(path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                os.close(descriptor)
                if exc.errno not in (errno.EAGAIN, errno.EACCES, errno.EINTR):
                    raise self._error(
                        f"The lock {path} of {self._option} cannot be taken: {exc.strerror}. "
                        "Put it on a file system that can lock files"
                    ) from None
            else:
                if _is_file_at(descriptor, path):
                    return descriptor
                # Somebody removed the lock file between open and flock: the lock would guard nothing.
                os.close(descriptor)
            if time.monotonic() >= deadline:
                raise self._error(
                    f"Another process has held the lock {path} of {self._option} for {timeout:g} s. "
                    "Wait for it to end, then run again."
                )
            time.sleep(0.05)

    def _open_lock(self, path: str) -> int:
        try:
            # Whoever may write the file may lock it. Its owner may, whatever the mode: the file is replaced, not written to.
            mode = stat.S_IMODE(os.stat(self._target).st_mode) | 0o600
        except OSError:
            mode = 0o600
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, mode)
            if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
                # The umask has taken from a new one's mode. Only its owner may change it.
                with contextlib.suppress(PermissionError):
                    os.fchmod(descriptor, mode)
            return descriptor
        except OSError as exc:
            raise self._error(
                f"The lock {path} of {self._option} cannot be opened: {exc.strerror}. Make it and its folder writable"
            ) from None


def _replace_durably(path: str, content: bytes) -> None:
    """Replace a file so that after a crash at any moment either the old or the new one is there, whole."""
    folder = os.path.dirname(path)
    # One name for all writers, who hold the lock: what a crash left here is taken away by the next write.
    temporary = os.path.join(folder, f".{os.path.basename(path)}.new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            _keep_mode_and_owner(path, stream.fileno())
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _fsync_folder(folder)


def _keep_mode_and_owner(path: str, descriptor: int) -> None:
    try:
        old = os.stat(path)
    except FileNotFoundError:
        return
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        # Only root may give a file away. A colleague who may write here keeps at least the group.
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except PermissionError:
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, -1, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _fsync_folder(folder: str) -> None:
    """Make a rename durable: POSIX keeps the folder's entries apart from the file's content."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_file_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
