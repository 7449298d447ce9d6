# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tasks say of a database that cannot be used, and that nothing is called at SendClean then; and which URLs are taken."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from ansible_collections.sendclean.email.plugins.module_utils import _files, _postgres
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, ModuleResult, RunModule, hidden, made
from postgres import DATABASE, Postgres, free_port, standby_of
from postgres.secured import PASSWORD, ROLE, served_with_passwords
from simulator import RunningServer, Service

# One server for all: it takes as long to start as many of these tests.
pytestmark = pytest.mark.xdist_group("postgres")

CREATION: dict[str, Any] = {"alias": "billing", "total_limit": 100, "hourly_limit": 10}
MODULES: dict[str, dict[str, Any]] = {
    "smtp_user": CREATION,
    "smtp_users": {"users": [CREATION]},
    "smtp_user_info": {"aliases": ["billing"]},
    "smtp_bindings": {"acknowledge": []},
    "smtp_password_reset": {"alias": "billing"},
}
NETWORK = "Start the server, or check host, port and network"
TLS = "Check sslmode and sslrootcert, and the server's certificate"
WHO = "Check the role; its password belongs into PGPASSWORD, PGPASSFILE or a service file"
WRITTEN = "Check how it is written: postgresql://user@host:5432/database?sslmode=verify-full"


@pytest.fixture(scope="module")
def running() -> Iterator[Postgres]:
    with served_with_passwords() as server:
        server.make_table()
        server.ask("create schema team")
        server.make_table("postgresql://?sendclean_table=team.bindings")
        trustme.CA().cert_pem.write_to_path(server.folder / "another.pem")
        yield server


