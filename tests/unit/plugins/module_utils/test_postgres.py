# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store in PostgreSQL by itself: versions, the lock, what sessions are like whatever is set for them."""

from __future__ import annotations

import datetime
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils import _bindings, _files, _postgres, _sql
from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record, record_at
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError, LostError
from ansible_collections.sendclean.email.plugins.module_utils._model import Intent
from ansible_collections.sendclean.email.plugins.module_utils._postgres import PostgresStore
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import BASE, ELSEWHERE, OWNER, FakeClock
from postgres import DATABASE, Postgres, served

# One server for all: it takes as long to start as many of these tests.
pytestmark = pytest.mark.xdist_group("postgres")

ACCOUNT = (BASE, OWNER)
Stores = Callable[..., PostgresStore]
MOMENT = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
NOBODY = Intent(100, 10, frozenset())


@pytest.fixture(scope="module")
def running() -> Iterator[Postgres]:
    with served("fsync=off") as server:
        server.make_table()
        server.make_table("postgresql://?sendclean_table=other")
        server.ask("create role guest login")
        server.ask("grant select, insert, delete on sendclean_bindings to guest")
        yield server


@pytest.fixture
def database(running: Postgres) -> Postgres:
    """A server whose table is empty, and whose role "guest" is as it was made."""
    running.ask("delete from sendclean_bindings")
    running.ask("alter role guest reset all")
    return running


