# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nobody gains a right by a replacement: owners, modes, access lists, a container's users. Most of it needs root."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError, OptionError
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import durable, snapshot
from unit.plugins.module_utils.disks import AS_ROOT, LISTS, NOBODY, access_list, acting_as, attribute, change, give_list, whole

ALICE, OPS = 1234, 2345


@pytest.fixture
def shared() -> Iterator[Path]:
    """A file in a folder that everybody may write to, on a way that everybody may go."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o777)
    yield folder / "bindings.json"
    shutil.rmtree(folder)


def owner(path: Path) -> tuple[int, int, int]:
    about = path.stat()
    return about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)


# ---- several users -----------------------------------------------------------------------------------------------------


@AS_ROOT
@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_permission_to_write(there: bool, shared: Path) -> None:
    change(shared, b"one")
    for path in (shared, Path(f"{shared}.lock")):
        path.chmod(0o666)
    if not there:
        Path(f"{shared}.lock").unlink()
    shared.parent.chmod(0o755)
    before = snapshot(shared.parent)
    with acting_as(NOBODY):
        file = durable(shared)
        with pytest.raises(BindingsError, match="bindings_path"), file.lock():
            pass
        with file.lock(optional=True):
            assert file.read() == b"one"
            with pytest.raises(BindingsError, match="bindings_path"):
                file.require_writable()
    assert snapshot(shared.parent) == before


@AS_ROOT
def test_a_folder_that_cannot_be_looked_into(shared: Path) -> None:
    change(shared, b"one")
    shared.parent.chmod(0o700)
    with acting_as(NOBODY):
        with pytest.raises(BindingsError, match=os.strerror(errno.EACCES)):
            durable(shared).read()
        with pytest.raises(OptionError, match=os.strerror(errno.EACCES)):
            durable(shared.parent / "inner" / "bindings.json")


@AS_ROOT
def test_a_folder_that_may_be_written_to_but_not_read(shared: Path) -> None:
    shared.parent.chmod(0o733)
    with acting_as(NOBODY):
        change(shared, b"one")
        change(shared, b"two")
    assert shared.read_bytes() == b"two"


@AS_ROOT
def test_somebody_elses_file_in_a_folder_such_as_tmp(shared: Path) -> None:
    shared.parent.chmod(0o1777)
    shared.write_bytes(b"one")
    os.chown(shared, ALICE, OPS)
    shared.chmod(0o666)
    with acting_as(NOBODY):
        file = durable(shared)
        with file.lock():
            file.read()
            with pytest.raises(BindingsError, match="/tmp"):
                file.require_writable()
    assert shared.read_bytes() == b"one"
    assert whole(shared) == ["bindings.json", "bindings.json.lock"]
    with acting_as(ALICE, OPS):
        change(shared)
    assert shared.read_bytes() == b"two"


@AS_ROOT
def test_a_left_over_of_another_user_in_a_folder_such_as_tmp(shared: Path) -> None:
    shared.parent.chmod(0o1777)
    left = shared.with_name(".bindings.json.new")
    left.write_bytes(b"half")
    os.chown(left, ALICE, OPS)
    with acting_as(NOBODY), pytest.raises(BindingsError, match="left behind") as caught:
        change(shared)
    assert str(left) in str(caught.value)
    assert left.read_bytes() == b"half"
    left.unlink()
    left.symlink_to("victim")
    change(shared)
    assert whole(shared) == ["bindings.json", "bindings.json.lock"]


@AS_ROOT
@pytest.mark.parametrize(("mode", "then"), [(0o664, 0o644), (0o666, 0o666), (0o606, 0o600), (0o646, 0o644), (0o4664, 0o644)])
def test_a_colleagues_file_whose_group_cannot_be_kept(mode: int, then: int, shared: Path) -> None:
    """The writer's own group gets no right that only the old one had, and no third party the file."""
    shared.write_bytes(b"one")
    os.chown(shared, ALICE, OPS)
    shared.chmod(mode)
    with acting_as(NOBODY):
        change(shared)
    assert owner(shared) == (NOBODY, NOBODY, then)


