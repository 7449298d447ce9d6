# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One file in the place of another: durably, and with its rights. Failures are the operating system's, with advice."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# What a file system says that can't do something, or doesn't let this user; a full or broken disk says something else.
_UNABLE = {errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EOVERFLOW}
_UNABLE |= {getattr(errno, "EFTYPE", errno.EINVAL)}

# Python has these on Linux only. Lists of macOS and the BSDs are not kept.
_HAS_ATTRIBUTES = hasattr(os, "getxattr")
_ACCESS_LISTS = ("system.posix_acl_access", "system.nfs4_acl")

_MOUNTED = ". A file mounted by itself, as with Docker's -v or Kubernetes' subPath, cannot be replaced. Mount its folder"
_PROTECTED = ". In a folder such as /tmp only its owner may replace it, and after chattr +i nobody. Mend that, or move it"
_RENAME_ADVICE = {errno.EBUSY: _MOUNTED, errno.EXDEV: _MOUNTED, errno.EPERM: _PROTECTED, errno.EACCES: _PROTECTED}
_FSYNC_ADVICE = dict.fromkeys(_UNABLE, ". What is written must outlast a power failure. Put it on a file system with fsync")


def replace_file(path: str, content: bytes | None) -> None:
    """Replace a file so that after a crash at any moment either the old or the new one is there, whole.

    None: there is none yet; only find out whether there could be one.
    """
    temporary = _temporary(path)
    try:
        os.unlink(temporary)
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise OSError(exc.errno, f"{temporary}, left behind by another run, cannot be removed: {exc.strerror}") from None
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            keep_rights(path, stream.fileno())
            _keep_attributes(path, stream.fileno())
            stream.write(content or b"")
            stream.flush()
            _do(os.fsync, _FSYNC_ADVICE, stream.fileno())
        if content is not None:
            rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if content is None:
        os.unlink(temporary)


def rename(new: str, path: str) -> None:
    """Put a file into the place of another one of its file system."""
    _do(os.replace, _RENAME_ADVICE, new, path)


def hindrances(path: str) -> Iterator[str]:
    """Yield why a file could not be replaced, so far as one can tell by looking. The words are those of a failure."""
    if os.path.ismount(path):
        yield f"{os.strerror(errno.EBUSY)}{_MOUNTED}"
    temporary, strerror = _temporary(path), os.strerror(errno.EPERM)
    if _is_protected(path):
        yield f"{strerror}{_PROTECTED}"
    elif _is_protected(temporary):
        yield f"{temporary}, left behind by another run, cannot be removed: {strerror}"


def _is_protected(path: str) -> bool:
    """Whether a file is another user's in a folder where only its owner, the folder's, or root may replace it."""
    try:
        folder, file = os.stat(os.path.dirname(path)), os.lstat(path)
    except OSError:
        return False
    return bool(folder.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, folder.st_uid, file.st_uid)


def _temporary(path: str) -> str:
    # One name for all writers, who hold the lock: what a crash left here is taken away by the next write.
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")


def _do(step: Callable[..., None], advice: Mapping[int, str], *arguments: Any) -> None:
    """Do a step, and where it fails say what to do if the operating system's own words are not enough."""
    try:
        step(*arguments)
    except OSError as exc:
        raise OSError(exc.errno, f"{exc.strerror}{advice.get(exc.errno or 0, '')}") from None


def _can(change: Callable[..., None], *arguments: Any) -> bool:
    """Change something of a file. False: this file system, or this user, can't."""
    try:
        change(*arguments)
    except OSError as exc:
        if exc.errno not in _UNABLE:
            raise
        return False
    return True


