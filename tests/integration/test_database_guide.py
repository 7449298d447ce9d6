# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/bindings-in-postgresql.md says, as it stands, on a server of its own."""

from __future__ import annotations

import os
import re
import socket
from typing import Any

import pytest
import trustme
from ansible_collections.sendclean.email.plugins.module_utils import _sql
from ansible_collections.sendclean.email.plugins.module_utils._bindings import record_at
from integration.guides import ROOT, follow
from integration.project import OWNER_ID, Project
from integration.test_database import ENFORCE, changed, names
from postgres import Postgres
from postgres.secured import served_with_passwords
from simulator import Service


class Guide:
    """Says the guide's SQL to a server, and looks whether it does what the guide says."""

    def __init__(self, project: Project, server: Postgres) -> None:
        self.project, self.server = project, server
        self.url = f"postgresql://sendclean@127.0.0.1:{server.port}/sendclean"
        self.said: list[str] = []

    def say(self, statement: str) -> None:
        """Say a block."""
        self.said.append(statement)
        what = " ".join(statement.split()[:2])
        steps = {"create role": self.first, "select application_name,": self.look, "insert into": self.go_back}
        shown = steps.get(what, self.run)(statement)
        if what == "select base_url,":
            assert "(3 rows)" in shown

    def run(self, statement: str) -> str:
        return self.server.psql(statement, self.project.folder)

    def first(self, statement: str) -> str:
        return self.server.psql(statement, self.project.folder, "postgres")

    def look(self, statement: str) -> str:
        account = (self.project.environment["SENDCLEAN_API_URL"], OWNER_ID)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGPASSWORD", self.project.environment["PGPASSWORD"])
            record = record_at({"bindings_url": self.url}, *account)
            assert record
            with record.lock():
                shown = self.run(statement)
        assert f"sendclean on {socket.gethostname()[:20]} process {os.getpid()}" in shown
        assert "(1 row)" in shown
        return shown

    def go_back(self, statement: str) -> str:
        def newest() -> Any:
            return self.server.ask("select version, document from sendclean_bindings order by version desc limit 1")[0]

        before = newest()
        assert before[0] == 3
        self.server.ask(
            "insert into sendclean_bindings select base_url, owner_id, 4, '{\"version\": 1, \"accounts\": {}}', 'a mistake'"
            " from sendclean_bindings where version = 3"
        )
        shown = self.run(statement)
        assert newest() == (5, before[1])
        return shown


def test_the_guide_can_be_followed(project: Project, service: Service) -> None:
    """As it stands, but for the host, the authority and the base URL, on a server of its own, over TLS."""
    guide = (ROOT / "docs" / "bindings-in-postgresql.md").read_text(encoding="utf-8")
    with served_with_passwords() as server:
        server.ask("drop database sendclean", database="postgres")
        for here, there in {
            "db.example.com:5432": f"localhost:{server.port}",
            "host=db.example.com": f"host=localhost\nport={server.port}",
            "db.example.com": f"localhost:{server.port}",
            "/etc/ssl/certs/ca-certificates.crt": str(server.folder / "authority.pem"),
            "https://api.sendclean.net/v1.0": project.environment["SENDCLEAN_API_URL"],
        }.items():
            guide = guide.replace(here, there)
        project.write("guide.md", guide)
        project.environment["PGPASSWORD"] = "choose a long one"
        follower = Guide(project, server)
        follow(project, project.folder / "guide.md", follower.say)
        assert [statement.split()[0] for statement in follower.said] == ["create", "create", "select", "select", "insert"]
        assert len(names(service)) == 2

        # What moved back is as it was, and the service file leads there, too, as does the password file.
        for kind in ("pg_service.conf", "pgpass"):
            (text,) = re.findall(rf"^```text\n(# ~/\.{kind}\n.*?)^```$", guide, re.DOTALL | re.MULTILINE)
            project.write(f"home/{kind}", text)
            (project.folder / "home" / kind).chmod(0o600)
        inventory = (project.folder / "inventory" / "hosts.yml").read_text(encoding="utf-8")
        for variable, file, hosts in (
            ("PGPASSFILE", "pgpass", inventory),
            ("PGSERVICEFILE", "pg_service.conf", re.sub(r"postgresql://\S+", "postgresql://?service=sendclean", inventory)),
        ):
            project.write("inventory/hosts.yml", hosts)
            given = {variable: str(project.folder / "home" / file), "PGPASSWORD": None}
            assert changed(project.run(ENFORCE, **given)) == {"production": 0}

        # Another authority than the server's is not believed.
        trustme.CA().cert_pem.write_to_path(server.folder / "authority.pem")
        project.write("inventory/hosts.yml", inventory)
        refused = project.run(ENFORCE)
        assert "certificate verify failed" in refused.failures["production"]
        assert refused.failures["production"].endswith("Check sslmode and sslrootcert, and the server's certificate")


def test_the_statement_of_the_guide_is_the_one_of_the_failure() -> None:
    guide = (ROOT / "docs" / "bindings-in-postgresql.md").read_text(encoding="utf-8")
    assert f"\n{_sql.CREATE_TABLE.format(table='sendclean_bindings')}\n" in guide
