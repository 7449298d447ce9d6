# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the unit and integration tests against the supported pairs of ansible-core and Python.

usage: matrix.py [PAIR...], a PAIR being written like 2.17-3.11; without any, all of them
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import interpreters
import stage

# ansible-core on the left; on the right the Pythons that it runs on and that are tested.
PAIRS = {
    "2.17": ["3.10", "3.11", "3.12"],
    "2.18": ["3.11", "3.12", "3.13"],
    "2.19": ["3.11", "3.12", "3.13"],
    "2.20": ["3.12", "3.13"],
    "2.21": ["3.12", "3.13"],
}
REQUIREMENTS = stage.ROOT / "tests" / "requirements-pytest.txt"


def install(core: str, python: str, folder: Path) -> str:
    """Make the virtual environment of a pair; return why it can't be, if so."""
    interpreter = interpreters.find(python)
    if interpreter is None:
        return f"no Python {python} on this machine"
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [interpreter, "-m", "venv", str(folder)],
        [*pip, f"ansible-core=={core}.*", "-r", str(REQUIREMENTS)],
    ):
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if run.returncode:
            errors = [line for line in run.stdout.splitlines() if line.startswith(("ERROR", "Error"))]
            return (errors or run.stdout.splitlines() or ["no output"])[-1]
    return ""


def test(folder: Path) -> str:
    """Run the tests in the virtual environment of a pair; return how it went."""
    python = folder / "bin" / "python"
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
        "ANSIBLE_HOME": str(folder / "ansible-home"),
        "ANSIBLE_PYTHON_INTERPRETER": str(python),
    }
    command = [str(python), "-m", "pytest", "-q", "-n", "2", "tests/unit", "tests/integration"]
    run = subprocess.run(command, cwd=stage.ROOT, env=environment, check=False)
    return "failed" if run.returncode else "passed"


def main(*chosen: str) -> int:
    """Run the pairs and print the table."""
    known = [f"{core}-{python}" for core, pythons in PAIRS.items() for python in pythons]
    unknown = [pair for pair in chosen if pair not in known]
    if unknown:
        print(f"Not among the supported pairs: {' '.join(unknown)}. They are: {' '.join(known)}")
        return 2
    rows = []
    for pair in chosen or known:
        print(f"\n=== ansible-core {pair.replace('-', ' on Python ')} ===", flush=True)
        core, python = pair.split("-")
        folder = stage.BUILD / "matrix" / pair
        started = time.monotonic()
        problem = install(core, python, folder)
        result = f"could not be installed ({problem})" if problem else test(folder)
        rows.append((core, python, time.monotonic() - started, result))

    print(f"\n{'ansible-core':<14}{'Python':<8}{'time':>6}   result")
    for core, python, seconds, result in rows:
        print(f"{core:<14}{python:<8}{seconds:>4.0f} s   {result}")
    return 1 if any(row[-1] == "failed" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
