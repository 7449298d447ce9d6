# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The locks of a file: who is kept out, for how long, and what a change under them may replace."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import BASE, OWNER, FakeClock, bind, durable, record_of

HOLDER = """
import sys
sys.path[:0] = sys.argv[4:]
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.plugins.module_utils._files import DurableFile
with DurableFile(sys.argv[1], "bindings_path", BindingsError).lock():
    print("locked", flush=True)
    sys.stdin.read()
"""

BINDER = """
import os, sys
sys.path[:0] = sys.argv[4:]
from ansible_collections.sendclean.email.plugins.module_utils._bindings import record_at
file = record_at({"bindings_path": sys.argv[1]}, *sys.argv[2:4])
for number in range(5):
    with file.lock():
        file.bind(f"alias {os.getpid()} {number}", f"smtp {os.getpid()} {number}")
"""


@pytest.fixture
def holder(bindings_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input ends."""
    command = [sys.executable, "-c", HOLDER, str(bindings_path), BASE, OWNER, *sys.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_the_lock_keeps_another_process_out_for_ten_minutes_at_most(
    holder: subprocess.Popen[str], file: Record, bindings_path: Path, fast: FakeClock
) -> None:
    with pytest.raises(BindingsError) as caught:
        bind(file)
    assert 599 <= sum(fast.slept) <= 601
    # Twelve who wait for long are no load: they look four times a second.
    assert len(fast.slept) < 2500
    for part in ("bindings_path", f"{bindings_path}.lock", "600 s", f"Nothing in {bindings_path} has changed"):
        assert part in str(caught.value)
    assert not bindings_path.exists()


def test_readers_need_no_lock(holder: subprocess.Popen[str], file: Record) -> None:
    assert file.read().aliases == {}


def test_a_waiter_gets_the_lock_when_its_holder_ends(holder: subprocess.Popen[str], file: Record, fast: FakeClock) -> None:
    def let_go() -> None:
        if len(fast.slept) == 3:
            holder.communicate()

    fast.meanwhile = let_go
    bind(file)
    assert file.read().aliases == {"billing": "smtp1"}
    assert len(fast.slept) == 3


def test_a_holder_that_was_killed_blocks_nobody(holder: subprocess.Popen[str], file: Record, fast: FakeClock) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    bind(file)
    assert fast.slept == []
    assert file.read().aliases == {"billing": "smtp1"}


def test_the_lock_keeps_another_thread_out(bindings_path: Path) -> None:
    other = durable(bindings_path)
    refused = []

    def try_it() -> None:
        try:
            with other.lock(timeout=0.2):
                pass
        except BindingsError as error:
            refused.append(str(error))

    with durable(bindings_path).lock():
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert "0.2 s" in refused[0]


def test_a_lock_whose_file_was_removed_while_waiting_guards_nothing_and_is_taken_anew(
    bindings_path: Path, monkeypatch: pytest.MonkeyPatch, fast: FakeClock
) -> None:
    lock = Path(f"{bindings_path}.lock")
    real = fcntl.flock
    removed: list[int] = []

    def flock(descriptor: int, operation: int) -> None:
        real(descriptor, operation)
        if not removed:
            removed.append(os.fstat(descriptor).st_ino)
            lock.unlink()

    monkeypatch.setattr(fcntl, "flock", flock)
    with durable(bindings_path).lock():
        assert lock.exists()
        assert removed
        with pytest.raises(BindingsError), durable(bindings_path).lock(timeout=0.1):
            pass


def test_the_lock_is_free_again_after_a_failure(bindings_path: Path) -> None:
    file = durable(bindings_path)
    with pytest.raises(ZeroDivisionError), file.lock():
        raise ZeroDivisionError
    with file.lock(timeout=0):
        pass
    with pytest.raises(RuntimeError):
        file.replace(b"")


def test_a_lock_that_cannot_be_taken_at_all_is_told(file: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have no locks."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(BindingsError, match="bindings_path"), file.lock():
        pass


def test_many_processes_lose_no_binding(bindings_path: Path) -> None:
    command = [sys.executable, "-c", BINDER, str(bindings_path), BASE, OWNER, *sys.path]
    processes = [subprocess.Popen(command) for _process in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    assert len(record_of(str(bindings_path), BASE, OWNER).read().aliases) == 20


def test_whoever_waits_while_the_file_changes_waits_on(
    holder: subprocess.Popen[str], file: Record, bindings_path: Path, fast: FakeClock
) -> None:
    """The ten minutes start anew with each change that the holder, or one after the other, makes."""
    begin = fast.now
    changes = iter([500, 1000, 1500])
    next_change = next(changes)

    def work() -> None:
        nonlocal next_change
        if fast.now - begin > next_change:
            bindings_path.write_text(f'{{"version": 1, "accounts": {{}}, "changes": {next_change}}}')
            next_change = next(changes, 10**9)

    fast.meanwhile = work
    with pytest.raises(BindingsError, match="600 s"):
        bind(file)
    assert 2099 <= fast.now - begin <= 2102


@pytest.mark.parametrize("change", ["a new file", "touched", "gone", "same size and time"])
def test_every_change_of_the_file_counts(
    change: str, holder: subprocess.Popen[str], file: Record, bindings_path: Path, fast: FakeClock
) -> None:
    bindings_path.write_text("{}")
    os.utime(bindings_path, ns=(10**18, 10**18))
    begin = fast.now

    def work() -> None:
        if fast.now - begin < 300 or len(done) > 0:
            return
        done.append(change)
        if change == "gone":
            bindings_path.unlink()
        elif change == "touched":
            os.utime(bindings_path)
        elif change == "a new file":
            new = bindings_path.with_name("new")
            new.write_text("{}")
            new.replace(bindings_path)
        else:
            bindings_path.write_text("[]")
            os.utime(bindings_path, ns=(10**18, 10**18))

    done: list[str] = []
    fast.meanwhile = work
    with pytest.raises(BindingsError, match="600 s"):
        bind(file)
    assert 899 <= fast.now - begin <= 902


# ---- locks with a name -------------------------------------------------------------------------------------------


def test_a_lock_with_a_name_is_another_one(bindings_path: Path) -> None:
    one, two = durable(bindings_path), durable(bindings_path)
    with one.lock("a"), two.lock("b"), two.lock():
        assert Path(f"{bindings_path}.a.lock").exists()
        assert Path(f"{bindings_path}.b.lock").exists()
        assert Path(f"{bindings_path}.lock").exists()
        with pytest.raises(BindingsError, match="b.lock"), one.lock("b", timeout=0):
            pass
        with pytest.raises(BindingsError, match=r"json\.lock"), one.lock(timeout=0):
            pass
    with one.lock("b", timeout=0), one.lock(timeout=0):
        pass


def test_no_object_takes_the_same_lock_twice(bindings_path: Path) -> None:
    file = durable(bindings_path)
    for name in ("", "a"):
        with file.lock(name):
            with pytest.raises(RuntimeError, match="bindings_path"), file.lock(name):
                pass
            # The one that it has is not lost by that.
            with pytest.raises(BindingsError), durable(bindings_path).lock(name, timeout=0):
                pass
        with file.lock(name, timeout=0):
            pass


def test_only_the_lock_without_a_name_lets_change_the_file(bindings_path: Path) -> None:
    file = durable(bindings_path)
    with file.lock("a"):
        for change in (lambda: file.replace(b"x"), file.require_writable):
            with pytest.raises(RuntimeError, match="bindings_path"):
                change()
        with file.lock():
            file.replace(b"one")
        with file.lock():
            file.replace(b"two")
    assert bindings_path.read_bytes() == b"two"


def test_an_optional_lock_is_waited_for_all_the_same(holder: subprocess.Popen[str], bindings_path: Path, fast: FakeClock) -> None:
    with pytest.raises(BindingsError, match="600 s"), durable(bindings_path).lock(optional=True):
        pass


# ---- lock files that are none ------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["link", "dangling link", "folder", "FIFO", "device"])
def test_what_is_no_lock_file_is_left_alone(what: str, bindings_path: Path, tmp_path: Path) -> None:
    """In a folder that others may write to, a link in its place could lead to any file of who runs this."""
    victim = tmp_path / "victim"
    lock = Path(f"{bindings_path}.lock")
    bindings_path.write_bytes(b"one")
    bindings_path.chmod(0o666)
    if what == "link":
        victim.touch(0o600)
    if what == "folder":
        lock.mkdir()
    elif what == "FIFO":
        os.mkfifo(lock)
    else:
        lock.symlink_to("/dev/null" if what == "device" else victim)
    file = durable(bindings_path)
    with pytest.raises(BindingsError, match="bindings_path") as caught, file.lock():
        pass
    assert str(caught.value) == f"The lock {lock} of bindings_path is a link, a folder or a device, no file. Remove it"
    assert victim.exists() == (what == "link")
    if what == "link":
        assert stat.S_IMODE(victim.stat().st_mode) == 0o600
    with file.lock(optional=True):
        assert file.read() == b"one"


@pytest.mark.parametrize("moved", [True, False])
def test_another_file_of_ours_in_the_lock_s_place_keeps_its_mode(moved: bool, bindings_path: Path, tmp_path: Path) -> None:
    bindings_path.write_bytes(b"one")
    bindings_path.chmod(0o666)
    victim = tmp_path / "victim"
    victim.touch(0o600)
    lock = Path(f"{bindings_path}.lock")
    if moved:
        victim.write_text("a secret")
        victim.rename(lock)
    else:
        os.link(victim, lock)
    with durable(bindings_path).lock():
        pass
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600


def raise_error(code: int) -> int:
    raise OSError(code, os.strerror(code))


@pytest.mark.parametrize("call", ["open", "fstat", "flock", "stat"])
def test_a_lock_file_that_comes_or_goes_at_that_moment_is_taken_anew(
    call: str, bindings_path: Path, monkeypatch: pytest.MonkeyPatch, fast: FakeClock
) -> None:
    """NFS says ESTALE where another host has removed the file; NFS and SMB may say both ENOENT and EEXIST of one."""
    owner = fcntl if call == "flock" else os
    real = getattr(owner, call)
    stale: list[Any] = []

    def once(first: Any, *arguments: Any, **options: Any) -> Any:
        if len(stale) < 3 and (call != "stat" or str(first).endswith(".lock")):
            stale.append(first)
            raise_error(errno.EEXIST if len(stale) == 2 and call == "open" else errno.ESTALE)
        return real(first, *arguments, **options)

    monkeypatch.setattr(owner, call, once)
    file = durable(bindings_path)
    opened = len(os.listdir("/dev/fd"))
    with file.lock():
        file.replace(b"one")
    assert len(stale) == 3
    assert len(os.listdir("/dev/fd")) == opened


def test_locks_leave_no_descriptor_behind(holder: subprocess.Popen[str], bindings_path: Path, fast: FakeClock) -> None:
    opened = len(os.listdir("/dev/fd"))
    with pytest.raises(BindingsError), durable(bindings_path).lock(timeout=5):
        pass
    assert len(os.listdir("/dev/fd")) == opened
    assert sum(fast.slept) == pytest.approx(5)
