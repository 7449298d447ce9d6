# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From options to the account's connection and the wanted user. Values are checked here, before anything is sent."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.sendclean.email.plugins.module_utils import _errors, _model

# Beyond these, clocks and timers of Python overflow; nobody waits for eleven days, or makes that many calls.
_MOST_SECONDS = 10**6
_MOST_A_MINUTE = 10**6
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What nobody sees, beside white space and Unicode's format characters (Cf): the rest of its Default_Ignorable_Code_Point, whose
# categories differ, and the empty pattern of Braille.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


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


def shown(value: Any) -> str:
    """Return a value as JSON. The containers of ansible-core's templates show what is in them only when they are asked."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{shown(str(key))}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    return json.dumps(value, default=str)


def refuse_values(problems: Iterable[_errors.SendCleanError]) -> None:
    """Raise all that is wrong as one error, a line for each."""
    told = "\n".join(map(str, problems))
    if told:
        raise _errors.SendCleanError(told)


def text_problems(spec: Mapping[str, Any], params: Mapping[str, Any], given: Collection[str]) -> Iterator[_errors.SendCleanError]:
    """Yield what is wrong with the options that are text or lists of it, by an argument spec; suboptions and choices aside.

    ``given`` are the options of the task. Others come from the environment, and are named with the variable.
    """
    for name, option in spec.items():
        value = params[name]
        if value is None or "choices" in option:
            continue
        if option["type"] in ("str", "path"):
            source = "" if name in given or "fallback" not in option else f" ({option['fallback'][1][0]})"
            for problem in text_problem(name, value, bool(option.get("no_log"))):
                yield _errors.SendCleanError(f"{problem}{source}")
        elif option.get("elements") == "str":
            for index, text in enumerate(value):
                yield from text_problem(f"{name}[{index}]", text)
            for text, other in twins(text for text in value if isinstance(text, str)).items():
                yield twin_problem(f"{name}[{value.index(text)}]", text, other)


def text_problem(place: str, value: Any, secret: bool = False) -> Iterator[_errors.OptionError]:
    """Yield the first thing for which a value is no name, ID, token, pattern or path, if there is one. A secret is not quoted."""
    if value is None or (isinstance(value, str) and not value.strip()):
        yield _errors.OptionError(place, "is empty: give a value or leave it out")
    elif not isinstance(value, str):
        but = f", not {shown(value)}" if isinstance(value, (int, float)) and not secret else ""
        yield _errors.OptionError(place, f"must be a string{but}: put it in quotes")
    elif not (value.isascii() and value.isprintable() and value == value.strip()):
        last = len(value) - 1
        # The ends first: of several, these are the ones that are meant to be found.
        for index in (last, *range(last)):
            kind = _stray(value[index], index in (0, last))
            if kind:
                inside = "inside" if secret else f"as character {index + 1}"
                where = {0: "at its beginning", last: "at its end"}.get(index, inside)
                which = kind if secret else f"{kind} (U+{ord(value[index]):04X})"
                yield _errors.OptionError(place, f"has {which} {where}: take it out")
                return


def _stray(character: str, at_an_end: bool) -> str | None:
    """Say what a character is that cannot be meant: anywhere what is no text, at an end also what nobody sees there."""
    category = unicodedata.category(character)
    if category in ("Zl", "Zp") or character in "\n\r\x85":
        return "a line break"
    if category in ("Cc", "Cs"):
        return "a control character" if category == "Cc" else "half of a surrogate pair"
    if at_an_end and category == "Zs":
        return "white space"
    return "an invisible character" if at_an_end and _is_invisible(character) else None


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or _IGNORABLE.match(character) is not None


def twins(asked: Iterable[str], known: Iterable[str] = ()) -> dict[str, str]:
    """Return the aliases that are asked for and look like another one that is asked for or known, each with that one.

    They differ only in Unicode normal form, or in characters that nobody sees.
    """
    found: dict[str, str] = {}
    first: dict[str, str] = {}
    for alias in asked:
        other = first.setdefault(_look(alias), alias)
        if other != alias:
            found[alias] = other
    for alias in known:
        other = first.get(_look(alias), alias)
        if other != alias:
            found.setdefault(other, alias)
    return found


def twin_problem(place: str, alias: str, other: str) -> _errors.OptionError:
    """Return what is to be said of an alias and its twin. Only the spellings show how they differ."""
    one, another = ascii(alias), ascii(other)
    return _errors.OptionError(place, f"{one} looks the same as {another}, which is another one: write both in the same way")


def _look(alias: str) -> str:
    if alias.isascii():
        return alias
    # NFKC also takes for the same what differs in width or font only.
    return unicodedata.normalize("NFKC", "".join(character for character in alias if not _is_invisible(character)))


def wanted_from(params: Mapping[str, Any]) -> _model.Wanted:
    """Return the user that the options describe. Raises OptionError."""
    refuse_values((*name_problems(params), *limit_problems(params)))
    return _model.Wanted.of(params)


def name_problems(params: Mapping[str, Any], place: str = "") -> Iterator[_errors.OptionError]:
    """Yield what is wrong with the names of a user. ``place`` is the user's in a list."""
    given = [option for option in ("alias", "smtp_user_name") if params[option] is not None]
    if not given and place:
        yield _errors.OptionError(place, "needs an alias or a smtp_user_name")
    elif not given:
        yield _errors.OptionError("alias", "or smtp_user_name must be given")
    for option in given:
        yield from text_problem(_at(place, option), params[option])
    # A reset has no such option.
    if params.get("renamed_from") is not None:
        yield from renaming_problems(_at(place, "renamed_from"), params["renamed_from"], params["alias"])


