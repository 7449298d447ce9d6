# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look at an account and its files, writing nothing: what cannot be looked at is a problem beside the others, and stops none.

One listSmtp is all that is sent. How errors are written shows only where it meets one: a call that is refused for a wrong
token could lock the account, and one to a path that is none could be taken for a scanner.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record, store_at
from ansible_collections.sendclean.email.plugins.module_utils._client import REQUESTS_IMPORT_ERROR, VERSION, Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import (
    CallError,
    CredentialsError,
    OptionError,
    RoleError,
    SendCleanError,
    bug_in,
)
from ansible_collections.sendclean.email.plugins.module_utils._files import DurableFile
from ansible_collections.sendclean.email.plugins.module_utils._module import (
    BINDINGS_OPTIONS,
    CONNECTION_OPTIONS,
    options_from,
)
from ansible_collections.sendclean.email.plugins.module_utils._options import (
    Connection,
    bindings_in,
    connection_from,
)
from ansible_collections.sendclean.email.plugins.plugin_utils import _role
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode
from ansible_collections.sendclean.email.plugins.plugin_utils._credentials import compare, forgotten, parse, select
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor import Facts, FileFacts
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor_report import is_report, whole_report
from ansible_collections.sendclean.email.plugins.plugin_utils._recovery import listed_aliases
from ansible_collections.sendclean.email.plugins.plugin_utils._spelling import spelling
from ansible_collections.sendclean.email.plugins.plugin_utils._text_file import write
from ansible_collections.sendclean.email.plugins.plugin_utils._vault import choose, decrypt, secrets_of

# Takes variables of the role with what they are, and returns their values and what is wrong with them. May raise RoleError.
Look = Callable[[Mapping[str, _role.Kind]], tuple[dict[str, Any], list[str]]]

_LEAST_REQUESTS = (2, 27)
# Seconds.
_PATIENCE = 30.0


@dataclass
class Checkup:
    """What is known so far. Each part of the examination adds to it."""

    node: ControlNode
    facts: dict[str, Any]
    problems: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    # Variables that cannot be used.
    wrong: set[str] = field(default_factory=set)
    connection: Connection | None = None


def examine(node: ControlNode, host: str, look: Look) -> Facts:
    """Return what is known of a host's account. Raises nothing: each part goes on where another fails."""
    checkup = Checkup(node, {"host": host})
    parts: tuple[Callable[[Checkup], None], ...] = (_versions, _list, _connection, _bindings, _account, _credentials)
    _do(checkup, lambda known: _variables(known, look))
    with node.environment():
        for part in parts:
            _do(checkup, part)
    return Facts(**checkup.facts, problems=checkup.problems)


def _do(checkup: Checkup, part: Callable[[Checkup], None]) -> None:
    try:
        part(checkup)
    except SendCleanError as error:
        checkup.problems += getattr(error, "problems", str(error).split("\n"))
    except Exception as error:
        # What nobody has thought of, in one part, keeps nobody from reading the others. Its text may hold a secret.
        checkup.problems.append(bug_in(error))


def _variables(checkup: Checkup, look: Look) -> None:
    for name, kind in _role.MAIN.items():
        try:
            found, wrong = look({name: kind})
        except RoleError as error:
            found, wrong = {}, error.problems
        checkup.values.update(found)
        checkup.problems += wrong
        if wrong and name not in found:
            checkup.wrong.add(name)


def _versions(checkup: Checkup) -> None:
    try:
        requests: str | None = metadata.version("requests")
    except metadata.PackageNotFoundError:
        requests = None
    core = checkup.node.variables.get("ansible_version", {}).get("full")
    checkup.facts["versions"] = {
        "sendclean.email": VERSION,
        "ansible-core": None if core is None else str(core),
        "Python": platform.python_version(),
        "requests": requests,
    }
    if REQUESTS_IMPORT_ERROR:
        raise SendCleanError("requests cannot be imported: install it for the Python that runs ansible-playbook")
    numbers = tuple(int(part) for part in (requests or "").split(".")[:2] if part.isdigit())
    if numbers and numbers < _LEAST_REQUESTS:
        raise SendCleanError(f"requests is {requests}, and 2.27.0 or newer is needed: upgrade it")


def _list(checkup: Checkup) -> None:
    """Look at the list of users, if there is one: whom it names is somebody's."""
    if "list" in checkup.values:
        options, problems = _role.users_of(checkup.values, checkup.node.omit)
        checkup.problems += problems
        named = [user for user in options["users"] if isinstance(user.get("smtp_user_name"), str)]
        checkup.facts["named"] = frozenset(user["smtp_user_name"] for user in named)
        checkup.facts["adopted"] = frozenset(user["smtp_user_name"] for user in named if user.get("alias") is not None)
        checkup.facts["listed"] = frozenset(listed_aliases(options["users"]))
    checkup.facts["purges"] = checkup.values.get("purge") is True


def _connection(checkup: Checkup) -> None:
    wrong = checkup.wrong & _role.ACCOUNT.keys() - BINDINGS_OPTIONS.keys()
    if wrong or REQUESTS_IMPORT_ERROR:
        # What counts instead, from the environment or a default, could be another account.
        return
    given = {name: checkup.values[name] for name in CONNECTION_OPTIONS if name in checkup.values}
    checkup.connection = connection_from(options_from(CONNECTION_OPTIONS, given, _role.PREFIX))
    checkup.facts.update(base_url=checkup.connection.base_url, owner_id=checkup.connection.owner_id)


