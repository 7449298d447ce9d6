# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the Pythons on this machine that really run (the shims of a version manager often do not)."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def _output(*command: str) -> str:
    """Return what a command prints, or nothing if it fails."""
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return result.stdout.strip()


def _newest_first(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)], reverse=True)


def _candidates(version: str) -> Iterator[str]:
    """Yield what may be a Python of this version, the likeliest first."""
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield on_path
    # A version manager keeps its Pythons side by side: look beside the one that runs this script.
    beside = Path(sys.base_prefix).parent.glob(f"{version}.*/bin/python{version}")
    yield from _newest_first([str(path) for path in beside])
    if shutil.which("pyenv"):
        installed = _output("pyenv", "versions", "--bare").splitlines()
        for name in _newest_first([name for name in installed if re.fullmatch(rf"{re.escape(version)}\.\d+", name)]):
            yield f"{_output('pyenv', 'prefix', name)}/bin/python{version}"


@functools.cache
def find(version: str) -> str | None:
    """Return the path of a Python that runs, for a version like 3.12."""
    for candidate in _candidates(version):
        # What the Python itself says is no shim.
        path = _output(candidate, "-c", "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2])")
        if path.endswith(f" {version}"):
            return path.rsplit(" ", 1)[0]
    return None
