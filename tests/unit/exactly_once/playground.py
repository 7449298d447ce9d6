# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the proofs share: the simulated account with its bindings, real runs of a module, a clock."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from unittest import mock

import simulator.service
import simulator.store
from ansible_collections.sendclean.email.plugins.module_utils import (
    _bindings,
    _client,
    _files,
    _lag,
    _postgres,
)
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock, run_main
from simulator import Service, SimulatedUser
from unit.exactly_once.kept import Kept, Result

OWNER = "owner-of-the-playground"
TOKEN = "token-that-must-not-show"
# How long a run waits for an answer, in seconds.
TIMEOUT = 5.0


@contextlib.contextmanager
def fake_time() -> Iterator[FakeClock]:
    """One time, that need not be waited for, for the code under test and the service alike."""
    clock = FakeClock()
    with contextlib.ExitStack() as stack:
        for module in (_bindings, _client, _files, _postgres, simulator.service, simulator.store):
            stack.enter_context(mock.patch.object(module, "time", clock))
        stack.enter_context(mock.patch.object(_lag, "utc_now", clock.utc_now))
        yield clock


class Account:
    """One account of a simulated service, and where its bindings are kept."""

    def __init__(self, service: Service, api_url: str, kept: Kept) -> None:
        self.service = service
        self.kept = kept
        self.options = {
            "owner_id": OWNER,
            "token": TOKEN,
            "api_url": api_url,
            "timeout": TIMEOUT,
            "retry_timeout": 20,
            "requests_per_minute": 0,
            **kept.options,
        }

    def users(self) -> list[SimulatedUser]:
        """What the service truly holds, whatever its listing shows."""
        return self.service.users(OWNER)

    def user(self, name: str) -> SimulatedUser:
        """One of them."""
        return next(user for user in self.users() if user.smtp_user_name == name)

    def calls(self) -> Counter[str]:
        """How often each call has arrived, carried out or not."""
        return Counter(entry.call for entry in self.service.log)

    def carried_out(self) -> Counter[str]:
        """How often each call was carried out."""
        return Counter(entry.call for entry in self.service.log if entry.carried_out)

    def bindings(self) -> Result:
        """The account's part of the bindings, which must be whole whenever somebody looks."""
        document = self.kept.document() or {"accounts": {}}
        section = document["accounts"].get(self.options["api_url"], {}).get(OWNER, {})
        assert set(section) <= {"aliases", "intents", "known", "password_times", "standbys"}
        return dict(section)

    def acknowledge(self, *names: str) -> None:
        """Say that users are somebody else's."""
        assert not self.run("smtp_bindings", acknowledge=list(names)).get("failed")

    def aliases(self) -> dict[str, str]:
        """Which user each alias has."""
        return dict(self.bindings().get("aliases", {}))

    def run(self, module: str, **options: Any) -> Result:
        """Run a module in this process and look for secrets in all that it leaves."""
        result = run_main(module, {**self.options, **options}).result
        self.refuse_secrets(result)
        return result

    def refuse_secrets(self, result: Result) -> None:
        """No token and no password may show but the one that a reset was asked for, in its place."""
        texts = [json.dumps({key: value for key, value in result.items() if key != "smtp_password"})]
        texts += self.kept.texts()
        shown = [secret for secret in self.service.secrets for text in texts if secret in text]
        assert not shown, f"secrets shown: {shown}"
