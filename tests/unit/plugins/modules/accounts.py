# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account whose plan is looked at before it is carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.sendclean.email.tests.unit.plugins.helpers import (
    OWNER,
    TOKEN,
    ModuleResult,
    RunModule,
    held,
    write_bindings,
)
from simulator import Service

NAMES = ["smtp1", "smtp2", "smtp3", "smtp4", "smtp5"]


class Account:
    """An account, its bindings file and its list, and what is done to them."""

    def __init__(
        self, run: RunModule, base_url: str, service: Service, path: Path, section: dict[str, Any], **options: Any
    ) -> None:
        self.run_module, self.base_url, self.service, self.path = run, base_url, service, path
        self.section, self.options = section, options
        write_bindings(path, base_url, **section)

    def run(self, check: bool = False, **options: Any) -> ModuleResult:
        """Run the module."""
        connection = {"owner_id": OWNER, "token": TOKEN, "api_url": self.base_url, "requests_per_minute": 0}
        given = {**connection, "bindings_path": str(self.path), "purge_limit": "100%", **self.options, **options}
        return self.run_module("smtp_users", {**given, "_ansible_check_mode": check})

    def snapshot(self) -> Any:
        """Return all that a run could write."""
        return held(self.service), self.path.read_text()
