# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mutants of the plugins' utilities: a copy of the sources in which each function stands beside all of its mutants."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import sys
import textwrap
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents
from stage import ROOT, git

COLLECTION = Path("ansible_collections", "sendclean", "email")
ROOMS = ("plugins/module_utils", "plugins/plugin_utils")
WORKERS = os.cpu_count() or 1


def mutate(path: Path) -> None:
    """Put all mutants of a file into it, each a function beside the original, which is asked for by name."""
    path.write_text(mutate_file_contents(str(path), path.read_text(encoding="utf-8")).code, encoding="utf-8")


def copy(target: Path) -> list[Path]:
    """Copy what git knows, with mutants in the utilities, and return the files of those; what has not changed stays."""
    utilities, stale = [], []
    for name in git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"):
        source, place = ROOT / name, target / name
        if not source.is_file():
            continue
        if place.suffix == ".py" and name.rpartition("/")[0] in ROOMS:
            utilities.append(place)
        if place.exists() and place.stat().st_mtime >= source.stat().st_mtime:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
        if place in utilities:
            os.utime(place, (0, 0))  # if this is interrupted, it is stale the next time
            stale.append(place)
    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(mutate, stale))
    return utilities


def functions_of(folder: Path, path: Path) -> dict[str, str]:
    """Return the text of each function that mutmut made in a file, originals and mutants, by its full name."""
    code = path.read_text(encoding="utf-8")
    lines, module = code.splitlines(), ".".join(path.relative_to(folder).with_suffix("").parts)
    made = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name]
    return {f"{module}.{node.name}": "\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in made}


def file_of(name: str) -> str:
    """Return the file that a function is in, as in _planner."""
    return name.split(".")[-2]


def original_of(mutant: str) -> str:
    """Return the name of the function that a mutant stands beside."""
    return re.sub(r"_\d+$", "_orig", mutant)


class Messages:
    """Which mutants tests/unit/test_messages.py finds. It reads the code: where all mutants are in one file, it would be lost."""

    def __init__(self) -> None:
        sys.path.insert(0, str(ROOT / "tests"))
        self._test = importlib.import_module("unit.test_messages")
        self._said = sum((self._messages(path.read_text(encoding="utf-8")) for path in self._test.PLUGINS), Counter[str]())
        self._files = {path.stem for path in self._test.PLUGINS}

    def _messages(self, code: str) -> Counter[str]:
        texts = self._test.python_texts(ast.parse(code))
        return Counter(self._test.normal(text) for text in texts if self._test.is_message(text))

    def find(self, file: str, original: str, mutant: str) -> bool:
        """Say whether a mutant says something that no document has, or no longer says something that one has."""
        if file not in self._files:
            return False
        try:
            before, after = (self._messages(textwrap.dedent(code)) for code in (original, mutant))
        except ValueError:
            return True  # as the test fails of it
        return any(text not in self._said for text in after) or any(self._said[t] == n > after[t] == 0 for t, n in before.items())
