# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File systems that cannot do what ext4 can, as a layer of faults between the code and the real one."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import RunModule, durable, made
from simulator import Service
from unit.plugins.module_utils.disks import Volume, change, give_list, whole

LIMITS = {"total_limit": 100, "hourly_limit": 10}
ON_LINUX = pytest.mark.skipif(not hasattr(os, "setxattr"), reason="only Linux has these attributes in Python")
SETTERS = ("fchmod", "fchown", "chmod", "chown", "setxattr", "removexattr")


@pytest.fixture
def volume(monkeypatch: pytest.MonkeyPatch) -> Volume:
    return Volume(monkeypatch)


@pytest.fixture
def no_umask() -> Any:
    old = os.umask(0)
    yield
    os.umask(old)


def is_folder(descriptor: Any, *_more: Any) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


# ---- what cannot be set, and need not be --------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize("mode", [0o600, 0o777, 0o755])
@pytest.mark.usefixtures("no_umask")
def test_a_volume_that_sets_nothing(mode: int, code: int, volume: Volume, bindings_path: Path) -> None:
    volume.has_one_mode(mode)
    for name in SETTERS:
        volume.fails(name, code)
    for content in (b"one", b"two", b"three"):
        change(bindings_path, content)
        assert bindings_path.read_bytes() == content
    assert whole(bindings_path) == ["bindings.json", "bindings.json.lock"]


@pytest.mark.usefixtures("no_umask")
def test_a_user_is_created_and_bound_on_a_volume_that_sets_nothing(
    volume: Volume, bindings_path: Path, run_module: RunModule, service: Service
) -> None:
    """SMB in AKS: there a user was created, and the alias never bound."""
    volume.has_one_mode(0o777)
    for name in SETTERS:
        volume.fails(name, errno.EPERM)
    for changed in (True, False):
        result = run_module("smtp_user", alias="billing", bindings_path=str(bindings_path), **LIMITS)
        assert not result.failed, result.msg
        assert result["changed"] is changed
    assert made(service)["addSmtp"] == 1


def test_what_is_as_it_should_be_is_not_set(volume: Volume, bindings_path: Path) -> None:
    change(bindings_path, b"one")
    for name in SETTERS:
        volume.fails(name, errno.EIO)
    change(bindings_path)
    assert volume.refused == []


@pytest.mark.usefixtures("no_umask")
def test_a_mode_that_would_show_the_file_to_more_is_no_success(volume: Volume, bindings_path: Path) -> None:
    change(bindings_path, b"one")
    volume.has_one_mode(0o644)
    volume.fails("fchmod", errno.EPERM)
    with pytest.raises(BindingsError, match="bindings_path") as caught:
        change(bindings_path)
    assert "let more users read it" in str(caught.value)
    assert bindings_path.read_bytes() == b"one"
    assert whole(bindings_path) == ["bindings.json", "bindings.json.lock"]


def test_a_mode_that_shows_it_to_fewer_is(volume: Volume, bindings_path: Path) -> None:
    change(bindings_path, b"one")
    bindings_path.chmod(0o644)
    volume.fails("fchmod", errno.EPERM)
    change(bindings_path)
    assert stat.S_IMODE(bindings_path.stat().st_mode) == 0o600


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_or_broken_is_a_failure(code: int, volume: Volume, bindings_path: Path) -> None:
    change(bindings_path, b"one")
    bindings_path.chmod(0o644)
    volume.fails("fchmod", code)
    with pytest.raises(BindingsError, match=os.strerror(code)):
        change(bindings_path)
    assert bindings_path.read_bytes() == b"one"


