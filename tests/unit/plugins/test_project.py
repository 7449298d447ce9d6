# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts that stand in more than one place agree, and the house's limits on size are kept."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.sendclean.email.plugins.plugin_utils import _dates
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import COLLECTION

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
# Has no module that runs: the action does the work.
WORKING_ACTIONS = ["smtp_credentials"]
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

FROM_ENVIRONMENT = ("owner_id", "token", "app_domain", "api_url", "bindings_path", "bindings_url")

every_module = pytest.mark.parametrize("name", MODULES)
every_file = pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))


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
        if name in WORKING_ACTIONS:
            of_action: dict[str, Any] = importlib.import_module(f"{COLLECTION}.plugins.action.{name}").ARGUMENT_SPEC
            return of_action
        with monkeypatch.context() as patch, pytest.raises(Caught) as caught:
            patch.setattr(basic.AnsibleModule, "__init__", keep)
            importlib.import_module(f"{COLLECTION}.plugins.modules.{name}").main()
        spec: dict[str, Any] = caught.value.args[0]
        return spec

    return catch


def documented_options(name: str, kind: str = "modules") -> dict[str, Any]:
    """A plugin's options as its documentation has them, those of the fragments included."""
    documentation = yaml.safe_load(importlib.import_module(f"{COLLECTION}.plugins.{kind}.{name}").DOCUMENTATION)
    options: dict[str, Any] = dict(documentation.get("options", {}))
    for fragment in documentation["extends_documentation_fragment"]:
        where, _dot, which = fragment.removeprefix("sendclean.email.").partition(".")
        if fragment.startswith("sendclean.email."):
            fragments = importlib.import_module(f"{COLLECTION}.plugins.doc_fragments.{where}").ModuleDocFragment
            options.update(yaml.safe_load(getattr(fragments, (which or "documentation").upper())).get("options", {}))
    return options


def test_the_action_group_has_every_module_and_nothing_else() -> None:
    assert read_yaml("meta/runtime.yml")["action_groups"] == {"sendclean": MODULES}


@every_module
def test_every_module_has_an_action_which_sees_what_json_does_not_have(name: str) -> None:
    action = importlib.import_module(f"{COLLECTION}.plugins.action.{name}").ActionModule
    assert name in WORKING_ACTIONS or issubclass(action, _dates.ActionModule)


@every_module
def test_the_documented_options_are_those_of_the_argument_spec(name: str, argument_spec: Any) -> None:
    spec, options = argument_spec(name), documented_options(name)
    assert options.keys() == spec.keys()
    for option, about in options.items():
        declared = spec[option]
        for key, default in (("type", "str"), ("default", None), ("required", False), ("choices", None), ("elements", None)):
            assert about.get(key, default) == declared.get(key, default), f"{key} of {option}"


def test_the_lookup_takes_the_options_that_say_which_account_is_meant(argument_spec: Any) -> None:
    """Beside its terms those of smtp_user_info, to which the same documentation belongs."""
    options = documented_options("smtp_credentials", "lookup")
    spec: dict[str, Any] = importlib.import_module(f"{COLLECTION}.plugins.lookup.smtp_credentials").ARGUMENT_SPEC
    assert options.keys() == {"_terms", *spec}
    of_module = argument_spec("smtp_user_info")
    assert spec.items() <= of_module.items()
    assert of_module.keys() - spec.keys() == {"smtp_user_names", "aliases", "status", "include_passwords"}


@every_module
def test_an_option_with_an_environment_variable_names_it(name: str, argument_spec: Any) -> None:
    options = documented_options(name)
    for option, declared in argument_spec(name).items():
        variables = [f"SENDCLEAN_{option.upper()}"] if option in FROM_ENVIRONMENT else []
        assert list(declared.get("fallback", (None, []))[1]) == variables
        assert re.findall(r"E\((SENDCLEAN_\w+)\)", str(options[option]["description"])) == variables


@every_module
def test_the_options_that_hold_a_secret_are_not_logged(name: str, argument_spec: Any) -> None:
    kept = {option for option, declared in argument_spec(name).items() if declared.get("no_log")}
    own = {"smtp_password_reset": {"current_password"}, "smtp_credentials": {"answered_passwords"}}
    assert kept == {"token"} | own.get(name, set())


@every_file
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


@every_file
def test_no_file_and_no_function_has_grown_too_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) - documentation_lines(tree) <= 400
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 50, node.name


@pytest.mark.parametrize(
    "path",
    [path for path in PLUGINS if path.parent.name in ("action", "lookup", "modules")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_module_is_thin(path: Path) -> None:
    """What its functions and classes do, the declaration of options in main() aside."""
    text = path.read_text(encoding="utf-8")
    lines = sum(
        (node.end_lineno or 0) - node.lineno + 1
        for node in ast.parse(text).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    )
    assert lines <= 60
