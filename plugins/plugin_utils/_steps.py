# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each task of the role smtp_users does. Whoever writes has looked at all variables before: nothing can be skipped between.

A step takes the control node and returns its task's result. Raises SendCleanError.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError, RoleError, SendCleanError
from ansible_collections.sendclean.email.plugins.plugin_utils import _reporting, _role, _rotating
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode
from ansible_collections.sendclean.email.plugins.plugin_utils._credentials import parse
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor import claim_of, findings_of, rivals
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor_report import page_of as doctor_page
from ansible_collections.sendclean.email.plugins.plugin_utils._doctor_report import report_of, verdict_of
from ansible_collections.sendclean.email.plugins.plugin_utils._moving import is_url, place_at
from ansible_collections.sendclean.email.plugins.plugin_utils._moving import move as moved
from ansible_collections.sendclean.email.plugins.plugin_utils._recovery import (
    Found,
    in_credentials,
    in_list,
    listed_aliases,
    told_of_recovery,
    told_of_strangers,
    without_formers,
)
from ansible_collections.sendclean.email.plugins.plugin_utils._recovery import strangers as nobodys_users
from ansible_collections.sendclean.email.plugins.plugin_utils._text_file import write
from ansible_collections.sendclean.email.plugins.plugin_utils._users_file import users_file
from ansible_collections.sendclean.email.plugins.plugin_utils._variables import (
    host_of,
    looked_at,
    main_of,
    refuse,
    tried,
    values_of,
)
from ansible_collections.sendclean.email.plugins.plugin_utils._vault import decrypt, secrets_of

# What the playbook doctor is given on the command line, and where what it finds is registered.
_REPORT = "sendclean_doctor_report"
_DOCTOR = "__smtp_users_doctor"
_MOVE = ("sendclean_from", "sendclean_to")
# Where a list is written if nobody says where.
_BESIDE = "__smtp_users_beside"


def enforce(node: ControlNode) -> dict[str, Any]:
    """Hold the SMTP users to the list, and if a plan was approved by that alone."""
    values, options = main_of(node)
    if not node.check_mode:
        # Blank, it does not stand for the approval of anything.
        names = [_role.PREFIX + name for name in _role.APPROVAL]
        refuse([f"{name} is empty: give what was approved, or leave it out" for name in names if node.is_blank(name)])
    return _hold(node, values, {**options, **_role.approved_of(values, host_of(node), node.check_mode)})


def keep(node: ControlNode) -> dict[str, Any]:
    """Keep the credentials in an encrypted file, if there is to be one."""
    if node.variables.get("smtp_users_credentials_file", "") == "":
        # Nothing is to be evaluated to know that.
        return {"skipped": True}
    values, _options = main_of(node)
    if "credentials_file" not in values:
        return {"skipped": True}
    return node.run("sendclean.email.smtp_credentials", {**_role.connection_of(values), **_role.credentials_of(values)})


def hand_on(node: ControlNode) -> dict[str, Any]:
    """Hand on which plan was looked at, from a dry run to the one that is to do just that."""
    if not node.check_mode:
        return {"skipped": True}
    result, hosts = node.variables.get("smtp_users_result", {}), node.variables["ansible_play_hosts_all"]
    return {"changed": False, "ansible_stats": _role.handed_on(tried(node, _role.APPROVAL)[0], result, host_of(node), hosts)}


def page(node: ControlNode) -> dict[str, Any]:
    """Write what a run would do, or has done, as a report of the account; the overview is made of what is returned."""
    return _reporting.write_report(node, host_of(node), _told(node), *tried(node, _role.REPORT))


def overview(node: ControlNode) -> dict[str, Any]:
    """Write the overview of all accounts of the play."""
    return _reporting.write_overview(node)


def clear(node: ControlNode) -> dict[str, Any]:
    """Take away the reports of an earlier run: nobody is to approve them where this run ends before it can write its own.

    What is wrong with their paths is told by ``enforce``, with all else that is.
    """
    return _reporting.clear(node, tried(node, _role.REPORT)[0])