@AS_ROOT
def test_a_colleagues_file_whose_group_can_be_kept(shared: Path) -> None:
    shared.write_bytes(b"one")
    os.chown(shared, ALICE, OPS)
    shared.chmod(0o6664)
    with acting_as(NOBODY, member_of=OPS):
        change(shared)
    assert owner(shared) == (NOBODY, OPS, 0o2664)


@AS_ROOT
@pytest.mark.parametrize("mode", [0o1640, 0o2640, 0o4600, 0o2755, 0o6755])
def test_special_bits_are_kept(mode: int, shared: Path) -> None:
    shared.write_bytes(b"one")
    os.chown(shared, ALICE, OPS)
    shared.chmod(mode)
    change(shared)
    assert owner(shared) == (ALICE, OPS, mode)


@AS_ROOT
@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_a_lock_that_root_made_is_the_owners_and_the_groups_too(mode: int, shared: Path) -> None:
    shared.write_bytes(b"one")
    os.chown(shared, ALICE, OPS)
    shared.chmod(mode)
    file = durable(shared)
    with file.lock("account"), file.lock():
        file.read()
        file.replace(b"two")
    with acting_as(ALICE):
        other = durable(shared)
        with other.lock("account"), other.lock():
            assert other.read() == b"two"
    bob = 4321
    with acting_as(bob, OPS), contextlib.ExitStack() as stack:
        if mode == 0o600:
            stack.enter_context(pytest.raises(BindingsError, match="lock"))
        stack.enter_context(durable(shared).lock("account"))


@AS_ROOT
def test_root_leaves_a_lock_of_somebody_else_as_it_is(shared: Path) -> None:
    shared.write_bytes(b"one")
    shared.chmod(0o666)
    lock = Path(f"{shared}.lock")
    lock.touch(0o600)
    os.chown(lock, ALICE, OPS)
    change(shared)
    assert owner(lock) == (ALICE, OPS, 0o600)


@AS_ROOT
@pytest.mark.skipif(
    not Path("/proc/self/uid_map").exists() or "4294967295" not in Path("/proc/self/uid_map").read_text(),
    reason="in a container nobody may be anybody",
)
def test_outside_of_containers_nobody_is_nobody(shared: Path) -> None:
    shared.write_bytes(b"one")
    os.chown(shared, NOBODY, NOBODY)
    change(shared)
    assert owner(shared)[:2] == (NOBODY, NOBODY)