def renaming_problems(place: str, renamed_from: Any, alias: Any) -> Iterator[_errors.OptionError]:
    """Yield what is wrong with the alias that a user had before."""
    yield from text_problem(place, renamed_from)
    if alias is None:
        yield _errors.OptionError(place, "needs alias, the one that the user has from now on")
    elif renamed_from == alias:
        yield _errors.OptionError(place, "is the alias itself: give the one that the user had before")


def binding_problems(bindings: Mapping[str, Any]) -> Iterator[_errors.OptionError]:
    """Yield what is wrong with the aliases and names that are given to be bound."""
    for alias, name in bindings.items():
        for text in (alias, name):
            yield from text_problem(f"bindings[{alias}]", text)


def delivered_problems(delivered: Mapping[str, Any]) -> Iterator[_errors.OptionError]:
    """Yield what is wrong with the aliases and names that are given as delivered. Null stands for nobody's name."""
    for alias, name in delivered.items():
        for text in (alias,) if name is None else (alias, name):
            yield from text_problem(f"delivered[{alias}]", text)


# Parameters of libpq, up to its version 18, that are secrets.
_SECRETS = {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}


def url_problems(option: str, params: Mapping[str, Any]) -> Iterator[_errors.OptionError]:
    """Yield what is wrong with a database's URL. It is not quoted: what is wrong may be that it holds a password."""
    url = params.get(option)
    if not isinstance(url, str):
        return
    if not re.match(r"postgres(ql)?://", url):
        yield _errors.OptionError(option, "must be a URL such as postgresql://user@host:5432/database?sslmode=verify-full")
        return
    # As libpq reads it: names of parameters may be encoded, too. A password with a slash or a question mark ends no part here.
    names = {unquote(part.partition("=")[0]).lower() for part in url.partition("?")[2].split("&")}
    # But an @ may be in a parameter, such as a user's name, after hosts that have nothing but ports and a slash.
    hosts = re.match(r"\w+://[^/?:@,]*(:\d*)?(,[^/?:@,]*(:\d*)?)*/[^?:@]*\?", url)
    if (re.match(r"\w+://.*:.*@", url, re.DOTALL) and not hosts) or names & _SECRETS:
        yield _errors.OptionError(option, "must not hold a password: libpq finds it in PGPASSWORD, PGPASSFILE or a service file")


def bindings_in(params: Mapping[str, Any], given: Collection[str], needed_by: Iterable[str] = ()) -> dict[str, str | None]:
    """Return the options that say where the bindings are, at most one of which is left. What a task says beats the environment.

    ``given`` are the options of the task, ``needed_by`` are options that need bindings. Raises OptionError.
    """
    places = ("bindings_path", "bindings_url")
    found = [name for name in places if params[name] is not None]
    if len(found) > 1:
        found = [name for name in found if name in given]
        if len(found) != 1:
            names = "bindings_path and bindings_url" if found else "SENDCLEAN_BINDINGS_PATH and SENDCLEAN_BINDINGS_URL"
            raise _errors.OptionError("bindings_url", f"and bindings_path exclude each other: give one of {names}")
    for option in needed_by:
        if not found and params[option] is not None:
            raise _errors.OptionError(
                option, "needs bindings_path or bindings_url, where it is kept who is who: give one of the two"
            )
    return {name: params[name] if name in found else None for name in places}


