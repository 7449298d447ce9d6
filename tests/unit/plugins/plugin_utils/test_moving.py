# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bindings move between files and databases: nothing is lost, nobody works with two copies, whatever ends a move in between."""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import postgres
import pytest
from ansible_collections.sendclean.email.plugins.module_utils import _postgres
from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record, record_at
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError, LostError, SendCleanError
from ansible_collections.sendclean.email.plugins.module_utils._model import Intent
from ansible_collections.sendclean.email.plugins.plugin_utils import _moving
from ansible_collections.sendclean.email.plugins.plugin_utils._moving import move, place_at

BASE = "https://api.sendclean.net/v1.0"
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "of_later_versions": {"kept": True},
    "accounts": {
        BASE: {
            "4711": {"aliases": {"billing": "smtp1", "Größe": "smtp2"}, "password_times": {"smtp1": "2026-01-31T12:00:00Z"}},
            "4712": {"known": ["smtp9"], "later": [1]},
        },
        "https://api.example.com/v1.0": {"4711": {"aliases": {"billing": "smtp1"}}},
    },
}
KINDS = ["file-database", "database-file", "file-file", "database-database"]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    """A database, empty of tables."""
    with postgres.served() as running:
        yield running


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Two empty places of the kinds that the parameter names."""
    found = []
    for number, kind in enumerate(request.param.split("-")):
        if kind == "file":
            found.append(str(tmp_path / f"bindings-{number}.json"))
        else:
            server = request.getfixturevalue("server")
            url = server.at(server.port, f"?sendclean_table=t{number}")
            server.ask(f"drop table if exists t{number}")
            server.make_table(url)
            found.append(url)
    return found[0], found[1]


def record(place: str, owner: str = "4711", base: str = BASE) -> Record:
    """What a task has of an account there."""
    found = record_at({"bindings_url" if "://" in place else "bindings_path": place}, base, owner)
    assert found
    return found


def fill(place: str, given: dict[str, Any] | None = None) -> None:
    """Put bindings there as tasks would."""
    document = given or DOCUMENT
    if "://" not in place:
        Path(place).write_text(json.dumps(document), encoding="utf-8")
        return
    for base, owners in document["accounts"].items():
        for owner, section in owners.items():
            one = {**document, "accounts": {base: {owner: section}}}
            store = _postgres.PostgresStore(place, (base, owner))
            with store.lock():
                store.read()
                store.replace(json.dumps(one).encode())


def holds(place: str) -> Any:
    """All that there is, and that anybody could work with."""
    found = place_at(place)
    try:
        document = found.read()
        assert document["version"] == 1
        return document["accounts"], document.get("of_later_versions")
    finally:
        found.store.close()


EVERYTHING = (DOCUMENT["accounts"], DOCUMENT["of_later_versions"])


def moved(source: str, target: str, check_mode: bool = False) -> dict[str, Any]:
    return move(place_at(source), place_at(target), check_mode)


@pytest.mark.parametrize("places", KINDS, indirect=True)
def test_everything_moves_there_and_back(places: tuple[str, str]) -> None:
    fill(places[0])
    there = [places, places[::-1], places]
    for source, target in there:
        assert moved(source, target, check_mode=True)["changed"]
        assert holds(source) == EVERYTHING
        result = moved(source, target)
        assert (result["changed"], result["accounts"], result["aliases"]) == (True, 3, 3)
        option = "bindings_url" if "://" in target else "bindings_path"
        given = f"{source} to {target}: give that as smtp_users_{option}, SENDCLEAN_{option.upper()} or {option}"
        assert result["told"] == f"3 aliases move from {given}"
        assert holds(target) == EVERYTHING
        again = moved(source, target)
        assert (again["changed"], again["told"]) == (False, f"Everything has moved already, from {given}")
        with pytest.raises(BindingsError, match="has moved to"):
            record(source).read()
        with pytest.raises(BindingsError, match="has moved to"):
            # Of an account that was never there, too.
            record(source, "815").read()
        one = record(target)
        assert one.read().aliases == {"billing": "smtp1", "Größe": "smtp2"}
        one.close()


@pytest.mark.parametrize("places", ["file-database", "database-file"], indirect=True)
def test_what_was_bound_since_comes_back_and_what_was_unbound_does_not(places: tuple[str, str]) -> None:
    fill(places[0])
    moved(*places)
    one = record(places[1])
    with one.lock():
        one.read()
        one.rebind({"shop": "smtp3"}, ["billing"], [])
    one.close()
    other = record(places[1], "4712")
    with other.lock():
        other.read()
        other.rebind({"news": "smtp9"}, [], [])
        other.rebind({}, ["news"], [])
    other.close()
    moved(*places[::-1])
    accounts, _rest = holds(places[0])
    assert accounts[BASE]["4711"]["aliases"] == {"Größe": "smtp2", "shop": "smtp3"}
    assert accounts[BASE]["4712"] == {"later": [1]}


class Stop(BaseException):
    """As a kill does, this ends a move."""


def ended_at(number: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Have moves end before their step with this number, and return what says whether one did."""
    steps = 0

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == number:
                raise Stop
            return real(*arguments)

        return step

    for kind in (_moving.FilePlace, _moving.TablePlace):
        for name in ("fill", "close", "open"):
            monkeypatch.setattr(kind, name, watched(getattr(kind, name)))
    return lambda: steps >= number


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("places", KINDS, indirect=True)
def test_a_move_that_ends_early_leaves_one_place_at_most_and_is_ended_by_the_next(
    places: tuple[str, str], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(places[0])
    with monkeypatch.context() as patch:
        has_ended = ended_at(number, patch)
        with pytest.raises(Stop):
            moved(*places)
        assert has_ended()
    open_ones = []
    for place in places:
        one = record(place)
        try:
            if one.read().aliases:
                open_ones.append(place)
        except BindingsError as error:
            assert "moved to" in str(error) or "move_bindings once more" in str(error)
        finally:
            one.close()
    assert open_ones == ([places[0]] if number < 3 else [])
    if number < 3:
        # It is still in use: what is bound meanwhile moves, too.
        one = record(places[0])
        with one.lock():
            one.read()
            one.rebind({"shop": "smtp3"}, [], [])
        one.close()
    moved(*places)
    aliases = holds(places[1])[0][BASE]["4711"]["aliases"]
    assert aliases == {"billing": "smtp1", "Größe": "smtp2", **({"shop": "smtp3"} if number < 3 else {})}


@pytest.mark.parametrize("places", KINDS, indirect=True)
def test_open_intents_and_bindings_that_are_there_are_refused(places: tuple[str, str]) -> None:
    fill(places[0])
    one = record(places[0])
    with one.lock():
        one.read()
        one.record_intent("shop", Intent(1, 1, frozenset()))
    with pytest.raises(SendCleanError, match='begun and did not end, for "shop" of 4711'):
        moved(*places)
    with one.lock():
        one.read()
        one.drop_intent("shop")
    one.close()
    fill(places[1], {"version": 1, "accounts": {BASE: {"1": {"aliases": {"x": "smtp1"}}}}})
    for check_mode in (True, False):
        with pytest.raises(SendCleanError, match="sendclean_to has bindings already, of 1 accounts"):
            moved(*places, check_mode)
    assert holds(places[0]) == EVERYTHING


@pytest.mark.parametrize("places", KINDS, indirect=True)
def test_an_empty_place_the_same_place_and_one_that_has_moved_elsewhere_are_refused(
    places: tuple[str, str], tmp_path: Path
) -> None:
    with pytest.raises(SendCleanError, match="sendclean_from has no bindings"):
        moved(*places)
    with pytest.raises(SendCleanError, match="the same place"):
        moved(places[0], places[0])
    fill(places[0])
    elsewhere = str(tmp_path / "elsewhere.json")
    moved(places[0], elsewhere)
    with pytest.raises(SendCleanError, match=r"sendclean_from is closed: .* are with .*elsewhere\.json"):
        moved(*places)
    with pytest.raises(SendCleanError, match="belongs to another move"):
        fill(places[1])
        moved(places[1], places[0])


@pytest.mark.parametrize("places", ["file-database", "database-file"], indirect=True)
def test_a_move_waits_for_who_is_at_work_and_who_waits_then_is_told(places: tuple[str, str]) -> None:
    fill(places[0])
    one, begun, told = record(places[0]), threading.Event(), []

    def at_work() -> None:
        with one.lock():
            one.read()
            begun.set()
            told.append(waiting.wait(1.0))
            one.rebind({"shop": "smtp3"}, [], [])
        one.close()

    waiting = threading.Event()
    worker = threading.Thread(target=at_work)
    worker.start()
    assert begun.wait(10)
    # It says nothing before the other has ended: the thread waits for a second in vain.
    moved(*places)
    waiting.set()
    worker.join()
    assert told == [False]
    assert holds(places[1])[0][BASE]["4711"]["aliases"]["shop"] == "smtp3"
    late = record(places[0])
    with pytest.raises(BindingsError, match="has moved to"), late.lock():
        late.read()
    late.close()


def test_what_names_a_database_in_another_way_is_the_same() -> None:
    url = "postgresql://a@b/c"
    for other in ("postgres://a@b/c?sslmode=require", "postgresql://a@B:5432/c", "postgresql://another@b/c", "postgresql://b/c"):
        assert _moving.same(url, other)
    for other in ("postgresql://a@b:5433/c", "postgresql://a@b/d", "postgresql://a@x/c", f"{url}?service=x", f"{url}?port=1"):
        assert not _moving.same(url, other)
    assert not _moving.same(url, f"{url}?sslmode=require&sendclean_table=other")
    assert not _moving.same(url, "/srv/bindings.json")


def test_a_link_names_the_same_file(tmp_path: Path) -> None:
    """Its lock is the file's: who waited for both would wait for itself."""
    file, link = tmp_path / "bindings.json", tmp_path / "link.json"
    fill(str(file))
    link.symlink_to(file)
    for places in ((file, link), (link, file)):
        assert _moving.same(*map(str, places))
        with pytest.raises(SendCleanError, match="sendclean_to is the same place as sendclean_from"):
            moved(*map(str, places))
    assert holds(str(link)) == EVERYTHING


@pytest.mark.parametrize("places", KINDS, indirect=True)
def test_who_takes_turns_is_nobody_else_s_for_older_versions_there_either(places: tuple[str, str]) -> None:
    """A version that knows no standbys refuses the document: to it, they would be users to purge."""
    fill(places[0], {"version": 1, "accounts": {BASE: {"4710": {"aliases": {"news": "smtp8"}}}}})
    one = record(places[0])
    with one.lock():
        one.read()
        one.rebind({"billing": "smtp1"}, [], [])
        one.stage("billing", "smtp2", datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc))
    one.close()
    moved(*places)
    target = place_at(places[1])
    assert target.read()["version"] == 2
    target.store.close()


