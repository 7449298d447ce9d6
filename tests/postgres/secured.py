# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that asks for passwords, over TLS, too."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from postgres import Postgres, served

ROLE = "sendclean_runs"
# With all that means something else in a URL, in a template, or in a shell.
PASSWORD = "the password: of @ the/database's #role? %40 {{ 1 }} $HOME &"


@contextlib.contextmanager
def served_with_passwords() -> Iterator[Postgres]:
    """Run a server that asks all but its superuser for a password, over TLS, too, as localhost."""
    import trustme

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