def limit_problems(params: Mapping[str, Any], place: str = "") -> Iterator[_errors.OptionError]:
    """Yield what is wrong with the limits of a user. ``place`` is the user's in a list."""
    for option in _model.LIMITS:
        limit = params[option]
        if limit is not None and not (_is_integer(limit) and limit >= 1):
            yield _errors.OptionError(_at(place, option), f"must be a positive integer, not {shown(limit)}")


def duration_problems(
    option: str, params: Mapping[str, Any], unit: str, most: float = sys.float_info.max
) -> Iterator[_errors.OptionError]:
    """Yield what is wrong with a duration that may be left out."""
    value = params[option]
    # So written, a number that is none ("nan") is refused, too.
    if value is not None and not (isinstance(value, float) and 0 <= value <= most):
        bounds = "0 or more" if most == sys.float_info.max else f"0 or more and up to {most}"
        yield _errors.OptionError(option, f"must be a number of {unit}, {bounds}, not {shown(value)}")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def purge_from(params: Mapping[str, Any]) -> _model.Purge | None:
    """Return which users are purged, None where none are. Raises OptionError."""
    limit = purge_limit("purge_limit", params["purge_limit"])
    if not params["purge"]:
        return None
    if not params["users"]:
        raise _errors.OptionError("purge", "is refused while users is empty: it would disable every user that may be purged")
    if params["purge_scope"] == "managed" and params["bindings_path"] is params["bindings_url"] is None:
        raise _errors.OptionError(
            "purge",
            "with purge_scope managed needs bindings_path or bindings_url, which says whose users are managed; account disables "
            "all others",
        )
    return _model.Purge(tuple(params["purge_exclude"]), params["purge_scope"], limit)


def purge_limit(option: str, value: Any) -> str:
    """Return how many users a purge may disable. Raises OptionError."""
    # Of what is no text, only an integer is written so; and with so few digits that Python converts them always.
    limit = str(value)
    if not re.fullmatch(r"[0-9]{1,99}(\.[0-9]{1,99})?%|[0-9]{1,99}", limit):
        raise _errors.OptionError(option, f"must be a number of users or a percentage such as 30%, not {shown(value)}")
    return limit


def plan_checksum(option: str, value: Any) -> str:
    """Return the checksum of a plan. Raises OptionError."""
    for problem in text_problem(option, value):
        raise problem
    if not re.fullmatch(r"[0-9a-f]+", value):
        raise _errors.OptionError(option, f"must be what plan_checksum of a dry run says, hex digits, not {shown(value)}")
    return str(value)


def _at(place: str, option: str) -> str:
    return f"{place}.{option}" if place else option


def connection_from(params: Mapping[str, Any]) -> Connection:
    """Check the options that every module shares. Raises OptionError with the option's name."""
    for option in ("timeout", "retry_timeout"):
        number = params[option]
        # So written, a number that is none ("nan") is refused, too.
        if not (isinstance(number, float) and 0 < number <= _MOST_SECONDS):
            raise _errors.OptionError(option, f"must be a positive number of seconds, up to {_MOST_SECONDS}, not {shown(number)}")
    pace = params["requests_per_minute"]
    if not (_is_integer(pace) and 0 <= pace <= _MOST_A_MINUTE):
        raise _errors.OptionError(
            "requests_per_minute", f"must be 0 (no pacing) or a positive integer, up to {_MOST_A_MINUTE}, not {shown(pace)}"
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
        raise _errors.OptionError("app_domain", f"must be a host name such as sendclean.net, not {app_domain!r}")
    return _normalized("app_domain", f"https://api.{app_domain}/v1.0")


def _normalized(option: str, url: str) -> str:
    """Return one spelling of a base URL, since the bindings file keeps accounts by it."""
    example = "give a base URL such as https://api.sendclean.net/v1.0"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _errors.OptionError(option, f"is not a URL: {example}") from None
    host = parts.hostname
    if parts.scheme not in _DEFAULT_PORTS or not host or re.search(r"[\s\\\x00-\x1f]", url):
        raise _errors.OptionError(option, f"is not an http(s) URL: {example}")
    if "@" in parts.netloc:
        raise _errors.OptionError(option, f"must not hold a user name or password: {example}, and owner_id and token as options")
    if parts.query or parts.fragment:
        raise _errors.OptionError(option, f"must not have a query or fragment: {example}")
    if parts.scheme == "http" and not _is_loopback(host):
        raise _errors.OptionError(option, f"must begin with https://, the token would travel in clear to {host}")
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
            raise _errors.OptionError("ca_path", f"cannot be read: {exc.strerror}: {ca_path}") from None
    if not validate_certs:
        return False
    return ca_path if ca_path is not None else True
