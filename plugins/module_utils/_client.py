# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Talk to the SendClean API: its four calls, with pacing, retries where they are safe, and typed errors."""

from __future__ import annotations

import html
import json
import random
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from ansible_collections.sendclean.email.plugins.module_utils import _alarm, _answers, _errors, _model, _options

REQUESTS_IMPORT_ERROR: str | None
try:
    import requests
    from urllib3.exceptions import HTTPError, InvalidHeader
    from urllib3.util import Retry
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
else:
    REQUESTS_IMPORT_ERROR = None

VERSION = "1.0.0"

# How often a call is made at most where its answer is lost.
MAX_ATTEMPTS = 4

# Text shorter than this is too likely to be part of other words to be masked inside of them.
SHORT_SECRET = 8

# Answers after which a repeat would fail the same way.
_FINAL_KINDS = ("ValidationError", "AuthenticationError")

_T = TypeVar("_T")


class Client:
    """The four calls of the API for one account. Every failure is a CallError.

    ``observe`` is shown each answer, whatever becomes of it: its bytes, and the HTTP code.
    """

    def __init__(
        self, connection: _options.Connection, observe: Callable[[bytes, int], None] = lambda content, http_status: None
    ) -> None:
        self.connection = connection
        self._observe = observe
        self._pace = Pace(connection.requests_per_minute)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"sendclean.email/{VERSION} {requests.utils.default_user_agent()}"
        # A session without credentials of its own takes them from ~/.netrc.
        self._session.auth = lambda request: request
        self._odd: _answers.Oddities = {}

    def warnings(self) -> list[str]:
        """Return what the listings so far had of users that make no sense, each once, for people."""
        return [_errors.readable(self._scrub(text)) for text in _answers.warnings_of(self._odd)]

    def list_smtp(self) -> dict[str, _model.User]:
        """Return the users of the account by name."""
        return self._repeatable("listSmtp", {}, lambda body: _answers.users_in(body, self._odd))

    def listings(self, seconds: float) -> Iterator[dict[str, _model.User]]:
        """Yield three listings or more, at growing intervals, the last begun at least ``seconds`` after the first.

        A listing may lag behind a write, so that one alone does not prove that something did not happen.
        """
        begun = time.monotonic()
        deadline = begun + seconds
        yield self.list_smtp()
        pause, made = 0.5, 1
        while made < 3 or begun < deadline:
            time.sleep(min(pause, max(deadline - time.monotonic(), seconds / 4)))
            begun = time.monotonic()
            yield self.list_smtp()
            pause, made = min(2 * pause, 8.0), made + 1

    def edit_smtp(self, smtp_user_name: str, parameters: Mapping[str, Any], listed: _model.User | None = None) -> None:
        """Set the given fields of a user. The API leaves the others as they are.

        One source has all of them compulsory: a refused edit is made once more with the others as ``listed`` has them.
        """
        named = {"smtp_user_name": smtp_user_name, **parameters}
        try:
            return self._repeatable("editSmtp", named, lambda body: None)
        except _errors.CallError as error:
            shown = listed.facts() if listed else {}
            # What is null in the listing, or 0, is nothing that could be sent.
            missing = {name: shown[name] for name in (*_model.LIMITS, "status") if shown.get(name) and name not in parameters}
            if error.name != "ValidationError" or not missing:
                raise
        return self._repeatable("editSmtp", {**named, **missing}, lambda body: None)

    def add_smtp(self, total_limit: int, hourly_limit: int, prove: Callable[[], None] | None = None) -> str:
        """Create a user and return the name that the server chose. Made once: see CallError.outcome.

        ``prove`` raises what keeps the request from being sent. It is called when the request's time runs already, so that
        what is proved holds when the request leaves, however long the process stands still in between.
        """
        return self._call("addSmtp", {"total_limit": total_limit, "hourly_limit": hourly_limit}, _answers.name_in, 1, prove)

    def reset_smtp_password(self, smtp_user_name: str, prove: Callable[[], None] | None = None) -> str:
        """Give a user a new password and return it. Made once: see CallError.outcome, and ``prove`` as in ``add_smtp``."""
        return self._call("resetSmtpPassword", {"smtp_user_name": smtp_user_name}, _answers.new_password_in, 1, prove)

    def _repeatable(self, call: str, parameters: Mapping[str, Any], read: Callable[[Mapping[str, Any]], _T]) -> _T:
        return self._call(call, parameters, read, MAX_ATTEMPTS)

    def _call(
        self,
        call: str,
        parameters: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], _T],
        attempts: int,
        prove: Callable[[], None] | None = None,
    ) -> _T:
        """Make a call, as often as ``attempts`` says where it is not known whether it was carried out.

        HTTP 429 says that it was not, so that every call may be repeated after it, until ``retry_timeout`` is used up.
        """
        attempt, refusals, waited = 1, 0, 0.0
        while True:
            self._pace.wait()
            if attempts == 1:
                # A pooled connection that the server is about to close would lose the answer.
                self._session.close()
            try:
                response = self._post(call, parameters, prove)
                self._observe(response.content, response.status_code)
                if response.status_code != 429:
                    return self._read(call, response, read)
            except _errors.CallError as error:
                if error.outcome is _errors.Outcome.REFUSED or attempt == attempts:
                    raise
                time.sleep(backoff(attempt))
                attempt += 1
                continue
            left = self.connection.retry_timeout - waited
            if left <= 0:
                raise self._rate_limit_error(call, response)
            pause = min(left, pause_after_429(response.headers.get("Retry-After"), refusals))
            time.sleep(pause)
            waited += pause
            refusals += 1

    def _post(self, call: str, parameters: Mapping[str, Any], prove: Callable[[], None] | None) -> requests.Response:
        connection = self.connection
        try:
            with _alarm.at_most(connection.timeout):
                if prove:
                    prove()
                return self._session.post(
                    f"{connection.base_url}/settings/{call}",
                    json={"owner_id": connection.owner_id, "token": connection.token, **parameters},
                    timeout=connection.timeout,
                    allow_redirects=False,
                    # Given with each request: REQUESTS_CA_BUNDLE would win over the session's.
                    verify=connection.verify,
                    proxies={"no_proxy": "*"} if connection.is_loopback else None,
                )
        except (requests.RequestException, HTTPError, OSError, TypeError, ValueError, _alarm.TimeIsUp) as exc:
            reason = self._scrub(_reason(exc, connection.timeout))
            raise _errors.CallError(
                f"{call} got no answer from {connection.base_url}: {reason}. "
                "Check api_url or app_domain, the network, proxies and timeout.",
                call=call,
                name="TransportError",
                outcome=_errors.Outcome.LOST,
                message=reason,
            ) from None

    def _read(self, call: str, response: requests.Response, read: Callable[[Mapping[str, Any]], _T]) -> _T:
        """Read an answer. The body's ``status`` decides, whatever the HTTP code: the sources disagree on codes."""
        body = _answers.body_of(response.content, response.status_code)
        if body is None:
            raise self._protocol_error(call, response, f"is not a JSON object{_about(response)}")
        if _answers.is_success(body):
            try:
                return read(body)
            except ValueError as exc:
                # It says that the call was carried out: nothing that is made once is made again.
                raise self._protocol_error(call, response, f"makes no sense: {exc}", _errors.Outcome.UNKNOWN) from None
        if _answers.is_error(body, response.status_code):
            raise self._api_error(call, response, body)
        raise self._protocol_error(call, response, "has no status of success or error")

    def _protocol_error(
        self, call: str, response: requests.Response, problem: str, outcome: _errors.Outcome = _errors.Outcome.LOST
    ) -> _errors.CallError:
        problem = self._scrub(problem)
        return _errors.CallError(
            f"The answer of {self.connection.base_url} to {call} {problem} (HTTP {response.status_code}). "
            "Check api_url or app_domain: is this the API of SendClean?",
            call=call,
            name="ProtocolError",
            outcome=outcome,
            message=f"The answer {problem}",
            http_status=response.status_code,
        )

    def _rate_limit_error(self, call: str, response: requests.Response) -> _errors.CallError:
        body = _answers.body_of(response.content, response.status_code) or {}
        text = self._scrub(_answers.text_of(body)) or "too many requests"
        return _errors.CallError(
            f"SendClean still refuses {call} with HTTP 429 after {self.connection.retry_timeout:g} s of waiting "
            f"(retry_timeout): {text}. Lower requests_per_minute, or raise retry_timeout.",
            call=call,
            name="RateLimitError",
            outcome=_errors.Outcome.REFUSED,
            message=text,
            code=_answers.code_of(body),
            http_status=response.status_code,
        )

    def _api_error(self, call: str, response: requests.Response, body: Mapping[str, Any]) -> _errors.CallError:
        kind, text = self._scrub(_answers.kind_of(body)), self._scrub(_answers.text_of(body))
        final = kind in _FINAL_KINDS or _answers.is_unknown_path(body)
        if kind == "AuthenticationError":
            advice = f". Check owner_id and token: they must belong together, and to {self.connection.base_url}."
        elif _answers.is_unknown_path(body):
            advice = f". {self.connection.base_url} is no base URL of the API: check api_url or app_domain."
        else:
            advice = f" ({kind})."
        if final:
            outcome = _errors.Outcome.REFUSED
        else:
            # HTTP 5xx with a kind is still an answer: the kind weighs more than the code.
            outcome = _errors.Outcome.UNKNOWN
        return _errors.CallError(
            f"SendClean answered {call} with an error: {text or 'no message'}{advice}",
            call=call,
            name=kind,
            outcome=outcome,
            message=text,
            code=_answers.code_of(body),
            http_status=response.status_code,
        )

    def _scrub(self, text: str) -> str:
        """Mask the token in a text of the server's: some servers echo what they were sent, in their own encoding."""
        text, token = _answers.replaced(text), self.connection.token
        as_json = json.dumps(token)[1:-1]
        spellings = {token, as_json, as_json.replace("/", "\\/"), html.escape(token), quote(token, safe="")}
        spellings.add(_answers.replaced(token.encode("latin-1", "replace").decode("utf-8", "surrogateescape")))
        for secret in sorted(spellings, key=len, reverse=True):
            pattern = re.escape(secret)
            if len(secret) < SHORT_SECRET:
                pattern = rf"(?<!\w){pattern}(?!\w)"
            text = re.sub(pattern, "********", text)
        return text