@pytest.mark.parametrize("special", [stat.S_ISVTX, stat.S_ISUID, stat.S_ISGID])
def test_bits_that_only_root_may_set_are_let_go(special: int, volume: Volume, bindings_path: Path) -> None:
    """FreeBSD refuses the sticky bit of a file with an error number of its own."""
    change(bindings_path, b"one")
    bindings_path.chmod(0o640 | special)
    volume.fails("fchmod", getattr(errno, "EFTYPE", errno.EPERM), lambda descriptor, mode: bool(mode & 0o7000))
    change(bindings_path)
    assert stat.S_IMODE(bindings_path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize("code", [errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.EOVERFLOW])
@pytest.mark.parametrize(("mode", "then"), [(0o664, 0o644), (0o606, 0o600), (0o660, 0o600), (0o4755, 0o755), (0o2666, 0o666)])
def test_owner_and_group_that_cannot_be_kept(mode: int, then: int, code: int, volume: Volume, bindings_path: Path) -> None:
    """EINVAL is what a container says of those whom it does not know. Nobody has a right then that he had not before."""
    change(bindings_path, b"one")
    os.chown(bindings_path, 1234, 2345)
    bindings_path.chmod(mode)
    volume.fails("fchown", code)
    change(bindings_path)
    about = bindings_path.stat()
    assert (about.st_uid, about.st_gid) == (os.geteuid(), os.getegid())
    assert stat.S_IMODE(about.st_mode) == then


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_who_gives_a_file_away_has_set_its_mode_before(volume: Volume, bindings_path: Path) -> None:
    """Some NFS servers let everybody give files away; what is given away cannot be changed any more."""
    change(bindings_path, b"one")
    os.chown(bindings_path, 1234, 2345)
    bindings_path.chmod(0o640)
    volume.fails("fchmod", errno.EPERM, lambda descriptor, mode: os.fstat(descriptor).st_uid != os.geteuid())
    change(bindings_path)
    about = bindings_path.stat()
    assert (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (1234, 2345, 0o640)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_system_without_proc(bindings_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = open

    def opened(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path).startswith("/proc"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return real(path, *arguments, **options)

    change(bindings_path, b"one")
    os.chown(bindings_path, 65534, 65534)
    monkeypatch.setattr("builtins.open", opened)
    change(bindings_path)
    assert (bindings_path.stat().st_uid, bindings_path.stat().st_gid) == (65534, 65534)


@ON_LINUX
@pytest.mark.parametrize("name", ["getxattr", "listxattr"])
def test_attributes_that_cannot_be_read(name: str, volume: Volume, bindings_path: Path) -> None:
    change(bindings_path, b"one")
    volume.fails(name, errno.EOPNOTSUPP)
    change(bindings_path)
    assert volume.refused
    if name == "getxattr":
        # A list that is perhaps there cannot be kept.
        volume.fails(name, errno.EIO)
        with pytest.raises(BindingsError, match=os.strerror(errno.EIO)):
            change(bindings_path, b"three")
        assert bindings_path.read_bytes() == b"two"


@ON_LINUX
def test_an_access_list_that_cannot_be_kept_leaves_the_file_to_its_owner(volume: Volume, bindings_path: Path) -> None:
    """The bits of the group are the list's mask then, and not for the group."""
    change(bindings_path, b"one")
    give_list(bindings_path)
    assert stat.S_IMODE(bindings_path.stat().st_mode) == 0o664
    volume.fails("setxattr", errno.EPERM)
    change(bindings_path)
    assert stat.S_IMODE(bindings_path.stat().st_mode) == 0o600


WITHOUT_ATTRIBUTES = """
import errno, os, sys
sys.path[:0] = sys.argv[2:]
for name in ("getxattr", "setxattr", "listxattr", "removexattr"):
    if hasattr(os, name):
        delattr(os, name)
del errno.ENODATA
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.plugins.module_utils._files import DurableFile
file = DurableFile(sys.argv[1], "bindings_path", BindingsError)
for content in (b"one", b"two"):
    with file.lock("a"), file.lock():
        file.require_writable()
        file.replace(content)
    os.chmod(sys.argv[1], 0o640)
"""


def test_a_python_without_what_only_linux_has(bindings_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_ATTRIBUTES, str(bindings_path), *sys.path], check=True)
    assert bindings_path.read_bytes() == b"two"
    assert stat.S_IMODE(bindings_path.stat().st_mode) == 0o640


# ---- fsync ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"one", None])
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("fsync", errno.EINVAL),
        ("fsync", errno.ENOTSUP),
        ("fsync", errno.EOPNOTSUPP),
        ("fsync", errno.ENOSYS),
        ("fsync", errno.EBADF),
        ("fsync", errno.EACCES),
        ("open", errno.EACCES),
        ("open", errno.EISDIR),
        ("open", errno.EINVAL),
    ],
)
def test_a_folder_that_cannot_be_synced_is_no_failure(
    name: str, code: int, content: bytes | None, volume: Volume, bindings_path: Path
) -> None:
    if content:
        change(bindings_path, content)
    volume.fails(name, code, is_folder if name == "fsync" else lambda path, *more: Path(path) == bindings_path.parent)
    change(bindings_path)
    assert volume.refused == [name]
    assert bindings_path.read_bytes() == b"two"


@pytest.mark.parametrize("name", ["open", "fsync"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_breaks_while_the_folder_is_synced(code: int, name: str, volume: Volume, bindings_path: Path) -> None:
    change(bindings_path, b"one")
    broken = [True]
    at_folder = is_folder if name == "fsync" else lambda path, *more: Path(path) == bindings_path.parent
    volume.fails(name, code, lambda *arguments: bool(broken) and at_folder(*arguments))
    file = durable(bindings_path)
    with file.lock():
        file.read()
        with pytest.raises(BindingsError, match=os.strerror(code)):
            file.replace(b"two")
        # The file has changed all the same, and this is known.
        broken.clear()
        assert file.is_as_left()
        file.replace(b"three")
    assert bindings_path.read_bytes() == b"three"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_file_that_cannot_be_synced_replaces_nothing(code: int, volume: Volume, bindings_path: Path) -> None:
    change(bindings_path, b"one")
    volume.fails("fsync", code, lambda descriptor: not is_folder(descriptor))
    with pytest.raises(BindingsError, match=os.strerror(code)) as caught:
        change(bindings_path)
    assert ("fsync" in str(caught.value)) == (code not in (errno.EIO, errno.ENOSPC, errno.EDQUOT))
    assert bindings_path.read_bytes() == b"one"
    assert whole(bindings_path) == ["bindings.json", "bindings.json.lock"]


# ---- rename, left-overs, reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EBUSY, "Mount its folder"),
        (errno.EXDEV, "Mount its folder"),
        (errno.EPERM, "/tmp"),
        (errno.EACCES, "/tmp"),
        (errno.ENOSPC, ""),
    ],
)
def test_what_cannot_be_replaced_is_told_with_advice(code: int, advice: str, volume: Volume, bindings_path: Path) -> None:
    change(bindings_path, b"one")
    volume.fails("replace", code)
    file = durable(bindings_path)
    with file.lock():
        file.read()
        for step in (lambda: file.replace(b"two"), file.require_writable):
            with pytest.raises(BindingsError, match=os.strerror(code)) as caught:
                step()
            assert advice in str(caught.value)
            assert str(caught.value).startswith(f"bindings_path cannot be written: {bindings_path}: ")
    assert bindings_path.read_bytes() == b"one"
    assert whole(bindings_path) == ["bindings.json", "bindings.json.lock"]


def test_a_left_over_that_cannot_be_removed_is_named(volume: Volume, bindings_path: Path) -> None:
    left = bindings_path.with_name(".bindings.json.new")
    left.mkdir()
    with pytest.raises(BindingsError, match="left behind") as caught:
        change(bindings_path)
    assert str(left) in str(caught.value)
    assert not bindings_path.exists()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_file_that_another_host_replaces_while_it_is_read(times: int, volume: Volume, bindings_path: Path) -> None:
    """NFS says ESTALE for what was opened before."""
    change(bindings_path, b"one")
    volume.fails("stat", errno.ESTALE, lambda path, *more: str(path) == str(bindings_path) and len(volume.refused) < times)
    if times < 3:
        assert durable(bindings_path).read() == b"one"
    else:
        with pytest.raises(BindingsError, match="cannot be read"):
            durable(bindings_path).read()


def test_a_broken_disk_is_asked_once(volume: Volume, bindings_path: Path) -> None:
    change(bindings_path, b"one")
    volume.fails("stat", errno.EIO, lambda path, *more: str(path) == str(bindings_path))
    with pytest.raises(BindingsError, match="cannot be read"):
        durable(bindings_path).read()
    assert volume.refused == ["stat"]


def test_a_disk_that_breaks_at_the_lock(volume: Volume, bindings_path: Path) -> None:
    file = durable(bindings_path)
    with file.lock():
        volume.fails("stat", errno.EIO, lambda path, *more: str(path).endswith(".lock"))
        with pytest.raises(BindingsError, match="cannot be written"):
            file.replace(b"one")
    with pytest.raises(BindingsError, match="cannot be taken"), file.lock():
        pass
    assert not bindings_path.exists()


def test_a_folder_such_as_tmp_that_forbids_to_create_what_is_there(volume: Volume, bindings_path: Path) -> None:
    """As fs.protected_regular of Linux does where the lock is somebody else's."""
    Path(f"{bindings_path}.lock").touch()
    volume.fails("open", errno.EACCES, lambda path, flags, *more: flags & os.O_CREAT and os.path.exists(path))
    change(bindings_path, b"one")
    change(bindings_path, b"two")
