# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documents say beside the code is what the code says, and their links lead somewhere."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import record_of

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
# What is no document of this project, and must be pointed to.
ELSEWHERE = {"https://docs.ansible.com/ansible/latest/community/code_of_conduct.html"}
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "tests" / "simulator" / "README.md"]
ROOMS = sorted(path for folder in ("module_utils", "plugin_utils") for path in (ROOT / "plugins" / folder).glob("_[a-z]*.py"))


def load(path: str) -> Any:
    """Return the content of a YAML file."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def imported_by(path: Path) -> set[str]:
    """Return the modules that a file imports, by their full names."""
    packages = [f"ansible_collections.sendclean.email.plugins.{room}" for room in ("module_utils", "plugin_utils")]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
            # What is imported from a package is a module.
            names |= {f"{node.module}.{alias.name}" for alias in node.names if node.module in packages}
    return names


def anchors(document: Path) -> set[str]:
    """Return what a link may name behind #, as forges derive it from headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        path, unused, anchor = target.partition("#")
        if target in ELSEWHERE:
            continue
        assert not path.startswith("http"), f"nothing here can check {target}"
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("kind", ["modules", "lookup"])
def test_the_readme_lists_the_plugins_by_their_short_descriptions(kind: str) -> None:
    listed = dict(re.findall(rf"^\| \[`(\w+)`\]\(plugins/{kind}/\1\.py\) \| (.+) \|$", README, re.MULTILINE))
    described = {}
    for path in (ROOT / "plugins" / kind).glob("*.py"):
        match = re.search(r"^short_description: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        described[path.stem] = match and match[1]
    assert listed == described


def test_the_readme_lists_the_playbooks() -> None:
    listed = re.findall(r"^\| \[`sendclean\.email\.(\w+)`\]\(playbooks/\1\.yml\) \| .+ \|$", README, re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


def test_the_readme_lists_the_versions_that_are_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "tools"))
    rows = re.findall(r"^\| (\d+\.\d+) \| (.+) \|$", README, re.MULTILINE)
    assert {core: pythons.split(", ") for core, pythons in rows} == importlib.import_module("matrix").PAIRS
    assert load("meta/runtime.yml")["requires_ansible"] == f">={rows[0][0]}.0"


def test_the_readme_says_what_the_modules_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "tools"))
    needed = re.findall(r"^requests.+$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    python = load("tests/config.yml")["modules"]["python_requires"]
    assert f"Python {python.removeprefix('>=')} or newer, `{needed[0]}`" in README
    matrix = importlib.import_module("matrix")
    requests, psycopg = (requirement.partition("==")[2] for requirement in matrix.TARGET)
    assert (matrix.TARGET_PYTHON, requests) == (python.removeprefix(">="), needed[0].removeprefix("requests>="))
    assert f"Python {matrix.TARGET_PYTHON}, requests {requests} and psycopg {psycopg}" in README
    guide = (ROOT / "docs" / "bindings-in-postgresql.md").read_text(encoding="utf-8")
    assert f"'psycopg[binary]>={psycopg.rpartition('.')[0]}'" in guide
    assert f"'{needed[0]}'" in README


def test_the_readme_installs_the_artifact_of_this_version() -> None:
    galaxy = load("galaxy.yml")
    assert f"install {galaxy['namespace']}-{galaxy['name']}-{galaxy['version']}.tar.gz" in README


def test_the_bindings_file_that_is_shown_can_be_read_and_is_as_it_would_be_written(tmp_path: Path) -> None:
    identity = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```json\n(.*?)^```$", identity, re.DOTALL | re.MULTILINE)
    path = tmp_path / "bindings.json"
    path.write_text(shown, encoding="utf-8")
    file = record_of(str(path), "https://api.sendclean.net/v1.0", "4711")
    assert file.read().aliases == {"billing": "smtp10001"}
    (time,) = file.read().password_times.values()
    with file.lock():
        file.bind("billing", "smtp10001", time)
    assert path.read_text(encoding="utf-8") == shown
    assert json.loads(shown)["version"] == 1


def test_rooms_import_only_from_rooms_below_them() -> None:
    """The table in docs/architecture.md, from top to bottom."""
    rows = re.findall(r"^\| (`_.+?`) \| ", ARCHITECTURE, re.MULTILINE)
    floors = {room: number for number, row in enumerate(rows) for room in re.findall(r"`(\w+)`", row)}
    assert set(floors) == {path.stem for path in ROOMS}
    for path in ROOMS:
        imported = {name.rpartition(".")[2] for name in imported_by(path) if "_utils." in name}
        # Those of a row belong together.
        assert all(floors[name] >= floors[path.stem] for name in imported & set(floors)), path.stem


def test_what_is_sent_to_hosts_imports_rooms_and_no_names() -> None:
    """Ansible looks for a file of the name of everything that is imported from one, in each run."""
    for path in (path for folder in ("modules", "module_utils") for path in (ROOT / "plugins" / folder).glob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not [module for module in modules if module.startswith("ansible_collections.") and "._" in module], path


def test_the_action_of_a_module_imports_no_client() -> None:
    """It is imported in each run, beside the module itself, which does the work: requests alone takes 50 ms."""
    rooms = {path.stem: path for path in ROOMS}

    @functools.cache
    def behind(path: Path) -> set[str]:
        found = {name.rpartition(".")[2] for name in imported_by(path)} & set(rooms)
        return found.union(*(behind(rooms[room]) for room in found))

    works_here = {path.stem: "_client" in behind(path) for path in (ROOT / "plugins" / "action").glob("*.py")}
    assert {name for name, does in works_here.items() if does} == {"_smtp_users", "smtp_credentials"}


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("requests", {"_client"}),
        ("psycopg", {"_postgres"}),
        ("ansible", {"_arguments", "_control_node", "_dates", "_module", "_role", "_vault", "_watch", "action", "lookup"}),
        ("yaml", {"_credentials"}),
        ("fcntl", {"_files"}),
        (
            "os",
            {
                "_checkup",
                "_control_node",
                "_disk",
                "_files",
                "_listed",
                "_module",
                "_moving",
                "_options",
                "_postgres",
                "_progress",
                "_role",
                "_steps",
                "_text_file",
                "_variables",
            }
            | {"_watch", "lookup"},
        ),
    ],
)
def test_only_these_rooms_know(library: str, rooms: set[str]) -> None:
    """Modules, actions, lookups and filters are named by their folders."""
    knowing = {
        path.stem if path in ROOMS else path.parent.name
        for path in (ROOT / "plugins").rglob("*.py")
        if library in {name.split(".")[0] for name in imported_by(path)}
    }
    assert knowing == rooms


def test_the_hooks_for_git_call_what_setup_installs() -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    tools = re.findall(r"^[\w-]+", (ROOT / "tests" / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    (repository,) = load(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        # No other language does without the network.
        assert hook["language"] == "system"
        command, argument = hook["entry"].split()
        assert argument in targets if command == "make" else command.removeprefix(".venv/bin/") in tools
