# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action smtp_credentials, run in this process for an account with two aliases, and the file that it keeps.

pytest may read this file before tests/conftest.py has staged the tree: what is imported from there stands in the fixtures.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from simulator import RunningServer, Service

if TYPE_CHECKING:
    from ansible_collections.sendclean.email.tests.unit.plugins.action.encrypted import Act


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """The file, alone in a folder; it is not there yet."""
    (tmp_path / "stored").mkdir()
    return tmp_path / "stored" / "smtp.yml"


@pytest.fixture
def act(dest: Path, bindings_path: Path, server: RunningServer, service: Service) -> Act:
    """act(check=True, vault_id=…) runs the action for an account with the aliases billing and shop; None takes an option away."""
    from ansible_collections.sendclean.email.plugins.action import smtp_credentials
    from ansible_collections.sendclean.email.tests.unit.plugins.action.encrypted import VAULT_SECRET
    from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, TOKEN, write_bindings

    for name in ("smtp1", "smtp2", "smtp3"):
        service.create_user(OWNER, smtp_user_name=name)
    write_bindings(bindings_path, server.base_url, aliases={"billing": "smtp1", "shop": "smtp2"})

    def run(
        check: bool = False,
        secrets: list[tuple[str, VaultSecret]] | None = None,
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        given = {"owner_id": OWNER, "token": TOKEN, "api_url": server.base_url, "requests_per_minute": 0, "timeout": 5}
        given = {**given, "dest": str(dest), "bindings_path": str(bindings_path), **options}
        arguments = {name: value for name, value in given.items() if value is not None}
        task = SimpleNamespace(args=arguments, check_mode=check, environment=environment, async_val=0, action="smtp_credentials")
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None, env_prefix=lambda **variables: ""))
        loader = DataLoader()
        loader.set_basedir(str(dest.parent))
        loader.set_vault_secrets([("default", VAULT_SECRET)] if secrets is None else secrets)
        templar = SimpleNamespace(template=lambda value: value)
        action = smtp_credentials.ActionModule(task, connection, None, loader, templar, None)
        result: dict[str, Any] = action.run(task_vars={})
        return result

    return run