# ---- access lists and attributes -------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="Linux only")
class TestAttributes:
    def test_an_access_list_is_kept(self, bindings_path: Path) -> None:
        change(bindings_path, b"one")
        value = give_list(bindings_path)
        change(bindings_path)
        assert attribute(bindings_path, LISTS) == value
        assert stat.S_IMODE(bindings_path.stat().st_mode) == 0o664

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
    def test_the_list_of_the_folder_gives_nobody_a_right(self, mode: int, bindings_path: Path) -> None:
        change(bindings_path, b"one")
        bindings_path.chmod(mode)
        give_list(bindings_path.parent, "system.posix_acl_default")
        change(bindings_path)
        assert attribute(bindings_path, LISTS) is None
        assert stat.S_IMODE(bindings_path.stat().st_mode) == mode

    def test_a_new_file_in_such_a_folder_is_for_its_owner_only(self, bindings_path: Path) -> None:
        give_list(bindings_path.parent, "system.posix_acl_default")
        change(bindings_path, b"one")
        assert stat.S_IMODE(bindings_path.stat().st_mode) == 0o600

    def test_a_list_of_the_folder_that_stays_has_no_effect(self, bindings_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*arguments: object) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        change(bindings_path, b"one")
        bindings_path.chmod(0o664)
        give_list(bindings_path.parent, "system.posix_acl_default")
        monkeypatch.setattr(os, "removexattr", refuse)
        change(bindings_path)
        assert stat.S_IMODE(bindings_path.stat().st_mode) == 0o600

    @AS_ROOT
    def test_whom_the_list_names_can_take_the_lock(self, shared: Path) -> None:
        shared.write_bytes(b"one")
        give_list(shared)
        with durable(shared).lock("account"):
            pass
        with acting_as(1111), durable(shared).lock("account"):
            pass
        with acting_as(2222), pytest.raises(BindingsError), durable(shared).lock("account"):
            pass

    @AS_ROOT
    def test_a_list_of_a_group_that_cannot_be_kept_is_not_for_another(self, shared: Path) -> None:
        shared.write_bytes(b"one")
        os.chown(shared, ALICE, OPS)
        os.setxattr(shared, LISTS, access_list(group=6, mask=6, other=0, users={NOBODY: 6}))
        with acting_as(NOBODY):
            change(shared)
        assert owner(shared) == (NOBODY, NOBODY, 0o600)
        assert attribute(shared, LISTS) is None

    def test_what_users_have_noted_is_kept(self, bindings_path: Path) -> None:
        change(bindings_path, b"one")
        try:
            os.setxattr(bindings_path, "user.comment", b"ours")
        except OSError as exc:
            pytest.skip(f"no attributes here: {exc.strerror}")
        change(bindings_path)
        assert attribute(bindings_path, "user.comment") == b"ours"

    @AS_ROOT
    def test_the_label_of_selinux_is_kept_and_what_belongs_to_the_content_is_not(self, bindings_path: Path) -> None:
        change(bindings_path, b"one")
        label = b"system_u:object_r:container_file_t:s0\0"
        try:
            os.setxattr(bindings_path, "security.selinux", label)
            os.setxattr(bindings_path, "trusted.checksum", b"1234")
        except OSError as exc:
            pytest.skip(f"no attributes here: {exc.strerror}")
        change(bindings_path)
        assert attribute(bindings_path, "security.selinux") == label
        assert attribute(bindings_path, "trusted.checksum") is None


# ---- a container's users -------------------------------------------------------------------------------------------------

IN_CONTAINER = """
import ctypes, os, sys
sys.path[:0] = sys.argv[2:]
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.plugins.module_utils._files import DurableFile
if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):
    sys.exit(77)
print("unshared", flush=True)
sys.stdin.readline()
os.setgroups([])
os.setgid(0)
os.setuid(0)
file = DurableFile(sys.argv[1], "bindings_path", BindingsError)
with file.lock():
    file.read()
    file.replace(b"two")
print(os.stat(sys.argv[1]).st_uid)
"""


@AS_ROOT
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "unshare"), reason="Linux only")
@pytest.mark.parametrize(
    ("old_owner", "then"),
    [
        # Somebody whom the container knows keeps the file.
        ((100033, 100044, 0o640), (100033, 100044, 0o640)),
        # Others all look like nobody, whom this container has: a third party.
        ((ALICE, OPS, 0o666), (100000, 100000, 0o666)),
        ((ALICE, OPS, 0o664), (100000, 100000, 0o644)),
        ((ALICE, 100044, 0o664), (100000, 100044, 0o664)),
    ],
)
def test_a_container_without_root_gives_the_file_to_no_third_party(
    old_owner: tuple[int, int, int], then: tuple[int, int, int], shared: Path
) -> None:
    shared.write_bytes(b"one")
    os.chown(shared, *old_owner[:2])
    shared.chmod(old_owner[2])
    command = [sys.executable, "-c", IN_CONTAINER, str(shared), *sys.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        if process.stdout.readline() != "unshared\n":
            pytest.skip("no user namespaces here")
        for kind in ("uid", "gid"):
            Path(f"/proc/{process.pid}/{kind}_map").write_text("0 100000 65536\n")
        process.communicate("go\n", timeout=30)
        assert process.returncode == 0
    assert shared.read_bytes() == b"two"
    assert owner(shared) == then
