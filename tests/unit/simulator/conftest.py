# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serve one simulated service per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import requests
import simulator
from simulator import RunningServer, Service, serve

if TYPE_CHECKING:
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock

Post = Callable[..., requests.Response]


@pytest.fixture
def service() -> Service:
    """A service with two accounts."""
    return Service({"demo": "demo-token", "other": "other-token"})


@pytest.fixture
def server(service: Service) -> Iterator[RunningServer]:
    """The same, listening."""
    with serve(service) as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The time of the service, which passes only when somebody waits."""
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock

    clock = FakeClock()
    for module in (simulator.service, simulator.store):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session that no proxy or .netrc of the machine gets into."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def post(server: RunningServer, session: requests.Session) -> Post:
    """post("addSmtp", total_limit=…) as account demo; gives the whole response."""

    def post(call: str, owner_id: str = "demo", **parameters: Any) -> requests.Response:
        body = {"owner_id": owner_id, "token": f"{owner_id}-token", **parameters}
        url = f"{server.base_url}/settings/{call}"
        return session.post(url, json=body, timeout=5, allow_redirects=False)

    return post


@pytest.fixture
def call(post: Post) -> Callable[..., Any]:
    """The same, but gives the answer's JSON."""
    return lambda *args, **parameters: post(*args, **parameters).json()
