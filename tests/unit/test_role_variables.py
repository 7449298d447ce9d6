# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the role smtp_users: what its README says of them, and where the bindings file lies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.sendclean.email.plugins.plugin_utils import _role
from ansible_collections.sendclean.email.plugins.plugin_utils._role import place_problems

try:
    from ansible.template import trust_as_template
except ImportError:
    # Before ansible-core 2.19 every text is trusted.
    def trust_as_template(value: str) -> str:
        """Return the text as it is."""
        return value


ROLE = Path(__file__).resolve().parents[2] / "roles" / "smtp_users"


def evaluated(name: str, variables: dict[str, Any]) -> Any:
    """Return the value that a variable of the role has beside these."""
    known: dict[str, Any] = {"inventory_hostname": "production"}
    for room in ("defaults", "vars"):
        known |= yaml.safe_load((ROLE / room / "main.yml").read_text(encoding="utf-8"))
    trusted = {key: trust_as_template(value) if isinstance(value, str) else value for key, value in known.items()}
    return Templar(DataLoader(), variables={**trusted, **variables}).template(trusted[name])


def problems_of(variables: dict[str, Any]) -> list[str]:
    """Return what is wrong with the place that a run with these variables takes."""
    place = evaluated("smtp_users_bindings_path", variables) or None
    return list(place_problems(place, "production", variables.get("ansible_inventory_sources", [])))


@pytest.mark.parametrize(
    ("folder", "sources", "place"),
    [
        pytest.param("", ["hosts.yml"], "", id="a file"),
        pytest.param("inventory", ["inventory"], "", id="a folder"),
        pytest.param("inventory", ["inventory/hosts.yml"], "inventory", id="a file in a folder"),
        pytest.param("inventories/production", ["inventories/production"], "inventories", id="one of several folders"),
        pytest.param("inventories/production", ["inventories"], "", id="a folder of folders"),
        pytest.param("inventories/production", ["inventories", "inventories/production"], "", id="both"),
        pytest.param("inventory", ["hosts.yml", "inventory"], "", id="a file and a folder"),
    ],
)
def test_the_bindings_file_lies_beside_the_inventory(folder: str, sources: list[str], place: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "hosts.yml").touch()
    (tmp_path / "hosts.yml").touch()
    given = [f"{tmp_path / source}" for source in sources]
    inventory = {"inventory_dir": f"{tmp_path / folder}", "ansible_inventory_sources": given}

    assert evaluated("smtp_users_bindings_path", inventory) == f"{tmp_path / place}/sendclean_bindings.json"
    assert problems_of(inventory) == []


@pytest.mark.parametrize("place", ["inventories/production", "inventories", "."])
def test_a_bindings_file_that_is_there_is_found_from_a_folder_and_from_a_file(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "inventories" / "production"
    folder.mkdir(parents=True)
    (folder / "hosts.yml").touch()
    (tmp_path / place / "sendclean_bindings.json").touch()
    for source in (folder, folder / "hosts.yml"):
        inventory = {"inventory_dir": str(folder), "ansible_inventory_sources": [str(source)]}
        found = Path(evaluated("smtp_users_bindings_path", inventory))
        assert found.resolve() == (tmp_path / place / "sendclean_bindings.json").resolve()
        problems = problems_of(inventory)
        assert bool(problems) == (source == found.parent)


@pytest.mark.parametrize("nowhere", [{}, {"inventory_dir": None}, {"inventory_dir": "None"}])
def test_a_host_of_no_inventory_file_needs_a_bindings_path(nowhere: dict[str, Any]) -> None:
    (problem,) = problems_of(nowhere)
    assert "smtp_users_bindings_path must be given, since production is in no inventory file" in problem
    assert list(place_problems("/a/bindings.json", "production", [])) == []


def test_the_readme_lists_the_variables_with_their_defaults() -> None:
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    options = {name: option for spec in specs.values() for name, option in spec["options"].items()}
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(smtp_users_\w+)` \| (.+?) \|", readme, re.MULTILINE))
    passed_on = re.search(r"^These are passed to the modules.*?\n\n", readme, re.DOTALL | re.MULTILINE)
    assert passed_on
    named = set(re.findall(r"`(smtp_users_\w+)`", passed_on[0]))
    assert set(rows) | named == set(options)
    assert not any("default" in options[name] for name in named)
    fixed = {name: option["default"] for name, option in options.items() if "default" in option}
    shown = {"{}": {}, "[]": [], "false": False, "empty": ""}
    assert {name: shown.get(rows[name].strip("`"), rows[name].strip("`")) for name in fixed} == fixed
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert {name: defaults[name] for name in fixed} == fixed
    assert set(defaults) - set(fixed) == {"smtp_users_bindings_path", "smtp_users_export_path"}


def test_what_a_variable_is_stands_in_one_place() -> None:
    """The tables know the variables that are documented, for each entry point."""
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    tables = {
        "main": _role.MAIN,
        "export": {**_role.ACCOUNT, **_role.EXPORT},
        "doctor": _role.MAIN,
        "drift": _role.MAIN,
        "rotate": _role.ROTATE,
        "recover": {**_role.ACCOUNT, **_role.RECOVER},
        "acknowledge": {**_role.ACCOUNT, **_role.ACKNOWLEDGE},
    }
    known = {entry: {f"smtp_users_{name}" for name in table} for entry, table in tables.items()}
    assert {entry: set(spec["options"]) for entry, spec in specs.items()} == known
    # So that null and an empty text come through: what a variable is, is looked at where it is used.
    assert {option["type"] for spec in specs.values() for option in spec["options"].values()} == {"raw"}
