# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One simulated service for all proofs here, emptied before each."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    # Imports the code under test: not before tests/conftest.py, configured, has staged it.
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock
    from unit.exactly_once.playground import Account

# The folder tests, for the packages simulator and unit.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from simulator import RunningServer, Service, serve  # noqa: E402 - needs the path above
from simulator.wire import wired  # noqa: E402 - needs the path above


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
