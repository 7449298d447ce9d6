# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and passwords for templates, which ask for one after the other: what is listed is kept in the process for a moment."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._client import Client
from ansible_collections.sendclean.email.plugins.module_utils._errors import RefusedError, SendCleanError
from ansible_collections.sendclean.email.plugins.module_utils._lag import list_with_young
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, Listing
from ansible_collections.sendclean.email.plugins.module_utils._module import BINDINGS_OPTIONS, open_record
from ansible_collections.sendclean.email.plugins.module_utils._options import Connection, connection_from, refuse_values
from ansible_collections.sendclean.email.plugins.module_utils._planner import not_listed

# For how many seconds a listing is taken for what the account holds.
KEPT_SECONDS = 10.0


@dataclass(frozen=True)
class Seen:
    """What an account and its bindings were at ``moment``, of a monotonic clock, and when the bindings had been changed."""

    moment: float
    changed_at: int
    bindings: Bindings
    listing: Listing


# For whom: this process, since Ansible forks one for each task and host, which must not rest on what another has seen before
# its task; the account, with its token and how it is reached; and where the bindings are.
_Key = tuple[int, Connection, "tuple[str | None, ...]"]
_seen: dict[_Key, Seen] = {}


def credentials_of(terms: Sequence[str], params: Mapping[str, Any]) -> tuple[list[dict[str, str]], list[str]]:
    """Return the name and password of the user of each term, an alias or a name, and warnings. Raises SendCleanError.

    An alias wins over a name: after a rotation it may be that of the former user, who was adopted under it.
    """
    if not terms:
        return [], []
    seen, warnings = _look(terms, params)
    refuse_values(_problems(terms, seen))
    users = [seen.listing[seen.bindings.aliases.get(term, term)] for term in terms]
    return [{"smtp_user_name": user.smtp_user_name, "smtp_password": user.password or ""} for user in users], warnings


def _look(terms: Sequence[str], params: Mapping[str, Any]) -> tuple[Seen, list[str]]:
    connection = connection_from(params)
    key = (os.getpid(), connection, tuple(params[name] for name in BINDINGS_OPTIONS))
    with open_record(params, connection) as record:
        # Before they are read, so that a change in between is found by the next one who asks.
        changed_at = record.changed_at() if record else 0
        _forget()
        seen = _seen.get(key)
        if seen and seen.changed_at == changed_at and not any(_missing(terms, seen)):
            return seen, []
        bindings = record.read() if record else Bindings()
        client = Client(connection)
        listing = list_with_young(client, bindings, terms)
    # From the answer on: a slow one would never be kept.
    _seen[key] = seen = Seen(time.monotonic(), changed_at, bindings, listing)
    return seen, client.warnings()


def _forget() -> None:
    """Keep no password for longer than it is used."""
    now = time.monotonic()
    for key, seen in list(_seen.items()):
        if now - seen.moment >= KEPT_SECONDS:
            del _seen[key]


def _missing(terms: Sequence[str], seen: Seen) -> Iterator[str]:
    return (term for term in terms if seen.bindings.aliases.get(term, term) not in seen.listing)


def _problems(terms: Sequence[str], seen: Seen) -> Iterator[SendCleanError]:
    bindings = seen.bindings
    # Each once, in their order.
    for term in dict.fromkeys(terms):
        name = bindings.aliases.get(term, term)
        user = seen.listing.get(name)
        if user is None and term in bindings.aliases:
            yield RefusedError(not_listed(term, name, bindings))
        elif user is None and bindings.path:
            yield RefusedError(
                f'"{term}" is no alias in {bindings.path} and no smtp_user_name of the account: check how it is written, '
                f"{bindings.option} and owner_id"
            )
        elif user is None:
            yield RefusedError(
                f'"{term}" is no smtp_user_name of the account. If it is an alias, give bindings_path or bindings_url, where it '
                "is kept who is who"
            )
        elif not user.password:
            yield RefusedError(f'listSmtp shows no password, or one that is no text, for "{term}", {name}: ask SendClean')
