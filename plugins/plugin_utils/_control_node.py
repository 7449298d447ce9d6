# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control node: what runs here runs as the caller, whatever inventory, configuration, play and command line say.

All that is known of how Ansible runs a module. Variables beat keywords, and those of a task are beaten by set_fact,
include_vars, the variables of include_role and -e: so a connection is made here, and that of the task is not used.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.block import Block
from ansible.playbook.helpers import load_list_of_blocks
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import action_loader, connection_loader
from ansible.utils.display import Display
from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError, RoleError

_SHELL = "/bin/sh"
# What a task "meta" is told to do after which a host has no more tasks, here or at all.
_ENDS = {"end_host", "end_play", "end_batch", "end_role"}
_ROLES = {*constants._ACTION_INCLUDE_ROLE, *constants._ACTION_IMPORT_ROLE}


@contextlib.contextmanager
def environment_of(action: ActionBase) -> Iterator[None]:
    """Set the environment variables that a task asks for, as they are set for a module, in this process."""
    variables: dict[str, Any] = {}
    action._compute_environment_string(variables)
    before = dict(os.environ)
    os.environ.update({name: str(value) for name, value in variables.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _tasks_in(blocks: Iterable[Any]) -> Iterator[Any]:
    """Yield the tasks of blocks, whatever they are in."""
    for found in blocks:
        if isinstance(found, Block):
            yield from _tasks_in((*found.block, *found.rescue, *found.always))
        else:
            yield found


def output_setting(name: str) -> Any:
    """Return a setting of Ansible's own output; None where another callback makes the output, and has no such setting."""
    callback = constants.DEFAULT_STDOUT_CALLBACK
    try:
        return constants.config.get_config_value(name, plugin_type="callback", plugin_name=callback)
    except AnsibleError:
        return None


@dataclass(frozen=True)
class ControlNode:
    """Where the action of a task runs, with the variables that the task sees."""

    action: ActionBase
    variables: Mapping[str, Any]

    @property
    def check_mode(self) -> bool:
        """Whether the task is a dry run, by whatever of options and keywords says so."""
        return bool(self.action._task.check_mode)

    def as_dry_run(self) -> ControlNode:
        """Return the same for a dry run, whatever options, keywords and variables say. The task is one from here on."""
        self.action._task.check_mode = True
        return self

    @property
    def play(self) -> str:
        """What stands for the play, in all of its batches."""
        block = self.action._task._parent
        return "" if block is None else str(block._play._uuid)

    def given(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the values of these variables, but for those that are not given: not set, omitted, null or an empty text.

        A mistake inside of a variable is an error. Raises RoleError with all of them.
        """
        given, problems = {}, []
        for name in names:
            if name in self.variables:
                try:
                    value = self._evaluated(name)
                except Exception as error:
                    # ansible-core has several classes for it, and undefined is none of them where a filter meets it.
                    problems.append(f"{name} cannot be evaluated: {error}")
                    continue
                if value is not None and value != "":
                    given[name] = value
        if problems:
            raise RoleError(problems)
        return given

    def registered(self, name: str, key: str) -> Mapping[str, Any]:
        """Return what a task before this one has registered, with that key. Raises RoleError where it was left out."""
        found = self.variables.get(name)
        if not found or key not in found:
            raise RoleError(["a task before this one was left out, as with --step: run all of them"])
        result: Mapping[str, Any] = found
        return result

    @property
    def omit(self) -> Any:
        """Return Ansible's variable omit: text before ansible-core 2.19, and since then nobody ever sees it."""
        return self.variables.get("omit", object())

    @property
    def loader(self) -> DataLoader:
        """What reads files for the run, and has its vault secrets."""
        return self.action._loader

    def variables_in(self, option: str, path: str) -> Any:
        """Return what a vars file holds. Raises OptionError, without a word of what is in it."""
        try:
            return self.loader.load_from_file(path)
        except AnsibleError:
            raise OptionError(option, f"cannot be read as YAML: {path}. Check the path, and mend the file") from None

    def require_tasks(self, option: str, path: str) -> None:
        """Refuse a file that has no tasks, or one that cannot be included: that would end the run of all hosts at once.

        So is one that ends the play of its host: nothing after it would be done, and nothing would tell. Raises OptionError.
        """
        tasks = self.variables_in(option, path)
        if not isinstance(tasks, list) or not tasks:
            raise OptionError(option, f"has no list of tasks: {path}. Write tasks into it, as for include_tasks")
        task = self.action._task
        block, shared = task._parent, {"role": task._role, "variable_manager": task._variable_manager, "loader": self.loader}
        try:
            # What it imports is found beside it, as when it is included.
            include = TaskInclude.load({"ansible.builtin.include_tasks": path}, block=block, **shared)
            blocks = load_list_of_blocks(
                tasks, play=None if block is None else block._play, parent_block=include.build_parent_block(), **shared
            )
        except AnsibleError as error:
            raise OptionError(option, f"cannot be included: {path}: {error.message}. Mend the file") from None
        found = list(_tasks_in(blocks))
        ends = [each.args.get("_raw_params") for each in found if each.action in constants._ACTION_META]
        for how in _ENDS & {*ends}:
            raise OptionError(option, f"has meta: {how}, which keeps all that follows from being done: {path}. Use when instead")
        # Those of the play and of its roles; a role that the file includes may bring more.
        handlers = block is None or [*_tasks_in(block._play.handlers)] or any(each.action in _ROLES for each in found)
        for each in found:
            if each.notify and not handlers:
                names = each.notify if isinstance(each.notify, str) else ", ".join(map(str, each.notify))
                raise OptionError(
                    option, f"notifies {names}, and the play has no handlers: {path}. Use when, with what is changed"
                )

    def is_blank(self, name: str) -> bool:
        """Say whether a variable is given, and is an empty text: as one from the environment of a pipeline that is not set."""
        return name in self.variables and self._evaluated(name) == ""

    def _evaluated(self, name: str) -> Any:
        # Where omit is no text, it leaves out what it stands for, which only something in a mapping can be.
        value = self.action._templar.template({"value": self.variables[name]}).get("value")
        # Before ansible-core 2.19 an inline encrypted value is an object that pretends to be text.
        value = str(value) if hasattr(value, "__ENCRYPTED__") else value
        return None if isinstance(value, str) and value == self.omit else value

    def environment(self) -> contextlib.AbstractContextManager[None]:
        """Set the environment variables of the task, for what is not run as a module."""
        return environment_of(self.action)

    def show(self, text: str) -> None:
        """Show a text as it is, where a result would be shown as JSON. What is made for programs has nothing between it."""
        Display().display(text, stderr=output_setting("display_ok_hosts") is None)

    def run(self, name: str, arguments: Mapping[str, Any], **keywords: Any) -> dict[str, Any]:
        """Run an action or a module and return its result. ``keywords`` are those of its task, such as no_log."""
        task = self.action._task.copy()
        task.action, task.args, task.become, task.delegate_to = name, dict(arguments), False, None
        for keyword, value in keywords.items():
            setattr(task, keyword, value)
        context = PlayContext()
        context.become, context.connection, context.executable, context.shell = False, "local", _SHELL, None
        connection = connection_loader.get("ansible.builtin.local", context, None)
        connection.set_options(var_options={})
        # That of the configuration is for other machines; this one is there for each run, and taken away after it.
        connection._shell.set_options(var_options={}, direct={"remote_tmp": constants.DEFAULT_LOCAL_TMP})
        handler = action_loader.get(
            name if action_loader.has_plugin(name) else "ansible.legacy.normal",
            task=task,
            connection=connection,
            play_context=context,
            loader=self.action._loader,
            templar=self.action._templar,
            shared_loader_obj=self.action._shared_loader_obj,
        )
        # Only "sendclean_python" is for this role.
        python = self.given(["sendclean_python"]).get("sendclean_python", sys.executable)
        variables = {**self.variables, "ansible_python_interpreter": python, "ansible_delegated_vars": {}}
        # What the connection "local" takes, whatever its context says. Each task has a process of its own.
        configured, constants.DEFAULT_EXECUTABLE = constants.DEFAULT_EXECUTABLE, _SHELL
        try:
            result: dict[str, Any] = handler.run(task_vars=variables)
        finally:
            handler.cleanup()
            constants.DEFAULT_EXECUTABLE = configured
        return result
