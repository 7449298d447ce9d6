# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulated service per test, the real modules in this process, and a clock that need not be waited for.

pytest may read this file before tests/conftest.py has staged the tree: what is imported from there stands in the fixtures.
"""

from __future__ import annotations

import errno
import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import hypothesis
import pytest
from simulator import RunningServer, Service, serve
from simulator.wire import wired

if TYPE_CHECKING:
    from ansible_collections.sendclean.email.plugins.module_utils._options import Connection
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock, MakeReadOnly, ModuleResult, RunModule

# How long an example takes says nothing: other work on the machine may slow it down.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep out what the machine's user has set up: proxies, certificates, .netrc, an account of SendClean."""
    for name in list(os.environ):
        if name.startswith("SENDCLEAN_") or name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


class CurrentService:
    """Stands before the service of the test that runs: one server does for all tests, which is faster."""

    current: Service

    def __getattr__(self, name: str) -> Any:
        """Give what the service of the moment has."""
        return getattr(self.current, name)


@pytest.fixture(scope="session")
def _everyones() -> Iterator[tuple[CurrentService, RunningServer]]:
    """The server, and where to put a test's service."""
    stand_in = CurrentService()
    with serve(cast(Service, stand_in)) as running:
        yield stand_in, running


@pytest.fixture
def service() -> Service:
    """A service with one account and no users."""
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, TOKEN

    return Service({OWNER: TOKEN})


@pytest.fixture
def server(service: Service) -> Iterator[RunningServer]:
    """The same, as if it listened, for what this process sends; tests/unit/simulator sees that it makes no difference."""
    with wired(service) as base_url:
        yield RunningServer(base_url, "")


@pytest.fixture
def bare_run() -> RunModule:
    """bare_run(module_name, options) runs a module with just these options."""
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import run_main

    return run_main


@pytest.fixture
def run_module(bare_run: RunModule, server: RunningServer) -> RunModule:
    """run_module("smtp_user", check=True, alias=…) runs a module for the served account; None takes an option away."""
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, TOKEN, with_invocation

    def run(module_name: str, check: bool = False, invocation: bool = False, **options: Any) -> ModuleResult:
        given = {"owner_id": OWNER, "token": TOKEN, "api_url": server.base_url, "requests_per_minute": 0, "timeout": 5}
        given = {name: value for name, value in {**given, **options}.items() if value is not None}
        return bare_run(module_name, {**given, "_ansible_check_mode": check, **with_invocation(invocation)})

    return run


@pytest.fixture
def connection(service: Service, _everyones: tuple[CurrentService, RunningServer]) -> Connection:
    """The account over real HTTP, without pacing."""
    from ansible_collections.sendclean.email.plugins.module_utils._options import Connection
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, TOKEN

    stand_in, running = _everyones
    stand_in.current = service
    return Connection(running.base_url, OWNER, TOKEN, timeout=5.0, requests_per_minute=0)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Waiting takes no time in the collection; the service keeps the real time."""
    from ansible_collections.sendclean.email.plugins.module_utils import _client, _files
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock

    clock = FakeClock()
    for module in (_client, _files):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def bindings_path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where a bindings file can be, alone in a folder; nothing is there yet."""
    folder = tmp_path / "bindings"
    folder.mkdir()
    return folder / "bindings.json"


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> MakeReadOnly:
    """read_only(folder) makes a folder read-only, also to root, who may run this."""

    def make(folder: pathlib.Path) -> None:
        folder.chmod(0o555)
        monkeypatch.setattr(os, "access", lambda path, mode, **how: not mode & os.W_OK or bool(os.stat(path).st_mode & 0o200))
        real = os.open

        def refuse(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & os.O_CREAT and not os.path.exists(path) and pathlib.Path(os.fsdecode(path)).parent == folder:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            return real(path, flags, *arguments, **options)

        monkeypatch.setattr(os, "open", refuse)

    return make