class Pace:
    """Token bucket that keeps any minute, bursts included, at or under ``requests_per_minute`` (0: no pacing).

    A burst of b calls and a steady rate of r a minute are at most b + r calls in a minute. With b a twelfth
    of the quota (5 at most) and r 91 % of it, the sum stays just under the quota.
    """

    def __init__(self, requests_per_minute: int) -> None:
        self._per_second = requests_per_minute * 0.91 / 60
        self._burst = max(1.0, min(5.0, requests_per_minute / 12))
        self._available = self._burst
        self._updated = time.monotonic()

    def wait(self) -> None:
        """Return when the next call may be made."""
        if not self._per_second:
            return
        now = time.monotonic()
        self._available = min(self._burst, self._available + (now - self._updated) * self._per_second)
        self._updated = now
        if self._available < 1:
            time.sleep((1 - self._available) / self._per_second)
            self._updated = time.monotonic()
            self._available = 1
        self._available -= 1


def backoff(attempt: int) -> float:
    """Return the seconds to wait after the given attempt (1, 2, 3): about 0.5, 1, 2; under 6 s in all."""
    return random.uniform(0.5, 1.5) * 0.5 * 2.0 ** (attempt - 1)


def pause_after_429(retry_after: str | None, refusals: int) -> float:
    """Return the seconds to wait: what the server says, else exponentially from 1 to 64, with jitter.

    ``Retry-After`` is a number of seconds or an HTTP date (RFC 9110, section 10.2.3).
    """
    if retry_after is not None:
        try:
            # Never less than a moment: a server that says 0 would be asked again and again.
            return max(0.5, float(Retry().parse_retry_after(retry_after))) * random.uniform(1.0, 1.1)
        except (InvalidHeader, OverflowError, ValueError):
            pass
    return 2.0 ** min(refusals, 6) * random.uniform(0.5, 1.0)


def _reason(exc: Exception, timeout: float) -> str:
    """Say why no answer came, without the noise of urllib3's nested messages."""
    if isinstance(exc, (requests.Timeout, _alarm.TimeIsUp)):
        return f"timed out after {timeout:g} s"
    inner: Any = exc
    while True:
        deeper = getattr(inner, "reason", None) or next((arg for arg in inner.args if isinstance(arg, Exception)), None)
        if not isinstance(deeper, Exception):
            break
        inner = deeper
    if isinstance(inner, (TypeError, ValueError)) and not isinstance(inner, OSError):
        # Its text may quote a part of a proxy's URL, with the password.
        return "the URL, or that of a proxy in the environment, cannot be used"
    # urllib3 puts the connection object's repr before the text.
    return re.sub(r"^(.*?object at 0x[0-9a-f]+>|HTTPS?Connection(Pool)?\(.*?\)): ?", "", str(inner)) or type(inner).__name__


def _about(response: requests.Response) -> str:
    """Describe an answer without showing it: it may hold passwords."""
    if response.is_redirect:
        return ", but a redirect, which is never followed"
    content_type = response.headers.get("Content-Type", "unknown type")
    return f" but {len(response.content)} bytes of {content_type}"
