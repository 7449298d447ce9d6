# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the proofs share: the simulated account with its bindings file, real runs of a module, a clock, ends at a chosen step."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import requests
import simulator.service
import simulator.store
from ansible_collections.sendclean.email.plugins.module_utils import _apply, _client, _files, _reset, _rotate
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import FakeClock, run_main
from simulator import Service, SimulatedUser
from simulator.wire import Wire

Result = dict[str, Any]

OWNER = "owner-of-the-playground"
TOKEN = "token-that-must-not-show"
# How long a run waits for an answer, in seconds.
TIMEOUT = 5.0


@contextlib.contextmanager
def fake_time() -> Iterator[FakeClock]:
    """One time, that need not be waited for, for the code under test and the service alike."""
    clock = FakeClock()
    with contextlib.ExitStack() as stack:
        for module in (_client, _files, simulator.service, simulator.store):
            stack.enter_context(mock.patch.object(module, "time", clock))
        for module in (_apply, _reset, _rotate):
            stack.enter_context(mock.patch.object(module, "utc_now", clock.utc_now))
        yield clock


class Account:
    """One account of a simulated service, and the bindings file in a folder of its own."""

    def __init__(self, service: Service, api_url: str, folder: Path) -> None:
        self.service = service
        self.path = folder / "bindings.json"
        self.options = {
            "owner_id": OWNER,
            "token": TOKEN,
            "api_url": api_url,
            "timeout": TIMEOUT,
            "retry_timeout": 20,
            "requests_per_minute": 0,
            "bindings_path": str(self.path),
        }

    def users(self) -> list[SimulatedUser]:
        """What the service truly holds, whatever its listing shows."""
        return self.service.users(OWNER)

    def user(self, name: str) -> SimulatedUser:
        """One of them."""
        return next(user for user in self.users() if user.smtp_user_name == name)

    def calls(self) -> Counter[str]:
        """How often each call has arrived, carried out or not."""
        return Counter(entry.call for entry in self.service.log)

    def carried_out(self) -> Counter[str]:
        """How often each call was carried out."""
        return Counter(entry.call for entry in self.service.log if entry.carried_out)

    def bindings(self) -> Result:
        """The account's part of the bindings file, which must be whole whenever somebody looks."""
        if not self.path.exists():
            return {}
        section = json.loads(self.path.read_text())["accounts"].get(self.options["api_url"], {}).get(OWNER, {})
        assert set(section) <= {"aliases", "intents", "known", "password_times", "standbys"}
        return dict(section)

    def acknowledge(self, *names: str) -> None:
        """Say that users are somebody else's."""
        assert not self.run("smtp_bindings", acknowledge=list(names)).get("failed")

    def aliases(self) -> dict[str, str]:
        """Which user each alias has."""
        return dict(self.bindings().get("aliases", {}))

    def run(self, module: str, **options: Any) -> Result:
        """Run a module in this process and look for secrets in all that it leaves."""
        result = run_main(module, {**self.options, **options}).result
        self.refuse_secrets(result)
        return result

    def refuse_secrets(self, result: Result) -> None:
        """No token and no password may show but the one that a reset was asked for, in its place."""
        texts = [json.dumps({key: value for key, value in result.items() if key != "smtp_password"})]
        texts += [entry.read_text() for entry in self.path.parent.iterdir() if entry.is_file()]
        shown = [secret for secret in self.service.secrets for text in texts if secret in text]
        assert not shown, f"secrets shown: {shown}"

    def left_behind(self) -> set[str]:
        """The files in the folder beyond the bindings file and its locks, of the file and of each account."""
        names = {entry.name for entry in self.path.parent.iterdir() if entry.suffix != ".lock"}
        return names - {self.path.name}


class Steps:
    """Watch a run's input and output in one folder and over HTTP, and call ``end`` at the point with the number ``end_at``.

    Every step has a point before and one after it; a call of the API has a third, "sent", between its request and its answer.
    """

    # What the patched functions of os do, set while they are patched.
    _real_open: Any
    _real_unlink: Any
    _real_replace: Any

    def __init__(self, folder: Path, end_at: int, end: Callable[[str], object], passed: Callable[[str], object]) -> None:
        self._folder = os.path.realpath(folder)
        self._end_at = end_at
        self._end = end
        self._passed = passed
        self._count = 0
        self._opened: dict[int, str] = {}
        self._call = ""

    def point(self, label: str) -> None:
        """Pass a point, or end here and, if the run's clean-up comes by, at any later point too."""
        self._count += 1
        if self._count <= self._end_at:
            self._passed(label)
        if self._count >= self._end_at:
            self._end(label)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Put the points in."""
        with contextlib.ExitStack() as stack:
            for name, replacement in (
                ("open", self._open),
                ("fsync", self._fsync),
                ("replace", self._replace),
                ("unlink", self._unlink),
            ):
                setattr(self, f"_real_{name}", getattr(os, name))
                stack.enter_context(mock.patch.object(os, name, replacement))
            self._real_post = requests.Session.post
            stack.enter_context(mock.patch.object(requests.Session, "post", self._post()))
            for owner, method in ((http.client.HTTPConnection, "getresponse"), (Wire, "receive")):
                stack.enter_context(mock.patch.object(owner, method, self._sent(getattr(owner, method))))
            yield

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


class PowerLoss(BaseException):
    """Ends a run in this process as a power failure would: no clean-up of the run may touch the disk any more."""


class Disk(Steps):
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
