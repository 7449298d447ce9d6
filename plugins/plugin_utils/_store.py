# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep an encrypted vars file in step with an account: the order of steps."""

from __future__ import annotations

import contextlib
import keyword
from collections.abc import Mapping
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._apply import list_with_young, utc_now
from ansible_collections.sendclean.email.plugins.module_utils._bindings import BindingsFile
from ansible_collections.sendclean.email.plugins.module_utils._client import Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import (
    CredentialsError,
    OptionError,
    RefusedError,
    SendCleanError,
)
from ansible_collections.sendclean.email.plugins.module_utils._files import DurableFile
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings
from ansible_collections.sendclean.email.plugins.module_utils._module import with_warnings
from ansible_collections.sendclean.email.plugins.module_utils._options import connection_from
from ansible_collections.sendclean.email.plugins.plugin_utils._credentials import compare, parse, wanted_credentials
from ansible_collections.sendclean.email.plugins.plugin_utils._vault import Secrets, choose, decrypt, encrypt


def store(params: Mapping[str, Any], secrets: Secrets, check_mode: bool) -> dict[str, Any]:
    """Keep the file in step, and return the task's result."""
    _check(params)
    client = Client(connection_from(params))
    try:
        return with_warnings(_store(client, params, secrets, check_mode), client)
    except SendCleanError as error:
        error.done = with_warnings(error.done, client)
        raise


def _store(client: Client, params: Mapping[str, Any], secrets: Secrets, check_mode: bool) -> dict[str, Any]:
    aliases, names, variable = params["aliases"], params["smtp_user_names"], params["variable"]
    connection, path = client.connection, params["bindings_path"]
    file = BindingsFile(path, connection.base_url, connection.owner_id) if path else None
    dest = DurableFile(params["dest"], "dest", CredentialsError)
    # Under the lock from before the listing on: what an older listing shows does not replace what a newer one has.
    with contextlib.nullcontext() if check_mode else dest.lock():
        content = dest.read()
        text, current = ("---\n", None) if content is None else decrypt(dest.path, content, secrets)
        key = choose(secrets, params["vault_id"], current)
        old = parse(dest.path, text, variable)
        bindings = file.read() if file else Bindings()
        listing = client.list_smtp() if check_mode else list_with_young(client, bindings, aliases or bindings.aliases)
        wanted = wanted_credentials(listing, bindings, aliases, names)
        if old.credentials and not wanted:
            raise RefusedError(
                f"nobody in bindings_path is in the account, which would remove all users from {variable} in dest: "
                "check bindings_path and owner_id. If that is meant, remove dest"
            )
        difference = compare(old.credentials or {}, wanted)
        if difference or old.credentials is None:
            text = old.with_credentials(wanted)
        changed = text != old.text or key != current
        if changed and not check_mode:
            dest.replace(encrypt(text, key))
    lines = difference.lines + ([f"encrypted with vault ID {key.vault_id}"] if key != current else [])
    return {
        "changed": changed,
        "dest": dest.path,
        "variable": variable,
        "added": difference.added,
        "updated": difference.updated,
        "removed": difference.removed,
        "password_age_days": {key: _age(bindings, fields["smtp_user_name"]) for key, fields in wanted.items()},
        "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
    }


def _age(bindings: Bindings, smtp_user_name: str) -> float | None:
    """Return how old a user's password is, in days; None where the bindings file does not know."""
    password_time = bindings.password_times.get(smtp_user_name)
    return None if password_time is None else round((utc_now() - password_time).total_seconds() / 86400, 5)


def _check(params: Mapping[str, Any]) -> None:
    aliases, names, variable = params["aliases"], params["smtp_user_names"], params["variable"]
    if not (variable.isascii() and variable.isidentifier()) or keyword.iskeyword(variable):
        raise OptionError("variable", f"must be the name of a variable, not {variable!r}")
    if not (aliases or names) and not (aliases is None and names is None):
        raise OptionError("aliases" if names is None else "smtp_user_names", "is empty: name somebody or leave it out")
    if aliases is None and names is None and params["bindings_path"] is None:
        raise OptionError("bindings_path", "must be given unless smtp_user_names says which users are meant")
