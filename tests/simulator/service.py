# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated service itself: thread-safe, no HTTP framework in it."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .answers import Answer, error_answer, page_not_found_answer, success_answer, too_many_requests_answer
from .calls import CALLS, changed_user
from .faults import FAULT_KINDS, Fault, Situation
from .model import ApiError, LoggedCall, Settings, SimulatedUser, refuse_unknown
from .store import Store, new_password

Hook = Callable[[str, "str | None"], None]


@dataclass(frozen=True)
class Request:
    """A call as it arrived; `payload` is None when the body is no JSON object."""

    number: int
    call: str
    text: str
    payload: Mapping[str, object] | None

    @property
    def owner_id(self) -> str | None:
        """Who it says it is from."""
        owner_id = (self.payload or {}).get("owner_id")
        return owner_id if isinstance(owner_id, str) else None

    @property
    def parameters(self) -> dict[str, object]:
        """Everything but the credentials."""
        return {key: value for key, value in (self.payload or {}).items() if key not in ("owner_id", "token")}


class Service:
    """Accounts, users, quota, lag, faults and the call log.

    `before_call` and `after_call` are called with (call, owner_id) in the serving thread, right
    before and after a call is carried out, and without the lock: they may use this object.
    """

    def __init__(self, accounts: Mapping[str, str] | None = None, settings: Settings | None = None) -> None:
        """`accounts` maps owner_id to token."""
        self.before_call: Hook | None = None
        self.after_call: Hook | None = None
        self._lock = threading.RLock()
        self._first_accounts = dict(accounts or {"demo": "demo-token"})
        self._first_settings = settings or Settings()
        # Every token and password that was ever valid, also before a reset: what no output may show.
        self.secrets: set[str] = set()
        self.reset()

    # ---- what a test or a person does -------------------------------------------------------

    def reset(self) -> None:
        """Everything back to the start: accounts, users, log, faults, settings. Hooks stay."""
        with self._lock:
            self._store = Store(self._first_accounts, self.secrets)
            self._faults: list[Fault] = []
            self._log: dict[int, LoggedCall] = {}
            self._last_number = 0
            self.settings = self._first_settings

    def add_account(self, owner_id: str, token: str) -> None:
        """Add an account, or change the token of an existing one."""
        with self._lock:
            self._store.put_account(owner_id, token)

    def users(self, owner_id: str) -> list[SimulatedUser]:
        """The true state, whatever the listing shows."""
        with self._lock:
            return self._store.users(owner_id)

    def create_user(
        self,
        owner_id: str,
        total_limit: int = 1000,
        hourly_limit: int = 100,
        status: str = "Enable",
        smtp_user_name: str | None = None,
        smtp_password: str | None = None,
    ) -> SimulatedUser:
        """A colleague creates a user: shows at once, and `max_users` is not looked at."""
        changes = {
            "total_limit": total_limit,
            "hourly_limit": hourly_limit,
            "status": status,
            "smtp_password": smtp_password or new_password(),
        }
        with self._lock:
            name = smtp_user_name or self._store.new_name()
            if not isinstance(name, str) or self._store.name_is_taken(name):
                raise ValueError(f"smtp_user_name {name!r} is taken, or no string")
            user = changed_user(SimulatedUser(name, "", 1, 1), changes)
            self._store.put_user(owner_id, user)
            return user

    def update_user(self, owner_id: str, smtp_user_name: str, /, **changes: object) -> SimulatedUser:
        """A colleague changes total_limit, hourly_limit, status or smtp_password: shows at once."""
        refuse_unknown(changes, ["total_limit", "hourly_limit", "status", "smtp_password"], "field")
        with self._lock:
            user = self._store.user(owner_id, smtp_user_name)
            if user is None:
                raise ValueError(f"account {owner_id!r} has no user {smtp_user_name!r}")
            user = changed_user(user, changes)
            self._store.put_user(owner_id, user)
            return user

    def remove_user(self, owner_id: str, smtp_user_name: str) -> None:
        """A colleague, or the vendor's support, removes a user: gone at once."""
        with self._lock:
            self._store.remove_user(owner_id, smtp_user_name)

    @property
    def log(self) -> list[LoggedCall]:
        """All calls in order of arrival, those under way included."""
        with self._lock:
            return list(self._log.values())

    def calls(self, call: str | None = None, owner_id: str | None = None) -> list[LoggedCall]:
        """The log, only of one call and/or one account."""
        return [entry for entry in self.log if call in (None, entry.call) and owner_id in (None, entry.owner_id)]

    def clear_log(self) -> None:
        """Forget the calls so far; the numbers go on."""
        with self._lock:
            self._log.clear()

    @property
    def faults(self) -> list[Fault]:
        """The faults still to come, with what is left of their `skip` and `times`."""
        with self._lock:
            return list(self._faults)

    def add_fault(self, call: str, kind: str, **options: Any) -> Fault:
        """Queue a fault; the options are the further fields of `Fault`."""
        refuse_unknown(options, [field.name for field in dataclasses.fields(Fault)], "option")
        fault = Fault(call, kind, **options)
        self.queue_fault(fault)
        return fault

    def queue_fault(self, fault: Fault) -> None:
        """Queue a fault made beforehand."""
        with self._lock:
            self._faults.append(fault)

    def clear_faults(self) -> None:
        """Drop the faults still to come."""
        with self._lock:
            self._faults.clear()

    # ---- what the API does ------------------------------------------------------------------

    def handle(self, call: str, text: str, user_agent: str = "") -> Answer:
        """Answer one call; `text` is the request's body as it came."""
        request = self._arrive(call, text, user_agent)
        if self.settings.latency:
            time.sleep(self.settings.latency)
        answer = self._over_quota(request)
        if answer is None:
            fault = self._take_fault(request)
            answer = self._carry_out(request, self.settings) if fault is None else self._carry_out_with(fault, request)
        self._amend(request.number, http_status=None if answer.cut else answer.status)
        return answer

    def _arrive(self, call: str, text: str, user_agent: str) -> Request:
        """Log the call at once, so that one whose client gave up is seen too."""
        payload = _object_from(text)
        with self._lock:
            self._last_number += 1
            request = Request(self._last_number, call, text, payload)
            self._log[request.number] = LoggedCall(
                request.number, time.time(), call, request.owner_id, request.parameters, user_agent
            )
        return request

    def _amend(self, number: int, **news: Any) -> None:
        """Write into the log what became of a call, unless the log was cleared meanwhile."""
        with self._lock:
            if number in self._log:
                self._log[number] = dataclasses.replace(self._log[number], **news)

    def _over_quota(self, request: Request) -> Answer | None:
        """Count the call, or refuse it: a refused call does not count, nor does a wrong token."""
        settings = self.settings
        if settings.quota_calls is None or not self._authenticated(request):
            return None
        with self._lock:
            times = self._store.account(request.owner_id or "").call_times
            now = time.monotonic()
            while times and times[0] <= now - settings.quota_seconds:
                times.popleft()
            if len(times) < settings.quota_calls:
                times.append(now)
                return None
            free_at = times[-settings.quota_calls] if settings.quota_calls else now
        wait = free_at + settings.quota_seconds - now
        return too_many_requests_answer(settings, settings.retry_after, wait)

    def _take_fault(self, request: Request) -> Fault | None:
        """The first fault in the queue that is due for this call."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.call not in ("*", request.call) or fault.owner_id not in (None, request.owner_id):
                    continue
                if fault.skip:
                    self._faults[index] = dataclasses.replace(fault, skip=fault.skip - 1)
                    continue
                if fault.times > 1:
                    self._faults[index] = dataclasses.replace(fault, times=fault.times - 1)
                else:
                    del self._faults[index]
                return fault
        return None

    def _carry_out_with(self, fault: Fault, request: Request) -> Answer:
        kind = FAULT_KINDS[fault.kind]
        self._amend(request.number, fault=fault.kind)
        if kind.waits == "before":
            time.sleep(fault.seconds)
        own = Answer()
        if kind.carry_out != "no":
            settings = self.settings.changed(fault.changes)
            own = self._carry_out(request, settings, pretend=kind.carry_out == "pretend")
        if kind.waits == "after":
            time.sleep(fault.seconds)
        answer = kind.answer(Situation(fault, self.settings, request.text, own))
        return dataclasses.replace(answer, seconds=fault.seconds if kind.waits == "sending" else 0.0)

    def _carry_out(self, request: Request, settings: Settings, pretend: bool = False) -> Answer:
        """Do the call, hooks around it. With `pretend`, answer alike but store nothing."""
        if request.call not in CALLS:
            return page_not_found_answer(settings)
        if self.before_call is not None:
            self.before_call(request.call, request.owner_id)
        try:
            answer = self._perform(request, settings, pretend)
        except ApiError as error:
            answer = error_answer(settings, error)
        if self.after_call is not None:
            self.after_call(request.call, request.owner_id)
        return answer

    def _perform(self, request: Request, settings: Settings, pretend: bool) -> Answer:
        """Validate first, change then: a refused call leaves no trace but its line in the log."""
        if request.payload is None:
            raise ApiError("ValidationError", "The request body should be a JSON object")
        if request.payload.get("owner_id") in (None, ""):
            raise ApiError("ValidationError", "user_id required !!")
        with self._lock:
            owner_id = request.owner_id
            if owner_id is None or not self._authenticated(request):
                raise ApiError("AuthenticationError", "Token MissMatch")
            outcome = CALLS[request.call](self._store, settings, owner_id, request.parameters)
            if not pretend:
                if outcome.user is not None:
                    self._store.put_user(owner_id, outcome.user, settings.listing_lag, settings.listing_lag_calls)
                elif request.call == "listSmtp":
                    self._store.account(owner_id).listings += 1
                self._amend(request.number, carried_out=True)
        return success_answer(settings, outcome.body)

    def _authenticated(self, request: Request) -> bool:
        payload = request.payload or {}
        with self._lock:
            return self._store.token_fits(payload.get("owner_id"), payload.get("token"))


def _object_from(text: str) -> dict[str, object] | None:
    try:
        payload = json.loads(text)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None
