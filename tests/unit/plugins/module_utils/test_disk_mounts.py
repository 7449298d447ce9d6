# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mounted file systems: read-only, full, a single file; and files that are protected."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import RunModule, durable, made, snapshot, write_bindings
from simulator import RunningServer, Service
from unit.plugins.module_utils.disks import AS_ROOT, change, mounted, whole


@AS_ROOT
@pytest.mark.parametrize("has_lock", [True, False])
def test_a_read_only_checkout(
    has_lock: bool, bindings_path: Path, run_module: RunModule, server: RunningServer, service: Service
) -> None:
    user = service.create_user("demo", 100, 10)
    write_bindings(bindings_path, server.base_url, aliases={"billing": user.smtp_user_name})
    if has_lock:
        Path(f"{bindings_path}.lock").touch()
    folder = str(bindings_path.parent)
    with mounted("--bind", "-o", "ro", folder, folder):
        before = snapshot(bindings_path.parent)
        file = durable(bindings_path)
        with file.lock("account", optional=True), file.lock(optional=True):
            assert file.read() == bindings_path.read_bytes()
            for step in (lambda: file.replace(b"x"), file.require_writable):
                with pytest.raises(BindingsError, match="read-only"):
                    step()
        with pytest.raises(BindingsError, match="read-only"), file.lock():
            pass
        done = run_module("smtp_user", alias="billing", total_limit=200, bindings_path=str(bindings_path))
        assert done["changed"] is True
        made(service)
        refused = run_module("smtp_user", alias="shop", total_limit=1, hourly_limit=1, bindings_path=str(bindings_path))
        assert refused.failed
        assert "bindings_path" in refused.msg
        assert made(service)["addSmtp"] == 0
        assert snapshot(bindings_path.parent) == before


@AS_ROOT
def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    path = folder / "bindings.json"
    with mounted("-t", "tmpfs", "-o", "size=64k", "none", str(folder)):
        change(path, b"1" * 20000)
        with pytest.raises(BindingsError, match=os.strerror(errno.ENOSPC)):
            change(path, b"2" * 80000)
        assert path.read_bytes() == b"1" * 20000
        assert whole(path) == ["bindings.json", "bindings.json.lock"]
        (folder / "ballast").write_bytes(b"x" * 40000)
        file = durable(path)
        with file.lock():
            file.read()
            with pytest.raises(BindingsError, match=os.strerror(errno.ENOSPC)):
                file.require_writable()
        assert path.read_bytes() == b"1" * 20000
        (folder / "ballast").unlink()
        change(path, b"3")


@AS_ROOT
def test_a_file_that_is_mounted_by_itself(bindings_path: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_bytes(b"one")
    bindings_path.touch()
    with mounted("--bind", str(outside), str(bindings_path)):
        file = durable(bindings_path)
        with file.lock():
            assert file.read() == b"one"
            for step in (lambda: file.replace(b"two"), file.require_writable):
                with pytest.raises(BindingsError, match="Mount its folder"):
                    step()
        assert whole(bindings_path) == ["bindings.json", "bindings.json.lock"]
    assert outside.read_bytes() == b"one"


@AS_ROOT
@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_file_that_is_protected(flag: str, bindings_path: Path) -> None:
    change(bindings_path, b"one")
    command = ["chattr", f"+{flag}", str(bindings_path)]
    if not shutil.which("chattr") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no such flags here")
    try:
        file = durable(bindings_path)
        with file.lock():
            file.read()
            with pytest.raises(BindingsError, match="chattr"):
                file.require_writable()
    finally:
        subprocess.run(["chattr", f"-{flag}", str(bindings_path)], check=True)
    assert whole(bindings_path) == ["bindings.json", "bindings.json.lock"]
    change(bindings_path)


def test_a_hard_link_keeps_what_it_had(bindings_path: Path) -> None:
    change(bindings_path, b"one")
    other = bindings_path.with_name("other")
    os.link(bindings_path, other)
    change(bindings_path)
    assert (bindings_path.read_bytes(), other.read_bytes()) == (b"two", b"one")
