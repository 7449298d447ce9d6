# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the role's rotate: keep, reset or rotate, keep again, and remember what the user's own tasks have delivered.

A step whose result has credentials runs under no_log, which would hide why it failed: it has that as ``failure``, and
``judge_rotation`` fails with it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.sendclean.email.plugins.module_utils._document import TIME_FORMAT
from ansible_collections.sendclean.email.plugins.module_utils._errors import (
    CredentialsError,
    OptionError,
    RoleError,
    SendCleanError,
)
from ansible_collections.sendclean.email.plugins.module_utils._files import DurableFile
from ansible_collections.sendclean.email.plugins.module_utils._lag import utc_now
from ansible_collections.sendclean.email.plugins.module_utils._options import text_problem
from ansible_collections.sendclean.email.plugins.plugin_utils import _role
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import ControlNode
from ansible_collections.sendclean.email.plugins.plugin_utils._rotation import (
    Choice,
    Done,
    choose,
    credentials_of,
    failure_of,
    leaked_and_kept,
    not_delivered,
    retires_at,
    strangers,
    told_of,
)
from ansible_collections.sendclean.email.plugins.plugin_utils._variables import chosen_in

Values = Mapping[str, Any]
Result = dict[str, Any]
# What the steps of the role register, and what its tasks count.
_OWED, _ROTATION, _UNDELIVERED = "__smtp_users_owed", "__smtp_users_rotation", "__smtp_users_undelivered"
_ALIAS, _CREDENTIALS = "smtp_users_rotated_alias", "smtp_users_rotated_credentials"
# With this guard smtp_user_rotate retires who is past its time, and does nothing else.
_RETIRE_ONLY = {"max_age_days": 1e6}


class _Failed(SendCleanError):
    """A module has failed, with more than its message."""

    def __init__(self, result: Values) -> None:
        super().__init__(str(result["msg"]))
        self._result = result

    def details(self) -> dict[str, Any]:
        return {name: self._result[name] for name in ("error", "create_table") if name in self._result}


@dataclass
class _Run:
    """A run of rotate: what is known before, and what becomes of it."""

    node: ControlNode
    values: Values
    users: Sequence[Values] = ()
    who: Values = field(default_factory=dict)
    kept: Values = field(default_factory=lambda: {"updated": [], "unknown": []})
    # Aliases that this run has delivered before, and those that it has not, or in a dry run would.
    delivered: Sequence[str] = ()
    owed: Sequence[str] = ()
    problems: list[str] = field(default_factory=list)

    @functools.cached_property
    def now(self) -> str:
        """The time of the run, as the bindings have it."""
        return utc_now().strftime(TIME_FORMAT)

    @property
    def hook(self) -> str | None:
        """The file of the user's tasks that deliver."""
        return self.values.get("rotate_deploy_tasks")

    @property
    def has_overlap(self) -> bool:
        return "rotate_overlap_hours" in self.values

    def module(self, name: str, options: Values, no_log: bool = False) -> Result:
        keywords = {"no_log": True} if no_log else {}
        return self.node.run(f"sendclean.email.{name}", {**_role.connection_of(self.values), **options}, **keywords)

    def asked(self, name: str, options: Values, no_log: bool = False) -> Result:
        """Return the result of a module. Raises SendCleanError where it has failed."""
        result = self.module(name, options, no_log)
        if result.get("failed"):
            raise _Failed(result)
        return result

    def keep(self, answered: Values | None = None) -> Values:
        if "credentials_file" not in self.values:
            return {"updated": [], "unknown": []}
        options = _role.credentials_of(self.values)
        return self.asked("smtp_credentials", {**options, "answered_passwords": answered} if answered else options)


def owed(node: ControlNode) -> Result:
    """See whose credentials an earlier run has not delivered, and return them. What fails is told by the step that rotates."""
    nobody: Result = {"changed": False, "deliver": {}}
    try:
        run = _Run(node, chosen_in(node))
        if not run.hook or node.check_mode:
            return {**nobody, "skipped": True}
        aliases = not_delivered(run.asked("smtp_bindings", {}))
        if not aliases:
            return nobody
        users = run.asked("smtp_user_info", {"aliases": aliases, "include_passwords": True}, no_log=True)["smtp_users"]
        return {**nobody, "deliver": credentials_of(users, aliases), "hook": run.hook}
    except SendCleanError:
        return nobody


