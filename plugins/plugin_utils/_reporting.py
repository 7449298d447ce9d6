# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reports of a run on the control node's disk: an account's own, and the overview of all accounts of the play.

Each account's row is in the registered result of the step ``page``, for whoever writes the overview: variables of a play or role
are in no ``hostvars``, and what a task has registered stays when its host has failed, and in later batches of ``serial``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError, RoleError
from ansible_collections.sendclean.email.plugins.plugin_utils import _role
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode
from ansible_collections.sendclean.email.plugins.plugin_utils._drift import drift_of, table_of
from ansible_collections.sendclean.email.plugins.plugin_utils._overview import overview, row_of, rows
from ansible_collections.sendclean.email.plugins.plugin_utils._page import report
from ansible_collections.sendclean.email.plugins.plugin_utils._text_file import write

# Where the step "page" is registered.
_REGISTERED = "__smtp_users_page"
_PATHS = ("report_path", "overview_path")


def write_report(
    node: ControlNode, host: str, told: Mapping[str, Any], values: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """Write an account's report, if there is to be one, and return its row for the overview also where that cannot be done.

    ``told`` is what the report tells of the role's variables, ``values`` are its paths, and ``problems`` what is wrong with them.
    """
    result, kept = node.variables.get("smtp_users_result"), node.variables.get("smtp_users_credentials_result")
    if result is None or not (problems or any(path in values for path in _PATHS)):
        return {"skipped": True}
    path = values.get("report_path")
    written: dict[str, Any] = {"failed": True, "msg": problems} if problems else {}
    if path and not problems:
        try:
            # Of a dry run, too: it is no part of the account.
            write("smtp_users_report_path", path, report(path, result, node.check_mode, host, {**told, "kept": kept}))
        except OptionError as error:
            written = {"failed": True, "msg": str(error)}
    row = row_of(host, result, node.check_mode, kept, None if written.get("failed") else path)
    return {**written, "changed": False, "row": row, "overview_path": values.get("overview_path"), "play": node.play}


def drifted(node: ControlNode, host: str, written: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``page`` has written of an account that was compared with its list, and what to fail with in the end."""
    result, kept = node.variables["smtp_users_result"], node.variables["smtp_users_credentials_result"]
    row, problems = drift_of(written.get("row") or row_of(host, result, dry=True, kept=kept), result, kept)
    failure = written["msg"] if written.get("failed") else []
    return {
        "changed": False,
        "row": row,
        "overview_path": written.get("overview_path"),
        "play": node.play,
        "problems": [*problems, *([failure] if isinstance(failure, str) else failure)],
    }


def was_compared(variables: Mapping[str, Any]) -> bool:
    """Say whether ``drifted`` has looked at the account of a host with these variables."""
    return "problems" in (variables.get(_REGISTERED) or {})


def table(node: ControlNode) -> dict[str, Any]:
    """Show the table of all accounts of the play, but for those of batches that are still to come."""
    known, batch = _known(node), node.variables["ansible_play_batch"]
    hosts = [host for host in node.variables["ansible_play_hosts_all"] if host in known or host in batch]
    node.show(table_of(rows(hosts, {host: account["row"] for host, account in known.items()})))
    return {"changed": False}


def judge_drift(node: ControlNode) -> dict[str, Any]:
    """Fail where an account has drifted, or could not be compared."""
    problems = node.registered(_REGISTERED, "problems")["problems"]
    if problems:
        raise RoleError(problems)
    return {"changed": False}


def write_overview(node: ControlNode) -> dict[str, Any]:
    """Write the overview of all accounts of the play; one for each path, where they have several."""
    known = _known(node)
    limit = node.variables.get("ansible_limit")
    paths = sorted({account["overview_path"] for account in known.values()} - {None})
    for path in paths:
        # Who was not reached could belong to each of them.
        accounts = [
            host
            for host in node.variables["ansible_play_hosts_all"]
            if host not in known or known[host]["overview_path"] in (None, path)
        ]
        found = rows(accounts, {host: account["row"] for host, account in known.items()})
        write("smtp_users_overview_path", path, overview(path, found, node.check_mode, None if limit is None else str(limit)))
    _refuse_one_path_for_two(known)
    return {"changed": False} if paths else {"skipped": True}


def clear(node: ControlNode, values: Mapping[str, Any]) -> dict[str, Any]:
    """Take away what an earlier run has written, and leave what this play has written of hosts that came before."""
    paths = [values[path] for path in _PATHS if path in values and not (path == "overview_path" and _known(node))]
    for path in paths:
        try:
            # A link stays, as where the report is written.
            Path(path).resolve().unlink(missing_ok=True)
        except OSError as error:
            option = next(_role.PREFIX + name for name in _PATHS if values.get(name) == path)
            raise OptionError(option, f"cannot be taken away: {error.strerror}: {path}") from None
    return {"changed": False} if paths else {"skipped": True}


def _refuse_one_path_for_two(known: Mapping[str, Mapping[str, Any]]) -> None:
    written: dict[str, list[str]] = {}
    for host, account in sorted(known.items()):
        written.setdefault(account["row"]["page"], []).append(host)
    for path, hosts in written.items():
        if path and len(hosts) > 1:
            raise OptionError(
                "smtp_users_report_path",
                f"is the same for {', '.join(hosts)}, so that one report has replaced the other: {path}. "
                "Put {{ inventory_hostname }} into it",
            )


def _known(node: ControlNode) -> dict[str, Mapping[str, Any]]:
    """Return what the step ``page`` has registered in this play, by host."""
    hosts = node.variables.get("hostvars", {})
    found = {host: hosts[host].get(_REGISTERED) for host in node.variables.get("ansible_play_hosts_all", ()) if host in hosts}
    # With run_once a host's result is registered for all.
    return {
        host: account
        for host, account in found.items()
        if account and account.get("play") == node.play and account["row"]["account"] == host
    }
