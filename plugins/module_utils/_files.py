# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that several processes change: read, lock, replace durably. What is in it is not known here."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import stat
import time
from collections.abc import Callable, Iterator

from ansible_collections.sendclean.email.plugins.module_utils import _disk, _errors

# For how many seconds a waiter sees nothing change before it gives up, and how often it looks: many may wait at once.
LOCK_TIMEOUT = 600.0
# The first is short: the lock of the file is held for some milliseconds only.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.25

# O_NOFOLLOW: in a folder that others may write to, a link could lead to any file. O_NONBLOCK: nobody waits for a FIFO's reader.
_LOCK_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
# What open(2) says of a link then: Linux and macOS, FreeBSD, NetBSD; and of a folder.
_NO_LOCK_FILE = {errno.ELOOP, errno.EMLINK, getattr(errno, "EFTYPE", errno.ELOOP), errno.EISDIR}
# The lock file came or went at that moment; ESTALE is how NFS says that.
_COME_OR_GONE = {errno.EEXIST, errno.ESTALE}
# What a file system says that has no files without names.
_NO_NAMELESS = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.EISDIR, errno.EINVAL, errno.ENOENT}


class _NoLockError(Exception):
    """A lock cannot be had, however long one waits."""


class DurableFile:
    """The file that ``option`` names. Reading needs no lock, every change does. Failures are of the class ``error``; of
    ``lost`` where a lock is lost, or what was read.

    A change is: ``lock()``, ``read()``, ``replace()``. ``require_writable()`` in between is for who must know, before
    something is done elsewhere, that it can be written down.
    """

    def __init__(
        self,
        path: str,
        option: str,
        error: type[_errors.SendCleanError],
        lost: type[_errors.SendCleanError] | None = None,
        folder_may_be_missing: bool = False,
    ) -> None:
        if "\0" in path:
            raise _errors.OptionError(option, "holds a null character, which no path may")
        self.path = path
        # A symbolic link is written through: its target is what gets replaced.
        self._target = os.path.realpath(path)
        self._option = option
        self._error = error
        self._lost = lost or error
        # By name: the descriptors of the locks that this object holds, and why it goes on without an optional one.
        self._held: dict[str, int] = {}
        self._missing: dict[str, _errors.SendCleanError] = {}
        # What this object has last read or written there. None: there was no file.
        self._content: bytes | None = None
        folder = os.path.dirname(self._target)
        self.folder_error: _errors.OptionError | None = None
        try:
            is_folder = stat.S_ISDIR(os.stat(folder).st_mode)
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise _errors.OptionError(
                    option, f"lies in a folder that cannot be looked into: {exc.strerror}: {folder}"
                ) from None
            is_folder = False
        if not is_folder:
            self.folder_error = _errors.OptionError(option, f"lies in a folder that does not exist: {folder}. Create the folder")
            if not folder_may_be_missing:
                raise self.folder_error

    def read(self) -> bytes | None:
        """Return what is in the file, None where there is none yet."""
        self._content = self._read()
        return self._content

    def changed_at(self) -> int:
        """Return when the file was changed, in nanoseconds of whatever clock the file system has; 0 where that is not known."""
        try:
            return os.stat(self._target).st_mtime_ns
        except OSError:
            return 0

    def is_as_left(self) -> bool:
        """Whether the file still holds what this object has last read or written.

        For who changes it often and has parsed it already. Bytes are compared: they are true where times and inode
        numbers are not, as on SMB, or are too coarse.
        """
        return self._read() == self._content

    def _read(self) -> bytes | None:
        attempts_left = 3
        while True:
            attempts_left -= 1
            try:
                if not stat.S_ISREG(os.stat(self._target).st_mode):
                    raise self._error(f"{self._option} is not a regular file: {self.path}. Name a file, no folder or device")
                with open(self._target, "rb") as stream:
                    return stream.read()
            except FileNotFoundError:
                return None
            except OSError as exc:
                # So NFS says that another host has replaced the file since it was opened.
                if exc.errno != errno.ESTALE or not attempts_left:
                    raise self._error(f"{self._option} cannot be read: {exc.strerror}: {self.path}") from None

    def replace(self, content: bytes) -> None:
        """Put ``content`` into the place of what was read last. What else has come there since is not overwritten."""
        self._write(content)

    def require_writable(self) -> None:
        """Prove that ``replace()`` would work by writing what was read once more. Needs the same locks; not for a dry run."""
        self._write(self._content)

    def _write(self, content: bytes | None) -> None:
        try:
            self._refuse_without_locks()
            if not self.is_as_left():
                raise self._lost(
                    f"{self._option} was changed by something else while this task held its lock: {self.path}. "
                    "It is left as it is. Let no git checkout, editor or copy change it while a task runs, and run again"
                )
            _disk.replace_file(self._target, content)
            # Before what may fail yet: the file has changed.
            self._content = content
            _disk.fsync_folder(os.path.dirname(self._target))
        except OSError as exc:
            raise self._not_written(exc.strerror) from None

    def _not_written(self, strerror: str | None) -> _errors.SendCleanError:
        return self._error(f"{self._option} cannot be written: {self.path}: {strerror}")

    @contextlib.contextmanager
    def lock(self, name: str = "", timeout: float = LOCK_TIMEOUT, *, optional: bool = False) -> Iterator[None]:
        """Hold an exclusive lock, a file beside the target. The kernel drops it when the process ends, however it ends.

        The lock without a name guards changes of the file, and is held while one reads and replaces it. One with a name,
        which must be fit for a file's, guards something that takes longer; take it first. Waits until, for ``timeout``
        seconds, nothing in the file has changed. ``optional`` is for who may have nothing to write: where no lock can
        be had, as in a read-only folder, the block runs without it, and ``replace()`` and ``require_writable()`` say why
        they can't.
        """
        if name in self._held or name in self._missing:
            raise RuntimeError(f"{self._option} is locked twice")
        try:
            self._held[name] = self._acquire(name, timeout)
        except _NoLockError as exc:
            problem = self._error(str(exc))
            if not optional:
                raise problem from None
            self._missing[name] = problem
        try:
            yield
        finally:
            self._missing.pop(name, None)
            descriptor = self._held.pop(name, None)
            if descriptor is not None:
                os.close(descriptor)

    def try_out(self, *names: str) -> tuple[list[str], bool]:
        """Return why a change would fail, and whether another process holds one of the locks. Leaves nothing behind.

        ``names`` are those of further locks. A lock file that is there is locked for a moment, else a file without a name.
        """
        try:
            self._require_folder()
            held = [name for name in ("", *names) if self._is_held(self._lock_path(name))]
        except _NoLockError as exc:
            return [str(self._error(str(exc)))], False
        return [str(self._not_written(reason)) for reason in _disk.hindrances(self._target)], bool(held)

    def _is_held(self, path: str) -> bool:
        descriptor = self._opened(path, _open_or_nameless)
        if descriptor is None:
            return False
        try:
            return not self._has_locked(descriptor, path, lambda: True)
        finally:
            os.close(descriptor)

    def require_lock(self) -> None:
        """Say why a lock that was optional could not be had, for who finds something to do under it."""
        for problem in self._missing.values():
            raise problem

    def _refuse_without_locks(self) -> None:
        self.require_lock()
        if "" not in self._held:
            raise RuntimeError(f"{self._option} is changed without its lock")
        self.prove()

    def prove(self) -> None:
        """Raise what says so if a lock that this object holds guards nothing any more."""
        for name, descriptor in self._held.items():
            path = self._lock_path(name)
            if not _is_file_at(descriptor, path):
                # Another process may have made and locked a new one since.
                raise self._lost(
                    f"The lock {path} of {self._option} was removed while this task held it. Run again, "
                    "and let nothing, such as git clean, remove it while a task runs"
                )

    def _lock_path(self, name: str) -> str:
        return f"{self._target}.{name}.lock" if name else f"{self._target}.lock"

    def _require_folder(self) -> None:
        folder = os.path.dirname(self._target)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _NoLockError(f"{self._option} cannot be written: its folder is read-only, or not for this user: {folder}")

    def _acquire(self, name: str, timeout: float) -> int:
        path = self._lock_path(name)
        # Said now: what could not be written down must not happen.
        self._require_folder()
        deadline, seen, pause = time.monotonic() + timeout, self._signature(), _FIRST_PAUSE
        while True:
            descriptor = self._try(path)
            if descriptor is not None:
                return descriptor
            now, before = time.monotonic(), seen
            seen = self._signature()
            if seen != before:
                deadline = now + timeout
            if now >= deadline:
                raise self._error(
                    f"Another process has held the lock {path} of {self._option} for {timeout:g} s. Nothing in {self.path} "
                    "has changed meanwhile. Wait for it to end, or end it if it hangs, then run again."
                )
            time.sleep(min(pause, deadline - now))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _signature(self) -> tuple[int, ...] | None:
        """Return what changes with the file. None: there is none, or one cannot tell."""
        try:
            about = os.stat(self._target)
        except OSError:
            return None
        return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns

    def _try(self, path: str) -> int | None:
        """Return the descriptor of the lock, None if it is worth while to try again."""
        descriptor = self._opened(path, _open_lock)
        if descriptor is None:
            return None
        held = False
        try:
            # Somebody may have removed the lock file between open and flock: the lock would guard nothing.
            held = self._has_locked(descriptor, path, functools.partial(_is_file_at, descriptor, path))
            if held:
                _let_writers_lock(descriptor, self._target)
        finally:
            if not held:
                os.close(descriptor)
        return descriptor if held else None

    def _opened(self, path: str, how: Callable[[str], int | None]) -> int | None:
        """Open a lock. None: it came or went at that moment."""
        try:
            return how(path)
        except OSError as exc:
            if exc.errno in _COME_OR_GONE:
                return None
            if exc.errno in _NO_LOCK_FILE:
                raise self._no_lock_file(path) from None
            raise _NoLockError(
                f"The lock {path} of {self._option} cannot be opened: {exc.strerror}. Make it and its folder writable"
            ) from None

    def _has_locked(self, descriptor: int, path: str, guards: Callable[[], bool]) -> bool:
        """Lock what was opened. False: somebody else has, or the lock does not guard anything."""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise self._no_lock_file(path)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return guards()
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EACCES, errno.EINTR, errno.ESTALE):
                raise _NoLockError(
                    f"The lock {path} of {self._option} cannot be taken: {exc.strerror}. "
                    "Put it on a file system that can lock files"
                ) from None
            return False

    def _no_lock_file(self, path: str) -> _NoLockError:
        return _NoLockError(f"The lock {path} of {self._option} is a link, a folder or a device, no file. Remove it")