def export(node: ControlNode) -> dict[str, Any]:
    """Write the account as a list."""
    values = values_of(node, {**_role.ACCOUNT, **_role.EXPORT})
    host = host_of(node)
    beside = node.given([_BESIDE]).get(_BESIDE, "")
    if "export_path" not in values and not beside:
        raise OptionError(
            "smtp_users_export_path", f"must be given, since {host} is in no inventory file beside which it could lie"
        )
    dest = values.get("export_path") or os.path.join(beside, f"smtp_users.{host}.yml")
    account = node.run("sendclean.email.smtp_user_info", {**_role.connection_of(values), "include_passwords": False})
    if account.get("failed"):
        return account
    text = users_file(host, account["smtp_users"])
    try:
        before = Path(dest).read_bytes()
    except FileNotFoundError:
        before = None
    except OSError as error:
        raise OptionError("smtp_users_export_path", f"cannot be read: {error.strerror}: {dest}") from None
    if before not in (None, text.encode()) and not values.get("export_overwrite", False):
        raise OptionError(
            dest,
            "is there and says something else than the account. Move it away, or set smtp_users_export_overwrite to true",
        )
    if before == text.encode():
        return {"changed": False, "dest": dest}
    write("smtp_users_export_path", dest, text, keep_rights=True, dry=node.check_mode)
    shown = "" if before is None else before.decode(errors="replace")
    return {"changed": True, "dest": dest, "diff": {"before": shown, "after": text, "before_header": dest, "after_header": dest}}


def recover(node: ControlNode) -> dict[str, Any]:
    """Bind the aliases again that another file than the bindings file has. All that cannot be is told, and nothing done then."""
    values = values_of(node, {**_role.ACCOUNT, **_role.RECOVER})
    found, connection = _who_is_who(node, values), _role.connection_of(values)
    account = node.run("sendclean.email.smtp_bindings", connection)
    if account.get("failed"):
        return account
    found = without_formers(found, account)
    account = node.run("sendclean.email.smtp_bindings", {**connection, "bindings": found.bindings})
    if account.get("failed"):
        return account
    return {**account, "told": list(told_of_recovery(found, account, node.check_mode))}


def _who_is_who(node: ControlNode, values: Mapping[str, Any]) -> Found:
    if "recover_path" in values:
        place = values["recover_path"]
        variables = node.variables_in("smtp_users_recover_path", place)
        if not isinstance(variables, Mapping) or "smtp_users_list" not in variables:
            raise OptionError("smtp_users_recover_path", f"has no smtp_users_list: {place}. Give one of sendclean.email.export")
        return in_list(place, variables["smtp_users_list"])
    option, listed = "smtp_users_credentials_file", node.given(["smtp_users_list"]).get("smtp_users_list")
    if "credentials_file" not in values:
        # What sendclean.email.export has written may be the list of the inventory.
        found = in_list("smtp_users_list", listed) if listed else None
        if found and found.bindings:
            return found
        raise OptionError(option, "or smtp_users_recover_path must be given: one of them says which user each alias had")
    place, variable = values["credentials_file"], values.get("credentials_variable", "smtp_credentials")
    try:
        content = Path(place).read_bytes()
    except OSError as error:
        raise OptionError(option, f"cannot be read: {error.strerror}: {place}") from None
    text = decrypt(place, content, secrets_of(node.loader, option), option)[0]
    credentials = parse(place, text, variable, option).credentials
    if credentials is None:
        raise OptionError(option, f"has no {variable}: {place}. Check smtp_users_credentials_variable")
    return in_credentials(credentials, listed_aliases(listed))


def acknowledge(node: ControlNode) -> dict[str, Any]:
    """Say of the users whom nobody has claimed that they are somebody else's."""
    values = values_of(node, {**_role.ACCOUNT, **_role.ACKNOWLEDGE})
    # Blank, it does not stand for everybody: nobody would be created again who is acknowledged by mistake.
    chosen = "smtp_users_acknowledge_names" in node.variables
    if chosen and not values.get("acknowledge_names"):
        raise OptionError("smtp_users_acknowledge_names", "is empty: name somebody or leave it out")
    connection = _role.connection_of(values)
    account = node.run("sendclean.email.smtp_bindings", connection)
    if account.get("failed"):
        return account
    names, possible = nobodys_users(account)
    if chosen:
        names, possible = values["acknowledge_names"], []
    if names:
        account = node.run("sendclean.email.smtp_bindings", {**connection, "acknowledge": names})
        if account.get("failed"):
            return account
    return {**account, "told": list(told_of_strangers(names, possible, node.check_mode))}


def doctor(node: ControlNode) -> dict[str, Any]:
    """Look at the account and its files, and write nothing. What is found is told by ``tell``, when the report is written."""
    # It asks the account itself. The other steps leave that to modules, and do without requests, which takes long to import.
    from ansible_collections.sendclean.email.plugins.plugin_utils._checkup import examine

    facts = examine(node, host_of(node), functools.partial(looked_at, node))
    findings = findings_of(facts)
    return {
        "changed": False,
        "page": doctor_page(facts, findings),
        "verdict": verdict_of(findings),
        "in_order": not any(finding.needs_a_hand for finding in findings),
        "versions": dict(facts.versions),
        "report": report_of(facts, findings),
        "claim": claim_of(facts),
    }