@pytest.mark.parametrize("places", ["file-database"], indirect=True)
@pytest.mark.parametrize("when", ["BEGIN", "COMMIT"])
def test_a_connection_that_ends_with_the_transaction_is_told(
    places: tuple[str, str], when: str, server: postgres.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(places[0])
    connected = _postgres.PostgresStore._connected

    def ends(store: _postgres.PostgresStore) -> Any:
        connection = connected(store)
        transaction = connection.transaction

        @contextlib.contextmanager
        def doomed() -> Iterator[None]:
            pid = connection.info.backend_pid
            with contextlib.ExitStack() as stack:
                if when == "COMMIT":
                    stack.enter_context(transaction())
                    yield
                server.ask(f"select pg_terminate_backend({pid}, 5000)")
                if when == "BEGIN":
                    stack.enter_context(transaction())

        return mock.Mock(wraps=connection, transaction=doomed, closed=connection.closed)

    with monkeypatch.context() as patch:
        patch.setattr(_postgres.PostgresStore, "_connected", ends)
        with pytest.raises(LostError, match="was lost while this task held its lock"):
            moved(*places)
    assert holds(places[0]) == EVERYTHING
    assert moved(*places)["changed"]
    assert holds(places[1]) == EVERYTHING


@pytest.mark.parametrize("places", ["database-file"], indirect=True)
def test_an_account_that_is_gone_when_it_comes_back_does_not_rise_from_an_old_row(places: tuple[str, str]) -> None:
    fill(places[0])
    moved(*places)
    other = record(places[1], base="https://api.example.com/v1.0")
    with other.lock():
        other.read()
        other.rebind({}, ["billing"], [])
    moved(*places[::-1])
    accounts, _rest = holds(places[0])
    assert list(accounts) == [BASE]