@pytest.fixture
def stores(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    """stores(query, account) opens one; who waits for a lock gives up as soon as the server has surely ended the last session."""
    monkeypatch.setattr(_files, "LOCK_TIMEOUT", 1.0)
    opened: list[PostgresStore] = []

    def opens(query: str = "", account: tuple[str, str] = ACCOUNT, role: str = "postgres") -> PostgresStore:
        opened.append(PostgresStore(database.url.replace("postgres@", f"{role}@") + query, account))
        return opened[-1]

    yield opens
    for store in opened:
        store.close()
    deadline = time.monotonic() + 5
    while others(database):
        assert time.monotonic() < deadline, "sessions stay behind"


def others(database: Postgres) -> list[Any]:
    return database.ask(
        "select application_name from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
    )


def setting(store: PostgresStore, name: str) -> Any:
    return store._ask(f"select current_setting('{name}')")[0]


# ---- versions ---------------------------------------------------------------------------------------------------


def test_each_write_is_a_version_and_the_last_50_are_kept(stores: Stores, database: Postgres) -> None:
    store = stores()
    with store.lock():
        assert store.read() is None
        for number in range(1, 54):
            store.replace(b'{"number": %d}' % number)
    assert json.loads(store.read() or b"") == {"number": 53}
    rows = database.ask("select version, document from sendclean_bindings order by version")
    assert rows == [(number, {"number": number}) for number in range(4, 54)]


def test_versions_are_those_of_one_account(stores: Stores, database: Postgres) -> None:
    first, second = stores(), stores(account=(BASE, "another"))
    with first.lock(), second.lock():
        for store in (first, second, first):
            store.read()
            store.replace(b"{}")
    assert database.ask("select owner_id, max(version) from sendclean_bindings group by 1 order by 1") == [
        ("another", 1),
        (OWNER, 2),
    ]
    assert stores(account=(ELSEWHERE, OWNER)).read() is None


@pytest.mark.parametrize("done", ["written", "gone"])
def test_what_somebody_else_has_written_is_not_written_over(stores: Stores, database: Postgres, done: str) -> None:
    """By hand, without the lock; or the server has gone back in time."""
    store = stores()
    with store.lock():
        store.read()
        store.replace(b'{"mine": 1}')
        if done == "written":
            database.ask("insert into sendclean_bindings values (%s, %s, 2, '{}', 'a person')", *ACCOUNT)
        else:
            database.ask("delete from sendclean_bindings")
        with pytest.raises(LostError, match=r"was changed by somebody else .* from version 1 on: .*Nothing more was done"):
            store.replace(b'{"mine": 2}')
    assert b"mine" not in (store.read() or b"")


def test_a_change_without_the_lock_is_a_bug(stores: Stores) -> None:
    store = stores()
    store.read()
    with pytest.raises(RuntimeError, match="without its lock"):
        store.replace(b"{}")


@pytest.mark.parametrize("client", ["", "LATIN1"])
@pytest.mark.parametrize(("encoding", "alias"), [("UTF8", "日本"), ("LATIN1", "Grüße"), ("SQL_ASCII", "日本")])
def test_a_name_is_the_same_in_each_encoding(
    database: Postgres, encoding: str, alias: str, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the database, and of the session, for which the environment may name another one."""
    name = f"in_{encoding}_{client}".lower()
    made = f"create database {name} encoding {encoding} template template0 lc_collate 'C' lc_ctype 'C'"
    database.ask(made, database="postgres")
    database.ask(_sql.CREATE_TABLE.format(table="sendclean_bindings"), database=name)
    if client:
        monkeypatch.setenv("PGCLIENTENCODING", client)
    url = database.url.replace(DATABASE, name)
    record = record_at({"bindings_url": url}, *ACCOUNT)
    assert record is not None
    with record.lock():
        record.bind(alias, "smtp1")
    assert record.read().aliases == {alias: "smtp1"}
    record.close()


# ---- the lock ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?sendclean_table=sendclean_bindings", "?sendclean_table=public.sendclean_bindings"])
def test_each_spelling_of_the_table_has_the_same_lock(stores: Stores, query: str) -> None:
    with stores().lock(), pytest.raises(BindingsError, match=r"has been held for 1 s by sendclean on "), stores(query).lock():
        pass


@pytest.mark.parametrize(
    ("query", "account"),
    [("", (BASE, "another")), ("", (ELSEWHERE, OWNER)), ("?sendclean_table=other", ACCOUNT)],
    ids=["owner", "base-url", "table"],
)
def test_other_accounts_and_tables_have_locks_of_their_own(stores: Stores, query: str, account: tuple[str, str]) -> None:
    with stores().lock(), stores(query, account).lock():
        pass


def test_who_waits_is_told_who_has_the_lock(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_ID", "4711")
    with stores().lock():
        monkeypatch.delenv("JOB_ID")
        with pytest.raises(BindingsError) as caught, stores().lock():
            pass
    host = socket.gethostname()[:20]
    words = rf"held for 1 s by sendclean on {host} job 4711 since \d\d:\d\d:\d\dZ \(process \d+ of the server, connected 20.*\)"
    assert caught.match(words)
    assert caught.match("Wait for that run to end, or end it if it hangs, then run again")


def test_a_waiter_waits_on_while_something_changes(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    holder, waiter, clock = stores(), stores(), FakeClock()
    monkeypatch.setattr(_postgres, "time", clock)
    monkeypatch.setattr(_files, "LOCK_TIMEOUT", 600.0)
    monkeypatch.setattr(_postgres, "_LONGEST_PAUSE", 20.0)
    begun = clock.now

    def writes() -> None:
        if clock.now < begun + 2000:
            holder.replace(b"{}")

    clock.meanwhile = writes
    with holder.lock():
        holder.read()
        with pytest.raises(BindingsError, match="has been held for 600 s"), waiter.lock():
            pass
    assert begun + 2580 < clock.now < begun + 2640


def test_reading_and_looking_need_no_lock(stores: Stores) -> None:
    with stores().lock():
        assert stores().read() is None
        assert stores().try_out() == ([], True)
    assert stores().try_out() == ([], False)


def test_a_session_that_is_shared_is_found_out(stores: Stores) -> None:
    first, second = stores(), stores()
    with first.lock():
        second._connection, second._full_name = first._connection, first._full_name
        with pytest.raises(LostError, match="leads to a session that others use at the same time.*session mode"), second.lock():
            pass
        second._connection = None
        first.prove()


@pytest.mark.parametrize("ask", ["prove", "replace", "read"])
def test_a_lock_that_is_lost_is_noticed(stores: Stores, database: Postgres, ask: str) -> None:
    store = stores()
    with store.lock():
        store.read()
        database.ask(
            "select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock'"
        )
        for unused in range(2):
            with pytest.raises(LostError, match="was lost while this task held its lock.*Nothing more was done. Run again"):
                getattr(store, ask)(*([b"{}"] if ask == "replace" else []))
    assert store.read() is None


def test_a_lock_that_the_session_has_no_more_is_noticed(stores: Stores) -> None:
    store = stores()
    with store.lock():
        store.read()
        store._ask("select pg_advisory_unlock_all()")
        for ask in (store.prove, lambda: store.replace(b"{}")):
            with pytest.raises(LostError, match="is not held any more by this task's session"):
                ask()


@pytest.fixture
def begun(database: Postgres, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Record, FakeClock]]:
    """The record of a run that has the lock, as guest, and is making a user; waiting takes no time."""
    clock = FakeClock()
    for module in (_bindings, _postgres):
        monkeypatch.setattr(module, "time", clock)
    record = record_at({"bindings_url": database.url.replace("postgres@", "guest@")}, *ACCOUNT)
    assert record is not None
    with record.lock():
        record.record_intent("billing", NOBODY)
        yield record, clock
    record.close()


def restricts(database: Postgres, how: str, wanted: bool) -> None:
    """Keep guest from writing, or let it."""
    if how == "revoked":
        database.ask(f"{'revoke' if wanted else 'grant'} insert on sendclean_bindings {'from' if wanted else 'to'} guest")
    else:
        database.ask(f"alter system set default_transaction_read_only = {'on' if wanted else 'off'}")
        database.ask("select pg_reload_conf()")
        while database.ask("show default_transaction_read_only") == [("off" if wanted else "on",)]:
            pass


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("how", ["revoked", "read-only"])
def test_who_cannot_be_recorded_is_tried_for_a_minute(
    begun: tuple[Record, FakeClock], database: Postgres, how: str, ends: bool
) -> None:
    """Whatever it is that keeps the server from it, as after a fail-over, or with a full disk."""
    record, clock = begun
    start = clock.now
    restricts(database, how, True)
    if ends:
        clock.meanwhile = lambda: restricts(database, how, False) if clock.now >= start + 30 else None
        lost = record.bind_created("billing", "smtp1", MOMENT, ("shop", NOBODY))
        assert isinstance(lost, LostError)
        assert start + 30 <= clock.now < start + 35
        assert record.read().aliases == {"billing": "smtp1"}
        assert record.read().intents == {}
        return
    try:
        with pytest.raises(LostError, match='^smtp1 was created for alias "billing", but is not recorded: bindings_url '):
            record.bind_created("billing", "smtp1", MOMENT, None)
        assert start + 59 <= clock.now < start + 63
    finally:
        restricts(database, how, False)


def test_the_new_lock_is_waited_for_as_long(begun: tuple[Record, FakeClock], stores: Stores) -> None:
    record, clock = begun
    start = clock.now
    record._store._connection.close()
    with stores().lock(), pytest.raises(LostError, match="is not recorded: The lock of bindings_url has been held for 60 s by"):
        record.bind_created("billing", "smtp1", MOMENT, None)
    assert start + 59 <= clock.now < start + 63


def test_a_password_whose_time_cannot_be_recorded_is_said_to_be_made(begun: tuple[Record, FakeClock], stores: Stores) -> None:
    record, unused = begun
    record._store._connection.close()
    with stores().lock(), pytest.raises(LostError, match="^smtp1 has a new password, that of this result, but its time is not"):
        record.record_password_time("smtp1", MOMENT)
    # The server needs a moment to see that the other session is gone.
    record._store.regain(30)
    record.record_password_time("smtp1", MOMENT)
    assert record.read().password_times == {"smtp1": MOMENT}


# ---- what is set for a role -------------------------------------------------------------------------------------


def test_a_session_may_be_quiet_for_long(stores: Stores, database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    database.ask("alter role guest set idle_session_timeout = '100ms'")
    store = stores(role="guest")
    with store.lock():
        time.sleep(0.3)
        store.prove()
    # The server does end it otherwise; on a busy machine before there is a lock.
    monkeypatch.delitem(_postgres._SETTINGS, "idle_session_timeout")
    with pytest.raises(BindingsError, match="idle-session timeout"), store.lock():
        time.sleep(0.3)
        store.prove()


@pytest.mark.parametrize(("given", "then"), [("off", "on"), ("local", "local"), ("on", "on"), ("remote_apply", "remote_apply")])
def test_what_is_said_to_be_durable_is(stores: Stores, database: Postgres, given: str, then: str) -> None:
    database.ask(f"alter role guest set synchronous_commit = {given}")
    store = stores(role="guest")
    store.read()
    assert setting(store, "synchronous_commit") == then


def test_a_gone_client_is_noticed_by_the_server(stores: Stores) -> None:
    store = stores()
    store.read()
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    idle, interval, count, unanswered = (setting(store, name) for name in names)
    assert int(idle) + int(interval) * int(count) <= 30
    assert 0 < int(unanswered) <= 30000


def test_an_older_server_may_lack_a_setting(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_postgres._SETTINGS, "setting_of_the_future", "1")
    with stores().lock():
        pass


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_how_transactions_are_isolated_does_not_matter(stores: Stores, database: Postgres, isolation: str) -> None:
    database.ask(f"alter role guest set default_transaction_isolation = '{isolation}'")
    store = stores(role="guest")
    with store.lock():
        store.read()
        store.replace(b"{}")
        store.prove()


def test_a_schema_that_is_named_need_not_be_searched(stores: Stores, database: Postgres) -> None:
    database.ask("alter role guest set search_path = ''")
    with pytest.raises(BindingsError, match="has no table"):
        stores(role="guest").read()
    store = stores("?sendclean_table=public.sendclean_bindings", role="guest")
    with store.lock():
        store.read()
        store.replace(b"{}")