def _bindings(checkup: Checkup) -> None:
    if checkup.wrong & BINDINGS_OPTIONS.keys():
        # What counts instead could be another account's.
        return
    given = {name: checkup.values[name] for name in BINDINGS_OPTIONS if name in checkup.values}
    places = bindings_in(options_from(BINDINGS_OPTIONS, given, _role.PREFIX), given)
    connection = checkup.connection
    account = (connection.base_url, connection.owner_id) if connection else ("", "")
    store = store_at(places, account)
    if store is None:
        return
    try:
        read = Record(store, account).read if connection else store.read
        tried = _tried(store.place, store.try_out, lambda: checkup.facts.update(bindings=read()) if connection else read())
    finally:
        store.close()
    # In a database there is a place for everybody.
    checkup.facts["bindings_file"] = replace(tried, there=tried.there or places["bindings_url"] is not None)


def _tried(path: str, try_out: Callable[[], tuple[list[str], bool]], read: Callable[[], Any]) -> FileFacts:
    problems, busy = try_out()
    try:
        read()
    except SendCleanError as error:
        problems += [] if str(error) in problems else [str(error)]
    return FileFacts(path, os.path.exists(path), problems, busy)


def _account(checkup: Checkup) -> None:
    if checkup.connection is None:
        return
    answers: list[dict[str, Any]] = []

    def observe(content: bytes, http_status: int) -> None:
        answer = spelling(content, http_status)
        if answer not in answers:
            answers.append(answer)

    # Who looks does not wait for five minutes to be told that the account is asked too often.
    patience = min(checkup.connection.retry_timeout, _PATIENCE)
    client = Client(replace(checkup.connection, retry_timeout=patience), observe)
    checkup.facts["answers"] = answers
    begun = time.monotonic()
    try:
        checkup.facts["listing"] = client.list_smtp()
    except CallError as error:
        checkup.facts["error"] = error
    checkup.facts["seconds"] = time.monotonic() - begun
    checkup.facts["warnings"] = client.warnings()


def _credentials(checkup: Checkup) -> None:
    """Compare the credentials file with what is in force."""
    path = checkup.values.get("credentials_file")
    if path is None:
        return
    option = "smtp_users_credentials_file"
    file = DurableFile(path, option, CredentialsError)
    problems = [*_inside_an_inventory(checkup, path)]

    def read() -> None:
        content = file.read()
        # Asked for before there is a file, too: the run that makes it needs them.
        secrets = secrets_of(checkup.node.action._loader, option)
        text, key = ("", None) if content is None else decrypt(path, content, secrets, option)
        choose(secrets, checkup.values.get("credentials_vault_id"), key)
        checkup.facts.update(_compared(checkup, path, text, option))

    tried = _tried(path, file.try_out, read)
    checkup.facts["credentials_file"] = FileFacts(path, tried.there, [*problems, *tried.problems], tried.busy)


def _compared(checkup: Checkup, path: str, text: str, option: str) -> dict[str, Any]:
    stored = parse(path, text, checkup.values.get("credentials_variable", "smtp_credentials"), option).credentials or {}
    listing, bindings = checkup.facts.get("listing"), checkup.facts.get("bindings")
    if listing is None or bindings is None:
        return {}
    # Who is not listed has a finding of the bindings.
    users = {alias: name for alias, name in bindings.aliases.items() if name in listing}
    unlisted = {alias: stored[alias] for alias in bindings.aliases.keys() - users.keys() if alias in stored}
    selection = select(users, listing, stored, {})
    return {
        "difference": compare(stored, {**selection.credentials, **unlisted}),
        "mute": selection.mute,
        "forgotten": forgotten(stored, users, listing, bindings),
    }


def _inside_an_inventory(checkup: Checkup, path: str) -> Iterator[str]:
    """Say if Ansible would read the file as inventory, which group_vars and host_vars are not."""
    place = os.path.realpath(path)
    for source in checkup.node.given(["ansible_inventory_sources"]).get("ansible_inventory_sources") or ():
        below = os.path.relpath(place, os.path.realpath(source)).split(os.sep)
        if os.path.isdir(source) and below[0] != os.pardir and not {"group_vars", "host_vars"} & set(below[:-1]):
            yield (
                f"smtp_users_credentials_file is {path}, which Ansible reads as inventory with all else below {source}: "
                "choose another place, or group_vars or host_vars there"
            )
            return


def write_report(path: str, accounts: Sequence[Mapping[str, Any]], versions: Mapping[str, str | None]) -> None:
    """Write the report of a run where nothing is, or an older one. Raises OptionError."""
    file = Path(path)
    try:
        free = not file.exists() or is_report(file.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise OptionError("sendclean_doctor_report", f"cannot be read: {error.strerror}: {path}") from None
    if not free:
        raise OptionError("sendclean_doctor_report", f"is there and is no report of the doctor: choose another place: {path}")
    write("sendclean_doctor_report", path, json.dumps(whole_report(accounts, versions), indent=2, sort_keys=True) + "\n")
