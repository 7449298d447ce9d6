# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Get what the recipes of docs/deliver-credentials.md need: collections of others, what they import, and servers to talk to.

Collections are on Galaxy, and all of them in the package "ansible", which is at the same index as everything else that tests
need. Only a few are unpacked: the whole package is 200 times as many files.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ("amazon/aws", "community/aws", "community/hashi_vault", "community/sops", "kubernetes/core")


def pip(python: Path, *arguments: str) -> None:
    """Run pip quietly."""
    subprocess.run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


def main() -> None:
    """Make the environment, unless it is there; its last step is a file named done."""
    folder = Path(sys.argv[1])
    if (folder / "done").exists():
        return
    venv.create(folder, with_pip=True, clear=True)
    python = folder / "bin" / "python"
    pip(python, "install", "--no-compile", "-r", str(ROOT / "tests" / "requirements-deliveries.txt"))
    pip(python, "install", "--no-compile", "--no-deps", "-r", str(ROOT / "tests" / "requirements-openbao.txt"))
    with tempfile.TemporaryDirectory() as downloads:
        pip(python, "download", "--no-deps", "--dest", downloads, "ansible")
        (wheel,) = Path(downloads).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            wanted = tuple(f"ansible_collections/{name}/" for name in COLLECTIONS)
            archive.extractall(folder / "collections", [name for name in archive.namelist() if name.startswith(wanted)])
    (folder / "done").touch()


if __name__ == "__main__":
    main()
