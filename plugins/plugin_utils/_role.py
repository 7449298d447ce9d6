# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the variables of the role smtp_users to the arguments of its tasks, with all that is wrong with them at once.

A variable is one line of a table here: its name without the prefix, and what it is. Where a module has an option of the same
name, nothing else is needed. Pure functions, but that they look where paths lead.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean as as_boolean
from ansible_collections.sendclean.email.plugins.filter.checked_users import checked_users
from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError, RoleError, SendCleanError
from ansible_collections.sendclean.email.plugins.module_utils._options import (
    plan_checksum,
    purge_limit,
    shown,
    text_problem,
    url_problems,
)
from ansible_collections.sendclean.email.plugins.module_utils._rails import NOTHING_TO_DO

PREFIX = "smtp_users_"
_MOST_HOURS = 10**6
# Takes a variable's name and value, returns what a module takes. Raises OptionError or RoleError.
Kind = Callable[[str, Any], Any]


def text(name: str, value: Any, is_secret: bool = False) -> str:
    """Refuse what is no text, and what nobody sees in it."""
    for problem in text_problem(name, value, is_secret):
        raise problem
    return str(value)


def secret(name: str, value: Any) -> str:
    """Refuse the same, without a word of what it is."""
    return text(name, value, is_secret=True)


def owner(name: str, value: Any) -> str:
    """Accept an integer, too: as it is written in decimal."""
    return str(int(value)) if isinstance(value, int) and not isinstance(value, bool) else text(name, value)


def texts(name: str, value: Any) -> list[str]:
    """Accept a list, or a text with commas, as a survey or the command line gives it."""
    if isinstance(value, str):
        value = [part.strip(" ") for part in value.split(",")]
    if not isinstance(value, (list, tuple)):
        raise OptionError(name, f"must be a list, not {shown(value)}")
    found: list[str] = []
    problems: list[str] = []
    for index, item in enumerate(value):
        place = f"{name}[{index}]"
        try:
            found.append(text(place, item))
        except OptionError as error:
            problems.append(str(error))
    if problems:
        raise RoleError(problems)
    return found


def boolean(name: str, value: Any) -> bool:
    """Accept what Ansible takes for one."""
    try:
        return bool(as_boolean(value, strict=True))
    except TypeError:
        raise OptionError(name, f"must be true or false, not {shown(value)}") from None


def number(name: str, value: Any) -> float:
    """Accept a number or the text of one. What the module takes of them it says itself."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)) or "_" in str(value):
            raise ValueError
        return float(value)
    except (ValueError, OverflowError):
        raise OptionError(name, f"must be a number, not {shown(value)}") from None


def days(name: str, value: Any) -> float:
    """Accept a number of days, 0 or more."""
    found = number(name, value)
    if not (math.isfinite(found) and found >= 0):
        raise OptionError(name, f"must be a number of days, 0 or more, not {shown(value)}")
    return found


def hours(name: str, value: Any) -> float:
    """Accept a number of hours, 0 or more."""
    found = number(name, value)
    # What smtp_user_rotate takes: told here, it is told before anything is rotated.
    if not 0 <= found <= _MOST_HOURS:
        raise OptionError(name, f"must be a number of hours, 0 or more and up to {_MOST_HOURS}, not {shown(value)}")
    return found


def integer(name: str, value: Any) -> int:
    """Accept an integer or the text of one."""
    # So few digits that Python converts them always.
    if isinstance(value, bool) or not re.fullmatch(r"\s*-?[0-9]{1,99}\s*", str(value)):
        raise OptionError(name, f"must be an integer, not {shown(value)}")
    return int(value)


def scope(name: str, value: Any) -> str:
    """Accept whom a purge may disable."""
    if value not in ("managed", "account"):
        raise OptionError(name, f"must be managed or account, not {shown(value)}")
    return str(value)


def path(name: str, value: Any) -> str:
    """Accept an absolute path, or one that begins with ``~``."""
    found = os.path.expanduser(os.path.expandvars(text(name, value)))
    if not os.path.isabs(found):
        raise OptionError(name, f"must be an absolute path, not {found}: begin it with {{{{ inventory_dir }}}}")
    return found


def there(name: str, value: Any) -> str:
    """Accept the path of a file that is there."""
    found = path(name, value)
    if not os.path.isfile(found):
        raise OptionError(name, f"is no file: {found}. Check the path")
    return found


def written(name: str, value: Any) -> str:
    """Accept the path of a file that is written, unless the next installation of a collection would delete it."""
    found = path(name, value)
    for place in (os.path.abspath(found), os.path.realpath(found)):
        if re.search(r"/ansible_collections/[^/]+/[^/]+/", place):
            raise OptionError(
                name, f"is {found}, inside of a collection, which is deleted when it is installed anew: choose another place"
            )
    return found


def database(name: str, value: Any) -> str:
    """Accept the URL of a database, without a password."""
    url = text(name, value)
    for problem in url_problems(name, {name: url}):
        raise problem
    return url


def report(name: str, value: Any) -> str:
    """Accept the path of a report, whose suffix says what is written."""
    found = written(name, value)
    if os.path.splitext(found)[1].lower() not in (".html", ".md", ".json"):
        raise OptionError(name, f"must end in .html, .md or .json, which says what is written, not {found}")
    return found


def checksums(name: str, value: Any) -> dict[str, str]:
    """Accept a mapping from hosts to checksums, also as JSON. A host whose checksum is not given is left out."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            pass
    if not isinstance(value, Mapping):
        raise OptionError(name, f"must be a mapping of hosts to what plan_checksum said of each in a dry run, not {shown(value)}")
    found: dict[str, str] = {}
    problems: list[str] = []
    for host, checksum in value.items():
        if checksum is not None and checksum != "":
            try:
                found[str(host)] = plan_checksum(f"{name}[{host}]", checksum)
            except OptionError as error:
                problems.append(str(error))
    if problems:
        raise RoleError(problems)
    return found


