# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep an encrypted vars file in step with an account: the order of steps."""

from __future__ import annotations

import contextlib
import keyword
from collections.abc import Mapping
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._bindings import Record
from ansible_collections.sendclean.email.plugins.module_utils._client import Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import (
    CredentialsError,
    OptionError,
    RefusedError,
    SendCleanError,
)
from ansible_collections.sendclean.email.plugins.module_utils._files import DurableFile
from ansible_collections.sendclean.email.plugins.module_utils._lag import age_in_days, list_with_young
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Listing, User
from ansible_collections.sendclean.email.plugins.module_utils._module import open_record, with_warnings
from ansible_collections.sendclean.email.plugins.module_utils._options import connection_from
from ansible_collections.sendclean.email.plugins.plugin_utils._credentials import (
    Credentials,
    Selection,
    compare,
    forgotten,
    parse,
    select,
    wanted_users,
)
from ansible_collections.sendclean.email.plugins.plugin_utils._vault import Secrets, choose, decrypt, encrypt


def store(params: Mapping[str, Any], secrets: Secrets, check_mode: bool) -> dict[str, Any]:
    """Keep the file in step, and return the task's result."""
    params = {**params, "answered_passwords": params["answered_passwords"] or {}}
    _check(params)
    client = Client(connection_from(params))
    try:
        with open_record(params, client.connection) as record:
            return with_warnings(_store(client, record, params, secrets, check_mode), client)
    except SendCleanError as error:
        error.done = with_warnings(error.done, client)
        raise


def _store(
    client: Client, record: Record | None, params: Mapping[str, Any], secrets: Secrets, check_mode: bool
) -> dict[str, Any]:
    variable = params["variable"]
    dest = DurableFile(params["dest"], "dest", CredentialsError, folder_may_be_missing=check_mode)
    # Under the lock from before the listing on: what an older listing shows does not replace what a newer one has.
    with contextlib.nullcontext() if check_mode else dest.lock(optional=True):
        content = dest.read()
        text, current = ("---\n", None) if content is None else decrypt(dest.path, content, secrets)
        key = choose(secrets, params["vault_id"], current)
        old = parse(dest.path, text, variable)
        bindings = record.read() if record else Bindings()
        stored = old.credentials or {}
        if check_mode:
            listing: Listing = client.list_smtp()
        else:
            is_newer = record is not None and dest.changed_at() >= record.changed_at()
            listing = _list(client, bindings, stored, params, is_newer)
        selection = _select(listing, bindings, stored, params, check_mode)
        difference = compare(stored, selection.credentials)
        if difference or old.credentials is None:
            text = old.with_credentials(selection.credentials)
        changed = text != old.text or key != current
        if changed and not check_mode:
            dest.replace(encrypt(text, key))
    lines = difference.lines + ([f"encrypted with vault ID {key.vault_id}"] if key != current else [])
    warnings = _warnings(selection, dest, bindings, check_mode)
    return {
        "changed": changed,
        "dest": dest.path,
        "variable": variable,
        "added": difference.added,
        "updated": difference.updated,
        "removed": difference.removed,
        "unknown": selection.to_come + selection.mute,
        "password_age_days": {
            user: age_in_days(bindings.password_times.get(name or "")) for user, name in selection.users.items()
        },
        "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
        **({"warnings": warnings} if warnings else {}),
    }


def _list(client: Client, bindings: Bindings, stored: Credentials, params: Mapping[str, Any], is_newer: bool) -> Listing:
    """List the account until it shows, of the users whose password is young, the newest one.

    ``is_newer``: what is stored is newer than the bindings, and so as new as the last change that they know of.
    """
    aliases, names, answered = params["aliases"], params["smtp_user_names"], params["answered_passwords"]
    asked = list(bindings.aliases) if aliases is names is None else [*(aliases or ()), *(names or ())]
    passwords = {fields["smtp_user_name"]: fields["smtp_password"] for fields in stored.values()}

    def settled(user: User) -> bool:
        name, shown = user.smtp_user_name, user.password
        if name in answered:
            return shown in (answered[name], passwords.get(name))
        # A user who is not stored yet has mostly been created a moment ago, and has had one password.
        return name not in passwords or (is_newer and shown == passwords[name])

    return list_with_young(client, bindings, asked, settled)


def _select(listing: Listing, bindings: Bindings, stored: Credentials, params: Mapping[str, Any], check_mode: bool) -> Selection:
    """Return what is to be stored. Raises RefusedError."""
    aliases, names, variable = params["aliases"], params["smtp_user_names"], params["variable"]
    users = wanted_users(listing, bindings, aliases, names, check_mode)
    if stored and not users:
        raise RefusedError(
            f"{bindings.option} has no alias for this account, which would remove all users from {variable} in dest: "
            f"check {bindings.option} and owner_id. If that is meant, remove dest"
        )
    lost = forgotten(stored, users, listing, bindings) if bindings.path else {}
    if lost:
        entries = ", ".join(f"{key} ({name})" for key, name in lost.items())
        raise RefusedError(
            f"{variable} in dest has {entries}, enabled in the account and bound to nobody in {bindings.option}: nothing was "
            f"written. If {bindings.path} is an old one or another account's, restore it or run the playbook "
            "sendclean.email.recover. If they are to go, disable them, or acknowledge them with sendclean.email.smtp_bindings"
        )
    selection = select(users, listing, stored, params["answered_passwords"])
    if selection.mute and (aliases or names or len(selection.mute) == len(users)):
        raise RefusedError(
            f"listSmtp shows no password, or one that is no text, for {', '.join(map(ascii, selection.mute))}; nothing was "
            "written. Leave them out with aliases or smtp_user_names, or ask SendClean"
        )
    return selection


def _warnings(selection: Selection, dest: DurableFile, bindings: Bindings, check_mode: bool) -> list[str]:
    """Return what the real run may make of it, and who has no password to store."""
    warnings = [str(dest.folder_error)] if dest.folder_error else []
    if check_mode and not selection.users:
        warnings.append(
            f"{bindings.option} has no alias for this account yet: the real run stores whom earlier tasks create or adopt"
        )
    if selection.to_come:
        warnings.append(
            f"{bindings.option} does not have {', '.join(selection.to_come)} yet: the real run fails unless an earlier task "
            "creates or adopts them"
        )
    if selection.mute:
        warnings.append(
            f"listSmtp shows no password, or one that is no text, for {', '.join(map(ascii, selection.mute))}: what dest has "
            "of them stays. Ask SendClean"
        )
    return warnings


def _check(params: Mapping[str, Any]) -> None:
    aliases, names, variable = params["aliases"], params["smtp_user_names"], params["variable"]
    if not (variable.isascii() and variable.isidentifier()) or keyword.iskeyword(variable):
        raise OptionError("variable", f"must be the name of a variable, not {variable!r}")
    if not (aliases or names) and not (aliases is None and names is None):
        raise OptionError("aliases" if names is None else "smtp_user_names", "is empty: name somebody or leave it out")
    if aliases is names is params["bindings_path"] is params["bindings_url"] is None:
        raise OptionError("bindings_path", "or bindings_url must be given unless smtp_user_names says which users are meant")
    for name, password in params["answered_passwords"].items():
        if not isinstance(password, str) or not password.strip():
            raise OptionError("answered_passwords", f"has no password, which is text, for {name}: leave the user out")
