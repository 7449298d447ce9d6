# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, as exceptions that carry all that a task has to say about it."""

from __future__ import annotations

import enum
import traceback
from collections.abc import Mapping, Sequence
from typing import Any


def readable(text: str) -> str:
    """Return a text with escapes for what a terminal would act upon, or not show, but for line breaks."""
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


def bug_in(error: Exception) -> str:
    """Return what is told of an exception that nobody has thought of: its own text may hold a secret."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    name = type(error).__name__
    return f"A bug, please report it: {name} in {place.filename}, line {place.lineno}"


class SendCleanError(Exception):
    """Any failure that a task reports. ``str()`` of it is written for people and holds no secret.

    ``done`` is what goes into the task's result of what was done before.
    """

    done: Mapping[str, Any] = {}

    def __str__(self) -> str:
        # The server's texts and names are in it.
        return readable(super().__str__())

    def details(self) -> dict[str, Any]:
        """Return what goes into the task's result beside ``msg``."""
        return {}


class OptionError(SendCleanError):
    """An option has a value that cannot be used. Raised before anything is sent."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option} {problem}")


class RefusedError(SendCleanError):
    """What is asked for contradicts what the account or the bindings show."""


class BindingsError(SendCleanError):
    """The bindings cannot be used as they are. They are never overwritten in that case."""


class LostError(BindingsError):
    """What a run relies on is lost, its lock or what it has read: nothing more may be sent to SendClean, or written."""


class MissingTableError(BindingsError):
    """The database has no table for the bindings; ``create_table`` is the statement that makes it."""

    def __init__(self, msg: str, create_table: str) -> None:
        super().__init__(msg)
        self.create_table = create_table

    def details(self) -> dict[str, Any]:
        return {"create_table": self.create_table}


class CredentialsError(SendCleanError):
    """The file with credentials cannot be used as it is, or not be encrypted. It is never overwritten in that case."""


class VerificationError(SendCleanError):
    """SendClean accepted a write, but its listing does not show it."""


class Outcome(enum.Enum):
    """What is known about a call that failed."""

    REFUSED = "not carried out"
    UNKNOWN = "an answer after which the call may have been carried out"
    LOST = "no usable answer: the call may have been carried out"


class CallError(SendCleanError):
    """A call of the API failed.

    ``name`` is the API's kind (``ValidationError``, ``GeneralError``, …), or ``RateLimitError``,
    ``TransportError``, ``ProtocolError``. ``message`` is the API's text, ``http_status`` is None
    where no HTTP answer came.
    """

    def __init__(
        self,
        msg: str,
        *,
        call: str,
        name: str,
        outcome: Outcome,
        message: str,
        code: int | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(msg)
        self.call = call
        self.name = name
        self.outcome = outcome
        self.message = message
        self.code = code
        self.http_status = http_status

    def details(self) -> dict[str, Any]:
        return {
            "error": {
                "call": self.call,
                "name": self.name,
                "code": self.code,
                "message": self.message,
                "http_status": self.http_status,
            }
        }


class RoleError(SendCleanError):
    """Variables of the role cannot be used, or contradict what the account shows. Each problem is a message of its own."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)
