# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines that are shown while a module runs: when, where, when not, and that nothing is left of it."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible.errors import AnsibleError
from ansible.utils.display import Display
from ansible_collections.sendclean.email.plugins.module_utils._progress import CHANNEL, tell
from ansible_collections.sendclean.email.plugins.plugin_utils import _watch

# Shorter than it is, so that a test need not wait for it.
SECONDS = 0.06
# The hooks of a run: with a time-out, so that a test without lines ends.
PATIENCE = 10.0


class Screen:
    """Stands for Ansible's display."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str, dict[str, Any]]] = []
        self._arrived = threading.Condition()

    def display(self, text: str, **how: Any) -> None:
        with self._arrived:
            self.lines.append((time.monotonic(), text, how))
            self._arrived.notify_all()

    def wait(self, lines: int) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.lines) >= lines, PATIENCE)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Screen:
    """What a user sees; the folder of a run's temporary files is empty."""
    screen = Screen()
    monkeypatch.setattr(Display, "display", lambda self, text, **how: screen.display(text, **how))
    monkeypatch.setattr(_watch, "SECONDS", SECONDS)
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return screen


def test_lines_come_while_the_module_runs_and_to_standard_error(screen: Screen, tmp_path: Path) -> None:
    begun = time.monotonic()
    with _watch.progress_shown("production"):
        (file,) = tmp_path.iterdir()
        assert os.environ[CHANNEL] == str(file)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        for done in range(40):
            tell(done, 40)
            time.sleep(SECONDS / 8)
        screen.wait(4)
    times = [when - begun for when, _text, _how in screen.lines]
    assert times[0] >= SECONDS
    assert [how for _when, _text, how in screen.lines] == [{"stderr": True}] * len(screen.lines)
    assert screen.lines[0][1].startswith("production: ") and " of 40 users, about 1 minute left" in screen.lines[0][1]
    shown = len(screen.lines)
    time.sleep(SECONDS * 2)
    assert len(screen.lines) == shown


def test_a_module_that_stands_still_still_has_its_line(screen: Screen) -> None:
    """A call that waits for SendClean, or a lock, may take minutes."""
    with _watch.progress_shown("production"):
        tell(0, 3)
        screen.wait(3)
    assert {text for _when, text, _how in screen.lines} == {"production: 0 of 3 users"}


def test_nothing_is_shown_of_a_module_that_tells_nothing(screen: Screen) -> None:
    with _watch.progress_shown("production"):
        time.sleep(SECONDS * 3)
    assert not screen.lines


def test_nothing_is_shown_before_its_time(screen: Screen) -> None:
    with _watch.progress_shown("production"):
        tell(1, 2)
        time.sleep(SECONDS / 2)
    assert not screen.lines


@pytest.mark.parametrize("ends", [None, RuntimeError("the module was killed"), KeyboardInterrupt()])
def test_nothing_is_left(screen: Screen, tmp_path: Path, ends: BaseException | None) -> None:
    before, threads = dict(os.environ), threading.active_count()
    handles = len(os.listdir("/dev/fd"))

    def run() -> None:
        with _watch.progress_shown("production"):
            tell(1, 2)
            if ends:
                raise ends

    if ends:
        with pytest.raises(type(ends)):
            run()
    else:
        run()
    assert not list(tmp_path.iterdir())
    assert dict(os.environ) == before
    assert threading.active_count() == threads
    assert len(os.listdir("/dev/fd")) == handles


def test_a_file_that_is_gone_does_no_harm(screen: Screen, tmp_path: Path) -> None:
    """As when somebody cleans up behind a run."""
    with _watch.progress_shown("production"):
        tell(1, 2)
        for file in tmp_path.iterdir():
            file.unlink()
        tell(2, 2)
        screen.wait(1)
    assert screen.lines[0][1] == "production: 1 of 2 users"


def test_where_no_file_can_be_the_module_runs_all_the_same(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**unused: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkstemp", full)
    ran = False
    with _watch.progress_shown("production"):
        assert CHANNEL not in os.environ
        ran = True
    assert ran


def test_an_error_of_the_module_is_not_taken_for_one_of_the_file(screen: Screen) -> None:
    with pytest.raises(OSError, match="the connection's own"), _watch.progress_shown("production"):
        raise OSError("the connection's own")


@pytest.mark.parametrize(("shown", "lines"), [(True, True), (False, False), (None, True)])
def test_quiet_where_ansible_is_quiet(screen: Screen, monkeypatch: pytest.MonkeyPatch, shown: bool | None, lines: bool) -> None:
    """A callback that has no such setting is not quiet."""

    def value(name: str, **of: Any) -> bool:
        assert (name, of) == ("display_ok_hosts", {"plugin_type": "callback", "plugin_name": constants.DEFAULT_STDOUT_CALLBACK})
        if shown is None:
            raise AnsibleError(name)
        return shown

    monkeypatch.setattr(constants.config, "get_config_value", value)
    with _watch.progress_shown("production"):
        tell(1, 2)
        time.sleep(SECONDS * 2.5)
    assert bool(screen.lines) == lines
