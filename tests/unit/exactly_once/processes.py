# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of a module in processes of their own, which can be killed at a chosen point."""

from __future__ import annotations

import contextlib
import inspect
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from ansible_collections.sendclean.email.plugins.module_utils import _files
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import COLLECTION, run_main
from unit.exactly_once.kept import Result, steps_of
from unit.exactly_once.sabotage import changed
from unit.exactly_once.steps import NEVER

# A server process that has imported all this, and that has no threads, forks one process for each run.
_CONTEXT = multiprocessing.get_context("forkserver")
_MODULES = ("smtp_user", "smtp_users", "smtp_password_reset", "smtp_user_rotate")
_CONTEXT.set_forkserver_preload([__name__, *(f"{COLLECTION}.plugins.modules.{name}" for name in _MODULES)])


class Process:
    """One run of a module. ``signal_at`` is the point at which it sends itself ``signal_number``, ``under`` names changes to
    the code under test that it runs with.
    """

    def __init__(
        self,
        folder: Path,
        module: str,
        options: Result,
        *,
        signal_at: int | str = NEVER,
        signal_number: int = 0,
        start: Any = None,
        cwd: Path | None = None,
        lock_timeout: float = _files.LOCK_TIMEOUT,
        under: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        arguments = (str(folder), module, options, signal_at, signal_number, start, str(cwd or folder), lock_timeout, under)
        self._process = _CONTEXT.Process(target=_run, args=arguments)
        # The server looks for what to import before it has been told this process's path.
        with mock.patch.dict(os.environ, {"PYTHONPATH": os.pathsep.join(sys.path)}):
            self._process.start()

    def exit_code(self) -> int | None:
        """Wait for the end. The negative number of a signal, if one has ended it."""
        self._process.join(60)
        assert not self._process.is_alive(), "the run does not end"
        return self._process.exitcode

    def result(self) -> Result:
        """What the module printed for Ansible."""
        assert self.exit_code() == 0, self.errors()
        result: Result = json.loads((self._folder / "result").read_text())
        return result

    def points(self) -> list[str]:
        """The points that it passed, the last one included."""
        trace = self._folder / "points"
        return trace.read_text().splitlines() if trace.exists() else []

    def wait_for(self, point: str, times: int = 1) -> None:
        """Return once it has come to a point, as often as ``times`` says."""
        deadline = time.monotonic() + 60
        while self.points().count(point) < times:
            assert time.monotonic() < deadline, self.points()
            time.sleep(0.005)

    def send(self, number: int) -> None:
        """Send it a signal until it has ended."""
        deadline = time.monotonic() + 60
        while self._process.is_alive():
            assert time.monotonic() < deadline
            # It may end at this very moment.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid or 0, number)
            self._process.join(0.05)

    def errors(self) -> str:
        """What it wrote to stderr."""
        return (self._folder / "stderr").read_text()


def barrier(parties: int) -> Any:
    """Something for as many runs to wait for each other."""
    return _CONTEXT.Barrier(parties)


def _run(
    folder: str,
    module: str,
    options: Result,
    signal_at: int | str,
    signal_number: int,
    start: Any,
    cwd: str,
    lock_timeout: float,
    under: Sequence[str],
) -> None:
    """Be the process."""
    os.chdir(cwd)
    # As in a terminal: what a shell starts in the background would ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signals = [signal_number]
    trace = os.open(os.path.join(folder, "points"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    steps = steps_of(
        options,
        signal_at,
        end=lambda label: os.kill(os.getpid(), signals.pop()) if signals else None,
        passed=lambda label: os.write(trace, f"{label}\n".encode()),
    )
    with contextlib.ExitStack() as stack:
        stderr = stack.enter_context(open(os.path.join(folder, "stderr"), "w", encoding="utf-8"))
        os.dup2(stderr.fileno(), 2)
        stack.enter_context(mock.patch.object(inspect.unwrap(_files.DurableFile.lock), "__defaults__", ("", lock_timeout)))
        stack.enter_context(mock.patch.object(_files, "LOCK_TIMEOUT", lock_timeout))
        stack.enter_context(changed(under))
        stack.enter_context(steps.watched())
        if start is not None:
            start.wait(60)
        result = run_main(module, options).result
    Path(folder, "result").write_text(json.dumps(result))
