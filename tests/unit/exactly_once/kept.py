# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an account's bindings are kept, as a test looks at it and people change it: without the code under test."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from postgres import Postgres
from unit.exactly_once.steps import DatabaseSteps, Disk, FileSteps, Outage, Steps, Told

Result = dict[str, Any]


def around(*steps: str, sent: bool = False) -> set[str]:
    """The points of steps."""
    return {f"{when} {step}" for step in steps for when in (("before", "sent", "after") if sent else ("before", "after"))}


class Kept:
    """What each store can do. ``options`` is how a task names it."""

    options: Result
    # The least of the points that a write of an intent, of a binding, and what a run begins with, pass; where a process waits
    # for the lock; where it is interrupted.
    writes: dict[str, set[str]]
    waits_at: str
    interrupted_at: tuple[str, ...]
    # The beginning of what is said of a lock that is held for too long.
    held: str

    def spellings(self) -> list[Result]:
        """Two ways to name it."""
        raise NotImplementedError

    def theirs(self) -> Result:
        """Name another one."""
        raise NotImplementedError

    def document(self) -> Result | None:
        """All that is kept, which must be whole whenever somebody looks; None where there is nothing."""
        raise NotImplementedError

    def put(self, document: Result) -> None:
        """Put something else there, by hand."""
        raise NotImplementedError

    def lose(self) -> None:
        """Lose it all."""
        raise NotImplementedError

    def empty(self) -> None:
        """Leave nothing, neither of it nor beside it."""
        raise NotImplementedError

    def texts(self) -> list[str]:
        """All that is written there, to look for secrets."""
        raise NotImplementedError

    def snapshot(self) -> Any:
        """What would give away that something was touched."""
        raise NotImplementedError

    def left_behind(self) -> set[str]:
        """What runs have left beside the bindings."""
        return self.left_open()

    def left_open(self) -> set[str]:
        """Sessions that have not ended with their run."""
        return set()

    def power(self, end_at: int, keeps_renames: bool = True) -> Disk | Outage:
        """The points of a run in this process that ends at one of them as by a power failure."""
        raise NotImplementedError


class InFile(Kept):
    """A bindings file in a folder of its own."""

    # "after unlink" comes only where a crash has left something behind.
    _WRITE = around("open empty file", "open folder", "fsync folder") | {"before unlink"}
    writes = {
        "intent": _WRITE | around("fsync file with intent", "replace by file with intent"),
        "binding": _WRITE | around("open lock", "fsync file without intent", "replace by file without intent"),
    }
    waits_at = "before open lock of the account"
    interrupted_at = (
        "before replace by file with intent",
        "sent addSmtp",
        "after addSmtp",
        "after open empty file",
        "after fsync file without intent",
        "after replace by file without intent",
    )

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "bindings.json"
        self.options = {"bindings_path": str(self.path)}

    def spellings(self) -> list[Result]:
        link = self.path.parent.parent / "link.json"
        if not link.is_symlink():
            link.symlink_to(self.path)
        return [self.options, {"bindings_path": str(link)}]

    def theirs(self) -> Result:
        return {"bindings_path": str(self.path.parent.parent / "theirs.json")}

    def document(self) -> Result | None:
        return dict(json.loads(self.path.read_text())) if self.path.exists() else None

    def put(self, document: Result) -> None:
        self.path.write_text(json.dumps(document))

    def lose(self) -> None:
        self.path.unlink()

    def empty(self) -> None:
        for entry in self.path.parent.iterdir():
            entry.unlink()

    def texts(self) -> list[str]:
        return [entry.read_text() for entry in self.path.parent.iterdir() if entry.is_file()]

    def snapshot(self) -> Any:
        return {entry.name: entry.read_bytes() for entry in self.path.parent.iterdir()}

    def left_behind(self) -> set[str]:
        # Locks stay, of the file and of each account.
        names = {entry.name for entry in self.path.parent.iterdir() if entry.suffix != ".lock"}
        return names - {self.path.name}

    @property
    def held(self) -> str:
        (lock,) = self.path.parent.glob("bindings.json.?*.lock")
        return f"Another process has held the lock {lock} of bindings_path for 0.3 s."

    def power(self, end_at: int, keeps_renames: bool = True) -> Disk:
        return Disk(self.path, end_at, keeps_renames)


