# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A throw-away PostgreSQL in a folder of its own, and PgBouncer before it. Never a server that is there already.

A test that asks for one where there can be none is left out, and says why.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# The servers refuse to run as root.
_AS_NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
DATABASE = "sendclean"
_BOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"


def missing() -> str | None:
    """Return why there can be no server here; None where there can."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed"
    return None if _binary("initdb") else "PostgreSQL is not installed: no initdb in PATH or /usr/lib/postgresql"


def _binary(name: str) -> str | None:
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return shutil.which(name) or (str(packaged[-1]) if packaged else None)


def _run(command: Sequence[str], folder: Path) -> None:
    as_root = os.geteuid() == 0
    log = folder / "commands.log"
    with log.open("a", encoding="utf-8") as output:
        done = subprocess.run(
            [*(_AS_NOBODY if as_root else []), *command], cwd=folder, stdout=output, stderr=output, check=False, timeout=60
        )
    if done.returncode:
        raise RuntimeError(f"{command}: {log.read_text(encoding='utf-8')[-2000:]}")


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Postgres:
    """A server with one database, whose role may do all, over TCP on loopback."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The database as bindings_url names it."""
        return self.at(self.port)

    def at(self, port: int, query: str = "") -> str:
        """Return the same through something that listens on another port."""
        return f"postgresql://postgres@127.0.0.1:{port}/{DATABASE}{query}"

    def start(self, *settings: str) -> None:
        """Start it, with settings such as ``log_min_duration_statement=0``."""
        # Sockets lie in the folder, so that nobody meets another server's.
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}", *settings]
        words = " ".join(f"-c {option}" for option in [*options, "shared_buffers=16MB", "max_connections=90"])
        _run(
            [_need("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), "-o", words, "start"],
            self.folder,
        )

    def stop(self, mode: str = "immediate") -> None:
        """Stop it at once, as a crash does, or ``fast``."""
        _run([_need("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-m", mode, "stop"], self.folder)

    def ask(self, statement: str, *parameters: Any, database: str = DATABASE) -> list[Any]:
        """Run a statement as the superuser and return its rows."""
        import psycopg

        with psycopg.connect(self.url.replace(DATABASE, database), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def psql(self, script: str, folder: Path, database: str = DATABASE) -> str:
        """Run a script as the superuser, in a folder, up to its first error, and return what it prints."""
        command = [_need("psql"), "--no-psqlrc", "--set=ON_ERROR_STOP=1", self.url.replace(DATABASE, database)]
        return subprocess.run(command, input=script, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout

    def make_table(self, url: str = "postgresql://") -> None:
        """Make the table that a URL names, as its documentation says."""
        from ansible_collections.sendclean.email.plugins.module_utils import _sql
        from ansible_collections.sendclean.email.plugins.module_utils._postgres import split_table

        self.ask(_sql.CREATE_TABLE.format(table=".".join(f'"{part}"' for part in split_table(url)[1].split("."))))


def _need(name: str) -> str:
    binary = _binary(name)
    assert binary, name
    return binary


@contextlib.contextmanager
def served(*settings: str) -> Iterator[Postgres]:
    """Run a server with an empty database for a while."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    # Not below pytest's folder: the path of a socket has 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="sendclean-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        server = Postgres(folder, free_port())
        arguments = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-instructions"]
        _run([_need("initdb"), "-D", str(folder / "data"), *arguments], folder)
        server.start(*settings)
        try:
            server.ask(f"create database {DATABASE}", database="postgres")
            yield server
        finally:
            with contextlib.suppress(RuntimeError):
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def standby_of(server: Postgres) -> Iterator[Postgres]:
    """Run a server that follows another one and may only be read, without the passwords of the first."""
    folder = Path(tempfile.mkdtemp(prefix="sendclean-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        source = f"host={server.folder} port={server.port} user=postgres"
        _run([_need("pg_basebackup"), "-d", source, "-D", str(folder / "data"), "-R", "-c", "fast"], folder)
        standby = Postgres(folder, free_port())
        standby.start()
        try:
            yield standby
        finally:
            standby.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def bounced(server: Postgres, pool_mode: str, pool_size: int = 1) -> Iterator[int]:
    """Run PgBouncer before a server and return its port."""
    if not shutil.which(_BOUNCER):
        pytest.skip("PgBouncer is not installed")
    port = free_port()
    settings = f"""[databases]
* = host=127.0.0.1 port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {pool_mode}
default_pool_size = {pool_size}
ignore_startup_parameters = extra_float_digits
"""
    configuration = server.folder / f"pgbouncer-{port}.ini"
    configuration.write_text(settings.replace("* =", f"{DATABASE} = user=postgres dbname={DATABASE}"), encoding="utf-8")
    configuration.chmod(0o644)
    command = [*(_AS_NOBODY if os.geteuid() == 0 else []), _BOUNCER, "-q"]
    process = subprocess.Popen([*command, str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < deadline, "PgBouncer does not listen"
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()