def keep_rights(path: str, descriptor: int, least: int = 0) -> None:
    """Give a file of ours owner, mode and access list of the one at ``path``, so far as that can be. Nobody gains a right.

    What is as it should be is not set: file systems without owners and modes of their own, as SMB, may refuse even that.
    The owner comes last: who is no longer the owner may not change the rest.
    """
    try:
        old = os.stat(path)
    except FileNotFoundError:
        return
    new = os.fstat(descriptor)
    mode = stat.S_IMODE(old.st_mode) | least
    same_group = new.st_gid == old.st_gid or (_is_real(old.st_gid, "gid") and _can(os.fchown, descriptor, -1, old.st_gid))
    if not same_group:
        # Each member of either group now has what both, the group and all others, had.
        common = mode >> 3 & mode & stat.S_IRWXO
        mode = mode & (stat.S_ISUID | stat.S_ISVTX | stat.S_IRWXU) | common << 3 | common
    if not _keep_access_lists(path, descriptor, same_group):
        # The group's bits are the list's mask, and the list may have denied something to single users.
        mode &= ~(stat.S_IRWXG | stat.S_IRWXO)
    _set_mode(descriptor, mode & ~stat.S_ISUID)
    if new.st_uid == old.st_uid or (_is_real(old.st_uid, "uid") and _can(os.fchown, descriptor, old.st_uid, -1)):
        # chown takes these bits away.
        _set_mode(descriptor, mode)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & ~mode & 0o777:
        raise PermissionError(errno.EPERM, "its file system would let more users read it than now")


def _set_mode(descriptor: int, mode: int) -> None:
    for wanted in (mode, mode & 0o777):
        # Some let only root set the special bits of a file.
        if stat.S_IMODE(os.fstat(descriptor).st_mode) == wanted or _can(os.fchmod, descriptor, wanted):
            return


def _is_real(identifier: int, kind: str) -> bool:
    """Whether an owner or group is the one that it seems to be.

    In a container Linux shows all those whom the container does not know as one, "nobody", which may well be somebody there:
    user_namespaces(7), "Unmapped user and group IDs".
    """
    try:
        with open(f"/proc/sys/kernel/overflow{kind}", "rb") as nobody, open(f"/proc/self/{kind}_map", "rb") as known:
            return int(nobody.read()) != identifier or known.read().split() == [b"0", b"0", b"4294967295"]
    except OSError:
        # No Linux.
        return True


def _keep_access_lists(path: str, descriptor: int, same_group: bool) -> bool:
    """Give a file of ours just the lists of the one at ``path``, not those of its folder. False: it could have no such."""
    for name in _ACCESS_LISTS:
        old, new = _attribute(path, name), _attribute(descriptor, name)
        if old is None:
            kept = new is None or _can(os.removexattr, descriptor, name)
        else:
            kept = same_group and (new == old or _can(os.setxattr, descriptor, name, old))
        if not kept:
            return False
    return True


def _keep_attributes(path: str, descriptor: int) -> None:
    """Give a file of ours SELinux's label and the users' attributes of the one at ``path``, so far as that can be.

    The others belong to the content or to the file system.
    """
    try:
        names = os.listxattr(path) if _HAS_ATTRIBUTES else []
    except OSError:
        return
    for name in names:
        if name == "security.selinux" or name.startswith("user."):
            value = _attribute(path, name)
            if value is not None and value != _attribute(descriptor, name):
                _can(os.setxattr, descriptor, name, value)


def _attribute(file: str | int, name: str) -> bytes | None:
    try:
        return os.getxattr(file, name) if _HAS_ATTRIBUTES else None
    except OSError as exc:
        if exc.errno not in _UNABLE | {errno.ENODATA, errno.ENOENT}:
            raise
        return None


def fsync_folder(folder: str) -> None:
    """Make a rename durable: POSIX keeps the folder's entries apart from the file's content.

    Not every file system can do that, or needs it, and not everybody who may write into a folder may read it.
    """
    unable = _UNABLE | {errno.EBADF, errno.EISDIR}
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as exc:
        if exc.errno not in unable:
            raise
        return
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in unable:
            raise
    finally:
        os.close(descriptor)
