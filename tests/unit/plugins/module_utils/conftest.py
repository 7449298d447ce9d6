# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients of the simulated service, over real HTTP, and of answers that a test makes up; a bindings file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from simulator import Service

if TYPE_CHECKING:
    from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record
    from ansible_collections.sendclean.email.plugins.module_utils._client import Client
    from ansible_collections.sendclean.email.plugins.module_utils._options import Connection
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock


@pytest.fixture
def client(connection: Connection, service: Service, fast: FakeClock) -> Client:
    """A client of an account with the user smtp1; waiting takes no time."""
    from ansible_collections.sendclean.email.plugins.module_utils._client import Client

    service.create_user(connection.owner_id, smtp_user_name="smtp1")
    return Client(connection)


@pytest.fixture
def elsewhere(fast: FakeClock) -> Client:
    """A client whose requests are caught by the library responses."""
    from ansible_collections.sendclean.email.plugins.module_utils._client import Client
    from ansible_collections.sendclean.email.plugins.module_utils._options import Connection
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import ELSEWHERE, OWNER, TOKEN

    return Client(Connection(ELSEWHERE, OWNER, TOKEN, requests_per_minute=0))


@pytest.fixture
def file(bindings_path: Path) -> Record:
    """One account's part of a file that is not there yet."""
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import BASE, OWNER, record_of

    return record_of(str(bindings_path), BASE, OWNER)
