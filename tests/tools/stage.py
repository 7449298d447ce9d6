# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy what git knows to where Ansible's tools can work with it: .build/ansible_collections/sendclean/email.

ansible-test wants the collection in such a folder and takes no symbolic link. What the tools make in the
copy stays (tests/output, for one). The file .build/staged is touched only if something changed, so that
make builds the artifact anew only then.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
STAGED = BUILD / "ansible_collections" / "sendclean" / "email"
STAMP = BUILD / "staged"


def git(folder: Path, *arguments: str) -> list[str]:
    """Run git in a folder, even if a git hook has set up the environment for another one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    return [name for name in output.decode().split("\0") if name]


def same(source: Path, copy: Path) -> bool:
    """Tell whether a file and its copy have the same content and mode."""
    return copy.is_file() and source.stat().st_mode == copy.stat().st_mode and filecmp.cmp(source, copy, shallow=False)


def stage() -> None:
    """Bring the copy up to date."""
    if not (STAGED / ".git").exists():
        STAGED.mkdir(parents=True, exist_ok=True)
        git(STAGED, "init", "--quiet")
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    wanted = {name for name in listed if (ROOT / name).is_file()}
    stale = set(git(STAGED, "ls-files", "-z")) - wanted
    changed = {name for name in wanted if not same(ROOT / name, STAGED / name)}

    for name in stale:
        (STAGED / name).unlink(missing_ok=True)
    for name in changed:
        (STAGED / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, STAGED / name)
    if stale or changed or not STAMP.exists():
        git(STAGED, "add", "--all")
        STAMP.touch()


if __name__ == "__main__":
    stage()