def anything(name: str, value: Any) -> Any:
    """Accept what is looked at as a whole."""
    return value


ACCOUNT: dict[str, Kind] = {
    "owner_id": owner,
    "token": secret,
    "app_domain": text,
    "api_url": text,
    "validate_certs": boolean,
    "ca_path": path,
    "timeout": number,
    "requests_per_minute": integer,
    "retry_timeout": number,
    "bindings_path": written,
    "bindings_url": database,
}
USERS: dict[str, Kind] = {
    "list": anything,
    "defaults": anything,
    "purge": boolean,
    "purge_scope": scope,
    "purge_exclude": texts,
    "purge_limit": purge_limit,
}
APPROVAL: dict[str, Kind] = {"plan_checksum": plan_checksum, "plan_checksums": checksums}
CREDENTIALS: dict[str, Kind] = {"credentials_file": written, "credentials_variable": text, "credentials_vault_id": text}
REPORT: dict[str, Kind] = {"report_path": report, "overview_path": report}
EXPORT: dict[str, Kind] = {"export_path": written, "export_overwrite": boolean}
RECOVER: dict[str, Kind] = {"recover_path": path, "credentials_file": written, "credentials_variable": text}
ACKNOWLEDGE: dict[str, Kind] = {"acknowledge_names": texts}
CHOICES: dict[str, Kind] = {"rotate_max_age_days": days, "rotate_aliases": texts, "rotate_leaked_password": secret}

# The variables of each entry point.
MAIN: dict[str, Kind] = {**ACCOUNT, **USERS, **APPROVAL, **CREDENTIALS, **REPORT}
ROTATE: dict[str, Kind] = {
    **ACCOUNT,
    **CREDENTIALS,
    **CHOICES,
    "rotate_overlap_hours": hours,
    "rotate_deploy_tasks": there,
}


def converted(variables: Mapping[str, Any], kinds: Mapping[str, Kind]) -> tuple[dict[str, Any], list[str]]:
    """Return the variables that are given as what they are, without the prefix, and what is wrong with the others."""
    found: dict[str, Any] = {}
    problems: list[str] = []
    for name, kind in kinds.items():
        variable = PREFIX + name
        if variable in variables:
            try:
                found[name] = kind(variable, variables[variable])
            except SendCleanError as error:
                problems += getattr(error, "problems", [str(error)])
    return found, problems


