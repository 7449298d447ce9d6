# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The points of a run: before and after each thing it does to its bindings, and around each call. At any of them it can end."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import requests
from ansible_collections.sendclean.email.plugins.module_utils import _sql
from simulator.wire import Wire

Told = Callable[[str], object]

# The number of a point that no run comes to.
NEVER = 10**9


class Steps:
    """Watch a run's input and output, and call ``end`` at the point ``end_at``: a number, or a label. One that comes by for the
    second time ends with " (2)".

    Every step has a point before and one after it. What waits for an answer, as calls of the API and statements do, has a
    third, "sent", between its request and the answer.
    """

    def __init__(self, end_at: int | str, end: Told, passed: Told) -> None:
        self._end_at = end_at if isinstance(end_at, int) else NEVER
        self._label = end_at
        self._end = end
        self._passed = passed
        self._count = 0
        self._times: Counter[str] = Counter()
        self._call = ""

    def point(self, label: str) -> None:
        """Pass a point, or end here and, if the run's clean-up comes by, at any later point too."""
        self._count += 1
        self._times[label] += 1
        if self._label in (label, f"{label} ({self._times[label]})"):
            self._end_at = min(self._end_at, self._count)
        if self._count <= self._end_at:
            self._passed(label)
        if self._count >= self._end_at:
            self._end(label)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Put the points in."""
        with contextlib.ExitStack() as stack:
            self.watch_store(stack)
            self._real_post = requests.Session.post
            stack.enter_context(mock.patch.object(requests.Session, "post", self._post()))
            for owner, method in ((http.client.HTTPConnection, "getresponse"), (Wire, "receive")):
                stack.enter_context(mock.patch.object(owner, method, self._sent(getattr(owner, method))))
            yield

    def watch_store(self, stack: contextlib.ExitStack) -> None:
        """Put in those of what keeps the bindings."""
        raise NotImplementedError

    def _post(self) -> Callable[..., Any]:
        def post(session: requests.Session, url: str, **kwargs: Any) -> requests.Response:
            self._call = url.rsplit("/", 1)[1]
            self.point(f"before {self._call}")
            response = self._real_post(session, url, **kwargs)
            self.point(f"after {self._call}")
            return response

        return post

    def _sent(self, receive: Callable[..., Any]) -> Callable[..., Any]:
        def after_the_point(*arguments: Any) -> Any:
            self.point(f"sent {self._call}")
            return receive(*arguments)

        return after_the_point


class FileSteps(Steps):
    """Those of a bindings file: what is done to files in its folder."""

    # What the patched functions of os do, set while they are patched.
    _real_open: Any
    _real_unlink: Any
    _real_replace: Any

    def __init__(self, folder: Path, end_at: int | str, end: Told, passed: Told) -> None:
        super().__init__(end_at, end, passed)
        self._folder = os.path.realpath(folder)
        self._opened: dict[int, str] = {}

    def watch_store(self, stack: contextlib.ExitStack) -> None:
        """Have the functions of os that a durable file needs come by here."""
        for name, replacement in (
            ("open", self._open),
            ("fsync", self._fsync),
            ("replace", self._replace),
            ("unlink", self._unlink),
        ):
            setattr(self, f"_real_{name}", getattr(os, name))
            stack.enter_context(mock.patch.object(os, name, replacement))

    def _open(self, path: Any, *args: Any, **kwargs: Any) -> int:
        if not self._is_here(path):
            return self._real_open(path, *args, **kwargs)
        what = self._what(path)
        self.point(f"before open {what}")
        descriptor: int = self._real_open(path, *args, **kwargs)
        self._opened[descriptor] = str(path)
        try:
            self.point(f"after open {what}")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _fsync(self, descriptor: int) -> None:
        path = self._opened[descriptor]
        what = self._what(path)
        self.point(f"before fsync {what}")
        self.sync(descriptor)
        self.point(f"after fsync {what}")

    def _replace(self, source: str, target: str) -> None:
        what = self._what(source)
        self.point(f"before replace by {what}")
        self.rename(source, target)
        self.point(f"after replace by {what}")

    def _unlink(self, path: Any, **kwargs: Any) -> None:
        if not self._is_here(path):
            return self._real_unlink(path, **kwargs)
        self.point("before unlink")
        self._real_unlink(path)
        return self.point("after unlink")

    def sync(self, descriptor: int) -> None:
        """Make a file or a folder durable: nothing to do, for what was written outlives a killed process anyway."""

    def rename(self, source: str, target: str) -> None:
        """Put one file in the place of another."""
        self._real_replace(source, target)

    def _is_here(self, path: Any) -> bool:
        return isinstance(path, (str, os.PathLike)) and f"{os.path.realpath(path)}/".startswith(f"{self._folder}/")

    def _what(self, path: Any) -> str:
        """Name a file by its part in the protocol."""
        if os.path.isdir(path):
            return "folder"
        if str(path).endswith(".json.lock"):
            return "lock"
        if not str(path).endswith(".new"):
            return "lock of the account"
        with contextlib.suppress(FileNotFoundError):
            text = Path(path).read_text()
            if text:
                return "file with intent" if '"intents"' in text else "file without intent"
        return "empty file"


class DatabaseSteps(Steps):
    """Those of bindings in PostgreSQL: connections and statements, by their names in _sql."""

    _real_execute: Any
    _real_wait: Any

    def __init__(self, end_at: int | str, end: Told, passed: Told) -> None:
        super().__init__(end_at, end, passed)
        # Those of the run: a test has one of its own.
        self._connections: list[Any] = []
        self._statement = ""

    def watch_store(self, stack: contextlib.ExitStack) -> None:
        """Have psycopg come by here."""
        import psycopg

        self._real_execute, self._real_wait = psycopg.Connection.execute, psycopg.Connection.wait
        stack.enter_context(mock.patch.object(psycopg, "connect", self._around("connect", psycopg.connect)))
        for method, replacement in (("execute", self._execute()), ("wait", self._wait())):
            stack.enter_context(mock.patch.object(psycopg.Connection, method, replacement))
        stack.enter_context(mock.patch.object(psycopg.Connection, "close", self._close(psycopg.Connection.close)))

    def _around(self, what: str, connect: Callable[..., Any]) -> Callable[..., Any]:
        def connected(*args: Any, **kwargs: Any) -> Any:
            self.point(f"before {what}")
            connection = connect(*args, **kwargs)
            self._connections.append(connection)
            self.point(f"after {what}")
            return connection

        return connected

    def _close(self, close: Callable[..., Any]) -> Callable[..., Any]:
        def closed(connection: Any) -> None:
            if connection.closed or connection not in self._connections:
                return close(connection)
            self.point("before disconnect")
            close(connection)
            return self.point("after disconnect")

        return closed

    def _execute(self) -> Callable[..., Any]:
        def execute(connection: Any, statement: Any, parameters: Any = None, **kwargs: Any) -> Any:
            if connection not in self._connections:
                return self._real_execute(connection, statement, parameters, **kwargs)
            self._statement = name_of(statement, parameters)
            self.point(f"before {self._statement}")
            cursor = self._real_execute(connection, statement, parameters, **kwargs)
            self.point(f"after {self._statement}")
            return cursor

        return execute

    def _wait(self) -> Callable[..., Any]:
        def wait(connection: Any, steps: Any, *args: Any, **kwargs: Any) -> Any:
            told = self._told(steps) if connection in self._connections else steps
            return self._real_wait(connection, told, *args, **kwargs)

        return wait

    def _told(self, steps: Any) -> Any:
        """Pass on what a statement waits for, and have a point when it begins to wait for an answer."""
        told, answer = False, None
        while True:
            try:
                waits_for = steps.send(answer)
            except StopIteration as end:
                return end.value
            # WAIT_R of psycopg: all is sent.
            if waits_for == 1 and not told:
                told = True
                self.point(f"sent {self._statement}")
            answer = yield waits_for


def name_of(statement: str, parameters: Any) -> str:
    """Name a statement as _sql does; of a write also what is in it."""
    name = next(name for name, beginning in _beginnings() if statement.startswith(beginning)).lower()
    if name != "write":
        return name
    kind = "with" if '"intents"' in parameters["document"] else "without"
    return f"write {kind} intent"


@functools.cache
def _beginnings() -> list[tuple[str, str]]:
    texts = {name: text for name, text in vars(_sql).items() if name.isupper() and not name.startswith("_")}
    return [(name, text.partition("{")[0]) for name, text in texts.items()]


class PowerLoss(BaseException):
    """Ends a run in this process as a power failure would: no clean-up of the run may touch the disk any more."""


class Disk(FileSteps):
    """A disk that keeps of the bindings file, once the power is lost, only what was synced.

    ``keeps_renames``: whether a rename that was not synced is on the disk all the same, as it may well be. The content
    is there only if it was synced itself.
    """

    def __init__(self, file: Path, end_at: int, keeps_renames: bool) -> None:
        self.points: list[str] = []
        super().__init__(file.parent, end_at, self._lose_power, self.points.append)
        self._file = Path(os.path.realpath(file))
        self._keeps_renames = keeps_renames
        self._lost = False
        self._synced: set[int] = set()
        self._renamed = self._durable = self._file.read_bytes() if self._file.exists() else None

    def sync(self, descriptor: int) -> None:
        """Only this makes anything last."""
        inode = os.fstat(descriptor)
        if stat.S_ISDIR(inode.st_mode):
            self._durable = self._renamed
        else:
            self._synced.add(inode.st_ino)
            if self._file.exists() and self._file.stat().st_ino == inode.st_ino:
                self._renamed = self._file.read_bytes()

    def rename(self, source: str, target: str) -> None:
        """Show the new file at once, and remember what a power failure would make of it."""
        super().rename(source, target)
        self._renamed = self._file.read_bytes() if self._file.stat().st_ino in self._synced else b""

    def _lose_power(self, label: str) -> None:
        if not self._lost:
            self._lost = True
            content = self._renamed if self._keeps_renames else self._durable
            if content is not None:
                self._file.write_bytes(content)
            elif self._file.exists():
                self._real_unlink(self._file)
        raise PowerLoss(label)


class Outage(DatabaseSteps):
    """Ends a run that has a database, whose session ends with it. What was sent is carried out."""

    def __init__(self, end_at: int) -> None:
        self.points: list[str] = []
        super().__init__(end_at, self._lose_power, self.points.append)

    def _lose_power(self, label: str) -> None:
        # Nothing that the run itself would do ends them any more.
        for connection in self._connections:
            connection.pgconn.finish()
        raise PowerLoss(label)