def report(node: ControlNode) -> dict[str, Any]:
    """Write what was found in all accounts of the play as one file, and tell which of them are in each other's way.

    ``failure`` says why the file could not be.
    """
    from ansible_collections.sendclean.email.plugins.plugin_utils._checkup import write_report

    hosts = node.variables["hostvars"]
    results = {host: hosts[host].get(_DOCTOR) or {} for host in sorted(node.variables["ansible_play_hosts_all"])}
    told: dict[str, Any] = {"changed": False, "rivals": rivals({host: result.get("claim") for host, result in results.items()})}
    try:
        path = node.given([_REPORT]).get(_REPORT)
        if path is None:
            return {**told, "skipped": True}
        found = [result for result in results.values() if "report" in result]
        accounts, versions = [result["report"] for result in found], found[0]["versions"] if found else {}
        write_report(_role.written(_REPORT, os.path.abspath(os.path.expanduser(_role.text(_REPORT, path)))), accounts, versions)
    except SendCleanError as error:
        return {**told, "failure": str(error)}
    return told


def drift(node: ControlNode) -> dict[str, Any]:
    """Compare an account with its list, as a dry run of all that ``enforce`` and ``keep`` do. ``judge_drift`` fails for it."""
    node = node.as_dry_run()
    kept: dict[str, Any] = {}
    try:
        values, options = main_of(node)
        # Whatever was approved: what is looked for is what is to be done.
        result = _hold(node, values, options)
        if not result.get("failed"):
            kept = keep(node)
    except SendCleanError as error:
        result = {"failed": True, "msg": getattr(error, "problems", str(error)), **error.details()}
    done = replace(node, variables={**node.variables, "smtp_users_result": result, "smtp_users_credentials_result": kept})
    return _reporting.drifted(done, host_of(node), page(done))


def anybody(node: ControlNode) -> dict[str, Any]:
    """Refuse to have compared no account at all: a run on a schedule would say for ever that all is in order."""
    hosts = node.variables["hostvars"]
    # Afterwards: which hosts a play has is not known in another one, whose tasks see more variables than its hosts do.
    if not any(_reporting.was_compared(hosts[host]) for host in node.variables["groups"]["all"]):
        raise OptionError(
            "sendclean_hosts",
            "names no host of the inventory. Without it the group sendclean_accounts must have one. "
            "Give it with -e: a variable of the inventory does not reach a play's hosts",
        )
    return {"changed": False}


def tell(node: ControlNode) -> dict[str, Any]:
    """Show the page of an account."""
    node.show(node.registered(_DOCTOR, "page")["page"])
    return {"changed": False}


def judge(node: ControlNode) -> dict[str, Any]:
    """Fail where something needs a hand. The pages of all accounts are shown before, since failures take much room."""
    found, all_accounts = node.registered(_DOCTOR, "verdict"), node.registered(f"{_DOCTOR}_report", "rivals")
    problems = [] if found["in_order"] else [f"{found['verdict']}: the page above says what to do"]
    others = (all_accounts["rivals"].get(host_of(node)), all_accounts.get("failure"))
    refuse([*problems, *(problem for problem in others if problem)])
    return {"changed": False}


def move(node: ControlNode) -> dict[str, Any]:
    """Move the bindings of all accounts to another place, and leave in the old one where they are."""
    given = node.given(_MOVE)
    refuse([f"{name} must be given, as a path or a URL" for name in _MOVE if name not in given])
    source, target = (place_at(_place(name, given[name])) for name in _MOVE)
    return moved(source, target, node.check_mode)


def _place(name: str, value: Any) -> str:
    place = _role.text(name, value)
    return _role.database(name, place) if is_url(place) else _role.written(name, os.path.abspath(os.path.expanduser(place)))


STEPS = {
    step.__name__: step
    for step in (
        *(enforce, keep, hand_on, page, overview, clear, export, recover, acknowledge),
        *(_rotating.owed, _rotating.rotate, _rotating.delivered, _rotating.judge_rotation),
        *(anybody, drift, _reporting.table, _reporting.judge_drift, doctor, report, tell, judge, move),
    )
}


def _told(node: ControlNode) -> dict[str, Any]:
    """Return what a page tells of the variables. What is wrong with them is in the result that it shows."""
    told = {}
    for name in ("list", "owner_id", "purge"):
        try:
            told.update(_role.converted(node.given([_role.PREFIX + name]), {**_role.ACCOUNT, **_role.USERS})[0])
        except RoleError:
            continue
    return {"owner_id": os.environ.get("SENDCLEAN_OWNER_ID", ""), **told}


def _hold(node: ControlNode, values: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    return node.run("sendclean.email.smtp_users", {**_role.connection_of(values), **options, "include_passwords": False})
