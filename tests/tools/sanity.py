# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test sanity on the staged copy, with nothing from the network but a package index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import interpreters
import stage

# The Pythons that an ansible-core of today knows; those that are installed are tested.
PYTHONS = [f"3.{minor}" for minor in range(9, 16)]

# ansible-test installs pip with a script from a server of its own, unless it finds the script in its cache.
# This one does the same with the wheel that lies beside it.
BOOTSTRAP = """\
import sys

sys.path.insert(0, {wheel!r})
from pip._internal.cli.main import main

sys.exit(main(["install", "--upgrade", "--quiet"] + [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]))
"""


def pip_version() -> str:
    """Return the version of pip that the installed ansible-test wants."""
    spec = find_spec("ansible_test")
    assert spec is not None and spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0], "_internal", "python_requirements.py").read_text(encoding="utf-8")
    match = re.search(r"\bpip='([0-9.]+)'", source)
    assert match, "ansible-test no longer says in python_requirements.py which pip it wants"
    return match.group(1)


def provide_pip(home: Path) -> None:
    """Put the script that installs pip into ansible-test's cache."""
    version = pip_version()
    cache = home / ".ansible" / "test" / "cache"
    wheel = cache / f"pip-{version}-py3-none-any.whl"
    if not wheel.exists():
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*download, "--dest", str(cache), f"pip=={version}"], check=True)
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    script.write_text(BOOTSTRAP.format(wheel=str(wheel)), encoding="utf-8")


def main() -> int:
    """Run the tests; arguments are passed on to ansible-test."""
    provide_pip(Path.home())
    found = [path for path in map(interpreters.find, PYTHONS) if path]
    folders = [str(Path(sys.executable).parent), *(str(Path(path).parent) for path in found), os.environ["PATH"]]
    environment = {**os.environ, "PATH": os.pathsep.join(folders), "ANSIBLE_COLLECTIONS_PATH": str(stage.BUILD)}
    command = ["ansible-test", "sanity", "--venv", "--color", "no", *sys.argv[1:]]
    return subprocess.run(command, cwd=stage.STAGED, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
