# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tests against the supported pairs of ansible-core and Python.

usage: matrix.py [PAIR...], a PAIR being written like 2.17-3.11; without any, all of them

The first and the last pair run all tests, and the targets once more with modules run by the oldest Python, requests and psycopg
that are supported there. The others run what goes through Ansible.
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
KNOWN = [f"{core}-{python}" for core, pythons in PAIRS.items() for python in pythons]
# What runs the modules need, at the oldest.
TARGET_PYTHON, TARGET = "3.9", ["requests==2.27.0", "psycopg[binary]==3.2.1"]

ALL = ["tests/unit", "tests/integration"]
TARGETS = "tests/integration/test_targets.py"
THROUGH_ANSIBLE = [
    "tests/unit/plugins",
    TARGETS,
    "tests/integration/test_role.py",
    "tests/integration/test_export.py",
    "tests/integration/test_credentials.py",
    "tests/integration/test_rotate.py",
    "tests/integration/test_rotate_overlap.py",
]
REQUIREMENTS = stage.ROOT / "tests" / "requirements-pytest.txt"


def install(python: str, folder: Path, *requirements: str) -> str:
    """Make a virtual environment; return why it can't be, if so."""
    interpreter = interpreters.find(python)
    if interpreter is None:
        return f"no Python {python} on this machine"
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    for command in ([interpreter, "-m", "venv", str(folder)], [*pip, *requirements]):
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if run.returncode:
            errors = [line for line in run.stdout.splitlines() if line.startswith(("ERROR", "Error"))]
            return (errors or run.stdout.splitlines() or ["no output"])[-1]
    return ""


def test(folder: Path, target: Path, *paths: str) -> str:
    """Run tests in one virtual environment, with the modules in another or the same; return how it went."""
    python = folder / "bin" / "python"
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
        "ANSIBLE_HOME": str(folder / "ansible-home"),
        "ANSIBLE_PYTHON_INTERPRETER": str(target / "bin" / "python"),
    }
    command = [str(python), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *paths]
    run = subprocess.run(command, cwd=stage.ROOT, env=environment, check=False)
    return "failed" if run.returncode else "passed"


def run_pair(pair: str) -> str:
    """Install a pair and run its tests; return how it went."""
    core, python = pair.split("-")
    folder = stage.BUILD / "matrix" / pair
    problem = install(python, folder, f"ansible-core=={core}.*", "-r", str(REQUIREMENTS))
    if problem:
        return f"could not be installed ({problem})"
    if pair not in (KNOWN[0], KNOWN[-1]):
        return test(folder, folder, *THROUGH_ANSIBLE)
    result = test(folder, folder, *ALL)
    target = stage.BUILD / "matrix" / f"target-{TARGET_PYTHON}"
    problem = install(TARGET_PYTHON, target, *TARGET)
    if problem:
        return f"{result}, modules on {TARGET_PYTHON}: could not be installed ({problem})"
    return f"{result}, modules on {TARGET_PYTHON}: {test(folder, target, TARGETS)}"


def main(*chosen: str) -> int:
    """Run the pairs and print the table."""
    unknown = [pair for pair in chosen if pair not in KNOWN]
    if unknown:
        print(f"Not among the supported pairs: {' '.join(unknown)}. They are: {' '.join(KNOWN)}")
        return 2
    rows = []
    for pair in chosen or KNOWN:
        print(f"\n=== ansible-core {pair.replace('-', ' on Python ')} ===", flush=True)
        started = time.monotonic()
        rows.append((pair, run_pair(pair), time.monotonic() - started))

    print(f"\n{'pair':<12}{'time':>6}   result")
    for pair, result, seconds in rows:
        print(f"{pair:<12}{seconds:>4.0f} s   {result}")
    results = [result for _pair, result, _seconds in rows]
    # A pair that this machine does not have counts where it was asked for.
    bad = ("failed", "could not") if chosen else ("failed",)
    return int(any(word in result for word in bad for result in results) or not any("passed" in result for result in results))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