def _open_lock(path: str) -> int:
    # In this order: a folder such as /tmp may forbid to open somebody else's file with O_CREAT (fs.protected_regular).
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, _LOCK_FLAGS)
    return os.open(path, _LOCK_FLAGS | os.O_CREAT | os.O_EXCL, 0o600)


def _open_or_nameless(path: str) -> int | None:
    """Open a lock that is there, else a file without a name in its folder, which ends with its descriptor.

    None: this system, or file system, has no such files. O_TMPFILE is Linux's: open(2).
    """
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, _LOCK_FLAGS)
    nameless = getattr(os, "O_TMPFILE", 0)
    try:
        return os.open(os.path.dirname(path), os.O_RDWR | nameless, 0o600) if nameless else None
    except OSError as exc:
        if exc.errno not in _NO_NAMELESS:
            raise
        return None


def _let_writers_lock(descriptor: int, target: str) -> None:
    """Whoever may write the file may lock it. Its owner may, whatever the mode: the file is replaced, not written to."""
    # Whom that leaves out is told so when he opens it.
    with contextlib.suppress(OSError):
        lock = os.fstat(descriptor)
        # Only an empty file of ours without a second name: in a shared folder somebody may have put another file of ours here.
        if lock.st_uid == os.geteuid() and lock.st_nlink == 1 and lock.st_size == 0:
            _disk.keep_rights(target, descriptor, least=0o600)


def _is_file_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ESTALE):
            raise
        return False