@pytest.fixture
def database(running: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """A server whose tables are empty and may be used by the role, whose password the environment has."""
    for table in ("sendclean_bindings", "team.bindings"):
        running.ask(f"delete from {table}")
        running.ask(f"grant select, insert, delete on {table} to {ROLE}")
    running.ask(f"grant usage on schema team to {ROLE}")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    yield running
    deadline = time.monotonic() + 5
    statement = "select application_name from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
    while running.ask(statement):
        assert time.monotonic() < deadline, "sessions stay behind"


def at(database: Postgres, query: str = "", host: str = "127.0.0.1", port: int = 0, name: str = DATABASE) -> str:
    return f"postgresql://{ROLE}@{host}:{port or database.port}/{name}{query}"


def refused(run_module: RunModule, service: Service, url: str) -> ModuleResult:
    """Run a task that has to fail before a call, and whose output has no password."""
    result = run_module("smtp_user", bindings_url=url, **CREATION)
    assert result.failed
    assert not made(service)
    assert hidden(PASSWORD, result.output)
    return result


def problem_of(database: Postgres, name: str) -> tuple[str, str, str]:
    """Return a URL, the words of server or library in what is said of it, and the advice."""
    folder = database.folder
    return {
        "server-down": (at(database, port=free_port()), "refused", NETWORK),
        "unknown-host": (at(database, host="database.invalid"), "", NETWORK),
        "no-database": (
            at(database, name="nowhere"),
            'database "nowhere" does not exist',
            "Make the database, or name another one",
        ),
        "no-role": (f"postgresql://nobody@/{DATABASE}?host={folder}&port={database.port}", 'role "nobody" does not exist', WHO),
        "another-authority": (
            at(database, f"?sslmode=verify-full&sslrootcert={folder}/another.pem", host="localhost"),
            "certificate verify failed",
            TLS,
        ),
        "another-host": (
            at(database, f"?sslmode=verify-full&sslrootcert={folder}/authority.pem"),
            "does not match host name",
            TLS,
        ),
        "no-authority": (at(database, "?sslmode=verify-full"), "root certificate file", TLS),
        "no-number": (f"postgresql://{ROLE}@127.0.0.1:port/{DATABASE}", "port", WRITTEN),
        "unknown-parameter": (at(database, "?tls=yes"), "tls", WRITTEN),
        "no-service": ("postgresql://?service=nowhere", "nowhere", WRITTEN),
    }[name]


@pytest.mark.parametrize(
    "name",
    ["server-down", "unknown-host", "no-database", "no-role", "another-authority", "another-host", "no-authority", "no-number"]
    + ["unknown-parameter", "no-service"],
)
def test_a_database_that_cannot_be_reached(run_module: RunModule, service: Service, database: Postgres, name: str) -> None:
    url, words, advice = problem_of(database, name)
    result = refused(run_module, service, url)
    assert result.msg.startswith(f"bindings_url leads to no database: {url}: ")
    assert words in result.msg
    assert result.msg.endswith(f". {advice}")


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("module", MODULES)
def test_no_module_calls_sendclean_without_its_database(
    run_module: RunModule, service: Service, database: Postgres, module: str, check: bool
) -> None:
    result = run_module(module, check, bindings_url=at(database, port=free_port()), **MODULES[module])
    assert result.msg.startswith("bindings_url leads to no database: ")
    assert not made(service)


@pytest.mark.parametrize("module", MODULES)
def test_each_module_ends_its_session(run_module: RunModule, database: Postgres, module: str) -> None:
    """And works with a database: the fixture looks whether a session stays."""
    url = at(database)
    assert not run_module("smtp_user", bindings_url=url, **CREATION).failed
    for check in (True, False):
        assert not run_module(module, check, bindings_url=url, **MODULES[module]).failed


@pytest.mark.parametrize(("password", "words"), [("wrong", "password authentication failed"), (None, "no password supplied")])
def test_a_password_that_is_wrong_or_missing(
    run_module: RunModule,
    service: Service,
    database: Postgres,
    password: str | None,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    if password:
        monkeypatch.setenv("PGPASSWORD", password)
    result = refused(run_module, service, at(database))
    assert words in result.msg
    assert result.msg.endswith(WHO)
    assert not password or hidden(password, result.output)


def test_a_server_without_tls(run_module: RunModule, service: Service, database: Postgres) -> None:
    database.ask("alter system set ssl = off")
    database.ask("select pg_reload_conf()")
    try:
        url = at(database, f"?sslmode=verify-full&sslrootcert={database.folder}/authority.pem", host="localhost")
        deadline = time.monotonic() + 10
        while not (result := run_module("smtp_user", check=True, bindings_url=url, **CREATION)).failed:
            made(service)
            assert time.monotonic() < deadline
        assert "SSL" in result.msg
        assert result.msg.endswith(TLS)
        assert not made(service)
    finally:
        database.ask("alter system set ssl = on")
        database.ask("select pg_reload_conf()")


def test_a_standby_is_not_taken_for_the_primary(run_module: RunModule, service: Service, database: Postgres) -> None:
    """Its locks are its own. Of two that are named, the primary is found."""
    with standby_of(database) as standby:
        result = refused(run_module, service, at(database, port=standby.port))
        assert "read-only" in result.msg or "standby" in result.msg
        assert result.msg.endswith("It is a standby, whose locks and data are its own: name the primary")
        both = f"postgresql://{ROLE}@127.0.0.1:{standby.port},127.0.0.1:{database.port}/{DATABASE}"
        assert run_module("smtp_user", bindings_url=both, **CREATION)["changed"] is True


@pytest.mark.parametrize("table", ["of_our_own", "team.of_our_own"])
def test_the_statement_in_the_failure_makes_the_table(
    run_module: RunModule, service: Service, database: Postgres, table: str
) -> None:
    url = at(database, f"?sendclean_table={table}")
    result = refused(run_module, service, url)
    assert result.msg.startswith("bindings_url has no table ")
    assert result["create_table"] in result.msg
    database.ask(result["create_table"])
    try:
        granted = refused(run_module, service, url)
        (grant,) = re.findall("grant select.*? to ", granted.msg)
        database.ask(grant + ROLE)
        assert run_module("smtp_user", bindings_url=url, **CREATION)["changed"] is True
    finally:
        database.ask(f"drop table {table}")


@pytest.mark.parametrize(
    ("right", "table"),
    [
        ("select on sendclean_bindings", ""),
        ("insert on sendclean_bindings", ""),
        ("delete on sendclean_bindings", ""),
        ("usage on schema team", "team.bindings"),
    ],
)
def test_a_right_that_is_missing(run_module: RunModule, service: Service, database: Postgres, right: str, table: str) -> None:
    database.ask(f"revoke {right} from {ROLE}")
    url = at(database, f"?sendclean_table={table}" if table else "")
    result = run_module("smtp_user", bindings_url=url, **CREATION)
    assert result.msg.startswith("bindings_url may not be used as it has to be: ")
    assert f"grant select, insert, delete on {table or 'sendclean_bindings'} to".replace('"', "") in result.msg.replace('"', "")
    assert not made(service)["addSmtp"]
    if "select" not in right and not table:
        # Who only looks needs no more.
        database.ask(f"revoke insert, delete on sendclean_bindings from {ROLE}")
        assert not run_module("smtp_user_info", bindings_url=url).failed
        assert not run_module("smtp_user", check=True, bindings_url=url, **CREATION).failed


def test_psycopg_that_is_missing(
    run_module: RunModule, service: Service, database: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_postgres, "PSYCOPG_IMPORT_ERROR", "ModuleNotFoundError: No module named 'psycopg'")
    result = refused(run_module, service, at(database))
    assert re.match(
        r"bindings_url needs psycopg 3 for /.*: ModuleNotFoundError: .*'psycopg'\. Install psycopg\[binary\] there", result.msg
    )
    # Nobody else needs it.
    assert not run_module("smtp_user", bindings_path=str(tmp_path / "bindings.json"), **CREATION).failed


SECRET = "the-secret-of-a-url"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@127.0.0.1/d",
        f"postgres://:{SECRET}@127.0.0.1/d",
        f"postgresql://u:a/b?c{SECRET}@127.0.0.1/d",
        f"postgresql://u:p\n{SECRET}@127.0.0.1/d",
        f"postgresql://127.0.0.1/d?user=u&password={SECRET}",
        f"postgresql://127.0.0.1/d?pass%77ord={SECRET}",
        f"postgresql://127.0.0.1/d?PASSWORD={SECRET}",
        f"postgresql://127.0.0.1/d?sslpassword={SECRET}",
        f"postgresql://127.0.0.1/d?oauth_client_secret={SECRET}",
        f"postgresql://127.0.0.1/d?scram_client_key={SECRET}",
        f"postgresql://127.0.0.1/d?scram_server_key={SECRET}",
        f"mysql://u:{SECRET}@127.0.0.1/d",
        f"POSTGRESQL://u:{SECRET}@127.0.0.1/d",
        f"host=127.0.0.1 password={SECRET}",
        f" postgresql://u:{SECRET}@127.0.0.1/d",
        f"postgresql://u:{SECRET}@127.0.0.1/d ",
        [f"postgresql://u:{SECRET}@127.0.0.1/d"],
        {"url": f"postgresql://u:{SECRET}@127.0.0.1/d"},
    ],
)
def test_a_password_in_the_url_is_refused_and_shown_nowhere(run_module: RunModule, service: Service, url: Any) -> None:
    result = run_module("smtp_user", invocation=True, bindings_url=url, **CREATION, _ansible_verbosity=4)
    assert result.failed
    assert "bindings_url must " in result.msg
    assert hidden(SECRET, result.output)
    assert not made(service)


