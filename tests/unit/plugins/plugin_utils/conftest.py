# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account whose doctor has been called.

pytest may read this file before tests/conftest.py has staged the tree: what is imported from there stands in the fixtures.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from ansible.parsing.vault import VaultSecret
from simulator import RunningServer, Service

if TYPE_CHECKING:
    from ansible_collections.sendclean.email.plugins.plugin_utils import _role
    from ansible_collections.sendclean.email.plugins.plugin_utils._doctor import Facts
    from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.steps import Step

SECRETS = [("default", VaultSecret(b"what opens the vault"))]


@pytest.fixture
def look(server: RunningServer, bindings_path: Path) -> Callable[..., Facts]:
    """look(credentials_file=…) examines the account with these variables of the role; None takes one away."""
    from ansible_collections.sendclean.email.plugins.module_utils._errors import RoleError
    from ansible_collections.sendclean.email.plugins.plugin_utils import _role
    from ansible_collections.sendclean.email.plugins.plugin_utils._checkup import examine
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, TOKEN

    def run(secrets: Any = None, environment: Mapping[str, str] | None = None, sources: Any = (), **variables: Any) -> Facts:
        given = {"owner_id": OWNER, "token": TOKEN, "api_url": server.base_url, "bindings_path": str(bindings_path), "timeout": 5}
        given = {f"smtp_users_{name}": value for name, value in {**given, **variables}.items() if value is not None}

        @contextlib.contextmanager
        def environ() -> Iterator[None]:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in (environment or {}).items():
                    patch.setenv(name, value)
                yield

        def converted(kinds: Mapping[str, _role.Kind]) -> tuple[dict[str, Any], list[str]]:
            for name in kinds:
                if given.get(f"smtp_users_{name}") == "a mistake":
                    raise RoleError([f"smtp_users_{name} cannot be evaluated"])
            return _role.converted(given, kinds)

        vault = SimpleNamespace(secrets=SECRETS if secrets is None else secrets)
        node: Any = SimpleNamespace(
            variables={"ansible_version": {"full": "2.19.0"}},
            environment=environ,
            omit=object(),
            given=lambda names: {"ansible_inventory_sources": list(sources)},
            action=SimpleNamespace(_loader=SimpleNamespace(_vault=vault)),
        )
        return examine(node, "production", converted)

    return run


@pytest.fixture
def team(service: Service, server: RunningServer, bindings_path: Path) -> dict[str, dict[str, str]]:
    """Two users with aliases; what the credentials file has of them if all is in order."""
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, write_bindings

    users = {alias: service.create_user(OWNER) for alias in ("billing", "shop")}
    write_bindings(bindings_path, server.base_url, aliases={alias: user.smtp_user_name for alias, user in users.items()})
    return {alias: {"smtp_user_name": user.smtp_user_name, "smtp_password": user.smtp_password} for alias, user in users.items()}


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Run a step of the role, and return its result, and what was run."""
    from ansible_collections.sendclean.email.tests.unit.plugins.plugin_utils.steps import steps

    return steps(tmp_path, monkeypatch)