def rotate(node: ControlNode) -> Result:
    """Reset or rotate the passwords that are due, and keep the new ones. What fails for a user stops no other."""
    try:
        run = _known(node, chosen_in(node))
        fresh = {*run.kept["updated"], *run.owed, *run.delivered}
        # Nobody is rotated or retired for whom the last credentials are not where they are used.
        waiting = {*run.kept["unknown"], *([] if node.check_mode else run.owed)}
        undeployed = () if run.hook else {*run.kept["updated"], *run.kept.get("added", ())}
        choice = choose(run.values, run.users, fresh, waiting, run.who, run.now, undeployed)
        return _done(run, choice)
    except SendCleanError as error:
        return {"changed": False, "failure": getattr(error, "problems", str(error)), "details": error.details()}


def _known(node: ControlNode, values: Values) -> _Run:
    run = _Run(node, values)
    # Also what a run that died has reset or switched: those aliases are in "updated".
    run.kept = run.keep()
    run.users = run.asked("smtp_user_info", {"include_passwords": True}, no_log=True)["smtp_users"]
    if unknown := strangers(values, run.users):
        nobody = ", ".join(unknown)
        raise OptionError("smtp_users_rotate_aliases", f"names nobody of the account with {nobody}. Nothing was reset")
    if run.hook or run.has_overlap:
        run.who = run.asked("smtp_bindings", {})
    if run.hook:
        run.owed = not_delivered(run.who)
        run.delivered = sorted((node.variables.get(_OWED) or {}).get("deliver") or {})
    return run


def _done(run: _Run, choice: Choice) -> Result:
    """Do what was chosen, keep it, and return the result."""
    node = run.node
    if (choice.reset or choice.rotate or choice.retire) and not node.check_mode:
        _require_place(run.values)
    bound = [user["alias"] for user in choice.reset if user["alias"] is not None]
    if run.hook and bound and not node.check_mode:
        # Under the same name as before: nothing else would tell that the new one is still to be delivered.
        run.asked("smtp_bindings", {"delivered": dict.fromkeys(bound)})
    resets = [(user, _reset(run, user)) for user in choice.reset]
    overlap = {"overlap_hours": run.values.get("rotate_overlap_hours")}
    age = {"max_age_days": run.values["rotate_max_age_days"]} if "rotate_max_age_days" in run.values else {}
    rotations = [(user, _rotate(run, user, {**overlap, **age})) for user in choice.rotate]
    rotations += [(user, _rotate(run, user, {**overlap, **_RETIRE_ONLY})) for user in choice.retire]
    switched = [(user, result) for user, result in rotations if _is_switched(user, result)]
    # Also of resets whose password the account does not show yet: they have failed, and what they were answered is in force.
    answered = {
        result["smtp_user_name"]: result["smtp_password"]
        for _user, result in (*resets, *switched)
        if result.get("smtp_password") and not node.check_mode
    }
    updated = set(run.kept["updated"])
    details: Values = {}
    kept = True
    if (resets or rotations) and not node.check_mode:
        try:
            updated |= set(run.keep(answered)["updated"])
        except SendCleanError as error:
            run.problems.append(str(error))
            details, kept = error.details(), False
    _note_problems(run, choice, (*resets, *rotations))
    done = _told(run, updated, resets, rotations, switched)
    return {
        "changed": bool(done.rotated or done.retired or done.formers),
        "told": list(told_of(done, node.check_mode, run.hook is not None, kept)),
        "failure": failure_of(run.problems, leaked_and_kept(run.values, run.users)),
        "details": details,
        "deliver": {} if node.check_mode or not run.hook else _to_deliver(run, updated, resets, switched),
        "hook": run.hook,
        # Later tasks act on it: a dry run has given nobody another password.
        "rotated": [] if node.check_mode else sorted(done.rotated),
    }


def _require_place(values: Values) -> None:
    """Refuse where the new passwords could not be kept: ``keep``, which has nothing to write before, does not find that out."""
    path = values.get("credentials_file")
    if path is not None:
        problems, _busy = DurableFile(path, "smtp_users_credentials_file", CredentialsError).try_out()
        if problems:
            raise RoleError(problems)


def _reset(run: _Run, user: Values) -> Result:
    """Reset the password that a user has. What fails is told at the end, when the passwords of the others are kept."""
    age = {"max_age_days": run.values["rotate_max_age_days"]} if "rotate_max_age_days" in run.values else {}
    # The password, so that no run resets what another has just reset; but for one that the option refuses, as a mistake.
    is_refused = any(text_problem("current_password", user["smtp_password"], secret=True))
    guards = {} if is_refused else {"current_password": user["smtp_password"]}
    return run.module("smtp_password_reset", {"smtp_user_name": user["smtp_user_name"], **guards, **age}, no_log=True)