@pytest.mark.parametrize("name", ["two-hosts", "service-file", "socket", "schema", "postgres", "user-of-the-environment"])
def test_urls_as_libpq_reads_them(
    run_module: RunModule, database: Postgres, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = database.port
    services = tmp_path / "services"
    services.write_text(f"[bindings]\nhost=127.0.0.1\nport={port}\ndbname={DATABASE}\nuser={ROLE}\npassword={PASSWORD}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    if name == "service-file":
        monkeypatch.delenv("PGPASSWORD")
    if name == "user-of-the-environment":
        monkeypatch.setenv("PGUSER", ROLE)
    urls = {
        "two-hosts": f"postgresql://{ROLE}@127.0.0.1:{free_port()},127.0.0.1:{port}/{DATABASE}",
        "service-file": "postgresql://?service=bindings",
        "socket": f"postgresql://postgres@/{DATABASE}?host={database.folder}&port={port}",
        "schema": at(database, "?connect_timeout=3&sendclean_table=team.bindings&application_name=us%40work"),
        "postgres": at(database).replace("postgresql", "postgres"),
        "user-of-the-environment": f"postgresql://127.0.0.1:{port}/{DATABASE}",
    }
    result = run_module("smtp_user", invocation=True, bindings_url=urls[name], **CREATION, _ansible_verbosity=4)
    assert result["changed"] is True, result.msg
    assert hidden(PASSWORD, result.output)
    table = "team.bindings" if name == "schema" else "sendclean_bindings"
    assert database.ask(f"select max(version) from {table}") == [(2,)]


def test_tls_that_is_verified(run_module: RunModule, database: Postgres) -> None:
    url = at(database, f"?sslmode=verify-full&sslrootcert={database.folder}/authority.pem", host="localhost")
    assert run_module("smtp_user", bindings_url=url, **CREATION)["changed"] is True


@pytest.mark.parametrize("table", ["a-b", "a.b.c", "1a", 'a"; drop table b; --', "", "a%22b", "{}"])
def test_a_table_that_is_no_name(run_module: RunModule, service: Service, database: Postgres, table: str) -> None:
    assert "sendclean_table that is no name" in refused(run_module, service, at(database, f"?sendclean_table={table}")).msg


def test_a_lock_that_is_held(
    run_module: RunModule, service: Service, server: RunningServer, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another run: a dry one does not wait for it, nor one that finds everything done."""
    monkeypatch.setattr(_files, "LOCK_TIMEOUT", 1.0)
    url = at(database)
    store = _postgres.PostgresStore(url, (server.base_url, OWNER))
    with contextlib.closing(store), store.lock():
        result = refused(run_module, service, url)
        assert "The lock of bindings_url has been held for 1 s by sendclean on " in result.msg
        assert run_module("smtp_user", check=True, bindings_url=url, **CREATION)["changed"] is True
    assert run_module("smtp_user", bindings_url=url, **CREATION)["changed"] is True
    with contextlib.closing(store), store.lock():
        assert run_module("smtp_user", bindings_url=url, **CREATION)["changed"] is False
