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
    lines = ["---", f"# The SMTP users of {_quoted(host)[1:-1]}, exported by sendclean.email.export."]
    lines.append("smtp_users_list:" if any(user["status"] is not None for user in users) else "smtp_users_list: []")
    for user in users:
        if user["status"] is None:
            # Written without a state, the user would be enabled.
            lines.append(f"  # Left out, since SendClean shows no status that is known: {_quoted(user['smtp_user_name'])[1:-1]}")
            continue
        fields = [f"{name}: {_unsafe(user[name])}" for name in ("alias", "smtp_user_name") if user[name] is not None]
        fields += ["state: absent"] if user["status"] == "Disable" else []
        fields += [f"{limit}: {user[limit]}" for limit in _LIMITS if user[limit]]
        lines += [f"  {'-' if index == 0 else ' '} {field}" for index, field in enumerate(fields)]
    return "\n".join(lines) + "\n"


def _unsafe(text: str) -> str:
    return ("!unsafe " if _TEMPLATE.search(text) else "") + _quoted(text)


def _quoted(text: str) -> str:
    """Return a text in double quotes, in which JSON and YAML have the same escapes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise RefusedError(f"{ascii(text)} holds half of a surrogate pair, which no text may: nothing was written") from None
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
