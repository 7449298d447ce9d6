# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts that stand in more than one place agree, and the house's limits on size are kept."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.sendclean.email.plugins.module_utils import _bindings, _client
from ansible_collections.sendclean.email.plugins.module_utils._errors import BindingsError
from ansible_collections.sendclean.email.plugins.modules import smtp_password_reset
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import COLLECTION

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
ACTIONS = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
PYTHON = PLUGINS + sorted(
    path for path in (ROOT / "tests").rglob("*.py") if path.relative_to(ROOT / "tests").parts[0] != "output"
)

HEADER = """\
# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
DOCUMENTATION = ("DOCUMENTATION", "EXAMPLES", "RETURN")

every_module = pytest.mark.parametrize("name", MODULES)
every_plugin = pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))


def read_yaml(name: str) -> Any:
    """Read a file of the collection."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


class Caught(Exception):
    """Carries a module's argument spec out of its main()."""


@pytest.fixture
def argument_spec(monkeypatch: pytest.MonkeyPatch) -> Any:
    """argument_spec(name) gives the argument spec that a module's main(), or its action, declares."""

    def keep(self: Any, argument_spec: dict[str, Any], **more: Any) -> None:
        raise Caught(argument_spec)

    def catch(name: str) -> dict[str, Any]:
        if name in ACTIONS:
            of_action: dict[str, Any] = importlib.import_module(f"{COLLECTION}.plugins.action.{name}").ARGUMENT_SPEC
            return of_action
        with monkeypatch.context() as patch, pytest.raises(Caught) as caught:
            patch.setattr(basic.AnsibleModule, "__init__", keep)
            importlib.import_module(f"{COLLECTION}.plugins.modules.{name}").main()
        spec: dict[str, Any] = caught.value.args[0]
        return spec

    return catch


def documented_options(name: str) -> dict[str, Any]:
    """A module's options as its documentation has them, those of the fragments included."""
    documentation = yaml.safe_load(importlib.import_module(f"{COLLECTION}.plugins.modules.{name}").DOCUMENTATION)
    options: dict[str, Any] = dict(documentation.get("options", {}))
    for fragment in documentation["extends_documentation_fragment"]:
        where, _dot, which = fragment.removeprefix("sendclean.email.").partition(".")
        if fragment.startswith("sendclean.email."):
            fragments = importlib.import_module(f"{COLLECTION}.plugins.doc_fragments.{where}").ModuleDocFragment
            options.update(yaml.safe_load(getattr(fragments, (which or "documentation").upper())).get("options", {}))
    return options


def test_the_version_is_the_same_everywhere() -> None:
    assert read_yaml("galaxy.yml")["version"] == _client.VERSION


def test_the_action_group_has_every_module_and_nothing_else() -> None:
    assert read_yaml("meta/runtime.yml")["action_groups"] == {"sendclean": MODULES}


@every_module
def test_the_documented_options_are_those_of_the_argument_spec(name: str, argument_spec: Any) -> None:
    spec, options = argument_spec(name), documented_options(name)
    assert options.keys() == spec.keys()
    for option, about in options.items():
        declared = spec[option]
        for key, default in (("type", "str"), ("default", None), ("required", False), ("choices", None), ("elements", None)):
            assert about.get(key, default) == declared.get(key, default), f"{key} of {option}"


@every_module
def test_an_option_with_an_environment_variable_names_it(name: str, argument_spec: Any) -> None:
    options = documented_options(name)
    for option, declared in argument_spec(name).items():
        if "fallback" in declared:
            assert declared["fallback"][1] == [f"SENDCLEAN_{option.upper()}"]
            assert f"E(SENDCLEAN_{option.upper()})" in str(options[option]["description"])


@every_module
def test_the_options_that_hold_a_secret_are_not_logged(name: str, argument_spec: Any) -> None:
    kept = {option for option, declared in argument_spec(name).items() if declared.get("no_log")}
    assert kept == {"token"} | ({"current_password"} if name == smtp_password_reset.__name__.rpartition(".")[2] else set())


@every_module
def test_examples_are_yaml_and_use_only_options_that_exist(name: str) -> None:
    module = importlib.import_module(f"{COLLECTION}.plugins.modules.{name}")
    known = {other: documented_options(other).keys() for other in MODULES}
    used = [task for task in _tasks(yaml.safe_load(module.EXAMPLES)) for key in task if key == f"sendclean.email.{name}"]
    assert used
    for task in used:
        assert task[f"sendclean.email.{name}"].keys() <= known[name]
    assert yaml.safe_load(module.RETURN)


def _tasks(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All tasks, those in blocks too."""
    found = []
    for task in tasks:
        found += [task, *_tasks(task.get("block", []))]
    return found


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_python_file_says_who_may_use_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.startswith("#!"):
        text = text.partition("\n")[2]
    assert text.startswith(HEADER)


def documentation_lines(tree: ast.Module) -> int:
    """How many lines a module's documentation takes."""
    return sum(
        (node.end_lineno or 0) - node.lineno + 1
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in DOCUMENTATION
    )


@every_plugin
def test_no_plugin_file_and_no_function_has_grown_too_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) - documentation_lines(tree) <= 400
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 50, node.name


@pytest.mark.parametrize("path", [path for path in PLUGINS if path.parent.name in ("action", "modules")], ids=str)
def test_a_module_is_thin(path: Path) -> None:
    """What its functions and classes do, the declaration of options in main() aside."""
    text = path.read_text(encoding="utf-8")
    lines = sum(
        (node.end_lineno or 0) - node.lineno + 1
        for node in ast.parse(text).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    )
    assert lines <= 60


@every_plugin
def test_a_room_knows_only_what_it_may(path: Path) -> None:
    """HTTP, files and Ansible each have a room of their own; the planner and the nouns know none of them."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert "requests" not in imported or path.stem == "_client"
    assert "ansible" not in imported or path.stem in ("_module", "_vault") or path.parent.name in ("action", "modules")
    assert "fcntl" not in imported or path.stem == "_files"


def test_the_documented_layout_of_the_bindings_file_can_be_read() -> None:
    """The example in the docstring is what people will look at."""
    example = (_bindings.__doc__ or "").split("::", 1)[1].rsplit("}", 1)[0] + "}"
    document = yaml.safe_load(example)
    section = document["accounts"]["https://api.sendclean.net/v1.0"]["12345"]
    bindings = _bindings._parse_account(section, BindingsError)
    assert bindings.aliases == {"billing": "smtp10001"}
    assert document["version"] == _bindings.VERSION
