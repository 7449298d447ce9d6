# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table for bindings, and a role that has just the rights that the guide grants, with a password."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from postgres import DATABASE, Postgres
from postgres.secured import ROLE


@dataclass(frozen=True)
class Database:
    """One table of a server."""

    server: Postgres
    table: str

    @property
    def url(self) -> str:
        """What bindings_url is."""
        return f"postgresql://{ROLE}@127.0.0.1:{self.server.port}/{DATABASE}?sendclean_table={self.table}"

    def make_table(self) -> None:
        """Make it, and grant the rights."""
        self.server.make_table(self.url)
        self.server.ask(f"grant select, insert, delete on {self.table} to {ROLE}")

    def documents(self) -> dict[str, Any]:
        """Return what the newest rows have of the accounts, by owner_id."""
        rows = self.server.ask(f"select base_url, owner_id, document from {self.table} order by version")
        return {owner_id: document["accounts"].get(base_url, {}).get(owner_id, {}) for base_url, owner_id, document in rows}

    def aliases(self, owner_id: str) -> dict[str, str]:
        """Return which user each alias is bound to."""
        return dict(self.documents().get(owner_id, {}).get("aliases", {}))

    def write(self, base_url: str, accounts: dict[str, Any]) -> None:
        """Put bindings there, by owner_id."""
        for owner_id, section in accounts.items():
            document = {"version": 1, "accounts": {base_url: {owner_id: section}}}
            statement = (
                f"insert into {self.table} select %s, %s, coalesce(max(version), 0) + 1, %s::json, 'a test'"
                f" from {self.table} where base_url = %s and owner_id = %s"
            )
            self.server.ask(statement, base_url, owner_id, json.dumps(document), base_url, owner_id)

    def forget(self) -> None:
        """Lose all of it."""
        self.server.ask(f"truncate {self.table}")
