# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pytest needs to know of this repository, whether make or a person starts it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

# For ansible-test, which does not read pyproject.toml: the packages simulator and unit.
sys.path.insert(0, str(Path(__file__).resolve().parent))

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / ".build"


def pytest_configure(config: pytest.Config) -> None:
    """Test the code as it stands now, and let playbooks find the collection and this Python."""
    if "ansible_collections" in ROOT.parts:
        return  # ansible-test runs the staged copy and has its own arrangements
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(BUILD / "hypothesis"))
    if not hasattr(config, "workerinput"):  # a worker of pytest-xdist leaves it to the main process
        subprocess.run([sys.executable, str(ROOT / "tests" / "tools" / "stage.py")], check=True)
        # Python has already looked for .build, and found none in a fresh clone.
        importlib.invalidate_caches()
    os.environ.setdefault("ANSIBLE_COLLECTIONS_PATH", str(BUILD / "installed"))
    os.environ.setdefault("ANSIBLE_HOME", str(BUILD / "home" / ".ansible"))
    os.environ.setdefault("ANSIBLE_PYTHON_INTERPRETER", sys.executable)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the tests that count have tried. Here, since the main process of pytest-xdist reads no other conftest."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