def connection_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that every module has."""
    return {name: values[name] for name in ACCOUNT if name in values}


def users_of(values: Mapping[str, Any], omit: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the options of smtp_users that say which users are wanted, and what is wrong with the list."""
    checked = checked_users(values.get("list"), values.get("defaults", {}), omit)
    problems = list(checked["problems"])
    if values.get("purge") and values.get("list") == []:
        problems.append("smtp_users_purge is refused while smtp_users_list is empty: it would disable every user of the account")
    options = {name: values[name] for name in USERS if name in values and name not in ("list", "defaults")}
    return {**options, "users": checked["users"]}, problems


def approved_of(values: Mapping[str, Any], host: str, dry: bool) -> dict[str, Any]:
    """Return the option of smtp_users that says which plan was approved, if one was.

    A host that the mapping does not have may do nothing. Only a dry run, which is how it gets there, says what it would do.
    """
    known = values.get("plan_checksums", {})
    if "plan_checksum" in values or host in known:
        return {"plan_checksum": values.get("plan_checksum", known.get(host))}
    return {"plan_checksum": NOTHING_TO_DO} if "plan_checksums" in values and not dry else {}


def approval_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Say if it is not clear which plan was approved."""
    if len(APPROVAL.keys() & values.keys()) > 1:
        yield "smtp_users_plan_checksum and smtp_users_plan_checksums exclude each other: give one of the two"


def handed_on(values: Mapping[str, Any], result: Mapping[str, Any], host: str, hosts: Collection[str]) -> dict[str, Any]:
    """Return what set_stats would, for AWX gives that to the next jobs of a workflow as variables.

    The mapping is handed on where an account has failed, too: not to be in it means that nothing was approved. What it has of
    ``hosts``, those of the play, is that of this run; what it had of others, from a job before, goes with it.
    """
    known = {other: checksum for other, checksum in values.get("plan_checksums", {}).items() if other not in hosts}
    if not result.get("failed") and "plan_checksum" in result:
        known[host] = result["plan_checksum"]
    return {"data": {f"{PREFIX}plan_checksums": known}, "aggregate": True, "per_host": False}


def credentials_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of smtp_credentials that say where to keep them."""
    options = {name.removeprefix("credentials_"): values[name] for name in CREDENTIALS if name in values}
    if "file" in options:
        options["dest"] = options.pop("file")
    return options


def place_problems(bindings_path: str | None, host: str, sources: Any) -> Iterator[str]:
    """Say what is wrong with the place of the bindings file. ``sources`` are those of the inventory."""
    if bindings_path is None:
        yield f"smtp_users_bindings_path must be given, since {host} is in no inventory file beside which it could lie"
        return
    for source in sorted(os.path.realpath(source) for source in sources or () if os.path.isdir(source)):
        if os.path.realpath(bindings_path).startswith(source + "/"):
            yield (
                f"smtp_users_bindings_path is {bindings_path}, which Ansible reads as inventory with all else below {source}: "
                "choose another place, and move the file if there is one"
            )
            return


def report_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Say if one report would replace the other."""
    places = [os.path.realpath(values[name]) for name in REPORT if name in values]
    if len(places) > len(set(places)):
        yield f"smtp_users_overview_path is that of smtp_users_report_path, too, {values['overview_path']}: give each its own"


def choice_problems(values: Mapping[str, Any], blank: set[str]) -> Iterator[str]:
    """Say if it is not clear whose passwords are to be reset, or where to keep the new ones."""
    chosen = [name for name in CHOICES if name in values]
    if len(chosen) != 1:
        yield (
            "Set one of smtp_users_rotate_max_age_days, smtp_users_rotate_aliases and smtp_users_rotate_leaked_password, "
            f"not {len(chosen)} of them"
        )
    if values.get("rotate_aliases") == [] or (not chosen and "rotate_aliases" in blank):
        yield "smtp_users_rotate_aliases is empty: name somebody, or choose otherwise"
    if not chosen and "rotate_leaked_password" in blank:
        yield "smtp_users_rotate_leaked_password is empty: give the password, or choose otherwise"
    if not chosen and "rotate_max_age_days" in blank:
        yield "smtp_users_rotate_max_age_days is empty: give a number of days, or choose otherwise"
    if "credentials_file" not in values and "rotate_deploy_tasks" not in values:
        yield (
            "smtp_users_credentials_file must be given, where the new passwords are kept, or smtp_users_rotate_deploy_tasks, "
            "which delivers them"
        )