def _rotate(run: _Run, user: Values, options: Values) -> Result:
    return run.module("smtp_user_rotate", {"alias": user["alias"], **options}, no_log=True)


def _is_switched(user: Values, result: Values) -> bool:
    # In a dry run null, where a user would be created.
    return bool(not result.get("failed") and result.get("changed") and result["smtp_user_name"] != user["smtp_user_name"])


def _note_problems(run: _Run, choice: Choice, results: Sequence[tuple[Values, Values]]) -> None:
    run.problems += [str(result["msg"]) for _user, result in results if result.get("failed")]
    undelivered = [] if run.node.check_mode else [alias for alias in run.owed if alias not in run.delivered]
    if undelivered:
        run.problems.append(
            f"the account shows no password of {', '.join(undelivered)}, or could not be listed: smtp_users_rotate_deploy_tasks "
            "could not deliver it. Run again, and if it stays so, ask SendClean"
        )
    mute = [alias for alias in choice.left if alias not in run.owed]
    if mute:
        run.problems.append(
            f"the account shows no password of {', '.join(mute)}, so that it cannot be kept: nothing was rotated or retired "
            "there. Reset it with sendclean.email.smtp_password_reset, or ask SendClean"
        )


def _told(
    run: _Run,
    updated: set[str],
    resets: Sequence[tuple[Values, Values]],
    rotations: Sequence[tuple[Values, Values]],
    switched: Sequence[tuple[Values, Values]],
) -> Done:
    changed = [user for user, result in resets if result.get("changed")]
    again = sorted({*run.delivered, *(run.owed if run.node.check_mode else ())})
    rotated = {*updated, *again, *(user["alias"] for user in changed), *(user["alias"] for user, _result in switched)} - {None}
    retired = [user["alias"] for user, result in rotations if _is_retired(user, result, run.who)]
    # Of what an earlier run has switched the old credentials go on working, too.
    old = {alias: time for alias in rotated if (time := retires_at(alias, run.who)) and alias not in retired}
    earlier = {alias: f"until {time if time > run.now else 'the next run'}" for alias, time in old.items()}
    hours = f"for {run.values.get('rotate_overlap_hours', 0.0):g} hours"
    times = {user["alias"]: result["former"]["retires_at"] for user, result in switched}
    return Done(
        rotated=rotated,
        until={**earlier, **{alias: f"until {time}" if time else hours for alias, time in times.items()}},
        retired=retired,
        waiting={user["alias"]: result["waiting_until"] for user, result in rotations if result.get("waiting_until")},
        off=[user["alias"] for user, _result in rotations if user["status"] == "Disable"],
        formers=sorted(user["standby_of"] for user in changed if user["alias"] is None),
        again=again,
    )


def _is_retired(user: Values, result: Values, who: Values) -> bool:
    """Say whether the former user, if there was one, is no more."""
    if result.get("failed") or not result.get("changed"):
        return False
    before = who["standbys"].get(user["alias"]) or {}
    return before.get("retires_at") is not None


def _to_deliver(
    run: _Run, updated: set[str], resets: Sequence[tuple[Values, Values]], switched: Sequence[tuple[Values, Values]]
) -> dict[str, Any]:
    """Return the credentials, by alias, that are to be delivered after this run's resets and rotations."""
    found = credentials_of(run.users, updated - {*run.delivered, *run.owed})
    for user, result in (*resets, *switched):
        if user["alias"] is not None and result.get("smtp_password"):
            found[user["alias"]] = {name: result[name] for name in ("smtp_user_name", "smtp_password")}
    return found


def delivered(node: ControlNode) -> Result:
    """Remember whose credentials the user's tasks have delivered."""
    given = node.given([_ALIAS, _CREDENTIALS])
    names = {given[_ALIAS]: given[_CREDENTIALS]["smtp_user_name"]}
    _Run(node, chosen_in(node)).asked("smtp_bindings", {"delivered": names})
    return {"changed": False}


def judge_rotation(node: ControlNode) -> Result:
    """Fail with all that could not be done. Its result takes the place of the one with credentials."""
    found = node.variables.get(_ROTATION) or {}
    failure = found.get("failure") or []
    undelivered = node.given([_UNDELIVERED]).get(_UNDELIVERED) or []
    if undelivered:
        problem = (
            f"smtp_users_rotate_deploy_tasks failed for {', '.join(undelivered)}: see above which of its tasks did. The next run "
            "delivers again, and nobody's old credentials are taken away before"
        )
        failure = [*([failure] if isinstance(failure, str) else failure), problem]
    return {"failed": True, "msg": failure, **(found.get("details") or {})} if failure else {"changed": False}
