# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account as the text of a vars file that sets smtp_users_list to what it holds. Pure functions.

Whatever stands in a name or an alias, each YAML library reads the same text again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._errors import RefusedError

# What could be a template is marked, as in _credentials: Ansible must not evaluate it.
_TEMPLATE = re.compile(r"\{[{%#]|#jinja2:")
# What JSON leaves as it is, and YAML allows in no file, takes for the end of a line, or for a mark of byte order.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LIMITS = ("total_limit", "hourly_limit")


def users_file(host: str, users: Sequence[Mapping[str, Any]]) -> str:
    """Return the text. Raises RefusedError where a name is none that a text could hold."""
    entries: list[str] = []
    # Who takes turns with an alias's user, and works, by the alias.
    working = {user["standby_of"]: user["smtp_user_name"] for user in users if user["status"] == "Enable"}
    for user in users:
        reason = _left_out(user, working)
        if reason:
            entries.append(f"  # Left out, since {reason}: {_quoted(user['smtp_user_name'])[1:-1]}")
            continue
        fields = [f"{name}: {_unsafe(user[name])}" for name in ("alias", "smtp_user_name") if user[name] is not None]
        fields += ["state: absent"] if user["status"] == "Disable" else []
        fields += [f"{limit}: {user[limit]}" for limit in _LIMITS if user[limit]]
        entries += [f"  {'-' if index == 0 else ' '} {field}" for index, field in enumerate(fields)]
    nobody = all(entry.startswith("  #") for entry in entries)
    first = ["---", f"# The SMTP users of {_quoted(host)[1:-1]}, exported by sendclean.email.export."]
    return "\n".join([*first, f"smtp_users_list:{' []' if nobody else ''}", *entries]) + "\n"


def _left_out(user: Mapping[str, Any], working: Mapping[str | None, str]) -> str:
    """Say why no entry can stand for a user: held to it, the account would not be as it is."""
    if user["status"] is None:
        # Written without a state, the user would be enabled.
        return "SendClean shows no status that is known"
    if user["standby_of"] is not None:
        # By its name it would be held to what is said here, though it comes and goes with the rotation of its alias.
        return f"it takes turns with the user of {_quoted(user['standby_of'])[1:-1]}"
    if user["status"] == "Disable" and user["alias"] is not None and user["alias"] in working:
        # With its state the one who works would be disabled, too.
        return f"it is off, and {_quoted(working[user['alias']])[1:-1]}, which takes turns with it, is not"
    return ""


def _unsafe(text: str) -> str:
    return ("!unsafe " if _TEMPLATE.search(text) else "") + _quoted(text)


def _quoted(text: str) -> str:
    """Return a text in double quotes, in which JSON and YAML have the same escapes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise RefusedError(f"{ascii(text)} holds half of a surrogate pair, which no text may: nothing was written") from None
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
