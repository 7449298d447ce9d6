# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One simulated service for all proofs here, emptied before each."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from simulator import RunningServer, Service, serve
from simulator.wire import wired

if TYPE_CHECKING:
    # Imports the code under test: not before tests/conftest.py, configured, has staged it.
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock
    from unit.exactly_once.playground import Account


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[Service, RunningServer]]:
    """The service over real HTTP, which processes of their own need."""
    from unit.exactly_once.playground import OWNER, TOKEN

    service = Service({OWNER: TOKEN})
    with serve(service) as server:
        yield service, server


@pytest.fixture
def account(served: tuple[Service, RunningServer], tmp_path: pathlib.Path) -> Account:
    """An account without users, and no bindings file yet."""
    from unit.exactly_once.playground import Account

    service, server = served
    service.reset()
    folder = tmp_path / "bindings"
    folder.mkdir()
    return Account(service, server.base_url, folder)


@pytest.fixture
def clock(account: Account) -> Iterator[FakeClock]:
    """Runs in this process wait at no cost, and need no network."""
    from unit.exactly_once.playground import fake_time

    with fake_time() as clock, wired(account.service, clock, account.options["api_url"]):
        yield clock
