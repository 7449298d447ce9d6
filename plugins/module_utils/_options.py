# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From options to the account's connection and the wanted user. Values are checked here, before anything is sent."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError
from ansible_collections.sendclean.email.plugins.module_utils._model import LIMITS, Purge, Wanted

# Beyond these, clocks and timers of Python overflow; nobody waits for eleven days, or makes that many calls.
_MOST_SECONDS = 10**6
_MOST_A_MINUTE = 10**6
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Connection:
    """One account at one base URL. ``timeout`` and ``retry_timeout`` are in seconds."""

    base_url: str
    owner_id: str
    token: str = field(repr=False)
    verify: bool | str = True
    timeout: float = 30.0
    requests_per_minute: int = 60
    retry_timeout: float = 300.0

    @property
    def is_loopback(self) -> bool:
        """Whether the service runs on this very machine."""
        return _is_loopback(urlsplit(self.base_url).hostname or "")


def refuse_empty(params: Mapping[str, Any], *options: str) -> None:
    """Refuse options that are given and empty, alone or in a list: a variable that came out empty names nobody."""
    for option in options:
        value = params.get(option)
        for index, text in enumerate(value if isinstance(value, list) else [value]):
            if text is not None and not text.strip():
                place = f"{option}[{index}]" if isinstance(value, list) else option
                raise _empty(place)


def wanted_from(params: Mapping[str, Any]) -> Wanted:
    """Return the user that the options describe. Raises OptionError."""
    for problem in (*name_problems(params), *limit_problems(params)):
        raise problem
    return Wanted.of(params)


def name_problems(params: Mapping[str, Any], place: str = "") -> Iterator[OptionError]:
    """Yield what is wrong with the names of a user. ``place`` is the user's in a list."""
    given = [option for option in ("alias", "smtp_user_name") if params[option] is not None]
    if not given and place:
        yield OptionError(place, "needs an alias or a smtp_user_name")
    elif not given:
        yield OptionError("alias", "or smtp_user_name must be given")
    for option in [*given, *(["renamed_from"] if params.get("renamed_from") is not None else [])]:
        if not params[option].strip():
            yield _empty(_at(place, option))
    if params.get("renamed_from") is not None and params["renamed_from"] == params["alias"]:
        yield OptionError(_at(place, "renamed_from"), "is the alias itself: give the one that the user had before")
    elif params.get("renamed_from") is not None and params["alias"] is None:
        yield OptionError(_at(place, "renamed_from"), "needs alias, the one that the user has from now on")


def word_problems(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with aliases and names that are given to smtp_bindings, each with its place."""
    texts = [(f"bindings[{alias}]", text) for alias, name in params["bindings"].items() for text in (alias, name)]
    texts += [(f"{option}[{index}]", text) for option in ("unbind", "acknowledge") for index, text in enumerate(params[option])]
    for place, text in texts:
        if not isinstance(text, str):
            yield place, f"must be a string, not {text!r}: put it in quotes"
        elif not text.strip():
            yield place, "is empty: give a value or leave it out"


def limit_problems(params: Mapping[str, Any], place: str = "") -> Iterator[OptionError]:
    """Yield what is wrong with the limits of a user. ``place`` is the user's in a list."""
    for option in LIMITS:
        limit = params[option]
        if limit is not None and (isinstance(limit, bool) or limit < 1):
            yield OptionError(_at(place, option), f"must be a positive integer, not {str(limit).lower()}")


def purge_from(params: Mapping[str, Any]) -> Purge | None:
    """Return which users are purged, None where none are. Raises OptionError."""
    limit = params["purge_limit"].strip()
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?%|[0-9]+", limit):
        raise OptionError("purge_limit", f"must be a number of users or a percentage such as 30%, not {limit!r}")
    if not params["purge"]:
        return None
    if not params["users"]:
        raise OptionError("purge", "is refused while users is empty: it would disable every user that may be purged")
    if params["purge_scope"] == "managed" and params["bindings_path"] is None:
        raise OptionError(
            "purge", "with purge_scope managed needs bindings_path, which says whose users are managed; account disables all others"
        )
    return Purge(tuple(params["purge_exclude"]), params["purge_scope"], limit)


def _empty(place: str) -> OptionError:
    return OptionError(place, "is empty: give a value or leave it out")


def _at(place: str, option: str) -> str:
    return f"{place}.{option}" if place else option


def connection_from(params: Mapping[str, Any]) -> Connection:
    """Check the options that every module shares. Raises OptionError with the option's name."""
    refuse_empty(params, "owner_id", "token", "api_url", "app_domain")
    for option in ("timeout", "retry_timeout"):
        number = params[option]
        # So written, a number that is none ("nan") is refused, too.
        if isinstance(number, bool) or not 0 < number <= _MOST_SECONDS:
            raise OptionError(option, f"must be a positive number of seconds, up to {_MOST_SECONDS}, not {str(number).lower()}")
    pace = params["requests_per_minute"]
    if isinstance(pace, bool) or not 0 <= pace <= _MOST_A_MINUTE:
        raise OptionError(
            "requests_per_minute", f"must be 0 (no pacing) or a positive number, up to {_MOST_A_MINUTE}, not {str(pace).lower()}"
        )
    return Connection(
        base_url=_base_url(params["api_url"], params["app_domain"]),
        owner_id=params["owner_id"],
        token=params["token"],
        verify=_verify(params["validate_certs"], params["ca_path"]),
        timeout=params["timeout"],
        requests_per_minute=pace,
        retry_timeout=params["retry_timeout"],
    )


def _base_url(api_url: str | None, app_domain: str) -> str:
    if api_url is not None:
        return _normalized("api_url", api_url)
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?", app_domain):
        raise OptionError("app_domain", f"must be a host name such as sendclean.net, not {app_domain!r}")
    return _normalized("app_domain", f"https://api.{app_domain}/v1.0")


def _normalized(option: str, url: str) -> str:
    """Return one spelling of a base URL, since the bindings file keeps accounts by it."""
    example = "give a base URL such as https://api.sendclean.net/v1.0"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OptionError(option, f"is not a URL: {example}") from None
    host = parts.hostname
    if parts.scheme not in _DEFAULT_PORTS or not host or re.search(r"[\s\\\x00-\x1f]", url):
        raise OptionError(option, f"is not an http(s) URL: {example}")
    if "@" in parts.netloc:
        raise OptionError(option, f"must not hold a user name or password: {example}, and owner_id and token as options")
    if parts.query or parts.fragment:
        raise OptionError(option, f"must not have a query or fragment: {example}")
    if parts.scheme == "http" and not _is_loopback(host):
        raise OptionError(option, f"must begin with https://, the token would travel in clear to {host}")
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        shown = f"{shown}:{port}"
    return f"{parts.scheme}://{shown}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _verify(validate_certs: bool, ca_path: str | None) -> bool | str:
    if ca_path is not None:
        try:
            if os.path.isdir(ca_path):
                os.listdir(ca_path)
            else:
                with open(ca_path, "rb") as bundle:
                    bundle.read(1)
        except OSError as exc:
            raise OptionError("ca_path", f"cannot be read: {exc.strerror}: {ca_path}") from None
        except ValueError:
            raise OptionError("ca_path", "holds a null character, which no path may") from None
    if not validate_certs:
        return False
    return ca_path if ca_path is not None else True
