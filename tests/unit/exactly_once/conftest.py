# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One simulated service for all proofs here, emptied before each."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from postgres import served as serve_database
from simulator import RunningServer, Service, serve
from simulator.wire import wired

if TYPE_CHECKING:
    # Imports the code under test: not before tests/conftest.py, configured, has staged it.
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock
    from unit.exactly_once.kept import InDatabase, Kept
    from unit.exactly_once.playground import Account
    from unit.exactly_once.trials import Trial


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[Service, RunningServer]]:
    """The service over real HTTP, which processes of their own need."""
    from unit.exactly_once.playground import OWNER, TOKEN

    service = Service({OWNER: TOKEN})
    with serve(service) as server:
        yield service, server


@pytest.fixture(scope="session")
def database() -> Iterator[InDatabase]:
    """A database server for all tests of this process, with two tables. Its own power does not fail."""
    from unit.exactly_once.kept import InDatabase

    with serve_database("fsync=off") as server:
        server.make_table()
        server.make_table("postgresql://?sendclean_table=theirs")
        kept = InDatabase(server)
        yield kept
        kept.close()


@pytest.fixture
def stores(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Callable[[str], Kept]:
    """stores(name) is an empty place for bindings."""
    from unit.exactly_once.kept import InFile

    def named(store: str) -> Kept:
        if store == "file":
            return InFile(tmp_path / "bindings")
        kept: Kept = request.getfixturevalue("database")
        kept.empty()
        return kept

    return named


@pytest.fixture(params=["file", "database"])
def account(request: pytest.FixtureRequest, served: tuple[Service, RunningServer], stores: Callable[[str], Kept]) -> Account:
    """An account without users, and no bindings yet, in each store."""
    from unit.exactly_once.playground import Account

    service, server = served
    service.reset()
    return Account(service, server.base_url, stores(request.param))


@pytest.fixture
def trial(account: Account, tmp_path: pathlib.Path) -> Iterator[Trial]:
    """Runs that end with the test."""
    from unit.exactly_once.trials import Trial

    trial = Trial(account, tmp_path / "runs")
    yield trial
    trial.end()


@pytest.fixture
def clock(account: Account) -> Iterator[FakeClock]:
    """Runs in this process wait at no cost, and need no network."""
    from unit.exactly_once.playground import fake_time

    with fake_time() as clock, wired(account.service, clock, account.options["api_url"]):
        yield clock
