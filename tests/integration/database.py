# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table for bindings, and a role that has just the rights that the guide grants, with a password."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import trustme
from postgres import DATABASE, Postgres, served

ROLE = "sendclean_runs"
# With all that means something else in a URL, in a template, or in a shell.
PASSWORD = "the password: of @ the/database's #role? %40 {{ 1 }} $HOME &"


@contextlib.contextmanager
def served_with_passwords() -> Iterator[Postgres]:
    """Run a server that asks all but its superuser for a password, over TLS, too, as localhost."""
    with served() as server:
        rules = server.folder / "data" / "pg_hba.conf"
        before = rules.read_text(encoding="utf-8")
        rules.write_text(f"host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n{before}", "utf-8")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(server.folder / "authority.pem")
        certificate = authority.issue_cert("localhost")
        certificate.cert_chain_pems[0].write_to_path(server.folder / "data" / "server.crt")
        key = server.folder / "data" / "server.key"
        certificate.private_key_pem.write_to_path(key)
        key.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(key, "nobody", "nogroup")
        server.ask("alter system set ssl = on")
        server.ask("select pg_reload_conf()")
        server.ask(f"create role {ROLE} login password '{PASSWORD.replace(chr(39), 2 * chr(39))}'")
        yield server


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