class InDatabase(Kept):
    """A table of a server. A second one is another team's."""

    writes = {
        "intent": around("write with intent", "read", sent=True),
        "binding": around("take", "sign", "write without intent", sent=True) | around("connect", "disconnect"),
    }
    waits_at = "before take"
    interrupted_at = (
        "after connect",
        "sent take",
        "after sign",
        "sent write with intent",
        "after write with intent",
        "after prove",
        "sent addSmtp",
        "after addSmtp",
        "sent write without intent",
        "after write without intent",
    )
    held = "The lock of bindings_url has been held for 0.3 s by sendclean on "

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.options = {"bindings_url": server.url}
        self._connection: Any = None

    def spellings(self) -> list[Result]:
        return [self.options, {"bindings_url": f"{self.server.url}?sendclean_table=public.sendclean_bindings"}]

    def theirs(self) -> Result:
        return {"bindings_url": f"{self.server.url}?sendclean_table=theirs"}

    def ask(self, statement: str, *parameters: Any) -> list[Any]:
        """Run a statement and return its rows."""
        import psycopg

        # The server may have been started anew since.
        for last in (False, True):
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(self.server.url, autocommit=True)
                cursor = self._connection.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                self._connection.close()
                if last:
                    raise
        raise AssertionError

    def document(self) -> Result | None:
        accounts: Result = {}
        for base_url, owner_id, document in self.ask(
            "select distinct on (base_url, owner_id) base_url, owner_id, document::text from sendclean_bindings"
            " order by base_url, owner_id, version desc"
        ):
            content = json.loads(document)
            assert content["accounts"].keys() == {base_url}
            assert content["accounts"][base_url].keys() == {owner_id}
            accounts.setdefault(base_url, {}).update(content["accounts"][base_url])
        return {"version": 1, "accounts": accounts} if accounts else None

    def put(self, document: Result) -> None:
        for base_url, owners in document["accounts"].items():
            for owner_id, section in owners.items():
                content = {"version": 1, "accounts": {base_url: {owner_id: section}}}
                self.ask(
                    "insert into sendclean_bindings (base_url, owner_id, version, document, written_by)"
                    " select %s, %s, coalesce(max(version), 0) + 1, %s, 'a person' from sendclean_bindings",
                    *(base_url, owner_id, json.dumps(content)),
                )

    def lose(self) -> None:
        self.ask("delete from sendclean_bindings")

    def empty(self) -> None:
        # Sessions of runs that were stopped, if they are still there: a run that has to wait for one passes other points.
        self.ask(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        self.ask("with theirs as (delete from theirs) delete from sendclean_bindings")

    def texts(self) -> list[str]:
        return [" ".join(map(str, row)) for row in self._rows()]

    def snapshot(self) -> Any:
        return self._rows()

    def _rows(self) -> list[Any]:
        return self.ask("select *, document::text from sendclean_bindings order by base_url, owner_id, version")

    def left_open(self) -> set[str]:
        # The server needs a moment for each.
        deadline = time.monotonic() + 5
        while True:
            sessions = self.sessions()
            if not sessions or time.monotonic() > deadline:
                return sessions
            time.sleep(0.001)

    def sessions(self) -> set[str]:
        """Which there are beside this one."""
        rows = self.ask(
            "select application_name || ' (' || pid || ')' from pg_stat_activity"
            " where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        return {row[0] for row in rows}

    def power(self, end_at: int, keeps_renames: bool = True) -> Outage:
        return Outage(end_at)

    def close(self) -> None:
        """End the test's own session."""
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()


def steps_of(options: Result, end_at: int | str, end: Told, passed: Told) -> Steps:
    """The points of a run with these options."""
    if "bindings_url" in options:
        return DatabaseSteps(end_at, end, passed)
    return FileSteps(Path(options["bindings_path"]).resolve().parent, end_at, end, passed)
